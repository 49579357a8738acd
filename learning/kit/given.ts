// What a model is given for examples beside its parameters: masks, which are drawn for a training task, and
// running statistics, which are in θ and averaged over tasks, never differentiated. An algorithm sees
// neither in θ: they come with a task's examples (`Examples`), and so into every loss and gradient that
// the kit makes. In training running statistics are moved and not used; in evaluation and predictions
// they are used and stay.
import type { Rng } from '../../shared/rng.ts';
import type { BuiltAlgorithm, NamedTensors, TaskFunction, TensorShapes } from '../built.ts';
import type { Parameter, TaskFacts } from '../facts.ts';
import type { Examples } from './gradients.ts';
import { withoutPrefix, withPrefix } from './prefix.ts';

/** What a training task's examples are multiplied with inside a model, such as dropout's masks. */
export interface Mask {
  /** Of one example's mask. */
  readonly shape: readonly number[];
  /** Overwrites the masks of one set of examples, row-major [examples, …shape]. */
  draw(rng: Rng, masks: Float32Array): void;
}

/** By the name under which the model finds them among its parameters. */
export type Masks = Readonly<Record<string, Mask>>;

const statisticsPrefix = 'statistics.';
const runningPrefix = 'running.';
type SetName = 'support' | 'query';
const maskPrefix = (set: SetName): string => `${set}Masks.`;

/** Of a task's tensors: what goes into `Examples`. */
export function givenOf(task: NamedTensors, set: SetName): Pick<Examples, 'masks' | 'statistics' | 'running'> {
  const found = {
    masks: withoutPrefix(maskPrefix(set), task),
    statistics: withoutPrefix(statisticsPrefix, task),
    running: withoutPrefix(runningPrefix, task),
  };
  return Object.fromEntries(Object.entries(found).filter(([, tensors]) => Object.keys(tensors).length > 0));
}

const setsOf = ({ supportExamples, queryExamples }: TaskFacts) =>
  [
    ['support', supportExamples],
    ['query', queryExamples],
  ] as const;

/**
 * The masks of a task as tensors beside the distribution's, by name, in the order in which they are drawn.
 */
export const maskShapes = (masks: Masks, task: TaskFacts): TensorShapes =>
  Object.fromEntries(
    setsOf(task).flatMap(([set, examples]) =>
      examples === 0
        ? []
        : Object.entries(masks).map(([name, { shape }]) => [
            `${maskPrefix(set)}${name}`,
            { shape: [examples, ...shape] },
          ]),
    ),
  );

/** Draws the masks of one task, whose arrays have the names and shapes of `maskShapes`. */
export function drawMasks(masks: Masks, rng: Rng, arrays: Readonly<Record<string, Float32Array>>): void {
  for (const set of ['support', 'query'] as const) {
    for (const [name, mask] of Object.entries(masks)) {
      const array = arrays[`${maskPrefix(set)}${name}`];
      if (array) mask.draw(rng, array);
    }
  }
}

/**
 * The algorithm as θ with the model's running statistics needs it; the algorithm itself where there
 * are none.
 */
export function withRunning(algorithm: BuiltAlgorithm, statistics: readonly Parameter[]): BuiltAlgorithm {
  if (statistics.length === 0) return algorithm;
  const names = new Set(statistics.map(({ name }) => name));
  const pick = <Item>(theta: Readonly<Record<string, Item>>, isRunning: boolean): Record<string, Item> =>
    Object.fromEntries(Object.entries(theta).filter(([name]) => names.has(name) === isRunning));
  const own = <Item>(theta: Readonly<Record<string, Item>>) => pick(theta, false);
  const withStatistics = (prefix: string, theta: NamedTensors, task: NamedTensors): NamedTensors => ({
    ...task,
    ...withPrefix(prefix, pick(theta, true)),
  });
  /** States that a prediction needs nothing beside. */
  const completed = (state: NamedTensors, theta: NamedTensors): NamedTensors => ({ ...state, ...pick(theta, true) });
  const { adapt, train } = algorithm;
  const trained =
    (compute: TaskFunction): TaskFunction =>
    (theta, task, step) =>
      compute(own(theta), withStatistics(runningPrefix, theta, task), step);
  return {
    adapt:
      typeof adapt !== 'function'
        ? {
            start: (theta, task, step) =>
              completed(adapt.start(own(theta), withStatistics(statisticsPrefix, theta, task), step), theta),
            next: (theta, state, task, step) =>
              completed(adapt.next(own(theta), state, withStatistics(statisticsPrefix, theta, task), step), theta),
          }
        : function* (theta, task, step) {
            for (const state of adapt(own(theta), withStatistics(statisticsPrefix, theta, task), step))
              yield completed(state, theta);
          },
    predict: (theta, state, inputs) => algorithm.predict(own(theta), state, inputs),
    train:
      typeof train === 'function'
        ? (theta, task, step) => {
            const { sum, each } = trained(train)(theta, task, step);
            // an algorithm that never asks for the new values leaves them as they were
            return { sum: { ...pick(theta, true), ...sum }, each };
          }
        : {
            programs: Object.fromEntries(
              Object.entries(train.programs).map(([name, program]) => [
                name,
                { ...program, compute: trained(program.compute) },
              ]),
            ),
            shard: (shard, run) => train.shard({ ...shard, theta: own(shard.theta) }, run),
          },
  };
}
