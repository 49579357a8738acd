// What the core orders of leases and workers' streams: send, cancel, keep or drop a result, end a
// stream; and its reports of what it decided. Holds the streams, and turns the ids in effects into
// the leases that they name.
import { factorsOf } from '../../learning/outer-loop/span.ts';
import type { Clock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { CoreEffect } from '../core/effect.ts';
import { anyLeaseOf, type CoreState, type Lease, leaseOf } from '../core/state.ts';
import { splitOf } from '../jobs/job-plan.ts';
import { keepResult, optimizerState, tasksOf } from '../jobs/live-job.ts';
import { type ArrivedResult, payloadBytesOf } from '../jobs/shard-results.ts';
import type { Observer } from '../observers/happenings.ts';
import type { SpanTerms } from '../workers/worker-link.ts';
import type { WorkerLinks } from '../workers/worker-links.ts';
import type { JobEffects } from './job-effects.ts';
import type { RequestEffects } from './request-effects.ts';

type EffectOf<Kind extends CoreEffect['kind']> = Extract<CoreEffect, { kind: Kind }>;

export type Report = EffectOf<'reportRetry' | 'reportQuarantine' | 'reportLetBack' | 'reportWait'>;

export interface LeaseEffectsDependencies {
  readonly jobs: JobEffects;
  readonly requests: RequestEffects;
  readonly links: WorkerLinks;
  readonly clock: Clock;
  readonly observer: Observer;
}

export class LeaseEffects {
  readonly #core: CoreState;
  readonly #jobs: JobEffects;
  readonly #requests: RequestEffects;
  readonly #links: WorkerLinks;
  readonly #clock: Clock;
  readonly #observer: Observer;

  constructor(core: CoreState, { jobs, requests, links, clock, observer }: LeaseEffectsDependencies) {
    this.#core = core;
    this.#jobs = jobs;
    this.#requests = requests;
    this.#links = links;
    this.#clock = clock;
    this.#observer = observer;
  }

  send({ leaseId, deadlineMs }: EffectOf<'sendLease'>): void {
    const lease = anyLeaseOf(this.#core, leaseId);
    if (lease.kind === 'request') {
      this.#requests.send(lease, deadlineMs);
      return;
    }
    const job = this.#jobs.job(lease.job.plan.jobId);
    const { record, spec, training, ensemble } = job;
    const { members } = lease.batch;
    const layout = training?.layout;
    const metaParams = members ? ensemble?.metaParams : training?.metaParams;
    const { spec: text, data = [] } = record;
    const evaluationSplit = splitOf(spec, members !== undefined);
    const carried = lease.batch.work === 'train' ? training?.carriedBy(lease.shard.index) : undefined;
    const tasks = tasksOf(job, lease);
    const span = lease.batch.work === 'span' ? this.#spanTerms(lease) : undefined;
    const order = { lease, tasks, deadlineMs, spec: text, data, evaluationSplit, layout, metaParams, carried, span };
    let payloadBytes = 0;
    this.#links.order(lease.worker.connection, (link) => {
      payloadBytes = link.sendLease(order);
    });
    this.#observer.leaseGranted?.({ at: this.#clock.now(), lease, deadlineMs, payloadBytes });
  }

  #spanTerms({ job, batch }: Lease): SpanTerms {
    const { resolved, spec, training } = this.#jobs.job(job.plan.jobId);
    const optimizer = training && optimizerState(resolved, training);
    return { budgetMs: this.#core.options.spanMs, optimizer, factors: factorsOf(spec, batch.step, batch.steps) };
  }

  stopSpan({ leaseId }: EffectOf<'stopSpan'>): void {
    const { worker } = leaseOf(this.#core, leaseId);
    this.#links.order(worker.connection, (link) => link.stopSpan(leaseId));
  }

  cancel({ leaseId, cause, reason }: EffectOf<'cancelLease'>): void {
    const lease = anyLeaseOf(this.#core, leaseId);
    this.#links.order(lease.worker.connection, (link) => link.cancelLease(leaseId, reason));
    if (lease.kind === 'request' || cause === 'requestEnded') return;
    this.#observer.leaseCancelled?.({ at: this.#clock.now(), lease, cause, reason });
  }

  /** @param arrived the result that came with the event. */
  keep({ leaseId }: EffectOf<'keepResult'>, arrived: ArrivedResult | undefined): void {
    if (!arrived) throw new Error('only an arriving result is kept');
    const lease = leaseOf(this.#core, leaseId);
    const { checked: result, computeMs } = arrived;
    const { connection } = lease.worker;
    this.#links.countResult(connection, true);
    this.#links.noteData(connection, result.data);
    const begunMs = this.#clock.elapsedMs();
    keepResult(this.#jobs.job(lease.job.plan.jobId), lease, result);
    const keepMs = this.#clock.elapsedMs() - begunMs;
    const payloadBytes = payloadBytesOf(result);
    this.#observer.resultKept?.({ at: this.#clock.now(), lease, computeMs, payloadBytes, keepMs });
  }

  drop({ leaseId, workerId, reason }: EffectOf<'dropResult'>): void {
    const connection = this.#core.workers.get(workerId)?.connection;
    if (connection !== undefined) this.#links.order(connection, (link) => link.cancelLease(leaseId, reason));
    this.#observer.resultDropped?.({ at: this.#clock.now(), workerId, leaseId, reason });
  }

  disconnect({ connection, code, message }: EffectOf<'disconnectWorker'>): void {
    const link = this.#links.remove(connection);
    if (!link) return;
    link.close(new MetatrainError(code, message));
    this.#observer.workerDisconnected?.({ at: this.#clock.now(), link, reason: message });
  }

  /** What the core decided and nobody has to do anything about. */
  report(report: Report): void {
    const at = this.#clock.now();
    switch (report.kind) {
      case 'reportQuarantine':
        this.#observer.workerQuarantined?.({ ...report, at });
        break;
      case 'reportLetBack':
        this.#observer.workerLetBack?.({ ...report, at });
        break;
      case 'reportWait': {
        const { record } = this.#jobs.job(report.jobId);
        this.#observer.jobWaits?.({ at, record, reason: report.reason });
        break;
      }
      case 'reportRetry': {
        const { leaseId, cause, reason } = report;
        const lease = anyLeaseOf(this.#core, leaseId);
        if (lease.kind === 'request') {
          const { plan } = lease.request;
          const { workerId } = lease.worker;
          this.#observer.requestRetried?.({ at, plan, workerId, cause, reason });
          break;
        }
        const { record } = this.#jobs.job(lease.job.plan.jobId);
        this.#observer.shardRetried?.({ at, record, lease, cause, reason });
        break;
      }
      default:
        report satisfies never;
    }
  }
}
