// Cuts stacked task arrays into tasks and joins their results: `sum` in task order, `each` side by
// side. Both executors use it, so that both mean the same.
import { MetatrainError } from '../../shared/errors.ts';
import type { NamedArrays, TensorSpec, TensorSpecs, TypedArray } from './engine.ts';
import { type Graph, sizeOf } from './graph/operation.ts';

/**
 * The array itself when it has the type and length that the spec asks for. @throws MetatrainError
 * `REQUEST_INVALID` naming the input.
 */
export function checkedArray(name: string, array: TypedArray | undefined, spec: TensorSpec): TypedArray {
  if (array === undefined)
    throw new MetatrainError('REQUEST_INVALID', `input ${name} is missing`, { details: { input: name } });
  const size = sizeOf(spec.shape);
  const wanted = arrayTypes[spec.dtype];
  if (!(array instanceof wanted) || array.length !== size) {
    throw new MetatrainError(
      'REQUEST_INVALID',
      `input ${name}: got ${array.constructor.name} of ${array.length} elements, needs ${wanted.name} of ${size}`,
      { details: { input: name, got: array.length, needed: size } },
    );
  }
  return array;
}

/** Task number `index` of an array that stacks `count` tasks: a view, not a copy. */
export function taskView(
  name: string,
  array: TypedArray | undefined,
  spec: TensorSpec,
  index: number,
  count: number,
): TypedArray {
  const size = sizeOf(spec.shape);
  return checkedArray(name, array, { shape: [count, ...spec.shape], dtype: spec.dtype }).subarray(
    index * size,
    (index + 1) * size,
  );
}

export const arrayTypes = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

export interface OutputSpecs {
  readonly sum: TensorSpecs;
  readonly each: TensorSpecs;
}

/** From a one-task graph: `sum` outputs as they are, `each` with a leading axis. */
export function outputSpecs(graph: Graph, taskCount: number): OutputSpecs {
  const sum: Record<string, TensorSpec> = {};
  const each: Record<string, TensorSpec> = {};
  for (const { name, node } of graph.outputs) {
    if (name.startsWith('sum.')) sum[name.slice(4)] = { shape: node.shape, dtype: node.dtype };
    else each[name.slice(5)] = { shape: [taskCount, ...node.shape], dtype: node.dtype };
  }
  return { sum, each };
}

/**
 * `results[r]` holds the outputs of run r as `sum.<name>` and `each.<name>`; runs have equally many
 * tasks, in task order.
 */
export function stackedOutputs(
  specs: OutputSpecs,
  results: readonly Readonly<Record<string, TypedArray>>[],
): { sum: NamedArrays; each: NamedArrays } {
  const sum: Record<string, TypedArray> = {};
  for (const [name, spec] of Object.entries(specs.sum)) {
    const total = new arrayTypes[spec.dtype](sizeOf(spec.shape));
    results.forEach((result, task) => {
      const part = result[`sum.${name}`]!;
      if (task === 0) total.set(part);
      else for (let i = 0; i < total.length; i++) total[i]! += part[i]!;
    });
    sum[name] = total;
  }
  const each: Record<string, TypedArray> = {};
  for (const [name, spec] of Object.entries(specs.each)) {
    const stacked = new arrayTypes[spec.dtype](sizeOf(spec.shape));
    results.forEach((result, task) => {
      const part = result[`each.${name}`]!;
      stacked.set(part, task * part.length);
    });
    each[name] = stacked;
  }
  return { sum, each };
}
