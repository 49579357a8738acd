// The cross-entropy of the softmax with one-hot targets, in nats, and the accuracy: the loss of a
// classification. In plain operators that have gradients of every order.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { celNeed } from '../cel.ts';
import { constantMaximum } from '../kit/tokens.ts';
import { defineObjective, type MeasureKind } from '../part.ts';

const measures: readonly MeasureKind[] = [
  { name: 'loss', better: 'lower' },
  { name: 'accuracy', better: 'higher', range: [0, 1], unit: '%' },
];

export const crossEntropy = defineObjective({
  name: 'cross-entropy',
  title: 'cross-entropy',
  summary: 'the cross-entropy of the softmax with the right class, in nats, and the accuracy',
  paper: '',
  schema: z.strictObject({}),
  variants: { 'as it is': {} },
  needs: ({ target }) => (target === 'classes' ? undefined : 'targets that are classes'),
  measures: () => measures,
  cel: (_fields, { task }) => ({ needs: celNeed(task.target === 'classes', 'targets that are classes'), measures }),
  build: (_spec, { tf }) => ({
    loss(logits, oneHot) {
      // log Σ exp(l) does not change when all l are shifted alike, so its gradient need not know of the shift
      const shifted = tf.sub(logits, constantMaximum(tf, logits));
      const logNormaliser = tf.log(tf.sum(tf.exp(shifted), 1));
      const logit = tf.sum(tf.mul(oneHot, shifted), 1);
      return tf.mean(tf.sub(logNormaliser, logit));
    },
    /**
     * log of the mean of the members' probabilities: logits whose softmax is that mean. Σ in the
     * domain of logarithms, so that none is 0.
     */
    average(members) {
      const logProbabilities = members.map((logits) => {
        const shifted = tf.sub(logits, constantMaximum(tf, logits));
        return tf.sub(shifted, tf.log(tf.sum(tf.exp(shifted), 1, true))) as tfjs.Tensor2D;
      });
      const largest = logProbabilities.reduce((a, b) => tf.maximum(a, b));
      const sum = tf.addN(logProbabilities.map((each) => tf.exp(tf.sub(each, largest))));
      return tf.add(largest, tf.sub(tf.log(sum), Math.log(members.length)));
    },
    others: {
      /** An example is right when its own logit is above every other; a tie or a NaN is wrong, so a model that says nothing scores nothing. */
      accuracy(logits, oneHot) {
        const own = tf.sum(tf.mul(oneHot, logits), 1);
        const others = tf.max(tf.sub(logits, tf.mul(oneHot, beyondLogits)), 1);
        return tf.mean(tf.cast(tf.greater(own, others), 'float32'));
      },
    },
  }),
});

/** Takes a logit out of the running: further than any finite logit that still gives a finite loss. */
const beyondLogits = 1e30;
