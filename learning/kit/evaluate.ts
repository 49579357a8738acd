// The evaluation's task function: every measure at every point of the algorithm's axis, on the query set.
import type * as tfjs from '@tensorflow/tfjs';
import type { BuiltAlgorithm, NamedTensors, TaskFunction } from '../built.ts';
import type { Kit } from './kit.ts';
import { first } from './sequence.ts';

/** `each`: every measure by name, [points]. */
export function evaluateFunction({ adapt, predict }: BuiltAlgorithm, kit: Kit, points: number): TaskFunction {
  const { tf } = kit;
  return (theta, task) => {
    const { inputs, targets } = kit.querySet(task);
    const rows = new Map<string, tfjs.Tensor[]>();
    for (const state of first(points, adapt(theta, task))) {
      const measured = kit.measure(predict(theta, state, inputs), targets);
      for (const [name, value] of Object.entries(measured)) rows.set(name, [...(rows.get(name) ?? []), value]);
    }
    const each: NamedTensors = Object.fromEntries(
      Array.from(rows, ([name, values]) => [name, tf.concat(values.map((value) => tf.reshape(value, [1])))]),
    );
    return { sum: {}, each };
  };
}
