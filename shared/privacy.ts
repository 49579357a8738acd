// What differential privacy a job promises: (ε, δ) from its job file and the meta-steps that it has
// applied, by Rényi differential privacy (Mironov 2017) of the Gaussian mechanism on a Poisson sample
// (Mironov, Talwar & Zhang 2019). Pure, and free of Node, so that a browser can have it too.
import type { JobSpec } from './job-spec/index.ts';
import { formatCount } from './numbers.ts';

/** A Gaussian mechanism that is applied again and again to Poisson samples of one set of records. */
export interface SampledGaussian {
  /** Standard deviation of the noise, in units of the largest norm of one record's contribution. */
  readonly noiseMultiplier: number;
  /** Probability with which each record is in a sample, above 0 and at most 1. */
  readonly rate: number;
  /** How often the mechanism is applied. */
  readonly steps: number;
}

/** The guarantee for one task: with it or without it, every set of models is nearly as probable. */
export interface PrivacyPromise {
  readonly epsilon: number;
  readonly delta: number;
  /**
   * Probability with which a task of the pool takes part in a meta-step; absent where each task
   * takes part once.
   */
  readonly rate?: number;
}

/**
 * The orders at which the Rényi divergence is bounded; every one gives a valid ε, and the smallest
 * counts. They are those of Google's `dp-accounting`, so that the figures are the same.
 */
const orders: readonly number[] = [
  ...Array.from({ length: 99 }, (_, i) => (11 + i) / 10),
  ...Array.from({ length: 53 }, (_, i) => 11 + i),
  ...[128, 256, 512, 1024],
];

/**
 * What θ after so many meta-steps reveals of one training task, to anyone who sees every θ on the way.
 *
 * @returns undefined without `meta.privacy`.
 */
export function privacyOf({ meta }: Pick<JobSpec, 'meta'>, steps: number): PrivacyPromise | undefined {
  const { privacy, batchSize } = meta;
  if (!privacy) return undefined;
  const { noiseMultiplier, delta, pool } = privacy;
  // Without a pool each task takes part in one meta-step, and the other meta-steps do not depend on
  // it but through θ: the whole training is one Gaussian mechanism for it.
  if (pool === undefined)
    return { epsilon: epsilonOf({ noiseMultiplier, rate: 1, steps: Math.min(1, steps) }, delta), delta };
  const rate = batchSize / pool;
  return { epsilon: epsilonOf({ noiseMultiplier, rate, steps }, delta), delta, rate };
}

/** Such as `(ε, δ) = (2.10, 1e-5) for each of 1,000 tasks`; empty without a promise. */
export function privacyText(spec: Pick<JobSpec, 'meta'>, steps: number): string {
  const promise = privacyOf(spec, steps);
  const { pool, noiseMultiplier, taskClipNorm } = spec.meta.privacy ?? {};
  if (!promise) return '';
  const { epsilon, delta } = promise;
  const whose = pool === undefined ? 'each task, which takes part once' : `each of ${formatCount(pool)} tasks`;
  return (
    `(ε, δ) = (${Number(epsilon.toPrecision(3))}, ${delta.toExponential().replace('e+0', '')}) for ${whose} ` +
    `(clipped to norm ${taskClipNorm}, noise ${noiseMultiplier})`
  );
}

/**
 * The smallest ε with which the mechanism is (ε, δ)-differentially private, as far as these orders
 * tell: ε(α) = steps · ρ(α) + log(1 − 1/α) − log(δα) / (α − 1) (Canonne, Kamath & Steinke 2020,
 * proposition 12).
 *
 * @returns at least 0; 0 after no step.
 */
export function epsilonOf(mechanism: SampledGaussian, delta: number): number {
  const { steps } = mechanism;
  if (steps === 0) return 0;
  const divergences = divergencesOf(mechanism);
  const bounds = orders.map(
    (order, i) => steps * divergences[i]! + Math.log1p(-1 / order) - Math.log(delta * order) / (order - 1),
  );
  return Math.max(0, Math.min(...bounds));
}

let known: { readonly key: string; readonly divergences: readonly number[] } | undefined;

/** ρ(α) of one application, by order. The last ones are kept: a page asks for one job again and again. */
function divergencesOf({ noiseMultiplier, rate }: SampledGaussian): readonly number[] {
  const key = `${noiseMultiplier} ${rate}`;
  if (known?.key !== key) {
    known = { key, divergences: orders.map((order) => renyiDivergence(order, noiseMultiplier, rate)) };
  }
  return known.divergences;
}

/**
 * ρ(α) = log A(α) / (α − 1) of the Gaussian mechanism on a Poisson sample, with A(α) = E over z ~ N(0, σ²)
 * of ((1 − q) + q·exp((2z − 1) / 2σ²))^α (Mironov, Talwar & Zhang 2019, section 3). Without sampling it is
 * α / 2σ² (Mironov 2017, proposition 7).
 *
 * @param order α, above 1.
 * @param noise σ, the noise multiplier.
 * @param rate q.
 */
export function renyiDivergence(order: number, noise: number, rate: number): number {
  if (rate === 1) return order / (2 * noise * noise);
  const logMoment = Number.isInteger(order) ? momentBySum(order, noise, rate) : momentByIntegral(order, noise, rate);
  return Math.max(0, logMoment) / (order - 1);
}

/** log A(α) = log Σₖ C(α, k) (1 − q)^(α − k) q^k exp((k² − k) / 2σ²), for a whole α. */
export function momentBySum(order: number, noise: number, rate: number): number {
  const terms: number[] = [];
  let logBinomial = 0;
  for (let k = 0; k <= order; k += 1) {
    const ofSample = (order - k) * Math.log1p(-rate) + k * Math.log(rate);
    terms.push(logBinomial + ofSample + (k * k - k) / (2 * noise * noise));
    logBinomial += Math.log((order - k) / (k + 1));
  }
  return logOfSum(terms);
}

/**
 * log A(α) by the trapezoidal rule, which converges faster than any power of its step here: the
 * integrand is analytic in a strip of half-width πσ², and falls like a Gaussian beyond 0 and α.
 */
export function momentByIntegral(order: number, noise: number, rate: number): number {
  const variance = noise * noise;
  const step = Math.min(noise / 8, variance / 4);
  const [stays, joins] = [Math.log1p(-rate), Math.log(rate)];
  const terms: number[] = [];
  for (let z = -10 * noise; z <= order + 10 * noise; z += step) {
    const other = joins + (2 * z - 1) / (2 * variance);
    const larger = Math.max(stays, other);
    const logRatio = larger + Math.log1p(Math.exp(-Math.abs(stays - other)));
    terms.push(order * logRatio - (z * z) / (2 * variance));
  }
  return logOfSum(terms) + Math.log(step / (noise * Math.sqrt(2 * Math.PI)));
}

function logOfSum(terms: readonly number[]): number {
  const largest = terms.reduce((most, term) => Math.max(most, term), Number.NEGATIVE_INFINITY);
  return largest + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - largest), 0));
}
