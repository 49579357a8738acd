// A baseline without learning. A query example gets the class of the support example that is nearest to it:
// the logit of class k is its largest similarity, max over xᵢ of class k of s(x, xᵢ), with s = −‖x
// − xᵢ‖² or the cosine. What is compared are the inputs themselves (Vinyals et al. 2016, table 1,
// "pixels"), or the features of the model with its random first values. θ never changes, so the job
// has one meta-step.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { noAxis } from '../../shared/measures.ts';
import { elementsOf } from '../../shared/tensor-codec.ts';
import type { NamedTensors } from '../built.ts';
import { cosines, negativeSquaredDistances } from '../kit/distances.ts';
import {
  bodyAndHeadNeeded,
  bodyAndHeadNeededCel,
  supportOfClassesNeeded,
  supportOfClassesNeededCel,
} from '../kit/needs.ts';
import { kept, oneMetaStep, oneMetaStepCel } from '../kit/untrained.ts';
import { defineAlgorithm } from '../part.ts';

/** Takes an example out of the running for a class that is not its own. */
const beyondSimilarities = 1e30;

export const nearestNeighbour = defineAlgorithm({
  name: 'nearest-neighbour',
  title: 'nearest neighbour',
  summary: 'a baseline without learning: the class of the most similar support example',
  paper: 'Cover & Hart 1967; Vinyals et al. 2016, table 1',
  schema: z.strictObject({
    /** `features`: those of the model with its random first values. */
    compare: z.enum(['inputs', 'features']).default('inputs'),
    similarity: z.enum(['euclidean', 'cosine']).default('euclidean'),
  }),
  variants: {
    inputs: {},
    'features, cosine': { compare: 'features', similarity: 'cosine' },
  },
  describe: ({ compare }) => (compare ? `nearest neighbour on ${compare}` : 'nearest neighbour'),
  needs(task, { compare }) {
    if (compare === 'inputs' && task.inputKind === 'tokens')
      return 'inputs that are numbers, for algorithm.compare inputs';
    return supportOfClassesNeeded(task);
  },
  needsModel: (parameters, { compare }) => (compare === 'features' ? bodyAndHeadNeeded(parameters) : undefined),
  check: (_spec, job) => oneMetaStep(job),
  parameters: (_spec, model) => kept(model),
  axis: () => noAxis,
  passes: () => 2,
  cel({ compare }, { task }) {
    const { rule, message } = supportOfClassesNeededCel(task);
    return {
      needs:
        rule === 'true' && task.inputKind === 'tokens'
          ? { rule: `${compare} == 'features'`, message }
          : { rule, message },
      needsModel(model) {
        const { rule, message } = bodyAndHeadNeededCel(model);
        return { rule: rule === 'true' ? rule : `${compare} == 'inputs' || ${rule}`, message };
      },
      check: [oneMetaStepCel],
      parameters: ({ body, head }) => `${body} + ${head}`,
      axis: 'none',
      passes: '2',
    };
  },
  build({ compare, similarity }, kit) {
    const { tf, task } = kit;
    const vectorsOf = (params: NamedTensors, inputs: tfjs.Tensor): tfjs.Tensor2D =>
      compare === 'features' ? kit.model.features!(params, inputs) : tf.reshape(inputs, [-1, elementsOf(task.input)]);
    const similarities = similarity === 'cosine' ? cosines : negativeSquaredDistances;
    const stateOf = (theta: NamedTensors, task: NamedTensors): NamedTensors => {
      const support = kit.supportSet(task);
      const state = kit.stateOf(theta, support);
      const neighbours = vectorsOf(kit.forExamples(state, support), support.inputs);
      return { ...state, neighbours, neighbourTargets: support.targets };
    };
    const predict = (state: NamedTensors, inputs: tfjs.Tensor): tfjs.Tensor2D => {
      const each = similarities(tf, vectorsOf(state, inputs), state.neighbours as tfjs.Tensor2D);
      const outside = tf.mul(tf.sub(1, state.neighbourTargets!), beyondSimilarities);
      return tf.max(tf.sub(tf.expandDims(each, 2), tf.expandDims(outside, 0)), 1) as tfjs.Tensor2D;
    };
    return {
      *adapt(theta, task) {
        yield stateOf(theta, task);
      },
      predict: (_theta, state, inputs) => predict(state, inputs),
      train(theta, task) {
        const query = kit.querySet(task);
        return { sum: {}, each: kit.measure(predict(stateOf(theta, task), query.inputs), query.targets) };
      },
    };
  },
});
