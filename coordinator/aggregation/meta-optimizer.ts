// Turns the aggregated meta-gradient into the new θ. Optimizers are pure: `update` reads the old θ, the mean meta-gradient and the
// old slots, and returns new θ; slots are advanced in place. Arithmetic is float64, what is kept is float32.
import type { OptimizerSpec } from '../../shared/job-spec/meta.ts';
import { integerPower } from '../../shared/learning-rate.ts';

/** One vector of optimizer state, as long as θ, such as `firstMoment`. */
export type OptimizerSlots = Readonly<Record<string, Float32Array>>;

export interface MetaUpdate {
  readonly metaParams: Float32Array;
  /** The mean meta-gradient after clipping. */
  readonly metaGradient: Float64Array;
  readonly slots: OptimizerSlots;
  readonly learningRate: number;
  /** Meta-steps applied before this one, t − 1 in the papers. */
  readonly step: number;
}

/** Names of the slots that an optimizer keeps, all zero at first. */
export function slotNames(optimizer: OptimizerSpec): readonly string[] {
  switch (optimizer.name) {
    case 'sgd':
      return optimizer.momentum > 0 ? ['momentum'] : [];
    case 'adam':
    case 'adamw':
      return ['firstMoment', 'secondMoment'];
    default:
      return optimizer satisfies never;
  }
}

/** @returns θ after the step, freshly owned; the old θ may still be on its way to workers and is not touched. */
export function updateMetaParams(optimizer: OptimizerSpec, update: MetaUpdate): Float32Array {
  switch (optimizer.name) {
    case 'sgd':
      return sgd(update, optimizer.momentum);
    case 'adam':
      return adam(update, optimizer, 0);
    case 'adamw':
      return adam(update, optimizer, optimizer.weightDecay);
    default:
      return optimizer satisfies never;
  }
}

/** v ← μv + g; θ ← θ − ηv (PyTorch's form of Sutskever et al. 2013, without dampening). */
function sgd({ metaParams, metaGradient, slots, learningRate }: MetaUpdate, momentum: number): Float32Array {
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
}

/**
 * m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; θ ← θ − η·m̂ / (√v̂ + ε), with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)
 * (Kingma & Ba 2015, algorithm 1); before it θ ← θ − ηλθ for AdamW (Loshchilov & Hutter 2019, algorithm 2).
 */
function adam(
  { metaParams, metaGradient, slots, learningRate, step }: MetaUpdate,
  { beta1, beta2, epsilon }: { beta1: number; beta2: number; epsilon: number },
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
