// The typed arrays of tasks and parameters: their lengths follow from a job's facts.
import type { NamedArrays } from '../../learning/built.ts';
import type { Parameter, TaskFacts } from '../../learning/facts.ts';
import type { Rng } from '../../shared/rng.ts';
import { elementsOf } from '../../shared/tensor-codec.ts';
import type { TensorSpecs } from '../engine/engine.ts';

/** Named float32 tensors as an engine wants them described. */
export const specsOf = (
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): TensorSpecs => Object.fromEntries(tensors.map(({ name, shape }) => [name, { shape, dtype: 'float32' as const }]));

/** Arrays for `count` tasks stacked, row-major [count, …shape], and each task's part of them as views. */
export function allocateTasks(
  { tensors }: Pick<TaskFacts, 'tensors'>,
  count: number,
): { readonly stacked: NamedArrays; task(position: number): NamedArrays } {
  const lengths = Object.entries(tensors).map(([name, { shape }]) => [name, elementsOf(shape)] as const);
  const stacked: NamedArrays = Object.fromEntries(
    lengths.map(([name, length]) => [name, new Float32Array(count * length)]),
  );
  return {
    stacked,
    task: (position) =>
      Object.fromEntries(
        lengths.map(([name, length]) => [name, stacked[name]!.subarray(position * length, (position + 1) * length)]),
      ),
  };
}

/** θ₀, flat in layout order: each parameter in turn, row-major, from one stream. */
export function initialParams(parameters: readonly Parameter[], rng: Rng): Float32Array {
  const values = new Float32Array(parameters.reduce((sum, { shape }) => sum + elementsOf(shape), 0));
  let offset = 0;
  for (const { shape, initialize } of parameters) {
    const end = offset + elementsOf(shape);
    while (offset < end) values[offset++] = initialize(rng);
  }
  return values;
}
