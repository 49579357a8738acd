// Matching networks. The label of x is the attention-weighted mean of the support labels,
// P(y | x) = Σᵢ a(x, xᵢ)·yᵢ with a(x, xᵢ) = exp(s·c(f(x), f(xᵢ))) / Σⱼ exp(s·c(f(x), f(xⱼ))), c the cosine
// (Vinyals, Blundell, Lillicrap, Kavukcuoglu & Wierstra 2016, equation 1 and §2.1.1); the
// meta-gradient is that of the query set's −log P (equation 2). In the paper s is 1. f and g are
// one network: full context embeddings (§2.1.2), two LSTMs over the support set, are left out: the
// paper reports that on Omniglot they do not help. Nothing is adapted by gradient and there is no
// head, so the model's head is not in θ.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { noAxis } from '../../shared/measures.ts';
import type { NamedTensors } from '../built.ts';
import { bodyOf } from '../facts.ts';
import { cosines } from '../kit/distances.ts';
import {
  bodyAndHeadNeeded,
  bodyAndHeadNeededCel,
  supportOfClassesNeeded,
  supportOfClassesNeededCel,
} from '../kit/needs.ts';
import { defineAlgorithm } from '../part.ts';

/** Below every probability that a class with a support example can have: e⁻⁸⁰ is 2e-35. */
const leastWeight = 1e-37;

export const matching = defineAlgorithm({
  name: 'matching',
  title: 'Matching Networks',
  summary: "classifies by attention to the support examples, by the cosine of a query's features with theirs",
  paper: 'Vinyals, Blundell, Lillicrap, Kavukcuoglu & Wierstra 2016',
  schema: z.strictObject({
    /** s: what a cosine is multiplied by. The paper's is 1; a larger one makes attention sharper. */
    sharpness: z.number().positive().max(40).default(1),
  }),
  variants: { 'as in the paper': {}, sharper: { sharpness: 5 } },
  describe: () => 'Matching Networks',
  needs: supportOfClassesNeeded,
  needsModel: bodyAndHeadNeeded,
  parameters: (_spec, model) => bodyOf(model),
  axis: () => noAxis,
  // the support set's and the query set's
  passes: () => 2,
  cel: (_fields, { task }) => ({
    needs: supportOfClassesNeededCel(task),
    needsModel: bodyAndHeadNeededCel,
    parameters: ({ body }) => body,
    axis: 'none',
    passes: '2',
  }),
  build({ sharpness }, kit) {
    const { tf } = kit;
    const featuresOf = kit.model.features!;
    const stateOf = (params: NamedTensors, task: NamedTensors): NamedTensors => {
      const support = kit.supportSet(task);
      const state = kit.stateOf(params, support);
      const memory = featuresOf(kit.forExamples(state, support), support.inputs);
      return { ...state, memory, memoryTargets: support.targets };
    };
    /** log P up to a number that all classes share. */
    const predict = (state: NamedTensors, inputs: tfjs.Tensor): tfjs.Tensor2D => {
      const alike = cosines(tf, featuresOf(state, inputs), state.memory as tfjs.Tensor2D);
      const weights = tf.matMul(tf.exp(tf.mul(alike, sharpness)), state.memoryTargets as tfjs.Tensor2D);
      return tf.log(tf.maximum(weights, leastWeight)) as tfjs.Tensor2D;
    };
    return {
      *adapt(theta, task) {
        yield stateOf(theta, task);
      },
      predict: (_theta, state, inputs) => predict(state, inputs),
      train(theta, task) {
        const query = kit.querySet(task);
        const adapt = (params: NamedTensors) => stateOf(params, task);
        const { loss, predictions, gradients } = kit.differentiate(theta, adapt, query, predict);
        return kit.outputs(gradients, loss, predictions, query.targets);
      },
    };
  },
});
