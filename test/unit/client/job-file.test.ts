// A job file from the disk, with the overrides of a command line.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { overrideTexts, readJobFile } from '../../../client/cli/job-file.ts';
import type { Override } from '../../../client/cli/options.ts';
import { maxSpecBytes } from '../../../shared/job-spec/index.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';

function fileWith(t: TestContext, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-job-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'job.yaml');
  writeFileSync(file, text);
  return file;
}

test('overrides go over the file in order, values are YAML, and sections that the file leaves out are made', async (t) => {
  const file = fileWith(t, sinusoidSpec());
  const spec = await readJobFile(file, [
    ['meta.iterations', '500'],
    ['meta.iterations', '600'],
    ['meta.optimizer', '{ name: sgd, learningRate: 0.5 }'],
    ['checkpoint.every', '7'],
    ['model.hiddenLayers', '[8, 8]'],
    ['model.hiddenLayers.1', '16'],
  ]);
  assert.equal(spec.meta.iterations, 600);
  assert.deepEqual(spec.meta.optimizer, { name: 'sgd', learningRate: 0.5, momentum: 0 });
  assert.deepEqual(spec.checkpoint, { every: 7, keep: 3 });
  assert.deepEqual(spec.model.architecture === 'mlp' && spec.model.hiddenLayers, [8, 16]);
});

test('a bad override is refused with the field, what it got and what is accepted', async (t) => {
  const file = fileWith(t, sinusoidSpec());
  const cases: readonly (readonly [override: Override, message: RegExp])[] = [
    [['meta.iteratons', '5'], /^invalid job: meta\.iteratons: got an unknown field; accepted: one of iterations, /],
    [['meta.iterations', 'many'], /^invalid job: meta\.iterations: got "many"; accepted: a number$/],
    [['meta.iterations', '1.5'], /^invalid job: meta\.iterations: got 1\.5; accepted: a whole number$/],
    [['meta.iterations.deep', '5'], /^invalid job: meta\.iterations\.deep: got a path that leads nowhere; accepted: /],
    [['meta..x', '5'], /^invalid job: meta\.\.x: got a path that leads nowhere; accepted: path\.to\.field of the/],
    [['__proto__.polluted', '5'], /^invalid job: __proto__\.polluted: got a path that leads nowhere/],
    [['meta.optimizer', '{ name: [unclosed'], /^invalid job: meta\.optimizer: got .*; accepted: /s],
    [['task.shots', '0'], /^invalid job: task\.shots: got 0; accepted: at least 1$/],
  ];
  for (const [override, message] of cases) {
    await assert.rejects(readJobFile(file, [override]), { code: 'REQUEST_INVALID', message });
  }
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test('a file that cannot be read is named with the reason', async (t) => {
  const missing = join(tmpdir(), 'metatrain-no-such-job.yaml');
  await assert.rejects(readJobFile(missing, []), {
    code: 'REQUEST_INVALID',
    message: `cannot read the job file ${missing}: there is no such file`,
  });
  await assert.rejects(readJobFile(tmpdir(), []), {
    code: 'REQUEST_INVALID',
    message: `cannot read the job file ${tmpdir()}: it is a directory`,
  });
  const long = fileWith(t, '#'.repeat(maxSpecBytes + 1));
  await assert.rejects(readJobFile(long, []), {
    code: 'REQUEST_INVALID',
    message: `cannot read the job file ${long}: 65537 bytes; a job file has at most 65536`,
  });
});

test("a job's record gets the last override of each field, cut to a length that every coordinator takes", () => {
  const texts = overrideTexts([
    ['meta.iterations', '500'],
    ['seed', '2'],
    ['meta.iterations', '50'],
    ['task', `{ a: ${'x'.repeat(1_000)} }`],
  ]);
  assert.deepEqual(texts.slice(0, 2), ['meta.iterations=50', 'seed=2']);
  assert.equal(texts[2]?.length, 400);
});
