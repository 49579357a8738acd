// A learner as a compute thread runs it: what requests ask of it, in typed arrays. `learner.ts` makes one.
// Knows nothing of tensors, leases, threads or the network. It runs one request at a time.
import type { NamedArrays } from '../../learning/built.ts';
import type { InputForm } from '../../learning/tasks.ts';
import type { ParamsLayout } from '../../shared/tensor-codec.ts';

export interface AdaptRequest {
  /** The task's tensors but its query set, by name, row-major. */
  readonly support: NamedArrays;
  /** Which of the states on the way of the adaptation: the index of a point of the job file's axis. */
  readonly point: number;
}

/** What a task is predicted from: float32, flat in layout order. Its names and shapes are the algorithm's. */
export interface AdaptedState {
  readonly layout: ParamsLayout;
  readonly state: Float32Array;
}

export interface PredictRequest {
  readonly adapted: AdaptedState;
  /** Row-major [examples, …input]. */
  readonly inputs: Float32Array;
}

export interface Predictions {
  /** [examples, outputs] */
  readonly shape: readonly number[];
  /** Row-major; values, or logits. */
  readonly outputs: Float32Array;
}

export interface EncodeRequest {
  readonly form: InputForm;
  /** Files, or sentences in UTF-8. */
  readonly items: readonly Uint8Array[];
}

export interface Encoded {
  /** [items, …input] */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float32Array;
}

/** Results are finite. @throws MetatrainError `REQUEST_INVALID`, `RESULT_NOT_FINITE` */
export interface LearnerProgram {
  /** @param metaParams θ, flat in layout order; not changed. */
  adapt(metaParams: Float32Array, request: AdaptRequest): Promise<AdaptedState>;
  predict(metaParams: Float32Array, request: PredictRequest): Promise<Predictions>;
  /**
   * @throws MetatrainError `REQUEST_INVALID` naming the item, and what opening the job's data set
   *   throws where texts need it.
   */
  encode(request: EncodeRequest): Promise<Encoded>;
  /** Frees the compiled programs. May be called twice. */
  close(): Promise<void>;
}
