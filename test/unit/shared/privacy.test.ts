// (ε, δ) against the figures of a published accountant, and the two ways to a Rényi divergence
// against each other.
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseJobSpec } from '../../../learning/job-file.ts';
import {
  epsilonOf,
  momentByIntegral,
  momentBySum,
  privacyOf,
  privacyText,
  renyiDivergence,
} from '../../../shared/privacy.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';

/**
 * `epsilon` is `RdpAccountant().compose(SelfComposedDpEvent(PoissonSampledDpEvent(rate,
 * GaussianDpEvent(noise)), steps)).get_epsilon(delta)` of dp-accounting 0.6.0 (PyPI) with its
 * default orders; Opacus 1.6.0 (`compute_rdp`, `get_privacy_spent`) prints 5.631992 for the first.
 * `least` is `PLDAccountant(value_discretization_interval=1e-3).get_epsilon(delta)` of the same
 * events: what the mechanism gives at least.
 */
const published = [
  { noise: 1.1, rate: 0.01, steps: 10_000, delta: 1e-5, epsilon: 5.632011, least: 5.19625 },
  { noise: 1, rate: 0.01, steps: 1_000, delta: 1e-5, epsilon: 2.101367, least: 1.82824 },
  { noise: 0.7, rate: 0.02, steps: 3_000, delta: 1e-6, epsilon: 19.508022, least: 17.90476 },
  { noise: 2, rate: 0.1, steps: 500, delta: 1e-5, epsilon: 6.034562, least: 5.55547 },
  { noise: 1.1, rate: 256 / 60_000, steps: 14_063, delta: 1e-5, epsilon: 2.596656, least: 2.39062 },
  { noise: 0.5, rate: 0.004, steps: 200, delta: 1e-4, epsilon: 4.795199, least: 3.52535 },
  { noise: 8, rate: 1, steps: 100, delta: 1e-5, epsilon: 6.122758, least: 5.67959 },
  { noise: 1.5, rate: 1, steps: 1, delta: 1e-5, epsilon: 2.9848, least: 2.75338 },
  { noise: 0.6, rate: 0.001, steps: 100_000, delta: 1e-7, epsilon: 8.609238, least: 7.80742 },
  { noise: 20, rate: 0.01, steps: 100, delta: 1e-5, epsilon: 0.014858, least: 0.012657 },
];

for (const { noise, rate, steps, delta, epsilon, least } of published) {
  test(`ε of noise ${noise}, rate ${rate}, ${steps} steps at δ = ${delta} is that of dp-accounting`, () => {
    const own = epsilonOf({ noiseMultiplier: noise, rate, steps }, delta);
    // Its series for orders that are not whole gives a little more than the moment; see below.
    assert.ok(own <= epsilon * (1 + 1e-4) && own > 0.995 * epsilon, `${own}`);
    assert.ok(own >= least);
  });
}

test('moments of orders that are not whole are those of a quadrature with 30 digits', () => {
  // mpmath 1.3, mp.dps = 30: log(quad(npdf(z, 0, noise) · ((1 − rate) + rate · exp((2z − 1) / (2
  // noise²)))^order)) / (order − 1).
  const exact = [
    { noise: 0.7, rate: 0.02, order: 2.3, divergence: 0.003338788824180985 },
    { noise: 4, rate: 0.25, order: 1.5, divergence: 0.002998941781407345 },
    { noise: 4, rate: 0.25, order: 2.9, divergence: 0.005897582034865711 },
    { noise: 0.5, rate: 0.004, order: 2.9, divergence: 0.004651440770268961 },
  ];
  for (const { noise, rate, order, divergence } of exact) {
    assert.ok(Math.abs(renyiDivergence(order, noise, rate) - divergence) < 1e-11 * divergence + 1e-14);
  }
});

test('the sum over whole orders and the integral give one divergence', () => {
  for (const noise of [0.3, 1.1, 5]) {
    for (const rate of [0.001, 0.2, 0.9]) {
      for (const order of [2, 5, 32]) {
        const [sum, integral] = [momentBySum(order, noise, rate), momentByIntegral(order, noise, rate)];
        // Of a moment that is nearly 1, float64 leaves its distance from 1 with an error of some 1e-15.
        assert.ok(
          Math.abs(sum - integral) < 1e-10 * Math.abs(sum) + 1e-13,
          `${noise} ${rate} ${order}: ${sum} ${integral}`,
        );
      }
    }
  }
});

test('a divergence grows with order and rate, and falls with noise', () => {
  assert.ok(renyiDivergence(3.5, 1, 0.1) > renyiDivergence(3.4, 1, 0.1));
  assert.ok(renyiDivergence(3.5, 1, 0.1) > renyiDivergence(3.5, 1, 0.09));
  assert.ok(renyiDivergence(3.5, 1, 0.1) > renyiDivergence(3.5, 1.1, 0.1));
  assert.ok(renyiDivergence(3.5, 1, 0.999999) < renyiDivergence(3.5, 1, 1));
});

const specWith = (privacy?: object) =>
  parseJobSpec(sinusoidSpec('private', { meta: { iterations: 500, batchSize: 10, privacy } }));

test('with a pool ε grows with the meta-steps; without one a task takes part once', () => {
  const privacy = { taskClipNorm: 1, noiseMultiplier: 1.5, delta: 1e-5 };
  const spec = specWith({ ...privacy, pool: 1_000 });
  assert.equal(privacyOf(spec, 0)?.epsilon, 0);
  assert.equal(privacyOf(spec, 300)?.rate, 0.01);
  assert.ok(privacyOf(spec, 300)!.epsilon < privacyOf(spec, 301)!.epsilon);
  const fresh = specWith(privacy);
  assert.equal(privacyOf(fresh, 1)?.epsilon, privacyOf(fresh, 500)?.epsilon);
  assert.match(privacyText(fresh, 500), /^\(ε, δ\) = \(2\.98, 1e-5\) for each task, which takes part once/);
  assert.equal(privacyOf(specWith(), 500), undefined);
});
