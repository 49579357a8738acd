// A TensorFlow.js backend that computes nothing: every kernel it runs becomes a node of our graph.
// Traced functions see tensors with shapes and without values; reading one is an error that says
// so. Constants keep their values. Tracing is synchronous, so a thread needs one recorder at a
// time.
import type * as tfjs from '@tensorflow/tfjs';
import { MetatrainError } from '../../../shared/errors.ts';
import type { TypedArray } from '../engine.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import type { DType, GraphNode, Shape } from '../graph/operation.ts';
import { tf } from '../tf/tf.ts';

export const traceBackendName = 'metatrain-trace';

/**
 * A tensor's content: a node of the current graph, or plain numbers that become a constant when a
 * kernel first uses them.
 */
type Content =
  | { readonly kind: 'node'; readonly node: GraphNode; readonly recording: Recording }
  | { readonly kind: 'values'; readonly values: TypedArray; readonly shape: Shape; readonly dtype: DType }
  /** What an operator without a rule made, of a type that the graph lacks, such as complex64. */
  | { readonly kind: 'outline'; readonly dtype: tfjs.DataType; readonly recording: Recording };

/** One function's trace. */
export class Recording {
  readonly builder: GraphBuilder;
  readonly programName: string;
  /**
   * The TensorFlow.js backend that will run the program, for the outline of a program that is not
   * compiled: an operator without a rule is tried on it (see outline.ts). Undefined where the graph
   * itself is wanted: such an operator is refused then.
   */
  readonly runner: string | undefined;

  constructor(programName: string, builder: GraphBuilder, runner?: string) {
    this.programName = programName;
    this.builder = builder;
    this.runner = runner;
  }

  refuse(what: string, details: Readonly<Record<string, unknown>> = {}): MetatrainError {
    return new MetatrainError('REQUEST_INVALID', `program "${this.programName}": ${what}`, {
      details: { program: this.programName, ...details },
    });
  }
}

class TraceBackend extends tf.KernelBackend {
  recording: Recording | undefined;
  private readonly contents: tfjs.DataStorage<Content>;

  constructor() {
    super();
    this.contents = new tf.DataStorage<Content>(this, tf.engine() as unknown as tfjs.DataMover);
  }

  current(): Recording {
    if (this.recording === undefined) throw new Error('a traced tensor was used outside its trace');
    return this.recording;
  }

  nodeOf(tensor: tfjs.TensorInfo): GraphNode {
    const content = this.contents.get(tensor.dataId);
    const recording = this.current();
    if (content.kind === 'values') return recording.builder.constant(content.values, content.shape, content.dtype);
    if (content.recording !== recording) throw recording.refuse('it uses a tensor that another trace made');
    if (content.kind === 'outline')
      throw recording.refuse(`an output is of type ${content.dtype}; accepted: float32, int32, bool`);
    return content.node;
  }

  /** Whether the tensor has no place in the graph, so that an operator on it has none either. */
  isOutline(tensor: tfjs.TensorInfo): boolean {
    return this.contents.get(tensor.dataId).kind === 'outline';
  }

  /** The tensor's values where they are plain numbers. */
  valuesOf(tensor: tfjs.TensorInfo): TypedArray | undefined {
    const content = this.contents.get(tensor.dataId);
    return content.kind === 'values' ? content.values : undefined;
  }

  outlineOf(shape: Shape, dtype: tfjs.DataType): tfjs.TensorInfo {
    const dataId = {};
    this.contents.set(dataId, { kind: 'outline', dtype, recording: this.current() });
    return { dataId, shape: [...shape], dtype };
  }

  tensorInfoOf(node: GraphNode): tfjs.TensorInfo {
    const dataId = {};
    this.contents.set(dataId, { kind: 'node', node, recording: this.current() });
    return { dataId, shape: [...node.shape], dtype: node.dtype };
  }

  override write(values: tfjs.BackendValues, shape: number[], dtype: tfjs.DataType): object {
    const dataId = {};
    this.move(dataId, values, shape, dtype);
    return dataId;
  }

  override move(dataId: object, values: tfjs.BackendValues, shape: number[], dtype: tfjs.DataType): void {
    if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') {
      throw this.current().refuse(`tensors of type ${dtype} are not supported; use float32, int32 or bool`);
    }
    this.contents.set(dataId, { kind: 'values', values: typedArrayOf(values, dtype), shape: [...shape], dtype });
  }

  override readSync(dataId: object): tfjs.BackendValues {
    const content = this.contents.get(dataId);
    if (content.kind === 'values') return content.values;
    throw (this.recording ?? content.recording).refuse(
      "it reads a tensor's values (dataSync, arraySync, print or an operator that does); control flow may depend on shapes only",
    );
  }

  override async read(dataId: object): Promise<tfjs.BackendValues> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: object): boolean {
    this.contents.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.contents.numDataIds();
  }

  override refCount(): number {
    return 1;
  }

  override incRef(): void {}

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override dispose(): void {}
}

let backend: TraceBackend | undefined;

export function traceBackend(): TraceBackend {
  if (backend === undefined) {
    backend = new TraceBackend();
    const instance = backend;
    tf.registerBackend(traceBackendName, () => instance, 0);
  }
  return backend;
}

export type { TraceBackend };

function typedArrayOf(values: tfjs.BackendValues, dtype: DType): TypedArray {
  const numbers = values as ArrayLike<number>;
  if (dtype === 'float32') return values instanceof Float32Array ? values : Float32Array.from(numbers);
  if (dtype === 'int32') return values instanceof Int32Array ? values : Int32Array.from(numbers);
  return values instanceof Uint8Array ? values : Uint8Array.from(numbers);
}
