// The meta-learner LSTM: a learned optimizer whose cell is the learner. With φ the learner's
// parameters and ∇ the gradient of its loss on the support set, φ₀ = θ and, for each coordinate
// alike,
//   φ ← f·φ − i·∇,  i = σ(W_i·[h, φ, i₋₁] + b_i),  f = σ(W_f·[h, φ, f₋₁] + b_f) where i₋₁ and f₋₁
//   are those of the step before (0 at first), and h is the hidden state of a layer of LSTM that
//   reads the coordinate's gradient and the loss, both as (log|x| / p, sign x), or (−1, eᵖ·x) where
//   |x| < e⁻ᵖ, with p = 10 (Ravi & Larochelle 2017, §3.1 to §3.3). The optimizer and θ are learned
//   from the query loss after the steps. To first order, as in the paper (§3.4), the learner's
//   gradients and losses are constants to that. At first f is 0.993, and i the inner learning rate
//   (§3.5).
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { elementsOf } from '../../shared/tensor-codec.ts';
import type { NamedTensors } from '../built.ts';
import type { Parameter } from '../facts.ts';
import { innerSteps } from '../kit/fields.ts';
import type { Examples } from '../kit/gradients.ts';
import { constant, uniform } from '../kit/initializers.ts';
import { type LstmState, lstmInputs, lstmParameters, lstmStep } from '../kit/lstm.ts';
import { supportNeeded, supportNeededCel } from '../kit/needs.ts';
import { first } from '../kit/sequence.ts';
import type { Tf } from '../kit/tools.ts';
import { defineAlgorithm } from '../part.ts';

const schema = z.strictObject({
  /** `first`: the learner's gradients and losses are constants to the meta-gradient, as in the paper. */
  order: z.enum(['first', 'second']).default('first'),
  innerSteps: innerSteps.default(5),
  /** What the input gates are before meta-training. */
  innerLearningRate: z.number().gt(0).lt(1).default(0.01),
  /** Of the LSTM that reads gradients and losses. */
  units: z.int().min(1).max(1024).default(20),
});

type Spec = z.infer<typeof schema>;

const layer = 'optimizer.lstm';
const gates = { input: 'optimizer.input', forget: 'optimizer.forget' } as const;

/** What the first layer reads of a coordinate: gradient and loss, each as two numbers. */
const readings = 4;

const firstForget = 5;

function optimizerParameters({ units, innerLearningRate }: Spec): readonly Parameter[] {
  // the hidden state, the coordinate, and the gate before
  const gate = (name: string, bias: number): readonly Parameter[] => [
    { name: `${name}.weights`, shape: [units + 2, 1], initialize: uniform(0.01) },
    { name: `${name}.bias`, shape: [], initialize: constant(bias) },
  ];
  return [
    ...lstmParameters(layer, readings, units),
    ...gate(gates.input, Math.log(innerLearningRate / (1 - innerLearningRate))),
    ...gate(gates.forget, firstForget),
  ].map((parameter) => ({ ...parameter, group: 'optimizer' }));
}

export const metaLstm = defineAlgorithm({
  name: 'meta-lstm',
  title: 'meta-learner LSTM',
  summary: 'learns an optimizer, an LSTM shared by all coordinates whose cell is the learner, together with its start',
  paper: 'Ravi & Larochelle 2017',
  schema,
  variants: { 'second order': { order: 'second', innerSteps: 2, innerLearningRate: 0.2, units: 3 } },
  describe: ({ order }) => `${order === 'second' ? 'second-order ' : ''}meta-learner LSTM`,
  needs: supportNeeded,
  parameters: (spec, model) => [...model, ...optimizerParameters(spec)],
  // the learner's gradient, and about as much for the optimizer
  passes: ({ innerSteps }) => 2 * innerSteps,
  evaluationPasses: (_, { innerSteps }) => 2 * innerSteps,
  cel: ({ innerSteps, units }, { task }) => ({
    needs: supportNeededCel(task),
    parameters: ({ body, head }) =>
      `${body} + ${head} + 4 * ${units} * (${units} + ${readings + 1}) + 2 * (${units} + 3)`,
    groups: ['model', 'optimizer'],
    passes: `2 * ${innerSteps}`,
    evaluationPasses: '2 * $evaluationSteps',
  }),
  build({ order, innerSteps, units }, kit) {
    const { tf } = kit;
    const learner = kit.modelParameters;
    const count = learner.reduce((sum, { shape }) => sum + elementsOf(shape), 0);
    /** All coordinates one below the other, [coordinates, 1]. */
    const column = (params: NamedTensors) =>
      tf.concat(learner.map(({ name, shape }) => tf.reshape(params[name]!, [elementsOf(shape), 1])));
    const learnerOf = (coordinates: tfjs.Tensor): NamedTensors => {
      let begin = 0;
      return Object.fromEntries(
        learner.map(({ name, shape }) => {
          const values = tf.slice(coordinates, [begin, 0], [elementsOf(shape), 1]);
          begin += elementsOf(shape);
          return [name, tf.reshape(values, [...shape])];
        }),
      );
    };
    const gate = (theta: NamedTensors, name: string, read: tfjs.Tensor) =>
      tf.sigmoid(
        tf.add(tf.matMul(read as tfjs.Tensor2D, theta[`${name}.weights`] as tfjs.Tensor2D), theta[`${name}.bias`]!),
      );
    const zeros = (width: number) => tf.zeros([count, width]);

    /**
     * The learner after 1, 2, … steps, and what each step read of it. @param given what was read,
     * as constants.
     */
    function* steps(theta: NamedTensors, support: Examples, given?: readonly Reading[]) {
      let coordinates: tfjs.Tensor = column(theta);
      let state: LstmState = { cell: zeros(units), hidden: zeros(units) };
      let [input, forget]: [tfjs.Tensor, tfjs.Tensor] = [zeros(1), zeros(1)];
      for (let step = 0; ; step++) {
        const params = learnerOf(coordinates);
        const reading = given?.[step] ?? {
          loss: kit.lossOf(params, support),
          gradients: column(kit.gradientsOf(params, support)),
        };
        const loss = tf.mul(tf.reshape(reading.loss, [1, 1]), tf.ones([count, 1]));
        const read = tf.concat([readable(tf, reading.gradients), readable(tf, loss)], 1);
        state = lstmStep(tf, theta, layer, state, lstmInputs(tf, theta, layer, read));
        input = gate(theta, gates.input, tf.concat([state.hidden, coordinates, input], 1));
        forget = gate(theta, gates.forget, tf.concat([state.hidden, coordinates, forget], 1));
        coordinates = tf.sub(tf.mul(forget, coordinates), tf.mul(input, reading.gradients));
        yield { reading, params: learnerOf(coordinates) };
      }
    }

    return {
      *adapt(theta, task) {
        const support = kit.supportSet(task);
        const start = Object.fromEntries(learner.map(({ name }) => [name, theta[name]!]));
        yield kit.stateOf(start, support);
        for (const { params } of steps(theta, support)) yield kit.stateOf(params, support);
      },
      predict: (_theta, state, inputs) => kit.model.predict(state, inputs),
      train(theta, task) {
        const [support, query] = [kit.supportSet(task), kit.querySet(task)];
        const taken = (params: NamedTensors, given?: readonly Reading[]) =>
          first(innerSteps, steps(params, support, given));
        const given = order === 'first' ? [...taken(theta)].map(({ reading }) => reading) : undefined;
        const adapted = (params: NamedTensors) => {
          const last = [...taken(params, given)].at(-1)!;
          return kit.stateOf(last.params, support);
        };
        const { loss, predictions, gradients } = kit.differentiate(theta, adapted, query);
        return kit.outputs(gradients, loss, predictions, query.targets);
      },
    };
  },
});

/** What a step reads of the learner. */
interface Reading {
  readonly loss: tfjs.Tensor;
  /** [coordinates, 1] */
  readonly gradients: tfjs.Tensor;
}

/** p: below e⁻ᵖ a number is told by its size, above by its magnitude's logarithm and its sign. */
const magnitudes = 10;

/** [rows, 1] → [rows, 2] (Andrychowicz et al. 2016, appendix A). */
function readable(tf: Tf, x: tfjs.Tensor): tfjs.Tensor {
  const large = tf.div(tf.log(tf.maximum(tf.abs(x), Math.exp(-magnitudes))), magnitudes);
  const small = tf.clipByValue(tf.mul(x, Math.exp(magnitudes)), -1, 1);
  return tf.concat([large, small], 1);
}
