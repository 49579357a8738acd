// `metatrain worker --explain`: the real process on an example.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../../../shared/wire.ts';

const sinusoid = join(packageRoot, 'examples', 'sinusoid.yaml');
const shards = ['--set', 'meta.batchSize=10', '--set', 'placement.shardSize=4', '--set', 'evaluation.tasks=8'];

function worker(...flags: string[]) {
  const main = join(packageRoot, 'dist', 'worker', 'main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...flags], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  return { status, stdout, stderr };
}

test('--explain reports how the engine compiles a job', () => {
  const { status, stdout, stderr } = worker('--explain', sinusoid, ...shards, '--print');
  assert.deepEqual([status, stderr], [0, '']);
  assert.deepEqual(
    stdout.split('\n').filter((line) => line.startsWith('maml')),
    ['maml mlp train, 4 tasks a shard', 'maml mlp train, 2 tasks a shard', 'maml mlp evaluate, 4 tasks a shard'],
  );
  assert.match(stdout, / {2}traced {4}\d+ operators, \d+ nodes \(\d+ common subexpressions, \d+ dead\)/);
  assert.match(stdout, / {2}simplify +\d+ → \d+ +replaced: .*algebra \d+/);
  assert.match(
    stdout,
    / {2}a run {5}4 tasks, all of the shard; \d+ nodes, [\d.]+ GFLOP, predicted peak [\d.]+ MiB; one ONNX model/,
  );
  assert.match(stdout, / {2}time {6}trace [\d.]+ s, passes [\d.]+ s, session [\d.]+ s/);
  assert.match(stdout, /^%0 = input\(metaParams\.layer1\.weights\) : float32\[1,40\]$/m);
  assert.match(stdout, /3 sessions created, 0 shared\n$/);
});

test('--explain lists every program of a procedure and of an adaptation that is a loop', () => {
  const algorithm = ['--set', 'algorithm={ name: imaml }', '--set', 'meta.batchSize=4'];
  const { status, stdout } = worker('--explain', sinusoid, ...shards, ...algorithm);
  assert.equal(status, 0);
  assert.deepEqual(
    stdout.split('\n').filter((line) => line.startsWith('imaml')),
    ['train step', 'train query', 'train product', 'evaluate start', 'evaluate step'].map(
      (work) => `imaml mlp ${work}, 4 tasks a shard`,
    ),
  );
});

test('--explain --json prints one object', () => {
  const { status, stdout } = worker('--explain', sinusoid, ...shards, '--json');
  assert.equal(status, 0);
  const { programs, statistics } = JSON.parse(stdout) as {
    programs: { program: string; tasksPerRun: number; passes: { name: string }[]; graph: string }[];
    statistics: { sessionsCreated: number };
  };
  assert.deepEqual(
    programs.map(({ program, tasksPerRun }) => [program, tasksPerRun]),
    [
      ['maml mlp train', 4],
      ['maml mlp train', 2],
      ['maml mlp evaluate', 4],
    ],
  );
  assert.equal(programs[0]!.passes.at(-1)!.name, 'join-biases');
  assert.match(programs[0]!.graph, /matmul/);
  assert.equal(statistics.sessionsCreated, 3);
});

test('--explain refuses jobs that the engine refuses, in one line', () => {
  const missing = worker('--explain', '/nowhere.yaml');
  assert.deepEqual([missing.status, missing.stdout], [1, '']);
  assert.match(missing.stderr, /^metatrain worker: cannot read the job file \/nowhere\.yaml: .*\n$/);
  const large = worker(
    '--explain',
    sinusoid,
    '--memory',
    '1MiB',
    '--slots',
    '1',
    '--set',
    'model.hiddenLayers=[512,512]',
  );
  assert.equal(large.status, 1);
  assert.match(large.stderr, /^metatrain worker: program "maml mlp train" needs about \d+ MiB .* has 1\.0 MiB\. .*\n$/);
});

test('an invalid memory size is refused with the accepted form', () => {
  const { status, stderr } = worker('--memory', 'lots');
  assert.equal(status, 2);
  assert.match(stderr, /'lots'.*Accepted: a size in MiB, GiB or TiB, at least 1MiB, such as 6GiB\./);
});
