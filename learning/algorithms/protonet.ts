// Prototypical networks. cₖ is the mean of the features f of class k's support examples; the logit of class
// k for x is −‖f(x) − cₖ‖², and the meta-gradient is that of the query set's cross-entropy (Snell, Swersky &
// Zemel 2017, equations 1 and 2, algorithm 1). Nothing is adapted by gradient and there is no head, so the
// model's head is not in θ. A prediction depends on other query examples only where the model makes it
// (conv4: `batchNorm: support` makes it inductive).
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { noAxis } from '../../shared/measures.ts';
import type { NamedTensors } from '../built.ts';
import { bodyOf } from '../facts.ts';
import {
  bodyAndHeadNeeded,
  bodyAndHeadNeededCel,
  supportOfClassesNeeded,
  supportOfClassesNeededCel,
} from '../kit/needs.ts';
import { defineAlgorithm } from '../part.ts';

export const protonet = defineAlgorithm({
  name: 'protonet',
  title: 'ProtoNet',
  summary: "classifies by the distance of a query's features to each class's mean support features",
  paper: 'Snell, Swersky & Zemel 2017',
  schema: z.strictObject({}),
  variants: { 'as in the paper': {} },
  describe: () => 'ProtoNet',
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
  build(_spec, kit) {
    const { tf } = kit;
    const featuresOf = kit.model.features!;
    /** Everything that a prediction for the task needs: the parameters, the model's statistics, and [classes, features]. */
    const stateOf = (params: NamedTensors, task: NamedTensors): NamedTensors => {
      const support = kit.supportSet(task);
      const state = kit.stateOf(params, support);
      const sums = tf.matMul(support.targets, featuresOf(kit.forExamples(state, support), support.inputs), true, false);
      const examples = tf.sum(support.targets, 0);
      return { ...state, prototypes: tf.div(sums, tf.reshape(examples, [-1, 1])) };
    };
    const predict = (state: NamedTensors, inputs: tfjs.Tensor): tfjs.Tensor2D => {
      const features = tf.expandDims(featuresOf(state, inputs), 1);
      const differences = tf.sub(features, tf.expandDims(state.prototypes!, 0));
      return tf.neg(tf.sum(tf.square(differences), 2));
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
