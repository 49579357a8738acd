// Learners that read a sequence of examples, each of which they predict before they see its target:
// x_t comes with y_{t−1}, the target of the example before it (Hochreiter, Younger & Conwell 2001;
// Santoro et al. 2016, §2). A learner says what one example does to its state. It is trained by
// back-propagation through the whole sequence, piece by piece: forward, keeping the states between
// the pieces, then backward, where a program computes its piece again and differentiates
// loss(piece) + ⟨∂ loss(later pieces) / ∂ state, state⟩. The gradient is that of the unrolled
// sequence, and a program is as large as a piece, however long the sequence.
import type * as tfjs from '@tensorflow/tfjs';
import { elementsOf } from '../../shared/tensor-codec.ts';
import type {
  BuiltAlgorithm,
  NamedArrays,
  NamedTensors,
  ProcedureTraining,
  RunProgram,
  TensorShapes,
} from '../built.ts';
import type { TaskFacts } from '../facts.ts';
import { rowOf, sumOfTasks } from './contribution.ts';
import { outputPrefix, statePrefix, statesAmong, wantedAmong } from './evaluate.ts';
import type { Examples } from './gradients.ts';
import type { Kit } from './kit.ts';
import { withoutPrefix, withPrefix } from './prefix.ts';
import type { Tf } from './tools.ts';

/** A tensor of a learner's state: its shape, and the number that fills it before the first example. */
export interface StateTensor {
  readonly shape: readonly number[];
  readonly first: number;
}

/** What one example does. Rows are states side by side that know nothing of each other. */
export interface StreamCell {
  readonly state: Readonly<Record<string, StateTensor>>;
  /**
   * What needs no state, of all examples at once. @param x [rows, features + targets]: an example's
   * features, and the target before it.
   */
  project(params: NamedTensors, x: tfjs.Tensor2D): tfjs.Tensor2D;
  /**
   * @param state [rows, …shape] by name. @returns the next state, and what a prediction is made
   *   from, [rows, width].
   */
  step(params: NamedTensors, state: NamedTensors, projected: tfjs.Tensor2D): CellStep;
  /** @param outputs [rows, width]. @returns [rows, targets] */
  predict(params: NamedTensors, outputs: tfjs.Tensor2D): tfjs.Tensor2D;
}

export interface CellStep {
  readonly state: NamedTensors;
  readonly output: tfjs.Tensor2D;
}

type StateTensors = Readonly<Record<string, StateTensor>>;

/** The target of the example before, among the state's tensors. */
const label = 'label';

const upstreamPrefix = 'upstream.';

/**
 * Examples of a piece, at most. With more, programs are larger; with fewer, there are more calls of them.
 */
const mostExamples = 10;

/**
 * Examples of each piece: the largest divisor of the sequence's length that is not above `mostExamples`.
 */
export function examplesOfPiece({ supportExamples: length }: Pick<TaskFacts, 'supportExamples'>): number {
  let examples = Math.min(mostExamples, length);
  while (length % examples !== 0) examples -= 1;
  return examples;
}

export function streamLearner(kit: Kit, cell: StreamCell): BuiltAlgorithm {
  const { tf, task } = kit;
  const state: StateTensors = { ...cell.state, [label]: { shape: [task.outputs], first: 0 } };
  const projectedFrom = (params: NamedTensors, inputs: tfjs.Tensor, before: tfjs.Tensor) =>
    cell.project(params, tf.concat([kit.model.features!(params, inputs), before], 1) as tfjs.Tensor2D);

  const read: Read = (params, from, { inputs, targets }) => {
    const count = targets.shape[0];
    const earlier = count > 1 ? [rows(tf, targets, 0, count - 1)] : [];
    const projected = projectedFrom(params, inputs, tf.concat([from[label]!, ...earlier], 0));
    let current = from;
    const outputs: tfjs.Tensor2D[] = [];
    for (let example = 0; example < count; example++) {
      const next = cell.step(params, current, rows(tf, projected, example, 1));
      current = next.state;
      outputs.push(next.output);
    }
    return {
      predictions: cell.predict(params, tf.concat(outputs, 0)),
      state: { ...current, [label]: rows(tf, targets, count - 1, 1) },
    };
  };

  return {
    adapt: {
      start: () =>
        Object.fromEntries(
          Object.entries(state).map(([name, { shape, first }]) => [name, tf.fill([1, ...shape], first)]),
        ),
      next: (theta, from, task) => read(theta, from, kit.streamOf(task)).state,
    },
    /** Each input as it would be predicted if it came next. */
    predict(theta, from, inputs) {
      const count = inputs.shape[0]!;
      const repeated = kit.mapParams(from, (_, value) =>
        tf.mul(value, tf.ones([count, ...value.shape.slice(1).map(() => 1)])),
      );
      const { output } = cell.step(theta, repeated, projectedFrom(theta, inputs, repeated[label]!));
      return cell.predict(theta, output);
    },
    train: trainedByPieces(kit, state, read),
  };
}

/** Predictions of examples in order, and the state after them, which has one row. */
type Read = (
  params: NamedTensors,
  from: NamedTensors,
  examples: Examples,
) => { readonly predictions: tfjs.Tensor2D; readonly state: NamedTensors };

function trainedByPieces(kit: Kit, state: StateTensors, read: Read): ProcedureTraining {
  const { tf, task: facts } = kit;
  const length = facts.supportExamples;
  const count = examplesOfPiece(facts);
  const pieces = length / count;
  const shapes: TensorShapes = Object.fromEntries(
    Object.entries(state).map(([name, { shape }]) => [name, { shape: [1, ...shape] }]),
  );
  const inputs: TensorShapes = {
    streamInputs: { shape: [count, ...facts.input] },
    streamTargets: { shape: [count, facts.outputs] },
    ...withPrefix(statePrefix, shapes),
  };
  const learned = kit.parameters.filter(({ update = 'gradient' }) => update === 'gradient').map(({ name }) => name);

  const programs: ProcedureTraining['programs'] = {
    forward: {
      inputs,
      compute(theta, task) {
        const stream = kit.streamOf(task);
        const after = read(theta, withoutPrefix(statePrefix, task), stream);
        const measured = kit.measure(after.predictions, stream.targets);
        return { sum: {}, each: { ...withPrefix(statePrefix, after.state), ...withPrefix(outputPrefix, measured) } };
      },
    },
    backward: {
      inputs: { ...inputs, ...withPrefix(upstreamPrefix, shapes) },
      compute(theta, task) {
        const stream = kit.streamOf(task);
        const loss = (some: NamedTensors) => {
          const after = read({ ...theta, ...some }, withoutPrefix(statePrefix, some), stream);
          const own = tf.div(kit.objective.loss(after.predictions, stream.targets), pieces);
          const later = Object.entries(withoutPrefix(upstreamPrefix, task)).map(([name, upstream]) =>
            tf.sum(tf.mul(after.state[name]!, upstream)),
          );
          return tf.addN([own, ...later]) as tfjs.Scalar;
        };
        const params = Object.fromEntries(learned.map((name) => [name, theta[name]!]));
        const gradients = kit.gradientOf(loss, { ...params, ...statesAmong(task) });
        return {
          sum: Object.fromEntries(learned.map((name) => [name, gradients[name]!])),
          each: withPrefix(upstreamPrefix, withoutPrefix(statePrefix, gradients)),
        };
      },
    },
  };

  /** The gradient's sum over the tasks, and each task's measures. */
  async function computed(tasks: NamedArrays, taskCount: number, run: RunProgram) {
    const examples = (piece: number) => examplesOf(tasks, { begin: piece * count, count, length, taskCount });
    const states = [withPrefix(statePrefix, firstState(state, taskCount))];
    const measures: Record<string, Float32Array> = {};
    for (let piece = 0; piece < pieces; piece++) {
      const { each } = await run('forward', { tasks: { ...examples(piece), ...states[piece] }, taskCount });
      states.push(statesAmong(each));
      for (const [name, values] of Object.entries(wantedAmong(each)))
        measures[name] = values.map((value, task) => value / pieces + (measures[name]?.[task] ?? 0));
    }
    let upstream: NamedArrays = withPrefix(upstreamPrefix, zerosLike(withoutPrefix(statePrefix, states[0]!)));
    let vector: NamedArrays = {};
    for (let piece = pieces - 1; piece >= 0; piece--) {
      const call = { tasks: { ...examples(piece), ...states[piece], ...upstream }, taskCount };
      const { sum, each } = await run('backward', call);
      if (piece === pieces - 1) vector = sum;
      else addTo(vector, sum);
      upstream = each;
    }
    return { vector, measures };
  }

  return {
    programs,
    async shard({ tasks, taskCount }, run) {
      const { vector, measures } = await computed(tasks, taskCount, run);
      if ([...Object.values(vector), measures.loss!].every((values) => values.every(Number.isFinite)))
        return { vector, measures, weight: taskCount };
      // each task alone, so that only those that have diverged are left out
      const contributions = zerosLike(vector, taskCount);
      for (let task = 0; task < taskCount; task++) {
        const own = Object.fromEntries(
          Object.entries(tasks).map(([name, values]) => [name, rowOf(values, task, taskCount)]),
        );
        const alone = await computed(own, 1, run);
        for (const [name, values] of Object.entries(alone.vector))
          rowOf(contributions[name]!, task, taskCount).set(values);
      }
      return sumOfTasks({ taskCount, contributions, measures });
    },
  };
}

export interface Stretch {
  readonly begin: number;
  readonly count: number;
  /** Of each task's sequence. */
  readonly length: number;
  readonly taskCount: number;
}

/** Consecutive examples of each task's sequence, stacked. */
export function examplesOf(tasks: NamedArrays, { begin, count, length, taskCount }: Stretch): NamedArrays {
  const cut = (stacked: Float32Array): Float32Array => {
    const row = stacked.length / (taskCount * length);
    const part = new Float32Array(taskCount * count * row);
    for (let task = 0; task < taskCount; task++) {
      const from = (task * length + begin) * row;
      part.set(stacked.subarray(from, from + count * row), task * count * row);
    }
    return part;
  };
  return { streamInputs: cut(tasks.streamInputs!), streamTargets: cut(tasks.streamTargets!) };
}

const rows = (tf: Tf, x: tfjs.Tensor2D, begin: number, count: number): tfjs.Tensor2D =>
  tf.slice(x, [begin, 0], [count, x.shape[1]]);

const firstState = (state: StateTensors, taskCount: number): NamedArrays =>
  mapped(state, ({ shape, first }) => new Float32Array(taskCount * elementsOf(shape)).fill(first));

/** As long as the arrays, `times` over. */
const zerosLike = (arrays: NamedArrays, times = 1): NamedArrays =>
  mapped(arrays, ({ length }) => new Float32Array(times * length));

/** Large arrays, in place: a call for each number would take most of the time of a small piece. */
function addTo(sums: NamedArrays, others: NamedArrays): void {
  for (const [name, sum] of Object.entries(sums)) {
    const other = others[name]!;
    for (let i = 0; i < sum.length; i++) sum[i]! += other[i]!;
  }
}

const mapped = <Item>(
  items: Readonly<Record<string, Item>>,
  change: (item: Item, name: string) => Float32Array,
): NamedArrays => Object.fromEntries(Object.entries(items).map(([name, item]) => [name, change(item, name)]));
