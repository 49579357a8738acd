// A text read by one layer of LSTM, token by token: h₀ = 0, hₜ from the embedding of token t and
// hₜ₋₁, and a linear head on the last token's h (Sutskever, Vinyals & Le 2014, §2, the half that
// reads). After a text's end the state stays as it is. Each token is a step of the program, so
// texts are short.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import type { NamedTensors } from '../built.ts';
import type { TaskFacts } from '../facts.ts';
import { normal, xavierUniform, zeros } from '../kit/initializers.ts';
import { type LstmState, lstmInputs, lstmParameters, lstmStep } from '../kit/lstm.ts';
import { presence, tokensNeeded } from '../kit/tokens.ts';
import { joined } from '../kit/words.ts';
import { defineModel } from '../part.ts';

/** Steps of one program. */
const mostTokens = 64;

export const lstm = defineModel({
  name: 'lstm',
  title: 'LSTM',
  summary: 'reads a text token by token; a linear head on its last hidden state',
  paper: 'Hochreiter & Schmidhuber 1997; Sutskever, Vinyals & Le 2014',
  schema: z.strictObject({
    /** Numbers of an embedding. */
    dimensions: z.int().min(1).max(4096).default(64),
    /** Of the LSTM. */
    units: z.int().min(1).max(4096).default(64),
  }),
  variants: { small: { dimensions: 3, units: 3 } },
  sizeField: 'dimensions',
  needs: (task) =>
    tokensNeeded(task) ?? (lengthOf(task) > mostTokens ? `texts of at most ${mostTokens} tokens` : undefined),
  describe: ({ units, dimensions }) =>
    joined(', ', joined(' ', 'LSTM', units && `of ${units} units`), dimensions && `embeddings of ${dimensions}`),
  parameters: ({ dimensions, units }, { vocabulary = 1, outputs }) => [
    { name: 'embedding', shape: [vocabulary, dimensions], initialize: normal(1) },
    ...lstmParameters('lstm', dimensions, units),
    { name: 'head.weights', shape: [units, outputs], initialize: xavierUniform(units, outputs), part: 'head' },
    { name: 'head.bias', shape: [outputs], initialize: zeros, part: 'head' },
  ],
  isTransductive: () => false,
  // a token makes as many operators as four layers of an mlp
  layers: () => 4 * mostTokens,
  build({ units }, { tf, task }) {
    const length = lengthOf(task);
    const features = (params: NamedTensors, tokens: tfjs.Tensor): tfjs.Tensor2D => {
      const count = tokens.shape[0]!;
      const present = presence(tf, tokens);
      const embedded = tf.reshape(tf.gather(params.embedding!, tf.cast(tokens, 'int32')), [count * length, -1]);
      const sums = tf.reshape(lstmInputs(tf, params, 'lstm', embedded), [count, length, 4 * units]);
      let state: LstmState = { cell: tf.zeros([count, units]), hidden: tf.zeros([count, units]) };
      for (let token = 0; token < length; token++) {
        const own = tf.reshape(tf.slice(sums, [0, token, 0], [count, 1, 4 * units]), [count, 4 * units]);
        const next = lstmStep(tf, params, 'lstm', state, own);
        const isThere = tf.slice(present, [0, token], [count, 1]);
        const kept = (before: tfjs.Tensor, after: tfjs.Tensor) =>
          tf.add(before, tf.mul(isThere, tf.sub(after, before)));
        state = { cell: kept(state.cell, next.cell), hidden: kept(state.hidden, next.hidden) };
      }
      return state.hidden as tfjs.Tensor2D;
    };
    return {
      features,
      predict: (params, tokens) =>
        tf.add(tf.matMul(features(params, tokens), params['head.weights'] as tfjs.Tensor2D), params['head.bias']!),
    };
  },
});

const lengthOf = ({ input }: Pick<TaskFacts, 'input'>): number => input[0] ?? 1;
