// Robust sums against their definition, sums on the wire against what rounding may do, and what
// does not go with them.
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseJobSpec } from '../../../../learning/job-file.ts';
import { decodeSum, encodedBytes, encodeSum } from '../../../../learning/outer-loop/result-codec.ts';
import { RobustMean } from '../../../../learning/outer-loop/robust-mean.ts';
import { taskRng } from '../../../../shared/rng.ts';
import { layoutElements } from '../../../../shared/tensor-codec.ts';
import { sinusoidSpec } from '../../../support/job-specs.ts';
import { refusalOf } from '../../shared/refusal.ts';

const sumOf = (
  spec: ConstructorParameters<typeof RobustMean>[2],
  columns: readonly (readonly number[])[],
  weight = 1,
) => {
  const sum = new RobustMean(new Float64Array(columns[0]!.length).fill(7), columns.length, spec);
  // Late ones first: the order of arrival does not matter.
  for (const [shard, values] of [...columns.entries()].toReversed()) {
    sum.add(
      shard,
      Float32Array.from(values, (value) => value * weight),
      { counted: weight },
    );
  }
  return sum.mean();
};

test('the median is that of each coordinate, of the means of the shards', () => {
  const { mean, norm } = sumOf(
    { name: 'median' },
    [
      [1, -9],
      [1e6, 0],
      [2, 5],
    ],
    4,
  );
  assert.deepEqual([...mean], [2, 0]);
  assert.equal(norm, 2);
  assert.deepEqual([...sumOf({ name: 'median' }, [[1], [8], [2], [3]]).mean], [2.5]);
});

test('a trimmed mean leaves whole shards out at both ends', () => {
  const columns = [[5], [1e9], [1], [3], [-1e9]];
  assert.deepEqual([...sumOf({ name: 'trimmed-mean', trim: 0.2 }, columns).mean], [3]);
  assert.deepEqual([...sumOf({ name: 'trimmed-mean', trim: 0.39 }, columns).mean], [3]);
  const many = Array.from({ length: 40 }, (_, i) => [i === 7 ? 1e9 : 1]);
  assert.deepEqual([...sumOf({ name: 'trimmed-mean', trim: 0.025 }, many).mean], [1]);
});

test('a shard without a finite task has no vote, and every shard is given back', () => {
  const sum = new RobustMean(new Float64Array(1), 3, { name: 'median' });
  let released = 0;
  const release = () => {
    released += 1;
  };
  for (const [shard, counted] of [2, 0, 2].entries()) sum.add(shard, Float32Array.of(4 + shard), { counted, release });
  assert.throws(() => sum.add(1, Float32Array.of(1)));
  assert.deepEqual([...sum.mean().mean], [2.5]);
  assert.equal(released, 3);
});

test('a median of fewer than all shards waits for the rest', () => {
  assert.throws(() => new RobustMean(new Float64Array(1), 2, { name: 'median' }).mean());
});

const layout = {
  tensors: [
    { name: 'w', shape: [30, 40] },
    { name: 'b', shape: [3] },
  ],
};
const rng = taskRng(1, 'test', 0);
const vector = Float32Array.from({ length: layoutElements(layout) }, () => rng.normal() * 10 ** rng.between(-3, 3));

for (const [format, bytesOf] of [
  ['int8', 1],
  ['float16', 2],
  ['float32', 4],
] as const) {
  test(`as ${format} a sum takes ${bytesOf} bytes a number, and a scale a chunk`, () => {
    const scales = format === 'float32' ? 0 : 4 * (3 + 1);
    const encoded = encodeSum(vector, { format, layout, seed: 1, firstTask: 8 });
    assert.equal(encoded.byteLength, bytesOf * vector.length + scales);
    assert.equal(encodedBytes({ format, layout }), encoded.byteLength);
  });
}

const sent = (values: Float32Array, format: 'float32' | 'float16' | 'int8', firstTask = 0) =>
  decodeSum(Buffer.from(encodeSum(values, { format, layout, seed: 1, firstTask })), { format, layout });

test('int8 is off by less than one step of its chunk, and right in the mean', () => {
  const runs = 400;
  const mean = new Float64Array(vector.length);
  const largest = [0, 512, 1024, 1200].map((begin, i, all) =>
    vector.subarray(begin, all[i + 1] ?? vector.length).reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  );
  const stepAt = (i: number) => largest[i < 512 ? 0 : i < 1024 ? 1 : i < 1200 ? 2 : 3]! / 127;
  for (let run = 0; run < runs; run += 1) {
    for (const [i, value] of sent(vector, 'int8', run).entries()) {
      assert.ok(Math.abs(value - vector[i]!) < stepAt(i) * (1 + 1e-5));
      mean[i] = mean[i]! + value / runs;
    }
  }
  // The standard deviation of one is at most half a step; 6 of the mean's for 1,203 numbers.
  for (const [i, value] of mean.entries())
    assert.ok(Math.abs(value - vector[i]!) < (6 * 0.5 * stepAt(i)) / Math.sqrt(runs));
});

test('equal seed, shard and sum give equal bytes as int8; another shard is rounded otherwise', () => {
  const bytes = (firstTask: number) => encodeSum(vector, { format: 'int8', layout, seed: 1, firstTask });
  assert.deepEqual(bytes(3), bytes(3));
  assert.notDeepEqual(bytes(3), bytes(4));
});

test('float16 keeps 11 bits of what is near the largest of its chunk, whatever its size', () => {
  for (const size of [1, 1e30, 1e-30]) {
    const scaled = vector.map((value) => value * size);
    const largest = Math.max(...scaled.map(Math.abs));
    for (const [i, value] of sent(scaled, 'float16').entries()) {
      // Half a unit of the last place of 11 bits; below 2⁻¹⁴ of the scale, half of the smallest number.
      const bound = Math.max(2 ** -11 * Math.abs(scaled[i]!), 2 ** -24 * largest);
      assert.ok(Math.abs(value - scaled[i]!) <= bound * (1 + 1e-6), `${scaled[i]} ${value}`);
    }
  }
});

test('numbers that binary16 has are sent as they are, and halves go to the even one', () => {
  const values = new Float32Array(layoutElements(layout));
  values.set([1, -1, 0.5, 1 / 3, 2 ** -14, 2 ** -24, 1 + 0, 0, -0, 1023 / 1024, 2049 / 4096, 2051 / 4096]);
  const got = sent(values, 'float16');
  // binary16 of 1/3 is 0x3555.
  assert.deepEqual([...got.subarray(0, 4)], [1, -1, 0.5, 1365 / 4096]);
  assert.deepEqual([...got.subarray(4, 10)], [2 ** -14, 2 ** -24, 1, 0, -0, 1023 / 1024]);
  assert.deepEqual([...got.subarray(10, 12)], [2048 / 4096, 2052 / 4096]);
});

test('a sum of zeros stays one, and a payload of another length is refused', () => {
  const zeros = new Float32Array(vector.length);
  for (const format of ['int8', 'float16'] as const) assert.ok(sent(zeros, format).every((value) => value === 0));
  assert.match(refusalOf(() => decodeSum(Buffer.alloc(8), { format: 'int8', layout })).message, /got 8 bytes; accepted: 1219 \(1203 numbers as int8\)/); // biome-ignore format: one line
});

const privacy = { taskClipNorm: 1, noiseMultiplier: 1 };
const meta = { iterations: 20, batchSize: 8 };
const placement = { shardSize: 2 };
const refused: readonly (readonly [string, object, RegExp])[] = [
  [
    'median of stale shards',
    { meta: { ...meta, aggregation: { name: 'median' }, update: { mode: 'async' } } },
    /meta\.update\.mode: got async; accepted: sync with meta\.aggregation median/,
  ],
  [
    'shards of unequal size',
    { meta: { ...meta, aggregation: { name: 'median' } }, placement: { shardSize: 3 } },
    /placement\.shardSize: got 3; accepted: a divisor of meta\.batchSize, 8/,
  ],
  [
    'two shards',
    { meta: { ...meta, aggregation: { name: 'median' } }, placement: { shardSize: 4 } },
    /placement\.shardSize: got 4; accepted: at most 2/,
  ],
  [
    'less than a shard left out',
    { meta: { ...meta, aggregation: { name: 'trimmed-mean' } } },
    /meta\.aggregation\.trim: got 0\.1; accepted: at least 0\.25/,
  ],
  [
    'private and asynchronous',
    { meta: { ...meta, privacy, update: { mode: 'async' } } },
    /meta\.update\.mode: got async; accepted: sync with meta\.privacy/,
  ],
  [
    'private median',
    { meta: { ...meta, privacy, aggregation: { name: 'median' } } },
    /meta\.aggregation\.name: got median; accepted: mean/,
  ],
  [
    'private and rounded',
    { meta: { ...meta, privacy }, placement: { shardSize: 2, results: 'int8' } },
    /placement\.results: got int8; accepted: float32/,
  ],
  [
    'a pool below a meta-batch',
    { meta: { ...meta, privacy: { ...privacy, pool: 7 } } },
    /meta\.privacy\.pool: got 7; accepted: at least meta\.batchSize, 8/,
  ],
  [
    'too many shards',
    { meta: { ...meta, privacy: { ...privacy, pool: 40_000, delta: 1e-6 } } },
    /meta\.privacy\.pool: got 40,000; accepted: at most 32,768/,
  ],
  [
    'a δ that tells tasks',
    { meta: { ...meta, privacy: { ...privacy, pool: 1_000, delta: 0.001 } } },
    /meta\.privacy\.delta: got 0\.001; accepted: below 0\.001/,
  ],
];

for (const [what, sections, expected] of refused) {
  test(`refused with the field and what is accepted: ${what}`, () => {
    const text = sinusoidSpec('sums', { placement, ...sections });
    assert.match(refusalOf(() => parseJobSpec(text)).message, expected);
  });
}
