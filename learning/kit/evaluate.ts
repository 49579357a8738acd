// The evaluation's task functions: every measure at every point of the algorithm's axis, on the query set. As
// one program over all points, or, where an adaptation is a loop, as one program for its start and one for a
// step, which the worker calls in turn. Of a sequence, each example is predicted from the state before it.
import type * as tfjs from '@tensorflow/tfjs';
import type { Adaptation, BuiltAlgorithm, LoopedAdaptation, NamedTensors, TaskFunction } from '../built.ts';
import { measureInsight } from './insight.ts';
import type { Kit } from './kit.ts';
import { withoutPrefix, withPrefix } from './prefix.ts';
import { isRejecting, measureRejection } from './rejection.ts';
import { first } from './sequence.ts';

export const isLooped = (adapt: Adaptation | LoopedAdaptation): adapt is LoopedAdaptation =>
  typeof adapt !== 'function';

/** The states of any adaptation, one after another. */
export function* statesOf(
  adapt: Adaptation | LoopedAdaptation,
  theta: NamedTensors,
  task: NamedTensors,
  step: NamedTensors,
): Iterable<NamedTensors> {
  if (!isLooped(adapt)) {
    yield* adapt(theta, task, step);
    return;
  }
  for (let state = adapt.start(theta, task, step); ; state = adapt.next(theta, state, task, step)) yield state;
}

/** Every measure of a state, by name: scalars, and vectors of those that have an axis of their own. */
function measureState(
  { predict }: BuiltAlgorithm,
  kit: Kit,
  theta: NamedTensors,
  state: NamedTensors,
  task: NamedTensors,
) {
  const { inputs, targets } = kit.querySet(task);
  const predictions = predict(theta, state, inputs);
  const measured = kit.measure(predictions, targets);
  if (!isRejecting(kit.task)) return measured;
  return { ...measured, ...measureRejection(kit.tf, predictions, predict(theta, state, task.outsideInputs!)) };
}

export interface EvaluationOptions {
  /** Of the algorithm's axis. */
  readonly points: number;
  /** `evaluation.insight`. Default: no. */
  readonly insight?: boolean;
}

/** `each`: every measure by name, [points], or the points of its own axis. */
export function evaluateFunction(
  algorithm: BuiltAlgorithm,
  kit: Kit,
  { points, insight = false }: EvaluationOptions,
): TaskFunction {
  const { tf } = kit;
  return (theta, task, step) => {
    const rows = new Map<string, tfjs.Tensor[]>();
    let [before, after]: NamedTensors[] = [];
    for (const state of first(points, statesOf(algorithm.adapt, theta, task, step))) {
      before ??= state;
      after = state;
      const measured = measureState(algorithm, kit, theta, state, task);
      for (const [name, value] of Object.entries(measured)) {
        const before = value.rank === 0 ? (rows.get(name) ?? []) : [];
        rows.set(name, [...before, value.rank === 0 ? tf.reshape(value, [1]) : value]);
      }
    }
    const each: NamedTensors = Object.fromEntries(Array.from(rows, ([name, values]) => [name, tf.concat(values)]));
    if (!insight) return { sum: {}, each };
    return { sum: {}, each: { ...each, ...measureInsight(kit, before!, after!, kit.querySet(task).inputs) } };
  };
}

export const statePrefix = 'state.';
export const measurePrefix = 'measure.';

export interface LoopedEvaluation {
  /** `each`: the first state and the measures at it, with their prefixes. */
  readonly start: TaskFunction;
  /** As `start`, of the next state. The state is among the task's tensors, with its prefix. */
  readonly next: TaskFunction;
  /** `each`: what `evaluation.insight` measures of the state among the task's tensors, which is the last. */
  readonly insight: TaskFunction;
}

export function loopedEvaluation(adapt: LoopedAdaptation, algorithm: BuiltAlgorithm, kit: Kit): LoopedEvaluation {
  const outputs = (theta: NamedTensors, task: NamedTensors, state: NamedTensors) => {
    const measured = measureState(algorithm, kit, theta, state, task);
    return { sum: {}, each: { ...withPrefix(statePrefix, state), ...withPrefix(measurePrefix, measured) } };
  };
  return {
    start: (theta, task, step) => outputs(theta, task, adapt.start(theta, task, step)),
    next: (theta, task, step) => outputs(theta, task, adapt.next(theta, withoutPrefix(statePrefix, task), task, step)),
    insight(theta, task, step) {
      const [before, after] = [adapt.start(theta, task, step), withoutPrefix(statePrefix, task)];
      return { sum: {}, each: measureInsight(kit, before, after, kit.querySet(task).inputs) };
    },
  };
}

/**
 * As `loopedEvaluation`, of sequences: `start` gives the state before the first example; `next` reads the one example that the
 * task holds, and `each` has its measures as well as the state after it.
 */
export function streamEvaluation(
  adapt: LoopedAdaptation,
  algorithm: BuiltAlgorithm,
  kit: Kit,
): Omit<LoopedEvaluation, 'insight'> {
  return {
    start: (theta, task, step) => ({ sum: {}, each: withPrefix(statePrefix, adapt.start(theta, task, step)) }),
    next(theta, task, step) {
      const state = withoutPrefix(statePrefix, task);
      const { inputs, targets } = kit.streamOf(task);
      const measured = kit.measure(algorithm.predict(theta, state, inputs), targets);
      const after = adapt.next(theta, state, task, step);
      return { sum: {}, each: { ...withPrefix(statePrefix, after), ...withPrefix(measurePrefix, measured) } };
    },
  };
}

/** The states among a looped evaluation's outputs or tensors, with their prefix. */
export const statesAmong = <Item>(items: Readonly<Record<string, Item>>): Record<string, Item> =>
  Object.fromEntries(Object.entries(items).filter(([name]) => name.startsWith(statePrefix)));

/** The measures among a looped evaluation's outputs, by name. */
export const measuresAmong = <Item>(items: Readonly<Record<string, Item>>): Record<string, Item> =>
  withoutPrefix(measurePrefix, items);
