// A network of two relu units written out by hand in float64, its loss and gradient, a difference
// quotient, and tasks of plain numbers: what tests of the algorithms compare an engine's numbers
// with.
import assert from 'node:assert/strict';
import { z } from 'zod';
import type { NamedArrays } from '../../../learning/built.ts';
import { supportAndQuery } from '../../../learning/facts.ts';
import { defineDistribution } from '../../../learning/part.ts';

/** w₁, w₂, c₁, c₂ of the body, v₁, v₂, b of the head: ŷ = Σ vⱼ·relu(wⱼ·x + cⱼ) + b. */
export type Net = readonly number[];
export type Points = readonly (readonly [x: number, y: number])[];

// both units are alive at every point
export const start: Net = [0.7, 0.4, 0.5, 0.9, 0.6, -0.3, 0.1];
// the second unit is dead at every point
export const halfDead: Net = [0.7, 0.4, 0.5, -9, 0.6, -0.3, 0.1];
export const body = [0, 1, 2, 3];
export const head = [4, 5, 6];
export const everything = [...body, ...head];

export const support: Points = [
  [0.5, 0.4],
  [1.5, -0.3],
  [0.9, 1],
];
export const query: Points = [
  [0.2, -0.5],
  [1.1, 0.8],
];

export const hidden = (net: Net, x: number) => [0, 1].map((j) => Math.max(0, net[j]! * x + net[2 + j]!));
const residual = (net: Net, [x, y]: readonly [number, number]) => {
  const [h1, h2] = hidden(net, x) as [number, number];
  return net[4]! * h1 + net[5]! * h2 + net[6]! - y;
};
export const loss = (net: Net, points: Points) =>
  points.reduce((sum, point) => sum + residual(net, point) ** 2, 0) / points.length;

export function gradient(net: Net, points: Points): number[] {
  const sum = new Array<number>(7).fill(0);
  for (const point of points) {
    const [x] = point;
    const error = (2 * residual(net, point)) / points.length;
    for (const [j, h] of hidden(net, x).entries()) {
      const slope = h > 0 ? error * net[4 + j]! : 0;
      sum[j]! += slope * x;
      sum[2 + j]! += slope;
      sum[4 + j]! += error * h;
    }
    sum[6]! += error;
  }
  return sum;
}

/** Of a smooth function in float64: right to some 1e-9. */
export function derivative(f: (at: readonly number[]) => number, at: readonly number[]): number[] {
  const h = 1e-5;
  const moved = (i: number, by: number) => f(at.map((value, j) => (j === i ? value + by : value)));
  return at.map((_, i) => (moved(i, h) - moved(i, -h)) / (2 * h));
}

/** Three classes of numbers; a test fills in the task. */
export const numbers = defineDistribution({
  name: 'numbers',
  title: 'numbers',
  summary: 'for a test',
  paper: '',
  schema: z.strictObject({}),
  variants: {},
  describe: () => ({ episode: '', queries: '', data: '' }),
  facts: () =>
    supportAndQuery({
      target: 'classes',
      inputKind: 'vector',
      input: [1],
      outputs: 3,
      ways: 3,
      shots: 2,
      queries: 1,
    }),
  open: () => assert.fail('no task is drawn'),
});

const column = (points: Points, index: 0 | 1) => Float32Array.from(points, (point) => point[index]);
export const taskOf = (support: Points, query: Points): NamedArrays => ({
  supportInputs: column(support, 0),
  supportTargets: column(support, 1),
  queryInputs: column(query, 0),
  queryTargets: column(query, 1),
});
