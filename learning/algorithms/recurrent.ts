// A recurrent learner: one layer of LSTM reads a sequence of examples, each with the target of the
// one before, and predicts the next target from its hidden state, h_t → W·h_t + b (Hochreiter,
// Younger & Conwell 2001; the baseline of Santoro et al. 2016, table 1). What it learns of a task
// is in its state alone: nothing is adapted.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { bodyOf, featureCount } from '../facts.ts';
import { xavierUniform, zeros } from '../kit/initializers.ts';
import { lstmInputs, lstmParameters, lstmStep } from '../kit/lstm.ts';
import { featuresNeeded, streamOfClassesNeeded } from '../kit/needs.ts';
import { streamLearner } from '../kit/stream.ts';
import { defineAlgorithm } from '../part.ts';

const layer = 'reader';

export const recurrent = defineAlgorithm({
  name: 'recurrent',
  title: 'recurrent learner (LSTM)',
  summary: 'reads a sequence of examples and the targets that follow them, and predicts from its LSTM state',
  paper: 'Hochreiter, Younger & Conwell 2001; Santoro et al. 2016, table 1',
  schema: z.strictObject({
    /** Of the LSTM. */
    units: z.int().min(1).max(4096).default(200),
  }),
  variants: { small: { units: 3 } },
  describe: ({ units }) => (units ? `LSTM of ${units} units` : 'LSTM'),
  needs: streamOfClassesNeeded,
  needsModel: featuresNeeded,
  parameters: ({ units }, model, { outputs }) => [
    ...bodyOf(model),
    ...lstmParameters(layer, featureCount(model)! + outputs, units),
    { name: 'prediction.weights', shape: [units, outputs], initialize: xavierUniform(units, outputs) },
    { name: 'prediction.bias', shape: [outputs], initialize: zeros },
  ],
  // the model's, and some for the LSTM: a piece has a bounded number of examples
  passes: () => 2,
  evaluationPasses: () => 2,
  build: ({ units }, kit) => {
    const { tf } = kit;
    return streamLearner(kit, {
      state: { cell: { shape: [units], first: 0 }, hidden: { shape: [units], first: 0 } },
      project: (params, x) => lstmInputs(tf, params, layer, x),
      step(params, { cell, hidden }, projected) {
        const next = lstmStep(tf, params, layer, { cell: cell!, hidden: hidden! }, projected);
        return { state: { ...next }, output: next.hidden as tfjs.Tensor2D };
      },
      predict: (params, outputs) =>
        tf.add(tf.matMul(outputs, params['prediction.weights'] as tfjs.Tensor2D), params['prediction.bias']!),
    });
  },
});
