// Prototypical networks without examples: a class's prototype is made of its description, cₖ =
// g(vₖ), and the logit of class k for x is −‖f(x) − cₖ‖² (Snell, Swersky & Zemel 2017, on zero-shot
// tasks). Descriptions are of the kind of the inputs here, so g is f, with a learned linear map of
// its own beside it where `map` says so: g(v) = f(v) + f(v)·W + b, W and b zero at first. The
// meta-gradient is that of the query set's cross-entropy. Nothing is adapted.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { noAxis } from '../../shared/measures.ts';
import type { NamedTensors } from '../built.ts';
import { celNeed } from '../cel.ts';
import { bodyOf, featureCount, type Parameter } from '../facts.ts';
import { zeros } from '../kit/initializers.ts';
import { bodyAndHeadNeeded, bodyAndHeadNeededCel, featuresNeeded } from '../kit/needs.ts';
import { defineAlgorithm } from '../part.ts';

const described = 'tasks whose classes are described, with no support set';

const schema = z.strictObject({
  /** Of the features of a description: `linear`, or `none`, where prototypes are the features themselves. */
  map: z.enum(['none', 'linear']).default('linear'),
});

export const zeroShotProtonet = defineAlgorithm({
  name: 'zero-shot-protonet',
  title: 'zero-shot ProtoNet',
  summary: "classifies by the distance of a query's features to those of each class's description, without examples",
  paper: 'Snell, Swersky & Zemel 2017',
  schema,
  variants: { 'with a map': {}, 'without a map': { map: 'none' } },
  describe: () => 'zero-shot ProtoNet',
  needs: ({ sets, target }) => (sets.includes('description') && target === 'classes' ? undefined : described),
  needsModel: (parameters) => bodyAndHeadNeeded(parameters) ?? featuresNeeded(parameters),
  parameters: ({ map }, model) => [...bodyOf(model), ...(map === 'linear' ? mapOf(featureCount(model)!) : [])],
  axis: () => noAxis,
  // the descriptions' and the query set's
  passes: () => 2,
  cel: ({ map }, { task: { sets, target } }) => ({
    needs: celNeed(sets.includes('description') && target === 'classes', described),
    needsModel: bodyAndHeadNeededCel,
    parameters: ({ body, features }) => `${body} + (${map} == 'linear' ? (${features} + 1) * ${features} : 0)`,
    axis: 'none',
    passes: '2',
  }),
  build({ map }, kit) {
    const { tf } = kit;
    const featuresOf = kit.model.features!;
    const stateOf = (params: NamedTensors, task: NamedTensors): NamedTensors => {
      const features = featuresOf(params, task.descriptionInputs!);
      if (map === 'none') return { ...params, prototypes: features };
      const moved = tf.add(tf.matMul(features, params[mapNames.weights] as tfjs.Tensor2D), params[mapNames.bias]!);
      return { ...params, prototypes: tf.add(features, moved) };
    };
    const predict = (state: NamedTensors, inputs: tfjs.Tensor): tfjs.Tensor2D => {
      const differences = tf.sub(tf.expandDims(featuresOf(state, inputs), 1), tf.expandDims(state.prototypes!, 0));
      return tf.neg(tf.sum(tf.square(differences), 2));
    };
    return {
      *adapt(theta, task) {
        yield stateOf(theta, task);
      },
      predict: (_theta, state, inputs) => predict(state, inputs),
      train(theta, task) {
        const query = kit.querySet(task);
        const { loss, predictions, gradients } = kit.differentiate(
          theta,
          (params) => stateOf(params, task),
          query,
          predict,
        );
        return kit.outputs(gradients, loss, predictions, query.targets);
      },
    };
  },
});

const mapNames = { weights: 'description.weights', bias: 'description.bias' } as const;

const mapOf = (width: number): readonly Parameter[] => [
  { name: mapNames.weights, shape: [width, width], initialize: zeros },
  { name: mapNames.bias, shape: [width], initialize: zeros },
];
