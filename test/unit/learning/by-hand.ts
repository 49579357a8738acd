// What second implementations in float64 are written with: θ by name, vectors, and one step of an LSTM.
import type { ResolvedJob } from '../../../learning/job.ts';
import { elementsOf } from '../../../shared/tensor-codec.ts';

export type Vector = readonly number[];

export const dot = (a: Vector, b: Vector): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
export const plus = (...vectors: readonly Vector[]): number[] =>
  vectors[0]!.map((_, i) => vectors.reduce((sum, vector) => sum + vector[i]!, 0));

/** θ by name, and a vector's product with one of its matrices. */
export function parametersOf({ parameters }: Pick<ResolvedJob, 'parameters'>, theta: Vector) {
  const values = new Map<string, Vector>();
  let offset = 0;
  for (const { name, shape } of parameters) {
    values.set(name, theta.slice(offset, offset + elementsOf(shape)));
    offset += elementsOf(shape);
  }
  const vector = (name: string): Vector => values.get(name)!;
  const times = (x: Vector, name: string): number[] => {
    const weights = vector(name);
    const outputs = weights.length / x.length;
    const column = (j: number) => x.map((_, i) => weights[i * outputs + j]!);
    return Array.from({ length: outputs }, (_, j) => dot(x, column(j)));
  };
  return { vector, times };
}

/** Gate by gate: input, forget (with 1 added), what is written, output. */
export function lstm(sums: Vector, cell: Vector): { readonly cell: number[]; readonly hidden: number[] } {
  const units = cell.length;
  const next = cell.map(
    (value, j) => sigmoid(sums[units + j]! + 1) * value + sigmoid(sums[j]!) * Math.tanh(sums[2 * units + j]!),
  );
  return { cell: next, hidden: next.map((value, j) => sigmoid(sums[3 * units + j]!) * Math.tanh(value)) };
}
