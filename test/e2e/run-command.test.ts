// `metatrain run` as scripts use it: the JSON contract, the exit codes, and nothing left running however it ends.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { packageRoot } from '../../shared/wire.ts';
import { childrenOf, metatrain, resultOf, startCommand, untilGone, withoutProcessTable } from '../support/command.ts';
import type { TestProcess } from '../support/processes.ts';

const jobFile = join(packageRoot, 'examples', 'sinusoid.yaml');
const short = ['--set', 'meta.iterations=20', '--set', 'evaluation.tasks=10', '--workers', '1', '--slots', '1'];
/** Ends only when it is ended. */
const endless = ['--set', 'meta.iterations=1000000', '--set', 'meta.schedule={name: constant}'];

interface RunRecord {
  readonly jobId: string;
  readonly name: string;
  readonly state: string;
  readonly steps: number;
  readonly paramsSha256: string;
  readonly wallSeconds: number;
  readonly tasksPerSecond: number;
  readonly metaStepsPerSecond: number;
  readonly evaluation: {
    readonly step: number;
    readonly protocol: { readonly tasks: number; readonly split: string };
    readonly measures: readonly {
      readonly name: string;
      readonly axis: string;
      readonly points: readonly string[];
      readonly estimates: readonly { readonly mean: number; readonly halfWidth95: number }[];
    }[];
  } | null;
  readonly verdict: { readonly outcome: string; readonly differences: readonly string[] } | null;
  readonly overrides: readonly string[];
  readonly model: { readonly file: string; readonly bytes: number; readonly sha256: string } | null;
  readonly error?: { readonly code: string; readonly message: string };
}

test('run --json prints one object with every promised field and nothing else on stdout; the news go to stderr', async (t) => {
  const result = await metatrain(t, ['run', jobFile, ...short, '--no-output', '--json']);
  assert.equal(result.code, 0, result.stderr);
  assert.equal(result.stdout.length, 1);
  const record = result.json<RunRecord>();
  assert.match(record.jobId, /^[0-9a-f]{16}$/);
  assert.equal(record.name, 'sinusoid');
  assert.equal(record.state, 'SUCCEEDED');
  assert.equal(record.steps, 20);
  assert.match(record.paramsSha256, /^[0-9a-f]{64}$/);
  assert.ok(record.wallSeconds > 0);
  assert.ok(record.metaStepsPerSecond > 0);
  assert.ok(Math.abs(record.tasksPerSecond / record.metaStepsPerSecond - 25) < 1e-9, 'a meta-batch has 25 tasks');
  assert.equal(record.error, undefined);
  const { evaluation } = record;
  assert.ok(evaluation);
  assert.deepEqual([evaluation.step, evaluation.protocol.tasks, evaluation.protocol.split], [20, 10, 'test']);
  const [loss, ...others] = evaluation.measures;
  assert.deepEqual([loss?.name, loss?.axis, others], ['loss', 'inner step', []]);
  assert.deepEqual(loss?.points.map(Number), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(loss.estimates.length, 11);
  for (const { mean, halfWidth95 } of loss.estimates) assert.ok(mean > 0 && halfWidth95 > 0);
  assert.equal(record.verdict?.outcome, 'not-comparable', '10 test tasks instead of 600');
  assert.ok(record.verdict?.differences.includes('meta.iterations: 20 instead of 70,000'));
  assert.deepEqual(record.overrides, ['meta.iterations=20', 'evaluation.tasks=10']);
  assert.equal(record.model, null);
  assert.match(result.stderr, /sinusoid {2}succeeded: all 20 meta-steps are applied/);
});

test('without --json the result is a table for a person, with what --set changed named as a difference', async (t) => {
  const result = await metatrain(t, ['run', jobFile, ...short, '--no-output']);
  assert.equal(result.code, 0, result.stderr);
  const text = result.stdout.join('\n');
  assert.match(text, /^job +sinusoid {2}succeeded {2}\([0-9a-f]{16}\)$/m);
  assert.match(text, /^parameters +SHA-256 [0-9a-f]{64}$/m);
  assert.match(text, /inner steps .*ours .*published/);
  assert.match(text, /^changed +meta\.iterations=20, evaluation\.tasks=10 \(--set\)$/m);
  assert.match(text, /- meta\.iterations: 20 instead of 70,000/);
  assert.match(text, /Not comparable: another measurement: evaluation\.tasks: 10 instead of 600/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no terminal, no colour.
  assert.doesNotMatch(text, /\u001b/);
});

test('a job that fails is exit code 1, and its record says why', async (t) => {
  const diverging = ['--set', 'algorithm.innerLearningRate=1e30', '--set', 'meta.clipNorm=1e30'];
  const directory = temporaryDirectory(t);
  const output = ['--output', join(directory, 'model.safetensors')];
  const result = await metatrain(t, ['run', jobFile, ...short, ...diverging, ...output, '--json']);
  assert.equal(result.code, 1, result.stderr);
  const record = result.json<RunRecord>();
  assert.equal(record.state, 'FAILED');
  assert.equal(record.error?.code, 'RESULT_NOT_FINITE');
  assert.match(record.error?.message ?? '', /not finite.*meta\.onNonFinite: skip/);
  assert.deepEqual([record.model, record.verdict, readdirSync(directory)], [null, null, []]);
  assert.doesNotMatch(result.stderr, / {4}at /);
});

test('in a kept state directory the same command shows the result again, and computes nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'model.safetensors');
  const command = ['run', jobFile, ...short, '--state-dir', join(directory, 'state'), '--output', file, '--json'];
  const first = await metatrain(t, command);
  assert.equal(first.code, 0, first.stderr);
  const again = await metatrain(t, command);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /has already been run in .*; this is its result/);
  const [before, after] = [first.json<RunRecord>(), again.json<RunRecord>()];
  assert.equal(after.jobId, before.jobId);
  assert.equal(after.paramsSha256, before.paramsSha256);
  assert.deepEqual(after.evaluation, before.evaluation);
  assert.deepEqual(after.model, before.model);
});

test('the exit code follows the verdict with --gate alone, and the model is saved either way', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'model.safetensors');
  const missed = await metatrain(t, ['run', jobFile, ...short, '--gate', '--output', file, '--json']);
  assert.equal(missed.code, 1, missed.stderr);
  const { state, model, error } = missed.json<RunRecord>();
  assert.deepEqual([state, error], ['SUCCEEDED', undefined]);
  const bytes = readFileSync(file);
  assert.equal(createHash('sha256').update(bytes).digest('hex'), model?.sha256);
  const reachable = ['--set', 'evaluation.tasks=600', '--set', 'published.at={}'];
  const senseless = await metatrain(t, ['run', jobFile, ...short, ...reachable, '--gate', '--no-output']);
  assert.equal(senseless.code, 1);
  assert.match(
    senseless.stderr,
    /^error: --gate: the job file has no published figure; accepted: a job file with one$/m,
  );
});

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-e2e-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** A run whose job is under way, so that its coordinator and its worker are there. */
async function startEndlessRun(
  t: TestContext,
): Promise<{ readonly run: TestProcess; readonly children: number[]; readonly temporary: string }> {
  // A run that is killed cannot remove its temporary state directory.
  const temporary = mkdtempSync(join(tmpdir(), 'metatrain-e2e-'));
  const run = startCommand(t, ['run', jobFile, ...endless, '--workers', '1', '--slots', '1', '--no-output', '--json'], {
    TMPDIR: temporary,
  });
  t.after(() => rmSync(temporary, { recursive: true }));
  await run.stderrSays(/sinusoid {2}running: its first shard was leased/);
  const children = childrenOf(run.child.pid!);
  assert.equal(children.length, 2, 'a coordinator and a worker');
  return { run, children, temporary };
}

test('Ctrl-C ends a run with exit code 130 and stops its processes', {
  skip: withoutProcessTable('what Ctrl-C leaves running'),
}, async (t) => {
  const { run, children, temporary } = await startEndlessRun(t);
  run.signal('SIGINT');
  const result = await resultOf(run);
  assert.equal(result.code, 130, result.stderr);
  assert.deepEqual(readdirSync(temporary), [], 'the temporary state directory is removed');
  assert.deepEqual(result.json(), { error: { code: 'SHUTTING_DOWN', message: 'interrupted by SIGINT' } });
  assert.doesNotMatch(result.stderr, / {4}at /);
  await untilGone(children);
});

test('a run that is killed takes its processes with it', {
  skip: withoutProcessTable('what a killed run leaves running'),
}, async (t) => {
  const { run, children } = await startEndlessRun(t);
  assert.deepEqual(await run.kill('SIGKILL'), { code: null, signal: 'SIGKILL' });
  await untilGone(children);
});
