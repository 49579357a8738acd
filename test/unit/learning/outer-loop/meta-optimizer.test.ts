import assert from 'node:assert/strict';
import test from 'node:test';
import { MetaGradientSum } from '../../../../learning/outer-loop/meta-gradient.ts';
import { clipByGroup } from '../../../../learning/outer-loop/roles.ts';
import { builtIn } from '../../../../learning/registry.ts';
import type { OptimizerSection } from '../../../../shared/job-spec/meta.ts';
import { scheduleFactor } from '../../../../shared/learning-rate.ts';

/** Five steps from θ = (0.5, −1.25, 2) along gradients (0.1(t + 1), −0.3 + 0.2t, 1.5/(t + 1)). */
function fiveSteps(optimizer: OptimizerSection): Float32Array {
  const part = builtIn.part('optimizer', optimizer.name);
  let metaParams = Float32Array.of(0.5, -1.25, 2);
  const slots = Object.fromEntries(part.slots(optimizer).map((name) => [name, new Float32Array(3)]));
  for (let t = 0; t < 5; t += 1) {
    const metaGradient = Float64Array.of(0.1 * (t + 1), -0.3 + 0.2 * t, 1.5 / (t + 1));
    const { learningRate } = optimizer;
    metaParams = Float32Array.from(part.update(optimizer, { metaParams, metaGradient, slots, learningRate, step: t }));
  }
  return metaParams;
}

// PyTorch 2.15, float64: p = torch.nn.Parameter(torch.tensor([0.5, -1.25, 2.0])); five times p.grad = the gradient above, o.step();
// print(p.tolist()), with o = SGD(lr=0.1, momentum=0.9), Adam(lr=0.01), AdamW(lr=0.01, weight_decay=0.1).
// θ and the slots are float32 here: 5 roundings of at most 2⁻²⁴ · 2 each, and the slots' relative 2⁻²⁴ on updates below 1.
const adam = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
for (const [optimizer, expected] of [
  [{ name: 'sgd', learningRate: 0.1, momentum: 0.9 }, [0.1829689999999999, -1.226857, 0.8910600000000001]],
  [{ name: 'adam', ...adam }, [0.451491693173601, -1.2327012795973298, 1.9559853914245093]],
  [{ name: 'adamw', ...adam, weightDecay: 0.1 }, [0.4490943092711583, -1.2265376175304104, 1.9460989157343818]],
] as const) {
  test(`five steps of ${optimizer.name} give the parameters that PyTorch prints`, () => {
    for (const [i, value] of fiveSteps(optimizer).entries())
      assert.ok(Math.abs(value - expected[i]!) < 1e-6, `${value}`);
  });
}

test('every schedule follows its closed form', () => {
  assert.equal(scheduleFactor({ name: 'constant' }, 7, 10), 1);
  assert.equal(scheduleFactor({ name: 'step', every: 3, factor: 0.5 }, 2, 10), 1);
  assert.equal(scheduleFactor({ name: 'step', every: 3, factor: 0.5 }, 7, 10), 0.25);
  assert.equal(scheduleFactor({ name: 'linear', final: 0 }, 5, 10), 0.5);
  assert.equal(scheduleFactor({ name: 'cosine', final: 0 }, 0, 10), 1);
  assert.ok(Math.abs(scheduleFactor({ name: 'cosine', final: 0.2 }, 5, 10) - 0.6) < 1e-15);
});

test('shards are added in shard order, so every arrival order gives the same bits', () => {
  const parts = [1e8, 1, -1e8, 1e-3].map((value) => Float32Array.of(value, -value / 3));
  const sums = [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [2, 0, 3, 1],
  ].map((order) => {
    const sum = new MetaGradientSum(new Float64Array(2).fill(7), 4);
    for (const shard of order) sum.add(shard, parts[shard]!);
    return [...sum.mean(4).mean];
  });
  assert.deepEqual(sums[1], sums[0]);
  assert.deepEqual(sums[2], sums[0]);
});

test('a shard is added once, and the mean waits for all of them', () => {
  const sum = new MetaGradientSum(new Float64Array(1), 2);
  sum.add(0, Float32Array.of(1));
  assert.throws(() => sum.add(0, Float32Array.of(1)));
  assert.throws(() => sum.mean(2));
});

test('clipping keeps the direction and brings the norm to its limit; a shorter gradient stays as it is', () => {
  const whole = [{ begin: 0, end: 2, update: 'gradient', group: undefined }] as const;
  const long = Float64Array.of(3, 4);
  clipByGroup(long, whole, 5, { clipNorm: 1 });
  assert.deepEqual(
    [...long].map((value) => Math.round(value * 1e12) / 1e12),
    [0.6, 0.8],
  );
  const short = Float64Array.of(0.3, 0.4);
  clipByGroup(short, whole, 0.5, { clipNorm: 1 });
  assert.deepEqual([...short], [0.3, 0.4]);
});
