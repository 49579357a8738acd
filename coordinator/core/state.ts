// What the core knows: jobs, workers and leases as plain records. The core owns them: only `step` changes them, everyone else reads.
// Invariants: a lease in `leases` is in its worker's and its shard's sets and nowhere else; a worker holds at most `slots` leases.

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
  /** Deadline while nothing is measured yet: the first shard compiles the job's programs. */
  readonly leaseFirstMs: number;
  /** The slow tail is computed twice once a lease is older than this factor of the measured shard time, and than the floor. */
  readonly duplicateFactor: number;
  readonly duplicateFloorMs: number;
  /** Different workers on which a shard may fail before its job does. */
  readonly workersToFailShard: number;
  /** Attempts at one shard, failed or lost with their workers, before its job fails: ends a shard that kills whoever computes it. */
  readonly attemptsToFailShard: number;
  /** Jobs that hold parameters at once; the others wait in the queue. */
  readonly maxRunningJobs: number;
  /** A running job is checkpointed at least this often, besides what its spec asks for. */
  readonly recoveryCheckpointMs: number;
}

export const defaultCoreOptions: Omit<CoreOptions, 'startId'> = {
  heartbeatIntervalMs: 2_000,
  missedHeartbeats: 3,
  leaseFactor: 8,
  leaseFloorMs: 30_000,
  leaseCeilingMs: 1_800_000,
  leaseFirstMs: 300_000,
  duplicateFactor: 2,
  duplicateFloorMs: 500,
  workersToFailShard: 3,
  attemptsToFailShard: 10,
  maxRunningJobs: 16,
  recoveryCheckpointMs: 60_000,
};

/** What the core must know of a job's spec. */
export interface JobPlan {
  readonly jobId: string;
  readonly iterations: number;
  readonly batchSize: number;
  readonly shardSize: number;
  readonly evaluation: { readonly every: number; readonly tasks: number };
  readonly checkpointEvery: number;
  /** Engine and device that compute it, such as `compiled/cpu`. */
  readonly engine: string;
  readonly isMixed: boolean;
  readonly onNonFinite: 'fail' | 'skip';
}

export type WorkKind = 'initialize' | 'train' | 'evaluate';

export interface ShardFailure {
  readonly workerId: string;
  readonly message: string;
}

/** A fixed, consecutive slice of a batch of tasks. */
export interface Shard {
  readonly index: number;
  readonly firstTask: number;
  readonly taskCount: number;
  isDone: boolean;
  /** One, or two while the slow tail is computed twice. */
  readonly leases: Set<Lease>;
  /** Leases granted so far. */
  attempts: number;
  /** Failures that workers reported, and deadlines that passed. */
  readonly failures: ShardFailure[];
  /** Leases that ended with their worker's stream. */
  losses: number;
}

/** The shards of one meta-batch, one evaluation, or the one that makes θ₀. */
export interface Batch {
  readonly work: WorkKind;
  readonly step: number;
  readonly shards: readonly Shard[];
  /** Shards that wait for a slot, the next one last. */
  readonly pending: Shard[];
  remaining: number;
}

/** What a job does now. Only a `computing` job has anything to lease. */
export type Phase =
  | { readonly kind: 'computing'; readonly batch: Batch }
  /** The runner adopts θ₀, applies a meta-step, or sums an evaluation up. */
  | { readonly kind: 'reducing'; readonly work: WorkKind }
  /** The last checkpoint is being written. */
  | { readonly kind: 'finishing' };

export interface Job {
  readonly plan: JobPlan;
  /** Submission order. */
  readonly order: number;
  status: 'queued' | 'running' | 'paused';
  /** True from the first lease on. */
  hasStarted: boolean;
  /** Meta-steps applied; also the version of θ. */
  step: number;
  hasParams: boolean;
  phase: Phase;
  /** The engine fingerprint that the job keeps to, from its first result on. */
  fingerprint: string | undefined;
  /** Steps whose evaluation is known. */
  readonly evaluatedSteps: Set<number>;
  lastCheckpoint: { step: number; at: number };
  /** Measured time of one shard, by kind of work. */
  readonly shardMs: Partial<Record<WorkKind, number>>;
  /** Compute time granted so far, in shards' time: the job with the least comes next. */
  served: number;
}

export interface Worker {
  readonly workerId: string;
  /** The stream's number: what comes from an older stream of the same worker is ignored. */
  readonly connection: number;
  /** What it offers, such as `compiled/cpu`. */
  readonly engine: string;
  readonly fingerprint: string;
  readonly slots: number;
  readonly leases: Set<Lease>;
  lastSeenAt: number;
  isDraining: boolean;
}

export interface Lease {
  readonly leaseId: string;
  /** Which attempt at the shard this is, from 1. */
  readonly attempt: number;
  readonly job: Job;
  readonly batch: Batch;
  readonly shard: Shard;
  readonly worker: Worker;
  readonly grantedAt: number;
  deadlineAt: number;
}

export interface CoreState {
  readonly options: CoreOptions;
  now: number;
  lastTickAt: number;
  /** Jobs that have not ended. */
  readonly jobs: Map<string, Job>;
  /** Those of them that may be leased from: queued or running, at most `maxRunningJobs`. */
  readonly admitted: Set<Job>;
  readonly workers: Map<string, Worker>;
  /** Workers with a free slot, by engine and fingerprint, the longest idle first. */
  readonly idle: Map<string, Set<Worker>>;
  readonly leases: Map<string, Lease>;
  /** Why the newest leases ended, for the answer to a late result. */
  readonly endedLeases: Map<string, string>;
  leasesGranted: number;
  jobsSeen: number;
}

export function createState(options: CoreOptions): CoreState {
  return {
    options,
    now: 0,
    lastTickAt: 0,
    jobs: new Map(),
    admitted: new Set(),
    workers: new Map(),
    idle: new Map(),
    leases: new Map(),
    endedLeases: new Map(),
    leasesGranted: 0,
    jobsSeen: 0,
  };
}
