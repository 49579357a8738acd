import assert from 'node:assert/strict';
import test from 'node:test';
import { differencesOf } from '../../../client/cli/render/compared-jobs.ts';
import { renderSweep, summaryOfSetting } from '../../../client/cli/render/sweep.ts';
import { parseAxis, sweepOf } from '../../../client/cli/sweep.ts';
import type { Job } from '../../../client/records.ts';
import { meanOverRuns, studentQuantile } from '../../../shared/student.ts';

const file = `
name: waves
seed: 7
tags: [nightly]
task: { distribution: sinusoid }
model: { architecture: mlp }
algorithm: { name: maml, innerLearningRate: 0.01 }
meta: { iterations: 10, optimizer: { name: adam } }
`;
const grid = [parseAxis('meta.optimizer.learningRate=0.001,0.003'), parseAxis('model.hiddenLayers=[8, 8],[16]')];

test('a sweep has every combination with every seed, under one tag that follows from what is asked', () => {
  const { tag, members } = sweepOf(file, { grid, seeds: 2, set: [] });
  const told = members.map(({ spec }) => {
    const { optimizer } = spec.meta;
    return [
      (optimizer as { learningRate?: number }).learningRate,
      (spec.model as { hiddenLayers?: unknown }).hiddenLayers,
      spec.seed,
    ];
  });
  assert.deepEqual(told, [
    ...[7, 8].map((seed) => [0.001, [8, 8], seed]),
    ...[7, 8].map((seed) => [0.001, [16], seed]),
    ...[7, 8].map((seed) => [0.003, [8, 8], seed]),
    ...[7, 8].map((seed) => [0.003, [16], seed]),
  ]);
  assert.match(tag, /^sweep-[0-9a-f]{8}$/);
  for (const { spec } of members) assert.deepEqual(spec.tags, ['nightly', tag]);
  assert.equal(sweepOf(file, { grid, seeds: 2, set: [] }).tag, tag, 'the same command goes on');
  assert.notEqual(sweepOf(file, { grid, seeds: 3, set: [] }).tag, tag);
});

test('a sweep with a wrong value, or too many jobs, is refused before any job is submitted', () => {
  const wrong = [parseAxis('meta.iterations=10,many')];
  assert.throws(() => sweepOf(file, { grid: wrong, seeds: 1, set: [] }), /meta\.iterations: got "many"/);
  assert.throws(() => sweepOf(file, { grid, seeds: 13, set: [] }), /at most 50 jobs, and this one has 52/);
  for (const text of ['meta.iterations=', 'meta.iterations', '=1,2'])
    assert.throws(() => parseAxis(text), /it must be/);
});

test("the interval over seeds is Student's", () => {
  const known = [
    [1, 12.706],
    [2, 4.303],
    [9, 2.262],
    [30, 2.042],
    [31, 2.0395],
    [60, 2.0003],
    [120, 1.9799],
  ] as const;
  for (const [degrees, quantile] of known)
    assert.ok(Math.abs(studentQuantile(degrees) - quantile) < 6e-4, `${degrees}`);
  // Mean 2, deviation 1: 4.3027 / √3.
  const { mean, halfWidth95 } = meanOverRuns([1, 2, 3]);
  assert.equal(mean, 2);
  assert.ok(Math.abs(halfWidth95 - 4.3027 / Math.sqrt(3)) < 1e-12);
  assert.ok(Number.isNaN(meanOverRuns([1]).halfWidth95));
});

test('a setting is told with its seeds that succeeded; one seed alone has no interval', () => {
  const ended = (mean: number | undefined, jobId: string) =>
    ({
      jobId,
      state: mean === undefined ? 'FAILED' : 'SUCCEEDED',
      evaluations: [
        {
          measures: [
            ...[{ name: 'loss', title: 'loss', unit: '', axis: 'inner step', points: ['0', '1'], better: 'lower' }],
          ].map((head) => ({ ...head, estimates: [{ mean: 9 }, { mean, halfWidth95: 0.5 }] })),
        },
      ],
    }) as unknown as Job;
  const several = summaryOfSetting([['seed', '1']], [ended(1, 'a'), ended(3, 'b'), ended(undefined, 'c')]);
  assert.equal(several.succeeded, 2);
  assert.equal(several.measures[0]?.mean, 2);
  assert.ok(Math.abs(several.measures[0]!.halfWidth95! - 12.7062) < 1e-9);
  const one = summaryOfSetting([['seed', '2']], [ended(0.25, 'd')]);
  assert.equal(one.measures[0]?.halfWidth95, null);
  const lines = renderSweep('sweep-00000000', [several, one]).split('\n');
  assert.match(lines[2]!, /^1 +2\/3 +2\.00 ± 12\.7$/);
  assert.match(lines[3]!, /^2 +1\/1 +0\.250$/);
});

test('what differs in job files is told field by field, in the order of the first', () => {
  const [first, , , , , last] = sweepOf(file, { grid, seeds: 2, set: [] }).members;
  assert.deepEqual(differencesOf([first!.spec, last!.spec]), [
    { field: 'seed', values: [7, 8] },
    { field: 'meta.optimizer.learningRate', values: [0.001, 0.003] },
  ]);
});
