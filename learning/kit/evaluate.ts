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

/**
 * What a state predicts by name, each [examples, outputs]: for the query set, and for inputs of no
 * class where tasks have them.
 */
function predictionsOf(
  { predict }: BuiltAlgorithm,
  kit: Kit,
  theta: NamedTensors,
  state: NamedTensors,
  task: NamedTensors,
): NamedTensors {
  const query = predict(theta, state, kit.querySet(task).inputs);
  return isRejecting(kit.task) ? { query, outside: predict(theta, state, task.outsideInputs!) } : { query };
}

/**
 * Every measure of predictions for the query set, by name: scalars, and vectors of those that have
 * an axis of their own. What rejects inputs of no class are the largest logits in `query` and
 * `outside`.
 */
function measurePredictions(
  kit: Kit,
  predictions: tfjs.Tensor2D,
  { query, outside }: NamedTensors,
  task: NamedTensors,
): NamedTensors {
  const measured = kit.measure(predictions, kit.querySet(task).targets);
  if (!outside) return measured;
  return { ...measured, ...measureRejection(kit.tf, query as tfjs.Tensor2D, outside as tfjs.Tensor2D) };
}

/** What is wanted of each state on the way of an adaptation. */
type OfState = (theta: NamedTensors, state: NamedTensors, task: NamedTensors) => NamedTensors;

const measuresOfState =
  (algorithm: BuiltAlgorithm, kit: Kit): OfState =>
  (theta, state, task) => {
    const predicted = predictionsOf(algorithm, kit, theta, state, task);
    return measurePredictions(kit, predicted.query as tfjs.Tensor2D, predicted, task);
  };

/**
 * Scalars of every point as [points]; of vectors, which have an axis of their own, those of the last point.
 */
function alongPoints({ tf }: Kit, measured: readonly NamedTensors[]): NamedTensors {
  const last = measured.at(-1)!;
  const ofPoints = (name: string) => measured.map((of) => tf.reshape(of[name]!, [1]));
  return Object.fromEntries(
    Object.entries(last).map(([name, value]) => [name, value.rank === 0 ? tf.concat(ofPoints(name)) : value]),
  );
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
  const ofState = measuresOfState(algorithm, kit);
  return (theta, task, step) => {
    const states = [...first(points, statesOf(algorithm.adapt, theta, task, step))];
    const each = alongPoints(kit, states.map((state) => ofState(theta, state, task))); // biome-ignore format: one line
    if (!insight) return { sum: {}, each };
    const inputs = kit.querySet(task).inputs;
    return { sum: {}, each: { ...each, ...measureInsight(kit, states[0]!, states.at(-1)!, inputs) } };
  };
}

/**
 * `each`: what the states predict, by name, [points, examples, outputs]. One of several members of
 * an ensemble.
 */
export function predictFunction(algorithm: BuiltAlgorithm, kit: Kit, points: number): TaskFunction {
  return (theta, task, step) => {
    const states = [...first(points, statesOf(algorithm.adapt, theta, task, step))];
    const predicted = states.map((state) => predictionsOf(algorithm, kit, theta, state, task));
    const each = Object.keys(predicted[0]!).map((name) => [name, kit.tf.stack(predicted.map((of) => of[name]!))]);
    return { sum: {}, each: Object.fromEntries(each) };
  };
}

/** What several members predict, among a task's tensors: [members, points, examples, outputs]. */
export const memberPrefix = 'members.';

/**
 * The measures of what members predict together: `objective.average` of their predictions at every
 * point. Inputs of no class are rejected by the mean of the members' logits: a probability does not
 * tell how far all logits are down.
 */
export function ensembleFunction(kit: Kit, { members, points }: { members: number; points: number }): TaskFunction {
  const { tf } = kit;
  const counts = (count: number) => Array.from({ length: count }, (_, i) => i);
  return (_theta, task) => {
    const predicted = withoutPrefix(memberPrefix, task);
    const measured = counts(points).map((point) => {
      const ofMembers = (all: tfjs.Tensor): tfjs.Tensor2D[] => {
        const [, , examples, outputs] = all.shape as [number, number, number, number];
        return counts(members).map((member) =>
          tf.reshape(tf.slice(all, [member, point, 0, 0], [1, 1, examples, outputs]), [examples, outputs]),
        );
      };
      const each = mapItems(predicted, ofMembers);
      const means = mapItems(each, (all) => tf.div(tf.addN(all), members) as tfjs.Tensor);
      return measurePredictions(kit, kit.average(each.query!), means, task);
    });
    return { sum: {}, each: alongPoints(kit, measured) };
  };
}

export const statePrefix = 'state.';
export const outputPrefix = 'output.';

export interface LoopedEvaluation {
  /** `each`: the first state and what is wanted of it, with their prefixes. */
  readonly start: TaskFunction;
  /** As `start`, of the next state. The state is among the task's tensors, with its prefix. */
  readonly next: TaskFunction;
  /**
   * `each`: what `evaluation.insight` measures of the state among the task's tensors, which is the last.
   */
  readonly insight: TaskFunction;
}

/** @param wanted of each state: its measures, or what it predicts. Default: its measures. */
export function loopedEvaluation(
  adapt: LoopedAdaptation,
  algorithm: BuiltAlgorithm,
  kit: Kit,
  wanted: 'measures' | 'predictions' = 'measures',
): LoopedEvaluation {
  const ofState: OfState =
    wanted === 'measures'
      ? measuresOfState(algorithm, kit)
      : (theta, state, task) => predictionsOf(algorithm, kit, theta, state, task);
  const outputs = (theta: NamedTensors, task: NamedTensors, state: NamedTensors) => {
    const each = { ...withPrefix(statePrefix, state), ...withPrefix(outputPrefix, ofState(theta, state, task)) };
    return { sum: {}, each };
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
 * As `loopedEvaluation`, of sequences: `start` gives the state before the first example; `next`
 * reads the one example that the task holds, and `each` has its measures as well as the state after
 * it.
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
      return { sum: {}, each: { ...withPrefix(statePrefix, after), ...withPrefix(outputPrefix, measured) } };
    },
  };
}

/** The states among a looped evaluation's outputs or tensors, with their prefix. */
export const statesAmong = <Item>(items: Readonly<Record<string, Item>>): Record<string, Item> =>
  Object.fromEntries(Object.entries(items).filter(([name]) => name.startsWith(statePrefix)));

/** What is wanted of the state among a looped evaluation's outputs, by name. */
export const wantedAmong = <Item>(items: Readonly<Record<string, Item>>): Record<string, Item> =>
  withoutPrefix(outputPrefix, items);

const mapItems = <From, To>(items: Readonly<Record<string, From>>, change: (item: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(items).map(([name, item]) => [name, change(item)]));
