// The coordinator's spans: one for each job, and for each traced meta-step (also evaluation,
// initialization) a trace of its own with a link to the job. Such a trace has a span for each lease
// and one for the reduction. An observer: decides nothing. Bounded: a few meta-steps a second and
// job, a limited number of shards of each, and nothing of a batch that the sampler drops.

import type { ResolvedJob } from '../../learning/job.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Span, Tracing } from '../../shared/tracing.ts';
import type { Lease, WorkKind } from '../core/state.ts';
import { hasEnded } from '../store/job-record.ts';
import type { Happening, Observer } from './happenings.ts';

export interface ClusterTracesOptions {
  /**
   * Traced meta-steps a second and job. Evaluations and initializations have a limit of the same
   * size each.
   */
  readonly metaStepsPerSecond: number;
}

/** Of one meta-step. Its span counts the other shards, which have no spans. */
const shardSpansPerBatch = 64;

const batchNames: Readonly<Record<WorkKind, string>> = {
  initialize: 'initialization',
  train: 'meta-step',
  span: 'meta-steps',
  evaluate: 'evaluation',
};

interface JobTrace {
  readonly span: Span;
  readonly job: ResolvedJob;
  /** Batches under way, in order, by work and meta-step; undefined: not traced. */
  readonly batches: Map<string, BatchTrace | undefined>;
  /** When the next batch of a kind may be traced, on the monotonic clock. */
  readonly nextAt: Partial<Record<WorkKind, number>>;
}

interface BatchTrace {
  readonly span: Span;
  shardSpans: number;
}

interface LeaseTrace {
  readonly span: Span;
  readonly batch: BatchTrace;
  readonly jobId: string;
  readonly connection: number;
}

export class ClusterTraces {
  readonly #everyMs: number;
  readonly #tracing: Tracing;
  readonly #clock: Clock;
  readonly #jobs = new Map<string, JobTrace>();
  readonly #leases = new Map<string, LeaseTrace>();

  constructor({ metaStepsPerSecond }: ClusterTracesOptions, { tracing, clock }: { tracing: Tracing; clock: Clock }) {
    this.#everyMs = 1000 / metaStepsPerSecond;
    this.#tracing = tracing;
    this.#clock = clock;
  }

  /**
   * Begins the lease's span, and the batch's span at the first lease.
   *
   * @returns its W3C traceparent, empty if it is not traced.
   */
  readonly traceLease = (lease: Lease): string => {
    const { leaseId, attempt, shard, worker, paramsVersion } = lease;
    const { jobId } = lease.job.plan;
    const batch = this.#batchOf(lease);
    if (!batch || batch.shardSpans >= shardSpansPerBatch) return '';
    batch.shardSpans += 1;
    const { index, firstTask, taskCount: tasks } = shard;
    const attributes = {
      jobId,
      leaseId,
      shard: index,
      attempt,
      workerId: worker.workerId,
      firstTask,
      tasks,
      paramsVersion,
    };
    const span = this.#tracing.start('shard', { parent: batch.span, attributes });
    this.#leases.set(leaseId, { span, batch, jobId, connection: worker.connection });
    return this.#tracing.traceparentOf(span);
  };

  readonly observer: Observer = {
    jobOpened: (happening) => this.#openJob(happening),
    jobStateChanged: (happening) => this.#changeJobState(happening),
    resultKept: ({ lease, computeMs, payloadBytes }) =>
      this.#endLease(lease.leaseId, { outcome: 'kept', computeMs, payloadBytes }),
    resultDropped: ({ leaseId, reason }) => this.#endLease(leaseId, { outcome: 'dropped', reason }),
    resultRejected: ({ lease, code, reason }) => this.#endLease(lease.leaseId, { outcome: 'rejected', code }, reason),
    shardFailed: ({ leaseId, code }) => this.#endLease(leaseId, { outcome: 'failed' }, code),
    leaseCancelled: ({ lease, reason }) => this.#endLease(lease.leaseId, { outcome: 'cancelled', reason }),
    workerDisconnected: ({ link, reason }) =>
      this.#endLeases(({ connection }) => connection === link.connection, 'lost', reason),
    metaStepApplied: ({ record, applied: { measures, metaGradientNorm, skippedTasks } }) => {
      // Of a span the last meta-step's stay.
      const [, batch] = this.#oldest(record.jobId, 'train') ?? this.#oldest(record.jobId, 'span') ?? [];
      const values = Object.fromEntries(measures.map(({ name, value }) => [`measure.${name}`, value]));
      batch?.span.setAttributes({ ...values, metaGradientNorm, skippedTasks });
    },
    batchReduced: ({ record, work, reduceMs }) => this.#endBatch(record.jobId, work, reduceMs),
  };

  /** Ends all open spans. After a restart jobs get new spans. May be called twice. */
  close(): void {
    for (const jobId of [...this.#jobs.keys()]) this.#closeJob(jobId, 'interrupted', 'the coordinator shuts down');
  }

  #openJob({ record, job, isRestored }: Happening<'jobOpened'>): void {
    const { jobId, name, steps } = record;
    const { algorithm, model, task, meta, placement } = job.spec;
    const attributes = {
      jobId,
      jobName: name,
      isRestored,
      steps,
      algorithm: algorithm.name,
      architecture: model.architecture,
      distribution: task.distribution,
      iterations: meta.iterations,
      batchSize: meta.batchSize,
      shardSize: placement.shardSize,
    };
    const span = this.#tracing.start('job', { attributes });
    this.#jobs.set(jobId, { span, job, batches: new Map(), nextAt: {} });
  }

  #changeJobState({ record, state, reason, failure }: Happening<'jobStateChanged'>): void {
    const { jobId, steps } = record;
    this.#jobs.get(jobId)?.span.addEvent(state, { reason, steps }, this.#tracing.now());
    if (hasEnded(state)) this.#closeJob(jobId, state, reason, { steps, ...(failure && { code: failure.code }) });
  }

  #closeJob(jobId: string, outcome: string, reason: string, facts: { steps?: number; code?: string } = {}): void {
    const job = this.#jobs.get(jobId);
    if (!job) return;
    this.#jobs.delete(jobId);
    this.#endLeases((lease) => lease.jobId === jobId, 'cancelled', reason);
    for (const batch of job.batches.values()) if (batch) this.#tracing.end(batch.span, { outcome: 'abandoned' });
    this.#tracing.end(job.span, { outcome, ...facts }, outcome === 'failed' ? reason : undefined);
  }

  #batchOf({ job: { plan }, batch: { work, step, shards } }: Lease): BatchTrace | undefined {
    const { jobId } = plan;
    const job = this.#jobs.get(jobId);
    if (!job) return undefined;
    const key = `${work} ${step}`;
    if (!job.batches.has(key))
      job.batches.set(key, this.#startBatch(job, { jobId, work, step, shards: shards.length }));
    return job.batches.get(key);
  }

  #startBatch(
    job: JobTrace,
    { jobId, work, step, shards }: { jobId: string; work: WorkKind; step: number; shards: number },
  ): BatchTrace | undefined {
    const now = this.#clock.elapsedMs();
    // Meta-steps have one rate, alone or in spans.
    const paced = work === 'span' ? 'train' : work;
    if (now < (job.nextAt[paced] ?? 0)) return undefined;
    const { spec, algorithm } = job.job;
    const { evaluation, meta } = spec;
    const sizes = {
      initialize: {},
      train: { tasks: meta.batchSize, innerSteps: algorithm.passes(spec.algorithm) },
      span: { tasksPerMetaStep: meta.batchSize, innerSteps: algorithm.passes(spec.algorithm) },
      evaluate: { tasks: evaluation.tasks, innerSteps: evaluation.innerSteps, split: evaluation.split },
    } as const;
    const links = job.span.isRecording() ? [job.span.spanContext()] : [];
    const span = this.#tracing.start(batchNames[work], {
      links,
      attributes: { jobId, metaStep: step, shards, ...sizes[work] },
    });
    if (!span.isRecording()) return undefined;
    job.nextAt[paced] = now + this.#everyMs;
    return { span, shardSpans: 0 };
  }

  /** Batches of a kind are reduced in the order in which they began. */
  #oldest(jobId: string, work: WorkKind): readonly [key: string, batch: BatchTrace | undefined] | undefined {
    for (const entry of this.#jobs.get(jobId)?.batches ?? []) if (entry[0].startsWith(`${work} `)) return entry;
    return undefined;
  }

  #endBatch(jobId: string, work: WorkKind, reduceMs: number): void {
    const [key, batch] = this.#oldest(jobId, work) ?? [];
    if (key === undefined) return;
    this.#jobs.get(jobId)?.batches.delete(key);
    if (!batch) return;
    this.#endLeases((lease) => lease.batch === batch, 'superseded');
    const reduce = this.#tracing.start('reduce', { parent: batch.span, at: this.#tracing.now() - reduceMs });
    this.#tracing.end(reduce, { jobId });
    this.#tracing.end(batch.span, { outcome: 'reduced' });
  }

  #endLease(leaseId: string, attributes: Record<string, string | number>, error?: string): void {
    const lease = this.#leases.get(leaseId);
    if (!lease) return;
    this.#leases.delete(leaseId);
    this.#tracing.end(lease.span, attributes, error);
  }

  #endLeases(which: (lease: LeaseTrace) => boolean, outcome: string, reason?: string): void {
    for (const [leaseId, lease] of this.#leases) {
      if (which(lease)) this.#endLease(leaseId, { outcome, ...(reason !== undefined && { reason }) });
    }
  }
}
