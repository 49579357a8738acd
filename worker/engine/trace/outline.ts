// Operators that the trace has no rule for. A graph cannot have them, and the error says who can
// run them. For the eager executor, which needs no graph but the shapes of the outputs, such an
// operator runs once, by itself, on zeros, on the backend that will run the program; the trace goes
// on with tensors of the shapes that it made. So a program is traced to its end on either executor,
// and what a task function may not do is refused by both.
import type * as tfjs from '@tensorflow/tfjs';
import type { MetatrainError } from '../../../shared/errors.ts';
import { tf } from '../tf/tf.ts';
import { type Recording, traceBackend, traceBackendName } from './recorder.ts';

/** A kernel's operands by name; an optional one may be absent. */
export type Tensors = Readonly<Record<string, tfjs.TensorInfo | null | undefined>>;
type Attributes = Readonly<Record<string, unknown>>;

const referenceBackend = 'cpu';

/** The error for a kernel, or a use of it, that the trace has no rule for. */
export function missingOperator(recording: Recording, kernel: string, use?: string): MetatrainError {
  const what = use === undefined ? `operator ${kernel}` : `${kernel} ${use}`;
  const words =
    recording.runner !== undefined
      ? `TensorFlow.js's backend ${recording.runner} has no ${what}, nor has the compiled engine`
      : tf.getKernel(kernel, referenceBackend) === undefined
        ? `the compiled engine has no ${what}`
        : `the compiled engine has no ${what}; engine: eager runs it`;
  return recording.refuse(words, { operator: kernel });
}

export function hasOutline(tensors: Tensors): boolean {
  const backend = traceBackend();
  return Object.values(tensors).some((tensor) => tensor && backend.isOutline(tensor));
}

const registered = new Set<string>();

/**
 * Registers every kernel of the backend that the trace has no rule for, once a thread.
 */
export function registerKernelsOf(backendName: string): void {
  for (const { kernelName } of tf.getKernelsForBackend(backendName)) {
    if (registered.has(kernelName) || tf.getKernel(kernelName, traceBackendName) !== undefined) continue;
    registered.add(kernelName);
    tf.registerKernel({
      kernelName,
      backendName: traceBackendName,
      kernelFunc: ({ inputs, attrs }) => tryKernel(kernelName, inputs as unknown as Tensors, attrs ?? {}),
    });
  }
}

/**
 * Tensors of the shapes and types that the kernel makes on the recording's runner, of zeros where
 * the trace knows no values.
 * @throws MetatrainError `REQUEST_INVALID` naming the kernel where there is no runner, or the
 * runner cannot run it.
 */
export function tryKernel(
  kernel: string,
  tensors: Tensors,
  attributes: Attributes,
): tfjs.TensorInfo[] | tfjs.TensorInfo {
  const backend = traceBackend();
  const recording = backend.current();
  const { runner } = recording;
  if (runner === undefined || tf.getKernel(kernel, runner) === undefined) throw missingOperator(recording, kernel);
  const operands = Object.entries(tensors).flatMap(([name, tensor]) =>
    tensor ? [{ name, shape: tensor.shape, dtype: tensor.dtype, values: backend.valuesOf(tensor) }] : [],
  );
  const made = (): { isList: boolean; outlines: { shape: number[]; dtype: tfjs.DataType }[] } => {
    const named = Object.fromEntries(
      operands.map(({ name, shape, dtype, values }) => [
        name,
        values === undefined ? tf.zeros(shape, dtype) : tf.tensor(values.slice(), shape, dtype),
      ]),
    );
    // einsum passes a list, which its kernel insists on
    const inputs = Array.isArray(tensors) ? (Object.values(named) as unknown as typeof named) : named;
    const result: tfjs.Tensor | tfjs.Tensor[] = tf.engine().runKernel(kernel, inputs, attributes as tfjs.NamedAttrMap);
    const list = Array.isArray(result) ? result : [result];
    return { isList: Array.isArray(result), outlines: list.map(({ shape, dtype }) => ({ shape: [...shape], dtype })) };
  };
  tf.setBackend(runner);
  try {
    const { isList, outlines } = tf.tidy(made);
    const infos = outlines.map(({ shape, dtype }) => infoOf(recording, shape, dtype));
    return isList ? infos : infos[0]!;
  } catch (error) {
    throw recording.refuse(
      `operator ${kernel} cannot be tried on zeros, which is how its result's shape is found: ${error instanceof Error ? error.message : error}`,
      { operator: kernel },
    );
  } finally {
    tf.setBackend(traceBackendName);
  }
}

/**
 * A new input of the graph if the graph has the type. Only the shapes of such a graph are used.
 */
function infoOf(recording: Recording, shape: readonly number[], dtype: tfjs.DataType): tfjs.TensorInfo {
  const backend = traceBackend();
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') return backend.outlineOf(shape, dtype);
  const name = `result ${recording.builder.counts.made}`;
  return backend.tensorInfoOf(recording.builder.make({ kind: 'input', source: 'task', name, shape, dtype }));
}
