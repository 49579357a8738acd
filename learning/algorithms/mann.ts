// A memory-augmented neural network: an LSTM controller that reads a sequence of examples, each
// with the target of the one before, and keeps what it will need in an external memory of which it
// writes the least recently used rows (Santoro, Bartunov, Botvinick, Wierstra & Lillicrap 2016,
// §3). With M the memory [slots, width], w^u the slots' usage, and for each of R heads a key k =
// tanh(W_k·h + b_k) and a read weight w^r over the slots, at each example:
//   w^w ← σ(α)·w^r + (1 − σ(α))·w^lu     the written slots: those read before, or the least used
//   (equation 7)
//   M(i) ← 0 for the least used i, then M ← M + Σ w^w ⊗ k
//   (equation 8)
//   w^r ← softmax_i(cos(k, M(i))),  r = Σ_i w^r(i)·M(i)                               (equations 2 to 4)
//   w^u ← γ·w^u + Σ w^r + Σ w^w
//   (equation 5) w^lu of head j is 1 at the j-th least used slot, so that the heads together write
//   the R least used of equation
// 6. The reads and h make the prediction, and are the controller's input at the next example. Which
//   slot is the least used is a constant to the gradient.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { fraction, positive } from '../../shared/job-spec/fields.ts';
import { bodyOf, featureCount } from '../facts.ts';
import { xavierUniform, zeros } from '../kit/initializers.ts';
import { lstmInputs, lstmParameters, lstmStep } from '../kit/lstm.ts';
import { featuresNeeded, streamOfClassesNeeded } from '../kit/needs.ts';
import { streamLearner } from '../kit/stream.ts';
import type { Tf } from '../kit/tools.ts';
import { defineAlgorithm } from '../part.ts';

const schema = z.strictObject({
  /** Of the LSTM controller. */
  units: z.int().min(1).max(4096).default(200),
  /** Rows of the memory. */
  slots: z.int().min(2).max(4096).default(128),
  /** Numbers in a row. */
  width: z.int().min(1).max(4096).default(40),
  /** Heads, each of which reads and writes. */
  heads: z.int().min(1).max(64).default(4),
  /** γ: what is left of a slot's usage after an example. */
  usageDecay: fraction.default(0.95),
  /** β: what similarities are multiplied by before the softmax. The paper has 1. */
  sharpness: positive.default(1),
});

const layer = 'controller';

export const mann = defineAlgorithm({
  name: 'mann',
  title: 'MANN',
  summary: 'reads a sequence of examples into an external memory, of which it writes the least recently used rows',
  paper: 'Santoro, Bartunov, Botvinick, Wierstra & Lillicrap 2016',
  schema,
  variants: { 'two heads': { units: 3, slots: 4, width: 2, heads: 2 } },
  describe: ({ slots, width, heads }) =>
    slots && width && heads ? `MANN of ${slots} × ${width} memory, ${heads} heads` : 'MANN',
  needs: streamOfClassesNeeded,
  needsModel: featuresNeeded,
  check({ heads, slots }) {
    if (heads <= slots) return [];
    return [{ field: 'algorithm.heads', got: String(heads), accepted: `at most algorithm.slots, ${slots}` }];
  },
  parameters({ units, width, heads }, model, { outputs }) {
    const read = heads * width;
    return [
      ...bodyOf(model),
      ...lstmParameters(layer, featureCount(model)! + outputs, units),
      { name: 'controller.read', shape: [read, 4 * units], initialize: xavierUniform(read, units) },
      { name: 'key.weights', shape: [units, read], initialize: xavierUniform(units, width) },
      { name: 'key.bias', shape: [read], initialize: zeros },
      { name: 'write.gate', shape: [], initialize: zeros },
      { name: 'prediction.weights', shape: [units + read, outputs], initialize: xavierUniform(units + read, outputs) },
      { name: 'prediction.bias', shape: [outputs], initialize: zeros },
    ];
  },
  // the model's, and some for the memory: a piece has a bounded number of examples
  passes: () => 2,
  evaluationPasses: () => 2,
  build({ units, slots, width, heads, usageDecay, sharpness }, kit) {
    const { tf } = kit;
    return streamLearner(kit, {
      state: {
        cell: { shape: [units], first: 0 },
        hidden: { shape: [units], first: 0 },
        read: { shape: [heads * width], first: 0 },
        memory: { shape: [slots, width], first: 0 },
        readWeights: { shape: [heads, slots], first: 0 },
        usage: { shape: [slots], first: 0 },
      },
      project: (params, x) => lstmInputs(tf, params, layer, x),
      step(params, state, projected) {
        const rows = projected.shape[0];
        const reads = tf.matMul(state.read as tfjs.Tensor2D, params['controller.read'] as tfjs.Tensor2D);
        const before = { cell: state.cell!, hidden: state.hidden! };
        const { cell, hidden } = lstmStep(tf, params, layer, before, tf.add(projected, reads));
        const sums = tf.matMul(hidden as tfjs.Tensor2D, params['key.weights'] as tfjs.Tensor2D);
        const keys = tf.reshape(tf.tanh(tf.add(sums, params['key.bias']!)), [rows, heads, width]);

        const unused = leastUsed(tf, state.usage!, heads);
        const gate = tf.sigmoid(params['write.gate']!);
        const written = tf.add(tf.mul(state.readWeights!, gate), tf.mul(unused, tf.sub(1, gate)));
        const least = tf.reshape(tf.slice(unused, [0, 0, 0], [rows, 1, slots]), [rows, slots, 1]);
        const kept = tf.mul(state.memory!, tf.sub(1, least));
        const memory = tf.add(kept, tf.matMul(written, keys, true, false));

        const similarities = cosines(tf, keys, memory);
        const readWeights = tf.softmax(tf.mul(similarities, sharpness));
        const read = tf.reshape(tf.matMul(readWeights, memory), [rows, heads * width]);
        const used = tf.sum(tf.add(readWeights, written), 1);
        const usage = tf.add(tf.mul(state.usage!, usageDecay), used);
        return {
          state: { cell, hidden, read, memory, readWeights, usage },
          output: tf.concat([hidden, read], 1) as tfjs.Tensor2D,
        };
      },
      predict: (params, outputs) =>
        tf.add(tf.matMul(outputs, params['prediction.weights'] as tfjs.Tensor2D), params['prediction.bias']!),
    });
  },
});

/**
 * [rows, heads, slots]: 1 at the least used slot for the first head, at the next for the second, ….
 * Of equals the first counts.
 */
function leastUsed(tf: Tf, usage: tfjs.Tensor, heads: number): tfjs.Tensor {
  const chosen = tf.customGrad((usage) => {
    const { shape } = usage as tfjs.Tensor;
    const slots = tf.range(0, shape[1]!, 1, 'float32');
    let left = usage as tfjs.Tensor;
    const places: tfjs.Tensor[] = [];
    for (let head = 0; head < heads; head++) {
      const least = tf.expandDims(tf.cast(tf.argMin(left, 1), 'float32'), 1);
      const place = tf.cast(tf.equal(slots, least), 'float32');
      places.push(tf.expandDims(place, 1));
      left = tf.add(left, tf.mul(place, beyondUsage));
    }
    return { value: tf.concat(places, 1), gradFunc: () => tf.zeros(shape) };
  });
  return chosen(usage);
}

/** More than any slot's usage, which is below 2 · heads / (1 − γ), and yet exact beside it in float32. */
const beyondUsage = 1e6;

/** [rows, heads, slots]: 0 where a key or a slot is all zeros. */
function cosines(tf: Tf, keys: tfjs.Tensor, memory: tfjs.Tensor): tfjs.Tensor {
  const lengths = (x: tfjs.Tensor) => tf.sqrt(tf.sum(tf.square(x), 2, true));
  const products = tf.matMul(lengths(keys), lengths(memory), false, true);
  return tf.div(tf.matMul(keys, memory, false, true), tf.maximum(products, 1e-8));
}
