// The JSON of the HTTP API under /api/v1, for coordinator and console. Types only. Times are RFC
// 3339 in UTC; shares, such as accuracies, are from 0 to 1. Invariant: within v1, fields are added,
// never changed or removed.

import type {
  CheckpointData,
  ClusterEvent,
  EvaluationData,
  JobStateName,
  MetaStepsData,
  ShardRetriedData,
} from './cluster-event.ts';
import type { Verdict } from './comparison.ts';
import type { DataIdentity } from './data-identity.ts';
import type { JobSpec } from './job-spec/index.ts';
import type { Measure } from './measures.ts';
import type { PluginIdentity } from './plugin-identity.ts';
import type { JobWords } from './protocol.ts';
import type { Waiting } from './waiting.ts';

type Bare<Data> = Omit<Data, 'jobId' | 'jobSequence'>;

export type MetaStepSummary = Bare<MetaStepsData>;
export type Evaluation = Bare<EvaluationData>;
export type CheckpointInfo = Omit<Bare<CheckpointData>, 'checkpoints'>;

export interface ApiError {
  readonly code: string;
  readonly message: string;
  /** For a job file: every bad field. */
  readonly problems?: readonly { readonly field: string; readonly got: string; readonly accepted: string }[];
}

/** GET /whoami */
export interface WhoAmI {
  /** The token's name; empty where the coordinator asks for none. */
  readonly name: string;
  readonly roles: readonly ('submit' | 'read' | 'predict' | 'worker' | 'admin')[];
  readonly asksForTokens: boolean;
  /** Of the coordinator. */
  readonly version: string;
}

/** GET /jobs/:jobId/task: what a support set and queries of the job look like. */
export interface JobTask {
  /** Besides numbers. */
  readonly form: 'number' | 'image' | 'text';
  readonly target: 'values' | 'classes' | 'actions';
  /** Shape of one input; an image is [height, width, channels]. */
  readonly input: readonly number[];
  /** Predicted values, or classes. */
  readonly outputs: number;
  /** Of a classification: the classes of a task. */
  readonly ways?: number;
  /** A class is described, and has no examples. */
  readonly isDescribed: boolean;
}

/** POST /models/adapt, GET /models */
export interface AdaptedModels {
  readonly models: readonly AdaptedModelRow[];
}

/** GET /models/:adaptedId, with its state. */
export interface AdaptedModelRow {
  /** Empty where it is not kept; the times are absent then. */
  readonly adaptedId: string;
  readonly jobId: string;
  /** The checkpoint's meta-step. */
  readonly step: number;
  /** Of the evaluation's axis, such as the number of inner steps. */
  readonly point: string;
  /** In the order of the outputs; empty for a regression. */
  readonly classes: readonly string[];
  readonly examples: number;
  readonly bytes: number;
  readonly adaptedAt?: string;
  readonly expiresAt?: string;
  readonly state?: AdaptedState;
}

export interface AdaptedState {
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Float32 little-endian, one tensor after another, in base64. */
  readonly data: string;
}

/** POST /models/predict */
export interface PredictAnswer {
  /** One a query: values, or logits with the class and the probabilities that follow from them. */
  readonly predictions: readonly {
    readonly outputs: readonly number[];
    readonly className?: string;
    readonly probabilities?: readonly number[];
  }[];
  readonly classes: readonly string[];
  readonly jobId: string;
  readonly step: number;
}

/** A job in a list. */
export interface JobRow {
  readonly jobId: string;
  readonly name: string;
  readonly state: JobStateName;
  /** Name of the token that submitted it; empty where there was none. */
  readonly owner: string;
  readonly submittedAt: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** Meta-steps applied, of `iterations`. */
  readonly steps: number;
  readonly iterations: number;
  /** Of its job file. */
  readonly tags: readonly string[];
  readonly lastMetaStep?: MetaStepSummary;
  /** Its measures at their last points. */
  readonly lastEvaluation?: { readonly step: number; readonly measures: readonly Measure[] };
  readonly error?: ApiError;
  /** Why the job computes nothing; absent while it computes and after its end. */
  readonly waiting?: Waiting;
  /** Whether who asks may pause, resume and cancel it. */
  readonly mayControl: boolean;
}

/** GET /jobs */
export interface JobList {
  /** Newest first. */
  readonly jobs: readonly JobRow[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** GET /jobs/ID, and what pausing, resuming and cancelling answers. */
export interface JobDetail extends JobRow {
  /** With every default. */
  readonly spec: JobSpec;
  /** The same as a job file. */
  readonly specYaml: string;
  /** What its parts say of themselves. */
  readonly words: JobWords;
  /** The words of its published protocol; absent where there is none. */
  readonly publishedWords?: JobWords;
  /** SHA-256 of θ; empty before θ₀. */
  readonly paramsSha256: string;
  /** Changes to the job file at submission, such as `meta.iterations=500`. */
  readonly overrides: readonly string[];
  readonly evaluations: readonly Evaluation[];
  /** Of a job with a published figure that has succeeded. */
  readonly verdict?: Verdict;
  readonly checkpoints: readonly CheckpointInfo[];
  readonly engineFingerprint: string;
  readonly mixedFingerprints: boolean;
  /** The job's data; empty before its first result, and if its tasks need no data. */
  readonly data: readonly DataIdentity[];
  /** The plugins whose parts it uses. */
  readonly plugins: readonly PluginIdentity[];
  readonly skippedTasks: number;
}

/** POST /jobs */
export interface SubmitAnswer {
  readonly jobId: string;
  /** An earlier submit with this idempotency key made the job. */
  readonly alreadySubmitted: boolean;
}

export interface WorkerRow {
  readonly workerId: string;
  readonly state: 'idle' | 'busy' | 'draining' | 'quarantined';
  readonly address: string;
  readonly engine: string;
  readonly device: {
    readonly kind: string;
    readonly name: string;
    readonly memoryBytes: number;
    readonly driver: string;
  };
  readonly engineFingerprint: string;
  readonly slots: number;
  readonly leases: number;
  /** Of the present stream. */
  readonly shardsCompleted: number;
  readonly resultsRejected: number;
  /** With which results of the present stream were made. */
  readonly data: readonly DataIdentity[];
  /** That it has loaded. */
  readonly plugins: readonly PluginIdentity[];
  readonly connectedAt: string;
  readonly lastHeartbeatAt: string;
  /** Why it idles although shards wait; empty otherwise. */
  readonly idleReason: string;
  readonly version: string;
}

/** GET /workers, and the event `workers` of GET /events. */
export interface WorkerList {
  /** When it was so. */
  readonly at: string;
  /** In a stream at most 200; GET /workers has all. */
  readonly workers: readonly WorkerRow[];
  /** How many are connected. */
  readonly total: number;
}

/** Of one job, as GET /jobs/ID/events tells them. */
export type JobEvent = {
  /** Grows within a job; gaps only where old summaries were dropped. */
  readonly sequence: number;
  readonly time: string;
} & (
  | { readonly kind: 'stateChanged'; readonly state: JobStateName; readonly reason: string; readonly error?: ApiError }
  | { readonly kind: 'metaStep'; readonly summary: MetaStepSummary }
  | { readonly kind: 'evaluated'; readonly evaluation: Evaluation }
  | { readonly kind: 'checkpointWritten'; readonly checkpoint: CheckpointInfo }
  | ({ readonly kind: 'shardRetried' } & Bare<ShardRetriedData>)
);

/** What the event streams send: the name of the server-sent event → its data. */
export interface StreamedEvents<Event extends ClusterEvent | JobEvent> {
  /** Its `id` is the sequence, with which a reader that was cut off goes on (`Last-Event-ID`, or `?after=`). */
  readonly happened: Event;
  /** Of GET /events alone: when something about them changed, at most once a second. */
  readonly workers: WorkerList;
  /**
   * Jobs that compute nothing although they have not ended, by id: of GET /jobs/ID/events that job
   * alone. When it has changed, at most once a second.
   */
  readonly waiting: Readonly<Record<string, Waiting>>;
  /** All kept events have been sent; later ones are live. */
  readonly 'caught-up': Record<string, never>;
  /** The last one: empty when the job is over, else why the coordinator ends the stream. */
  readonly end: { readonly error?: ApiError };
}
