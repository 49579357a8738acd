// What the core knows: jobs, requests, workers and leases as plain records. The core owns them: only `step` changes them, everyone else reads.
// Invariants: a lease in `leases` is in its worker's set, and its shard's or its request's, and nowhere else; a worker holds at most `slots` leases.
import type { ErrorCode } from '../../shared/errors.ts';
import { PassingMap, type PassingSet } from '../../shared/passing.ts';
import type { PluginIdentity } from '../../shared/plugin-identity.ts';
import type { WaitReason } from '../../shared/waiting.ts';

/** Every limit and factor of the core, in milliseconds where a time. */
export interface CoreOptions {
  /** Makes lease ids unique across coordinator starts. */
  readonly startId: string;
  readonly heartbeatIntervalMs: number;
  /** Heartbeats that may be missed before a worker counts as lost. */
  readonly missedHeartbeats: number;
  /** A lease's deadline is `leaseFactor` times the measured shard time, between floor and ceiling. */
  readonly leaseFactor: number;
  readonly leaseFloorMs: number;
  readonly leaseCeilingMs: number;
  /** Deadline while nothing is measured yet. */
  readonly leaseFirstMs: number;
  /** A shard that is being started stops its lease's deadline for so long, at most. */
  readonly startCeilingMs: number;
  /**
   * A job whose program a worker had to open again comes first, of its priority, until it has been
   * granted this factor of the time that it took, up to the ceiling.
   */
  readonly stretchFactor: number;
  readonly stretchCeilingMs: number;
  /** The slow tail is computed twice once a lease is older than this factor of the measured shard time, and than the floor. */
  readonly duplicateFactor: number;
  readonly duplicateFloorMs: number;
  /** Different workers on which a shard may fail before its job does. */
  readonly workersToFailShard: number;
  /** Attempts at one shard, failed or lost with their workers, before its job fails: ends a shard that kills every worker that computes it. */
  readonly attemptsToFailShard: number;
  /** Jobs that are leased from at once; the others wait in the queue, or where a job of higher priority has displaced them. */
  readonly maxRunningJobs: number;
  /** A running job is checkpointed at least this often, besides what its spec asks for. */
  readonly recoveryCheckpointMs: number;
  /** Failures in a row that are the worker's own before it gets no more shards for a while. */
  readonly failuresToQuarantine: number;
  /** The first cool-down; doubled by every further one, up to the ceiling. */
  readonly quarantineFirstMs: number;
  readonly quarantineCeilingMs: number;
  /** Counted results after which an earlier quarantine no longer lengthens the next. */
  readonly resultsToForgive: number;
  /** How long a job waits for workers that are not there before its story says so. */
  readonly waitTellMs: number;
  /** Requests that are not answered yet; more are refused. */
  readonly maxRequests: number;
  /** Of all slots, how many requests take before any job's shard, one at least. Beyond that they take what jobs leave idle. */
  readonly requestShare: number;
  /** A span returns after so long, with the meta-steps that it has by then; one at least. */
  readonly spanMs: number;
  /** Spans are given up where a meta-step of theirs takes longer: it cannot be interrupted. */
  readonly spanLongestStepMs: number;
  /** A span is tried only where a meta-step of it should not take longer. */
  readonly spanTrialMs: number;
  /** Of a job's time, what trying the slower way may take; and the shortest time between two trials. */
  readonly spanProbeShare: number;
  readonly spanProbeFirstMs: number;
}

export const defaultCoreOptions: Omit<CoreOptions, 'startId'> = {
  heartbeatIntervalMs: 2_000,
  missedHeartbeats: 3,
  leaseFactor: 8,
  leaseFloorMs: 30_000,
  leaseCeilingMs: 1_800_000,
  leaseFirstMs: 300_000,
  startCeilingMs: 1_800_000,
  stretchFactor: 10,
  stretchCeilingMs: 60_000,
  duplicateFactor: 2,
  duplicateFloorMs: 500,
  workersToFailShard: 3,
  attemptsToFailShard: 10,
  maxRunningJobs: 16,
  recoveryCheckpointMs: 60_000,
  failuresToQuarantine: 3,
  quarantineFirstMs: 10_000,
  quarantineCeilingMs: 600_000,
  resultsToForgive: 20,
  waitTellMs: 10_000,
  maxRequests: 1_000,
  requestShare: 0.5,
  spanMs: 250,
  spanLongestStepMs: 125,
  spanTrialMs: 2_000,
  spanProbeShare: 0.02,
  spanProbeFirstMs: 2_000,
};

/** How often the core is told that time has passed. */
export const tickMsOf = ({ heartbeatIntervalMs }: CoreOptions): number => Math.min(heartbeatIntervalMs / 2, 500);

/** What the core must know of a job's spec. */
export interface JobPlan {
  readonly jobId: string;
  readonly iterations: number;
  readonly batchSize: number;
  readonly shardSize: number;
  /**
   * Tasks of a meta-step's sample, at least 1; absent where every meta-batch has `batchSize` tasks.
   * A function of the step alone.
   */
  sampleSize?(metaStep: number): number;
  readonly evaluation: {
    readonly every: number;
    readonly tasks: number;
    readonly shardSize: number;
    /** Whether the best checkpoints are tested together at the end. Default: no. */
    readonly hasEnsemble?: boolean;
  };
  readonly checkpointEvery: number;
  /** Engine and device that compute it, such as `compiled/cpu`. */
  readonly engine: string;
  readonly isMixed: boolean;
  /** Whose parts it uses: only workers that hold the same bytes compute it. */
  readonly plugins: readonly PluginIdentity[];
  readonly onNonFinite: 'fail' | 'skip';
  /** A job of a higher one gets every free slot that it can use; jobs of the same share them. */
  readonly priority: number;
  /** 0: sync. Else a meta-batch may be begun while up to so many before it are not applied yet. */
  readonly maxStaleness: number;
  /** Whether whole meta-steps may be leased to one worker. Absent: never. */
  readonly spans?: SpanPlan;
}

/** `maxSteps`: meta-steps of one lease; `because`: why the job cannot have spans. */
export type SpanPlan = { readonly mode: 'auto' | 'never' | 'always' } & (
  | { readonly maxSteps: number }
  | { readonly because: string }
);

/** `span`: several whole meta-steps as one shard. */
export const workKinds = ['initialize', 'train', 'span', 'evaluate'] as const;
export type WorkKind = (typeof workKinds)[number];

export interface ShardFailure {
  readonly workerId: string;
  readonly message: string;
  readonly code: ErrorCode;
}

/** What has been tried so far, at a shard or at a request. */
export interface Attempts {
  /** Leases granted so far. */
  attempts: number;
  /** Failures that workers reported, and deadlines that passed. */
  readonly failures: ShardFailure[];
  /** Leases that ended with their worker's stream. */
  losses: number;
  /** Workers that failed at it or were lost with it: whether they are to blame is known once another has computed it. */
  readonly suspects: Map<string, string>;
}

/** A fixed, consecutive slice of a batch of tasks. */
export interface Shard extends Attempts {
  readonly index: number;
  readonly firstTask: number;
  readonly taskCount: number;
  isDone: boolean;
  /** One, or two while the slow tail is computed twice. */
  readonly leases: Set<Lease>;
}

export const requestWorks = ['encode', 'adapt', 'predict'] as const;
export type RequestWork = (typeof requestWorks)[number];

/** What the core must know of a request: work that belongs to no job. */
export interface RequestPlan {
  readonly requestId: string;
  readonly work: RequestWork;
  /** The job file and θ that it is for. */
  readonly learnerId: string;
  /** Engine and device that compute it, such as `compiled/cpu`. */
  readonly engine: string;
  /** Whose parts it uses: only workers that hold the same bytes serve it. */
  readonly plugins: readonly PluginIdentity[];
  /** How long the caller waits for the answer. */
  readonly patienceMs: number;
}

/** Answered once, and forgotten then; a restart forgets it, too. */
export interface Request extends Attempts {
  readonly plan: RequestPlan;
  /** When it fails, whatever its leases say. */
  deadlineAt: number;
  /** Undefined while it waits for a slot. */
  lease: RequestLease | undefined;
}

/**
 * The shards of one meta-batch, one evaluation, the one that makes θ₀, or a span of meta-steps as
 * one shard.
 */
export interface Batch {
  readonly work: WorkKind;
  readonly step: number;
  /**
   * Meta-steps in it: 1 of a meta-batch, at most so many of a span until its result says how many, else 0.
   */
  steps: number;
  /** Of an evaluation of an ensemble: the meta-steps that its members have had. */
  readonly members?: readonly number[];
  readonly shards: readonly Shard[];
  /** Shards that wait for a slot, the next one last. */
  readonly pending: Shard[];
  remaining: number;
  /** When its first lease was granted. */
  begunAt: number | undefined;
  /**
   * False where it took time that was not spent on computing it: a program was compiled, a result
   * had been there before.
   */
  isTimed: boolean;
}

/** What a job does now. Only a `computing` job has anything to lease. */
export type Phase =
  | { readonly kind: 'computing'; readonly batch: Batch }
  /** The runner adopts θ₀, applies a meta-step, or sums an evaluation up. */
  | { readonly kind: 'reducing'; readonly batch: Batch }
  /** Nothing is left to compute; the final checkpoint is being written. */
  | { readonly kind: 'finishing' };

/** What is known of a job's meta-steps in spans and shared among workers. */
export interface Pace {
  /** Milliseconds of a meta-step whose shards are shared; undefined until one was measured. */
  sharedMs: number | undefined;
  /** Milliseconds of a meta-step in a span. */
  spanMs: number | undefined;
  /** Which of the two is faster, as far as is known. */
  isSpanFaster: boolean;
  /**
   * While the other way is tried: which it is, since when, and meta-steps or spans that are still
   * to be measured.
   */
  probe: { readonly isSpan: boolean; readonly since: number; left: number } | undefined;
  /** When the other way is tried next. */
  probeAt: number;
  /** No span begins before this meta-step, since one has failed. */
  sharedUntil: number;
  /** Spans that failed in a row. */
  failures: number;
}

export interface Job {
  readonly plan: JobPlan;
  /** Submission order. */
  readonly order: number;
  status: 'queued' | 'running' | 'paused';
  /**
   * Paused until so much is free on the coordinator's disk, 0: until the disk takes writes again;
   * undefined: it does not wait for that.
   */
  waitsForBytes: number | undefined;
  /** While it waits for that: why, as of the newest look at the disk. */
  waitsBecause: string;
  /** Since when it waits for workers that are not there; undefined: it does not. */
  wait: { readonly reason: WaitReason; readonly since: number; isTold: boolean } | undefined;
  /** True from the first lease on. */
  hasStarted: boolean;
  /** Meta-steps applied; also the version of θ. */
  step: number;
  hasParams: boolean;
  phase: Phase;
  /** Meta-batches begun before their turn, in order; only where staleness is allowed. */
  readonly ahead: Batch[];
  /** The engine fingerprint that the job keeps to, from its first result on. */
  fingerprint: string | undefined;
  /**
   * Workers that read other data than the job began with, and how they said so. A new stream of theirs
   * is heard anew.
   */
  readonly otherData: Map<Worker, string>;
  /** Of the best checkpoints: `loading` until they are read. `none` where the job has no ensemble. */
  ensemble: 'none' | 'due' | 'loading' | 'computing' | 'done';
  /** Steps whose evaluation is known. */
  readonly evaluatedSteps: Set<number>;
  lastCheckpoint: { step: number; at: number };
  /** Of θ after the last meta-step: begun before the last evaluation. */
  finalCheckpoint: 'due' | 'writing' | 'written';
  /** Measured time of one shard, by kind of work. */
  readonly shardMs: Partial<Record<WorkKind, number>>;
  /** Compute time granted so far, in shards' time: the job with the least comes next. */
  served: number;
  /**
   * The newest time that it came before other jobs of its priority, although they had been served less:
   * in `served`, from where to where.
   */
  stretch: { readonly sinceMs: number; readonly from: number; readonly to: number } | undefined;
  readonly pace: Pace;
}

/** What decides which jobs a worker may compute; workers whose offers are equal are alike to every job. */
export interface Offer {
  /** Engine and device, such as `compiled/cpu`. */
  readonly engine: string;
  readonly fingerprint: string;
  /** That it has loaded. */
  readonly plugins: readonly PluginIdentity[];
}

/** Workers with a free slot whose offers are equal, the longest idle first. */
export interface IdleGroup extends Offer {
  readonly workers: PassingSet<Worker>;
}

export interface Worker extends Offer {
  readonly workerId: string;
  /** The stream's number: what comes from an older stream of the same worker is ignored. */
  readonly connection: number;
  readonly slots: number;
  /** Takes leases of spans. */
  readonly computesSpans: boolean;
  readonly leases: PassingSet<AnyLease>;
  /** Slots that its leases take together. */
  busySlots: number;
  /** Of its newest request: its next one costs less there. */
  learnerId: string | undefined;
  lastSeenAt: number;
  isDraining: boolean;
  readonly health: Health;
  /** Keys in `offers`. */
  readonly offers: string[];
}

/** Idle: with at least one free slot. */
export const workerStates = ['idle', 'busy', 'draining', 'quarantined'] as const;
export type WorkerState = (typeof workerStates)[number];

/** What a worker's failures have led to; outlives its streams. */
export interface Health {
  /** On probation it holds one shard at a time; quarantined, none. */
  standing: 'good' | 'probation' | 'quarantined';
  /** In a row, and its own. */
  failures: number;
  /** Quarantines that are not forgiven: each doubles the next cool-down. */
  quarantines: number;
  /** Results counted since the last quarantine. */
  results: number;
  /** When the cool-down ends. */
  until: number;
  /** The newest failure's message. */
  reason: string;
}

interface Granted {
  readonly leaseId: string;
  /** Which attempt at the shard or the request this is, from 1. */
  readonly attempt: number;
  readonly worker: Worker;
  /** Of the worker that it takes: more than one only of a span, whose shards they share. */
  readonly slots: number;
  readonly grantedAt: number;
  deadlineAt: number;
  /**
   * While the shard waits for a thread or for its program: since when, and what was left of the
   * deadline then.
   */
  starting: { readonly since: number; readonly leftMs: number; readonly isReopening: boolean } | undefined;
  /** Time that starting took, before the present one. */
  startingMs: number;
}

/** Of a job's shard. */
export interface Lease extends Granted {
  readonly kind: 'shard';
  /** Granted while another worker was computing the shard. */
  readonly isSpeculative: boolean;
  readonly job: Job;
  readonly batch: Batch;
  readonly shard: Shard;
  /** Version of θ that it is computed with: the batch's own step, or an earlier one where staleness is allowed. */
  readonly paramsVersion: number;
  /** The worker was told to end its span early. */
  isStopped: boolean;
}

/** Of a request. */
export interface RequestLease extends Granted {
  readonly kind: 'request';
  readonly request: Request;
}

export type AnyLease = Lease | RequestLease;

export const workOf = (lease: AnyLease): WorkKind | RequestWork =>
  lease.kind === 'shard' ? lease.batch.work : lease.request.plan.work;

/** What has been tried at the lease's shard or request. */
export const attemptsOf = (lease: AnyLease): Attempts => (lease.kind === 'shard' ? lease.shard : lease.request);

/** Where a shard's lease is, under the names that log lines and events use. */
export const describeLease = ({ leaseId, job, batch, shard }: Lease) => ({
  jobId: job.plan.jobId,
  work: batch.work,
  metaStep: batch.step,
  shard: shard.index,
  leaseId,
});

export interface CoreState {
  readonly options: CoreOptions;
  now: number;
  lastTickAt: number;
  /** Jobs that have not ended. */
  readonly jobs: Map<string, Job>;
  /** Those of them that may be leased from: queued or running, at most `maxRunningJobs`. */
  readonly admitted: Set<Job>;
  /** Those that are not answered, the oldest first. */
  readonly requests: PassingMap<string, Request>;
  /** Requests that are leased: the others wait. */
  requestsLeased: number;
  readonly workers: Map<string, Worker>;
  /** Workers with a free slot, by their offers. */
  readonly idle: PassingMap<string, IdleGroup>;
  readonly leases: PassingMap<string, AnyLease>;
  /** Those of them that are spans. */
  readonly spans: Set<Lease>;
  /** Those that the newest event has ended, for the effects that name them. */
  readonly justEnded: PassingMap<string, AnyLease>;
  /** Workers with failures that are not forgiven, connected or not, the oldest first. */
  readonly health: Map<string, Health>;
  /** Results that a worker still holds from before its stream or the coordinator was lost: its shard goes back to it where that costs nobody time. */
  readonly offers: Map<string, Worker>;
  /**
   * Why the newest leases ended, for the answer to a late result. In two generations, the older dropped as one: taking the oldest entry out of a
   * large map again and again costs more than all else that a lease costs.
   */
  endedLeases: Map<string, string>;
  endedBefore: Map<string, string>;
  leasesGranted: number;
  jobsSeen: number;
}

/** The lease that an effect names, for as long as the effects of the newest event are performed. */
export function anyLeaseOf({ leases, justEnded }: CoreState, leaseId: string): AnyLease {
  const lease = leases.get(leaseId) ?? justEnded.get(leaseId);
  if (!lease) throw new Error(`no effect of the newest event names lease ${leaseId}`);
  return lease;
}

/** As `anyLeaseOf`, of an effect that speaks of a job's shard. */
export function leaseOf(state: CoreState, leaseId: string): Lease {
  const lease = anyLeaseOf(state, leaseId);
  if (lease.kind === 'shard') return lease;
  throw new Error(`lease ${leaseId} is a request's, and not a shard's`);
}

export function createState(options: CoreOptions): CoreState {
  return {
    options,
    now: 0,
    lastTickAt: 0,
    jobs: new Map(),
    admitted: new Set(),
    requests: new PassingMap(),
    requestsLeased: 0,
    workers: new Map(),
    idle: new PassingMap(),
    leases: new PassingMap(),
    spans: new Set(),
    justEnded: new PassingMap(),
    health: new Map(),
    offers: new Map(),
    endedLeases: new Map(),
    endedBefore: new Map(),
    leasesGranted: 0,
    jobsSeen: 0,
  };
}
