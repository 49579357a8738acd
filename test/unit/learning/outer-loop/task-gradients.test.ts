// The spread of the task gradients, told from shards' sums, against what the gradients of the single tasks give.
import assert from 'node:assert/strict';
import test from 'node:test';
import { squaredNorm } from '../../../../learning/outer-loop/meta-gradient.ts';
import { type ShardNorm, spreadOfTaskGradients } from '../../../../learning/outer-loop/task-gradients.ts';
import { taskRng } from '../../../../shared/rng.ts';

type Gradients = readonly Float64Array[];

const elements = 6;
const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const sumOf = (gradients: Gradients) =>
  gradients.reduce((sum, gradient) => sum.map((value, i) => value + gradient[i]!), new Float64Array(elements));

/** Tasks that agree in the first element and differ by normal noise in all of them. */
function drawGradients(count: number, batch: number, agreement: number, noise: number): Gradients {
  const rng = taskRng(3, 'train', batch);
  return Array.from({ length: count }, () =>
    Float64Array.from({ length: elements }, (_, i) => (i === 0 ? agreement : 0) + noise * rng.normal()),
  );
}

function estimate(gradients: Gradients, shardSize: number) {
  const shards: ShardNorm[] = [];
  for (let first = 0; first < gradients.length; first += shardSize) {
    const slice = gradients.slice(first, first + shardSize);
    shards.push({ tasks: slice.length, squaredNorm: squaredNorm(sumOf(slice)) });
  }
  return spreadOfTaskGradients(shards, squaredNorm(sumOf(gradients)));
}

/** The trace of the sample covariance, and the mean inner product of two different tasks over the mean squared length. */
function direct(gradients: Gradients) {
  const centre = sumOf(gradients).map((value) => value / gradients.length);
  const squares = gradients.map((gradient) => squaredNorm(gradient.map((value, i) => value - centre[i]!)));
  const products = gradients.flatMap((a, i) => gradients.flatMap((b, j) => (i === j ? [] : [dot(a, b)])));
  return {
    variance: squares.reduce((sum, square) => sum + square, 0) / (gradients.length - 1),
    cosine: mean(products) / mean(gradients.map(squaredNorm)),
  };
}

test('with one task a shard the estimate is the direct computation', () => {
  for (const [batch, noise] of [0.01, 0.5, 3].entries()) {
    const gradients = drawGradients(9, batch, 1, noise);
    const told = estimate(gradients, 1);
    const expected = direct(gradients);
    // Sums of some 100 float64 products each: rounding, magnified by the cancellation of the smallest noise.
    assert.ok(Math.abs(told!.variance / expected.variance - 1) < 1e-9);
    assert.ok(Math.abs(told!.cosine - expected.cosine) < 1e-12);
  }
});

for (const { shardSize, of } of [
  { shardSize: 4, of: 'equal shards' },
  { shardSize: 5, of: 'a shorter last shard' },
]) {
  test(`over many meta-batches the estimates with ${of} have the direct computation's mean`, () => {
    const batches = 2_000;
    const batchSize = 12;
    const told = Array.from({ length: batches }, (_, batch) => {
      const gradients = drawGradients(batchSize, batch, 2, 1);
      return { estimate: estimate(gradients, shardSize)!, direct: direct(gradients) };
    });
    const variance = mean(told.map(({ estimate }) => estimate.variance));
    // σ² = 6. A shard estimate of it varies by about √(2/(6·(S−1)))·6 < 2.5; over 2,000 batches by less than 0.06.
    assert.ok(Math.abs(variance - mean(told.map(({ direct }) => direct.variance))) < 0.2, String(variance));
    // ‖μ‖²/(‖μ‖² + σ²) = 0.4, of which a quotient is a biased but close estimate.
    const cosine = mean(told.map(({ estimate }) => estimate.cosine));
    assert.ok(Math.abs(cosine - 0.4) < 0.03, String(cosine));
  });
}

test('tasks that all pull the same way have no variance and cosine 1; opposite ones have cosine below 0', () => {
  const same = Array.from({ length: 6 }, () => Float64Array.of(1, 2, 3, 0, 0, 0));
  const told = estimate(same, 2);
  assert.ok(told!.variance < 1e-12);
  assert.ok(Math.abs(told!.cosine - 1) < 1e-12);
  const opposite = [Float64Array.of(1, 0, 0, 0, 0, 0), Float64Array.of(-1, 0, 0, 0, 0, 0)];
  assert.deepEqual(estimate(opposite, 1), { variance: 2, cosine: -1 });
});

test('without two gradients to compare there is no estimate', () => {
  assert.equal(estimate(drawGradients(4, 0, 1, 1), 4), undefined);
  assert.equal(spreadOfTaskGradients([], 0), undefined);
  const alone = { tasks: 3, squaredNorm: 2 };
  assert.equal(spreadOfTaskGradients([alone, { tasks: 0, squaredNorm: 0 }], 2), undefined);
  assert.equal(
    estimate(
      Array.from({ length: 4 }, () => new Float64Array(elements)),
      2,
    ),
    undefined,
  );
});
