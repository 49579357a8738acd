// The interface between the engine and the rest of the worker: a function of one task, written in
// TensorFlow.js operators, is compiled for a fixed number of tasks and run on typed arrays. The
// executors (compiled, eager) implement it; TensorFlow.js is the only vendor that it names.
// Invariant: for one fingerprint, equal inputs give equal bytes.
import type * as tf from '@tensorflow/tfjs';

export type TypedArray = Float32Array | Int32Array | Uint8Array;

export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
}

export type TensorSpecs = Readonly<Record<string, TensorSpec>>;
export type NamedTensors = Readonly<Record<string, tf.Tensor>>;
export type NamedArrays = Readonly<Record<string, TypedArray>>;

/**
 * What a task function returns: `sum` is added over the tasks of a run (in task order), `each` is
 * kept for every task.
 */
export interface TaskOutputs {
  readonly sum: NamedTensors;
  readonly each: NamedTensors;
}

/**
 * One task's computation, a pure function: no side effects, no randomness, no reading of tensor
 * values, control flow on shapes and options only. It may call `tf.grads` and `tf.valueAndGrads`,
 * nested (second order). Random numbers, and whatever differs from task to task or from run to run,
 * are passed in as task tensors.
 */
export type TaskFunction = (metaParams: NamedTensors, task: NamedTensors) => TaskOutputs;

export interface TaskProgramOptions {
  /** For logs and error messages, such as `maml conv4 train`. */
  readonly name: string;
  readonly taskFunction: TaskFunction;
  /** Shapes of the meta-parameters, shared by every task of a run. */
  readonly metaParams: TensorSpecs;
  /** Shapes of one task's tensors, without a task axis. */
  readonly task: TensorSpecs;
  /** T, the tasks of one run. */
  readonly taskCount: number;
}

export interface TaskProgram {
  /** Shapes of the outputs: `sum` as the task function returns them, `each` with a leading axis T. */
  readonly outputs: { readonly sum: TensorSpecs; readonly each: TensorSpecs };
  /**
   * @param metaParams one array a meta-parameter, row-major; views into a larger buffer are fine
   * and are not changed.
   * @param tasks one array a task tensor, stacked: row-major [T, …shape].
   * @returns freshly owned arrays.
   */
  run(metaParams: NamedArrays, tasks: NamedArrays): Promise<{ readonly sum: NamedArrays; readonly each: NamedArrays }>;
  dispose(): Promise<void>;
}

/** What compiling one program cost and produced: plain data, which can cross threads. */
export interface CompileReport {
  readonly program: string;
  readonly taskCount: number;
  /** A divisor of `taskCount`: the program's tasks are computed in equal runs, one after another. */
  readonly tasksPerRun: number;
  /** Nodes of one task's graph as traced, and of a run's graph after all passes. */
  readonly nodesTraced: number;
  readonly nodes: number;
  /** Predicted for one run. */
  readonly peakBytes: number;
  /** Floating-point operations of one run, in products and convolutions. */
  readonly arithmetic: number;
  /** What runs it: ONNX Runtime as one model, or the fused executor. */
  readonly executor: 'onnx' | 'fused';
  readonly isSessionShared: boolean;
  readonly traceMs: number;
  readonly optimizeMs: number;
  readonly sessionMs: number;
}

/**
 * Counted since the engine was created. The eager engine has no sessions; it counts programs and
 * the time of their tracing.
 */
export interface EngineStatistics {
  readonly programs: number;
  readonly sessionsCreated: number;
  /** Programs that share the session of another program with an equal graph. */
  readonly sessionsShared: number;
  readonly traceMs: number;
  readonly optimizeMs: number;
  readonly sessionMs: number;
}

export interface Engine {
  /**
   * Executor, its version, device, instruction set and JavaScript engine: equal fingerprints give
   * equal bytes.
   */
  readonly fingerprint: string;
  readonly statistics: EngineStatistics;
  /**
   * @throws MetatrainError `REQUEST_INVALID` naming the program and the operator that is missing or
   * that draws random numbers, or saying that it reads a tensor's values, `OUT_OF_MEMORY` with the
   * figures when a run would need more memory than there is.
   */
  compile(options: TaskProgramOptions): Promise<TaskProgram>;
  /** Frees every program. May be called twice. */
  close(): Promise<void>;
}
