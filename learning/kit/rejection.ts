// Telling what belongs to a task's classes from what belongs to none, in evaluations of tasks with
// an `outside` set. An input's score is its largest logit, and what scores low is rejected. The
// area under the receiver operating characteristic is the share of pairs of a query and an outside
// input that the score puts in the right order (a tie is half right). The curve is that
// characteristic: which share of the outside inputs is rejected with a threshold that also rejects
// so many of the task's own queries.
import type * as tfjs from '@tensorflow/tfjs';
import type { NamedTensors } from '../built.ts';
import type { TaskFacts } from '../facts.ts';
import type { MeasureKind } from '../part.ts';
import type { Tf } from './tools.ts';

/** Shares of the queries that the threshold rejects too. */
const shares = [0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5] as const;

export const isRejecting = ({ sets, target }: TaskFacts): boolean => sets.includes('outside') && target === 'classes';

/** Along the algorithm's axis. */
const areaHead = {
  name: 'outside-auroc',
  title: 'AUROC of rejecting outside inputs',
  better: 'higher',
  range: [0, 1],
} as const satisfies MeasureKind;

/** At the last state of an adaptation, along an axis of its own. */
export const curveHead = {
  name: 'outside-rejected',
  title: 'outside inputs rejected',
  better: 'higher',
  range: [0, 1],
  unit: '%',
  axis: 'share of queries rejected',
  points: shares.map((share) => `${Math.round(100 * share)} %`),
} as const;

/** What is measured beside the objective's measures; nothing for tasks without an outside set. */
export const rejectionKinds = (task: TaskFacts): readonly MeasureKind[] => (isRejecting(task) ? [areaHead] : []);

/** Of the logits of the queries and of the outside inputs. `outside-rejected` is [points], the area a scalar. */
export function measureRejection(tf: Tf, queries: tfjs.Tensor2D, outside: tfjs.Tensor2D): NamedTensors {
  const [own, other] = [tf.max(queries, 1), tf.max(outside, 1)];
  const [rows, columns] = [tf.expandDims(own, 1), tf.expandDims(other, 0)];
  const below = tf.cast(tf.less(columns, rows), 'float32');
  const equal = tf.cast(tf.equal(columns, rows), 'float32');
  const area = tf.mean(tf.add(below, tf.mul(equal, 0.5)));
  // an outside input is rejected with n queries where no more than n of them score as it does or less
  const notAbove = tf.sum(tf.sub(1, below), 0);
  const count = queries.shape[0];
  const rejected = shares.map((share) =>
    tf.reshape(tf.mean(tf.cast(tf.lessEqual(notAbove, Math.floor(share * count + 1e-9)), 'float32')), [1]),
  );
  return { [areaHead.name]: area, [curveHead.name]: tf.concat(rejected) };
}
