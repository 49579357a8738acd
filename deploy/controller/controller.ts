// The active controller. It follows the resources and the coordinator. For each resource it performs
// the actions that `decide` returns, one after the other, and then writes the status. An event only
// names the resource to look at, so a lost event costs a second and nothing else.

import type { MetatrainClient } from '../../client/metatrain-client.ts';
import { hasEnded } from '../../client/records.ts';
import type { Clock } from '../../shared/clock.ts';
import { delay } from '../../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import { CoordinatorLink, isAway } from './coordinator-link.ts';
import { type Action, type Decision, decide } from './decide.ts';
import { KnownJobs } from './known-jobs.ts';
import type { ApiClient } from './kube/api-client.ts';
import { isConflict, isForbidden, isMissing, KubeError } from './kube/errors.ts';
import type { Deployment, KubeList, Pod } from './kube/objects.ts';
import { Reflector } from './kube/reflector.ts';
import type { ControllerMetrics } from './metrics.ts';
import { workerSelector } from './permissions.ts';
import { idempotencyKeyOf, isFinished, type MetaTrainJob, type MetaTrainJobStatus, resourcesPath } from './resource.ts';
import { ResourcesApi } from './resources-api.ts';
import { seenOfJob } from './sighting.ts';
import { waitsForWorkers } from './status.ts';
import { eventsBetween, type Told, urgencyOf } from './transitions.ts';
import { Backoff, WorkQueue } from './work-queue.ts';
import { podProblems } from './worker-pods.ts';

export interface ControllerOptions {
  readonly namespace: string;
  readonly giveUpMs: number;
  /** In events. */
  readonly identity: string;
}

export interface ControllerDependencies {
  readonly api: ApiClient;
  readonly client: MetatrainClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ControllerMetrics;
  readonly randomFraction: () => number;
  readonly randomName: () => string;
}

const concurrency = 8;
/** A resource that needs more actions in a row is looked at again later. */
const maxActions = 12;
/** Writes of progress: one a second for a resource, and twenty a second for all. */
const progressEveryMs = 1_000;
const progressShareMs = 50;
/** How old `observedAt` may become while nothing changes. */
const observedEveryMs = 30_000;
const observedShareMs = 100;
const podsEveryMs = 5_000;

/** Errors of a submission that no retry can fix. */
const refusals: ReadonlySet<string> = new Set(['REQUEST_INVALID', 'JOB_EXISTS', 'PLUGIN_INVALID', 'PLUGIN_DIFFERS']);

export class Controller {
  readonly #options: ControllerOptions;
  readonly #dependencies: ControllerDependencies;
  readonly #writes: ResourcesApi;
  readonly #resources: Reflector<MetaTrainJob>;
  readonly #link: CoordinatorLink;
  readonly #queue: WorkQueue;
  readonly #backoff: Backoff;
  readonly #known = new KnownJobs();
  #podProblems: readonly string[] = [];

  constructor(options: ControllerOptions, dependencies: ControllerDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    const { api, client, clock, log, metrics, randomFraction, randomName } = dependencies;
    this.#queue = new WorkQueue(clock);
    this.#backoff = new Backoff(100, 15_000, randomFraction);
    this.#writes = new ResourcesApi(api, { identity: options.identity, randomName, now: () => clock.now() });
    this.#resources = new Reflector(
      {
        path: resourcesPath(options.namespace),
        onChange: (key) => this.#queue.add(key),
        onList: () => metrics.listed(),
      },
      { api, clock, log, randomFraction },
    );
    this.#link = new CoordinatorLink(
      {
        onJobs: (jobs, askedAt) => {
          const listed = new Map(jobs.map((job) => [job.jobId, job]));
          for (const [key, resource] of this.#unfinished()) {
            if (this.#known.compare(resource, listed, askedAt)) this.#queue.add(key);
          }
        },
        onReachability: () => this.#addUnfinished(),
        onWorkers: () => this.#addUnfinished(),
      },
      { client, clock, log },
    );
  }

  /** Why the resources cannot be followed; undefined when they are. */
  get problem(): string | undefined {
    return this.#resources.problem;
  }

  get isInStep(): boolean {
    return this.#resources.isSynced;
  }

  get isCoordinatorReachable(): boolean {
    return this.#link.reachability.kind === 'reachable';
  }

  get queued(): number {
    return this.#queue.length;
  }

  states(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { status } of this.#resources.values()) {
      const state = status?.state ?? 'Pending';
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    return counts;
  }

  /** Until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#resources.run(signal),
      this.#link.run(signal),
      this.#watchPods(signal),
      this.#queue.run((key) => this.#work(key), concurrency, signal),
    ]);
  }

  *#unfinished(): Generator<[key: string, resource: MetaTrainJob], void> {
    for (const key of this.#resources.keys()) {
      const resource = this.#resources.get(key);
      if (resource && !isFinished(resource.status)) yield [key, resource];
    }
  }

  #addUnfinished(): void {
    for (const [key] of this.#unfinished()) this.#queue.add(key);
  }

  async #work(key: string): Promise<void> {
    const { clock, log, metrics } = this.#dependencies;
    const begunMs = clock.elapsedMs();
    try {
      await this.#reconcile(key);
      this.#backoff.succeeded(key);
    } catch (thrown) {
      const pauseMs = this.#backoff.failed(key);
      // The resource has changed or is gone; the watch brings the newer state.
      const isOutdated = isConflict(thrown) || isMissing(thrown);
      const isForeign = thrown instanceof KubeError || thrown instanceof MetatrainError;
      log[isOutdated ? 'debug' : isForeign ? 'warn' : 'error'](
        { err: thrown, resource: key, pauseMs: Math.round(pauseMs) },
        'the work on a resource failed',
      );
      this.#queue.addAfter(key, pauseMs);
    } finally {
      metrics.reconciled(clock.elapsedMs() - begunMs);
    }
  }

  async #reconcile(key: string): Promise<void> {
    for (let done = 0; done < maxActions; done++) {
      const resource = this.#resources.get(key);
      if (!resource) {
        this.#known.keepOnly(this.#resources.values());
        return;
      }
      const { action, status, againAt } = this.#decide(resource);
      if (!action) {
        if (againAt !== undefined) this.#queue.addAfter(key, againAt - this.#dependencies.clock.now() + 10);
        if (status) await this.#writeStatus(key, resource, status);
        return;
      }
      await this.#perform(key, resource, action);
    }
    this.#queue.addAfter(key, 1_000);
  }

  #decide(resource: MetaTrainJob): Decision {
    const { sighting, trouble } = this.#known.of(resource);
    return decide({
      resource,
      sighting,
      trouble,
      coordinator: this.#link.reachability,
      workers: this.#link.workers,
      podProblems: this.#podProblems,
      now: this.#dependencies.clock.now(),
      giveUpMs: this.#options.giveUpMs,
    });
  }

  async #perform(key: string, resource: MetaTrainJob, action: Action): Promise<void> {
    const { metrics, log } = this.#dependencies;
    try {
      await this.#act(key, resource, action);
      metrics.acted(action.kind, true);
    } catch (thrown) {
      metrics.acted(action.kind, false);
      if (thrown instanceof KubeError) throw thrown;
      const error = asMetatrainError(thrown);
      log.debug({ err: error, resource: key, action: action.kind }, 'an action failed');
      if (!this.#learn(resource, action, error)) {
        // The status shows the error before the next attempt.
        const { status } = this.#decide(resource);
        if (status) await this.#writeStatus(key, resource, status);
        throw error;
      }
    }
  }

  /** Notes what an error of the coordinator means for the job. False: the action is tried again later. */
  #learn(resource: MetaTrainJob, action: Action, error: MetatrainError): boolean {
    const known = this.#known.of(resource);
    const { code, message } = error;
    if (isAway(error)) {
      this.#link.failed(error);
      return true;
    }
    if (code === 'JOB_UNKNOWN' && 'jobId' in action) {
      known.sighting = { kind: 'forgotten', jobId: action.jobId };
      return true;
    }
    if (action.kind === 'submit' && refusals.has(code)) {
      known.sighting = { kind: 'refused', code, message };
      return true;
    }
    known.trouble = { code, message };
    return false;
  }

  async #act(key: string, resource: MetaTrainJob, action: Action): Promise<void> {
    const { log } = this.#dependencies;
    const line = { resource: key, uid: resource.metadata.uid };
    switch (action.kind) {
      case 'addFinalizer':
        this.#resources.put(await this.#writes.addFinalizer(resource));
        return;
      case 'removeFinalizer': {
        if (action.why === 'gaveUp') await this.#tellGivenUp(key, resource);
        const left = await this.#writes.removeFinalizer(resource);
        if (left) this.#resources.put(left);
        log.info({ ...line, reason: action.why }, 'a resource no longer waits for its job');
        return;
      }
      case 'deleteResource':
        await this.#writes.deleteResource(resource);
        log.info(line, 'a resource has outlived its job and is deleted');
        return;
      case 'submit': {
        const askedAt = this.#dependencies.clock.now();
        const spec = JSON.stringify(resource.spec.job);
        const { job, alreadySubmitted } = await this.#link.submit(spec, idempotencyKeyOf(resource));
        this.#known.see(resource, seenOfJob(job), askedAt);
        log.info({ ...line, jobId: job.jobId, alreadySubmitted }, 'a job is submitted');
        return;
      }
      case 'look':
      case 'pause':
      case 'resume':
      case 'cancel': {
        const askedAt = this.#dependencies.clock.now();
        const { kind, jobId } = action;
        const job = await (kind === 'look' ? this.#link.look(jobId) : this.#link.control(kind, jobId));
        this.#known.see(resource, seenOfJob(job), askedAt);
        if (kind !== 'look') log.info({ ...line, jobId, action: kind, state: job.state }, 'a job is told what to do');
        return;
      }
      default:
        action satisfies never;
    }
  }

  async #writeStatus(key: string, resource: MetaTrainJob, status: MetaTrainJobStatus): Promise<void> {
    const { clock, metrics, log } = this.#dependencies;
    const known = this.#known.of(resource);
    const urgency = urgencyOf(resource.status, status);
    const active = this.#activeCount();
    const everyMs = {
      now: 0,
      soon: Math.max(progressEveryMs, progressShareMs * active),
      later: Math.max(observedEveryMs, observedShareMs * active),
      none: Math.max(observedEveryMs, observedShareMs * active),
    };
    const dueInMs = known.wroteMs + everyMs[urgency] - clock.elapsedMs();
    if (dueInMs > 0 || urgency === 'none') {
      // An equal status is written again later, with a newer `observedAt`.
      this.#queue.addAfter(key, dueInMs > 0 ? dueInMs : everyMs.none);
      return;
    }
    try {
      this.#resources.put(await this.#writes.writeStatus(resource, status));
      known.wroteMs = clock.elapsedMs();
      metrics.acted('writeStatus', true);
    } catch (thrown) {
      metrics.acted('writeStatus', false);
      throw thrown;
    }
    if (urgency === 'now') {
      const { state, jobId, progress } = status;
      log.info({ resource: key, jobId, state, progress }, 'a status has changed');
      for (const told of eventsBetween(resource.status, status)) await this.#tell(key, resource, told);
      // Next, the finalizer is removed and the time to live begins.
      if (isFinished(status)) this.#queue.add(key);
    }
  }

  #activeCount(): number {
    let count = 0;
    for (const _ of this.#unfinished()) count += 1;
    return count;
  }

  /** Events are only for people, so a failure to write one is logged. */
  async #tell(key: string, resource: MetaTrainJob, told: Told): Promise<void> {
    try {
      await this.#writes.tell(resource, told, told.reason);
    } catch (thrown) {
      this.#dependencies.log.warn({ err: thrown, resource: key, event: told.reason }, 'an event could not be written');
    }
  }

  #tellGivenUp(key: string, resource: MetaTrainJob): Promise<void> {
    const { jobId } = resource.status ?? {};
    const note =
      `the coordinator did not cancel the job within ${this.#options.giveUpMs / 1_000} s (--give-up-seconds); ` +
      (jobId === undefined ? 'if it was submitted, it may go on' : `job ${jobId} may go on`);
    return this.#tell(key, resource, { type: 'Warning', reason: 'GaveUp', note });
  }

  /** Reads the worker pods while a job waits for workers, and only then. */
  async #watchPods(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const problems = this.#isAnyWaitingForWorkers() ? await this.#lookAtPods(signal) : [];
      if (problems.join() !== this.#podProblems.join()) {
        this.#podProblems = problems;
        this.#addUnfinished();
      }
      await delay(podsEveryMs / 2, signal).catch(() => undefined);
    }
  }

  #isAnyWaitingForWorkers(): boolean {
    for (const [, resource] of this.#unfinished()) {
      const { sighting } = this.#known.of(resource);
      if (sighting.kind !== 'seen' || hasEnded(sighting.job.state)) continue;
      if (waitsForWorkers.has(sighting.job.waiting?.reason ?? '')) return true;
    }
    return false;
  }

  async #lookAtPods(signal: AbortSignal): Promise<readonly string[]> {
    const { api, log } = this.#dependencies;
    const { namespace } = this.#options;
    const query = { labelSelector: workerSelector };
    try {
      const pods: KubeList<Pod> = await api.list(`/api/v1/namespaces/${namespace}/pods`, query, signal);
      const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
      const deployments: KubeList<Deployment> = await api.list(path, query, signal);
      return podProblems(pods.items, deployments.items);
    } catch (thrown) {
      if (!signal.aborted)
        log.debug({ err: thrown, isForbidden: isForbidden(thrown) }, 'worker pods could not be read');
      return this.#podProblems;
    }
  }
}
