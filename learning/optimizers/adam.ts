// Adam: m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; θ ← θ − η·m̂ / (√v̂ + ε), with m̂ = m / (1 − β₁ᵗ),
// v̂ = v / (1 − β₂ᵗ) (Kingma & Ba 2015, algorithm 1); before it θ ← θ − ηλθ for AdamW (Loshchilov & Hutter
// 2019, algorithm 2). Arithmetic is float64, what is kept is float32.
import { z } from 'zod';
import { finite, fraction, positive } from '../../shared/job-spec/fields.ts';
import { integerPower } from '../../shared/learning-rate.ts';
import { defineOptimizer, type MetaUpdate } from '../part.ts';

const moments = {
  beta1: fraction.default(0.9),
  beta2: fraction.default(0.999),
  epsilon: positive.default(1e-8),
};

interface Moments {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

const slots = () => ['firstMoment', 'secondMoment'];

export const adam = defineOptimizer({
  name: 'adam',
  title: 'Adam',
  summary: 'steps scaled by running moments of the gradient',
  paper: 'Kingma & Ba 2015, algorithm 1',
  schema: z.strictObject(moments),
  variants: { 'as it is': {} },
  slots,
  update: (spec, update) => updated(update, spec, 0),
});

export const adamw = defineOptimizer({
  name: 'adamw',
  title: 'AdamW',
  summary: 'Adam with weight decay apart from the gradient',
  paper: 'Loshchilov & Hutter 2019, algorithm 2',
  schema: z.strictObject({ ...moments, weightDecay: finite.min(0).default(0.01) }),
  variants: { 'as it is': {} },
  slots,
  update: (spec, update) => updated(update, spec, spec.weightDecay),
});

function updated(
  { metaParams, metaGradient, slots, learningRate, step }: MetaUpdate,
  { beta1, beta2, epsilon }: Moments,
  weightDecay: number,
): Float32Array {
  const { firstMoment, secondMoment } = slots;
  if (!firstMoment || !secondMoment) throw new Error('Adam keeps two moments');
  const next = new Float32Array(metaParams.length);
  const stepSize = learningRate / (1 - integerPower(beta1, step + 1));
  const secondCorrection = Math.sqrt(1 - integerPower(beta2, step + 1));
  const keep = 1 - learningRate * weightDecay;
  for (let i = 0; i < next.length; i += 1) {
    const gradient = metaGradient[i]!;
    const first = beta1 * firstMoment[i]! + (1 - beta1) * gradient;
    const second = beta2 * secondMoment[i]! + (1 - beta2) * gradient * gradient;
    firstMoment[i] = first;
    secondMoment[i] = second;
    next[i] = metaParams[i]! * keep - (stepSize * first) / (Math.sqrt(second) / secondCorrection + epsilon);
  }
  return next;
}
