// The coordinator's metrics. Counters are added to as things happen; gauges (queues, leases,
// workers, jobs) are read at each scrape. Decides nothing, and keeps nothing of a happening except
// a live job's record.
import type { Clock } from '../../shared/clock.ts';
import { Meter } from '../../shared/metrics/meter.ts';
import { waitReasons } from '../../shared/waiting.ts';
import type { Census } from '../core/census.ts';
import { type Lease, type Shard, workerStates } from '../core/state.ts';
import type { Happening, Observer } from '../observers/happenings.ts';
import { hasEnded, type JobRecord } from '../store/job-record.ts';
import type { LinkTally } from '../workers/worker-links.ts';
import { declareEventMetrics, type EventBusView } from './event-metrics.ts';
import { declareHostMetrics, type HostView } from './host-metrics.ts';
import { type JobMetrics, jobMetrics } from './job-metrics.ts';
import { type CoordinatorTree, coordinatorTree } from './tree.ts';

/** What the metrics read at a scrape; the runner implements it. */
export interface ClusterView {
  census(): Census;
  workers(): readonly LinkTally[];
}

export interface ClusterMetricsOptions {
  readonly version: string;
  /** How long a job's series outlive the job, so that the last values are scraped. */
  readonly endedJobSeriesMs: number;
}

/** Workers with series of their own. If there are more, the first to connect have them. */
const maxWorkerSeries = 256;

/** What is kept of adapted models. */
export interface ModelsView {
  readonly count: number;
  readonly bytes: number;
}

interface OpenJob {
  readonly record: JobRecord;
  /** When it was submitted, as `Clock.elapsedMs`. */
  readonly sinceMs: number;
}

export class ClusterMetrics {
  readonly meter = new Meter();
  readonly #clock: Clock;
  readonly #tree: CoordinatorTree;
  readonly #jobs: JobMetrics;
  #view: ClusterView | undefined;
  #bus: EventBusView | undefined;
  #host: HostView | undefined;
  #models: ModelsView | undefined;
  /** Jobs that have not ended. */
  readonly #open = new Map<string, OpenJob>();
  /** When a worker that held the shard was first lost, as `Clock.elapsedMs`. */
  readonly #lostAt = new WeakMap<Shard, number>();
  /** Restored jobs of which no result has been counted since the start. */
  readonly #restored = new Set<string>();
  readonly #startedMs: number;

  constructor({ version, endedJobSeriesMs }: ClusterMetricsOptions, clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.elapsedMs();
    this.#tree = coordinatorTree(this.meter);
    this.#readAtScrape(version);
    declareEventMetrics(this.meter, () => this.#bus);
    const { meter } = this;
    meter.gauge('metatrain_adapted_models', 'Adapted models that are kept.', () => this.#models?.count);
    meter.gauge('metatrain_adapted_bytes', 'Memory that adapted models take.', () => this.#models?.bytes);
    declareHostMetrics(this.meter, () => this.#host);
    this.#jobs = jobMetrics(this.meter, { endedJobSeriesMs }, clock);
  }

  /** The gauges read from this view from now on. */
  attend(view: ClusterView): void {
    this.#view = view;
  }

  attendBus(bus: EventBusView): void {
    this.#bus = bus;
  }

  attendModels(models: ModelsView): void {
    this.#models = models;
  }

  attendHost(host: HostView): void {
    this.#host = host;
  }

  close(): void {
    this.#view = undefined;
    this.#bus = undefined;
    this.#models = undefined;
    this.#host = undefined;
    this.#jobs.close();
  }

  readonly observer: Required<Observer> = {
    jobOpened: ({ at, record, isRestored }) => {
      const { jobs } = this.#tree;
      const waitedMs = isRestored ? Math.max(0, at - record.submittedAt) : 0;
      this.#open.set(record.jobId, { record, sinceMs: this.#clock.elapsedMs() - waitedMs });
      (isRestored ? jobs.restored : jobs.submitted).add();
      if (isRestored && record.state === 'running') this.#restored.add(record.jobId);
    },
    jobStateChanged: (happening) => {
      this.#jobStateChanged(happening);
      this.#jobs.jobStateChanged(happening);
    },
    workerConnected: () => this.#tree.workers.joined.add(),
    workerDisconnected: () => this.#tree.workers.left.add(),
    workerDraining: () => this.#tree.workers.drained.add(),
    workerQuarantined: () => this.#tree.workers.quarantined.add(),
    workerLetBack: () => {},
    resultsOffered: () => {},
    jobGivenUp: () => {},
    jobWaits: () => {},
    leaseGranted: ({ lease, payloadBytes }) => {
      const { leases, payload } = this.#tree;
      leases.granted[lease.batch.work].add();
      payload.sent.add(payloadBytes);
      if (lease.isSpeculative) leases.speculative.add();
    },
    leaseCancelled: (happening) => {
      const { cause } = happening;
      this.#tree.leases.cancelled[cause].add();
      // `shardRetried` counts the waste of a lease past its deadline.
      if (cause !== 'deadline') this.#waste(happening);
    },
    resultKept: (happening) => this.#resultKept(happening),
    resultDropped: () => this.#tree.shards.results.dropped.add(),
    resultRejected: () => this.#tree.shards.results.rejected.add(),
    shardFailed: () => this.#tree.shards.results.failed.add(),
    shardRetried: (happening) => {
      const { cause, lease } = happening;
      this.#tree.shards.retried[cause].add();
      this.#waste(happening);
      if (cause === 'workerLost' && !this.#lostAt.has(lease.shard))
        this.#lostAt.set(lease.shard, this.#clock.elapsedMs());
    },
    requestRetried: () => this.#tree.requests.retried.add(),
    requestEnded: ({ plan: { work }, tookMs, reason }) => {
      const { ended, seconds } = this.#tree.requests;
      ended[work][reason === undefined ? 'answered' : 'failed'].add();
      if (reason === undefined) seconds[work].observe(tookMs / 1_000);
    },
    batchReduced: ({ work, reduceMs }) => {
      if (work === 'train') this.#tree.metaSteps.phase.apply.observe(reduceMs / 1_000);
    },
    metaStepApplied: ({ applied }) => {
      this.#tree.metaSteps.applied.add();
      this.#tree.shards.skippedTasks.add(applied.skippedTasks);
    },
    metaStepsSummarised: () => {},
    chainCompared: () => {},
    shardHashesLost: () => {},
    evaluated: () => this.#tree.metaSteps.evaluations.add(),
    checkpointWritten: ({ checkpoint, writeMs }) => {
      const { checkpoints, checkpointBytes, phase } = this.#tree.metaSteps;
      checkpoints.written.add();
      checkpointBytes.add(checkpoint.bytes);
      phase.checkpoint.observe(writeMs / 1_000);
    },
    checkpointFailed: () => this.#tree.metaSteps.checkpoints.failed.add(),
  };

  #jobStateChanged({ record, state, at }: Happening<'jobStateChanged'>): void {
    const { jobs } = this.#tree;
    const open = this.#open.get(record.jobId);
    if (open && state === 'running' && record.startedAt === at) {
      jobs.wait.observe(seconds(this.#clock.elapsedMs() - open.sinceMs));
    }
    if (!hasEnded(state)) return;
    this.#open.delete(record.jobId);
    this.#restored.delete(record.jobId);
    if (state === 'succeeded' || state === 'failed' || state === 'cancelled') jobs.ended[state].add();
  }

  #resultKept({ lease, computeMs, payloadBytes, keepMs }: Happening<'resultKept'>): void {
    const now = this.#clock.elapsedMs();
    const { leases, shards, metaSteps, payload, compute } = this.#tree;
    const { batch, shard, job, grantedAt, startingMs, paramsVersion } = lease;
    shards.results.counted.add();
    if (batch.work === 'span') shards.tasks.train.add(batch.steps * job.plan.batchSize);
    else shards.tasks[batch.work].add(shard.taskCount);
    payload.received.add(payloadBytes);
    const computeSeconds = Math.min(seconds(computeMs), longestComputeSeconds);
    compute.seconds.useful.add(computeSeconds);
    if (lease.isSpeculative) leases.speculativeWon.add();
    const lostAt = shard.losses > 0 ? this.#lostAt.get(shard) : undefined;
    if (lostAt !== undefined) compute.recovery.workerLost.observe(seconds(now - lostAt));
    if (this.#restored.has(job.plan.jobId)) {
      compute.recovery.restart.observe(seconds(now - this.#startedMs));
      this.#restored.clear();
    }
    const isLast = batch.remaining === 0;
    const batchSeconds = seconds(now - (batch.begunAt ?? now));
    if (batch.work === 'evaluate' && isLast) metaSteps.phase.evaluate.observe(batchSeconds);
    if (batch.work === 'span') {
      metaSteps.spanned.add(batch.steps);
      for (let step = 0; step < batch.steps; step += 1) metaSteps.seconds.observe(batchSeconds / batch.steps);
    }
    if (batch.work !== 'train') return;
    if (isLast) metaSteps.seconds.observe(batchSeconds);
    leases.staleness.observe(batch.step - paramsVersion);
    metaSteps.phase.broadcast.observe(Math.max(0, seconds(now - grantedAt - startingMs) - computeSeconds));
    metaSteps.phase.compute.observe(computeSeconds);
    metaSteps.phase.reduce.observe(keepMs / 1_000);
  }

  #waste({ lease }: { readonly lease: Lease }): void {
    this.#tree.compute.seconds.wasted.add(seconds(this.#clock.elapsedMs() - lease.grantedAt));
  }

  #readAtScrape(version: string): void {
    const { meter } = this;
    const census = () => this.#view?.census();
    const workers = () => [...(this.#view?.workers() ?? [])].slice(0, maxWorkerSeries);
    meter.series('gauge', 'metatrain_coordinator_info', 'Always 1; the version is the label.', ['version'], () => [
      { labels: { version }, value: 1 },
    ]);
    meter.series('gauge', 'metatrain_jobs', 'Jobs that have not ended, by state.', ['state'], () =>
      (['queued', 'running', 'paused'] as const).map((state) => ({ labels: { state }, value: this.#countJobs(state) })),
    );
    meter.series(
      'gauge',
      'metatrain_jobs_waiting',
      'Jobs that have not ended and compute nothing, by why: paused (by request), disk (no room), queue (other jobs are before it), noWorker (none offers its engine and device), ' +
        'otherPlugin (none holds its plugins), otherEngine (none has its fingerprint), otherData (they read other data), workersHeld (those that could are draining or quarantined), workersBusy.',
      ['reason'],
      () => {
        const counts = census()?.waiting;
        return counts ? waitReasons.map((reason) => ({ labels: { reason }, value: counts[reason] })) : [];
      },
    );
    meter.gauge(
      'metatrain_queue_oldest_job_seconds',
      'Age of the queued job that has waited longest; 0 when none waits.',
      () => this.#oldestQueuedSeconds(),
    );
    meter.gauge('metatrain_queue_shards', 'Shards that wait for a slot.', () => census()?.pendingShards);
    meter.gauge('metatrain_leases', 'Leases that live: shards being computed.', () => census()?.leases);
    meter.gauge('metatrain_workers_slots', 'Slots of all connected workers.', () => census()?.slots);
    meter.gauge(
      'metatrain_useful_slots',
      'Slots that could compute at once, whether or not workers have them: what to scale workers by.',
      () => census()?.usefulSlots,
    );
    meter.series('gauge', 'metatrain_workers', 'Connected workers, by state.', ['state'], () => {
      const counts = census()?.workers;
      return counts ? workerStates.map((state) => ({ labels: { state }, value: counts[state] })) : [];
    });
    meter.series(
      'counter',
      'metatrain_worker_shards_total',
      'Counted shards of a connected worker, since it connected.',
      ['worker_id'],
      () => workers().map(({ link, shardsCompleted: value }) => ({ labels: { worker_id: link.workerId }, value })),
    );
    meter.series(
      'counter',
      'metatrain_worker_results_rejected_total',
      'Results of a connected worker that could not be ones, since it connected.',
      ['worker_id'],
      () => workers().map(({ link, resultsRejected: value }) => ({ labels: { worker_id: link.workerId }, value })),
    );
  }

  #countJobs(state: JobRecord['state']): number {
    let count = 0;
    for (const { record } of this.#open.values()) if (record.state === state) count += 1;
    return count;
  }

  #oldestQueuedSeconds(): number {
    const now = this.#clock.elapsedMs();
    let oldest = now;
    for (const { record, sinceMs } of this.#open.values()) {
      if (record.state === 'queued') oldest = Math.min(oldest, sinceMs);
    }
    return seconds(now - oldest);
  }
}

/** A worker's figure for its compute time is not trusted beyond this. */
const longestComputeSeconds = 86_400;

/** A worker's figure is not trusted: the duration becomes finite and never negative. */
const seconds = (ms: number): number => (ms > 0 && ms < Number.POSITIVE_INFINITY ? ms / 1_000 : 0);
