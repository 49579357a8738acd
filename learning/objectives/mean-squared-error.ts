// The mean squared error over examples and outputs: the loss of a regression.
import { z } from 'zod';
import { celNeed } from '../cel.ts';
import { defineObjective, type MeasureKind } from '../part.ts';

const measures: readonly MeasureKind[] = [{ name: 'loss', title: 'mean squared error', better: 'lower' }];

export const meanSquaredError = defineObjective({
  name: 'mean-squared-error',
  title: 'mean squared error',
  summary: 'the mean over examples and outputs of the squared difference',
  paper: '',
  schema: z.strictObject({}),
  variants: { 'as it is': {} },
  needs: ({ target }) => (target === 'values' ? undefined : 'targets that are values'),
  measures: () => measures,
  cel: (_fields, { task }) => ({ needs: celNeed(task.target === 'values', 'targets that are values'), measures }),
  build: (_spec, { tf }) => ({
    loss: (predictions, targets) => tf.mean(tf.square(tf.sub(predictions, targets))),
    others: {},
  }),
});
