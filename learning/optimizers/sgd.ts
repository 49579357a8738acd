// Gradient descent with momentum: v ← μv + g; θ ← θ − ηv (PyTorch's form of Sutskever et al. 2013, without
// dampening). Arithmetic is float64, what is kept is float32.
import { z } from 'zod';
import { fraction } from '../../shared/job-spec/fields.ts';
import { defineOptimizer } from '../part.ts';

export const sgd = defineOptimizer({
  name: 'sgd',
  title: 'SGD',
  summary: 'gradient descent, with momentum where it is asked for',
  paper: 'Sutskever, Martens, Dahl & Hinton 2013',
  schema: z.strictObject({ momentum: fraction.default(0) }),
  variants: { plain: {}, 'with momentum': { momentum: 0.9 } },
  slots: ({ momentum }) => (momentum > 0 ? ['momentum'] : []),
  update({ momentum }, { metaParams, metaGradient, slots, learningRate }) {
    const next = new Float32Array(metaParams.length);
    const velocity = slots.momentum;
    if (!velocity) {
      for (let i = 0; i < next.length; i += 1) next[i] = metaParams[i]! - learningRate * metaGradient[i]!;
      return next;
    }
    for (let i = 0; i < next.length; i += 1) {
      const direction = metaGradient[i]! + momentum * velocity[i]!;
      velocity[i] = direction;
      next[i] = metaParams[i]! - learningRate * direction;
    }
    return next;
  },
});
