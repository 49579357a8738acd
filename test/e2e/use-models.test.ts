// A trained model in use, over real processes: the linear example from the command line as its
// documentation tells it; and many requests beside a running job, while a worker is killed.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MetatrainClient, type Predictions } from '../../client/index.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { packageRoot } from '../../shared/wire.ts';
import { metatrain } from '../support/command.ts';
import { ProcessCluster, until } from '../support/process-cluster.ts';

const job = [
  join(packageRoot, 'examples', 'linear.yaml'),
  '--set',
  'evaluation={ every: 0, tasks: 20, innerSteps: 10 }',
];
/** Beside the requests; without spans, so that its shards share the workers with them. */
const beside = ['--set', 'meta.iterations=600', '--set', 'placement.spans=never', '--set', 'name=beside'];

test('adapt, predict and adapted from the command line', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-models-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const points = join(directory, 'points.csv');
  writeFileSync(points, 'x,target\n1,2\n2,4\n3,6\n');
  const cluster = await ProcessCluster.start(t, { job });
  await cluster.startWorker('one');
  const { jobId, events } = await cluster.submit();
  await cluster.ended(jobId, events);
  const run = (...args: string[]) => metatrain(t, [...args, '--coordinator', cluster.address]);

  const asked = await run('adapt', jobId.slice(0, 8), '--support', points, '--query', '4', '--query', '-1.5');
  assert.equal(asked.code, 0, asked.stderr);
  const [head, four, minus] = asked.stdout.join('\n').split('\n');
  assert.match(head!, /^QUERY +PREDICTION$/);
  assert.ok(Math.abs(Number(/^4 +(\S+)$/.exec(four!)?.[1]) - 8) < 0.05, four);
  assert.ok(Math.abs(Number(/^-1\.5 +(\S+)$/.exec(minus!)?.[1]) + 3) < 0.05, minus);

  const kept = await run('adapt', jobId, '--support', points, '--json');
  const { adaptedId } = kept.json<{ adaptedId: string }>();
  const predicted = await run('predict', adaptedId, '--query', '4', '--json');
  const { predictions } = predicted.json<Predictions>();
  assert.ok(Math.abs(predictions[0]!.outputs[0]! - 8) < 0.05);
  assert.match((await run('adapted')).stdout.join('\n'), new RegExp(`${adaptedId} +${jobId} +3,000 +3 examples`));
  assert.equal((await run('adapted', 'drop', adaptedId)).code, 0);
  const gone = await run('predict', adaptedId, '--query', '4');
  assert.deepEqual([gone.code, gone.stderr], [1, `error: adapted model "${adaptedId}": it was dropped\n`]);
  const pytorch = join(directory, 'pytorch');
  const exported = await run('export', jobId.slice(0, 8), '--format', 'pytorch', '--output', pytorch);
  assert.equal(exported.code, 0, exported.stderr);
  assert.deepEqual(readdirSync(pytorch).sort(), ['model.py', 'model.safetensors']);
  assert.match(readFileSync(join(pytorch, 'model.py'), 'utf8'), /self\.layer1 = nn\.Linear\(1, 1\)/);
  const plain = join(directory, 'adapted.safetensors');
  const again = (await run('adapt', jobId, '--support', points, '--json')).json<{ adaptedId: string }>();
  const withState = ['--format', 'safetensors', '--adapted', again.adaptedId, '--output', plain];
  assert.equal((await run('export', jobId, ...withState)).code, 0);
  const [weight] = floatsOf(plain, 'layer1.weights');
  assert.ok(Math.abs(weight! - 2) < 0.1, `the slope of the task, not ${weight}`);
  const runs = join(directory, 'runs');
  const curves = await run('export', jobId, '--format', 'tensorboard', '--output', runs, '--json');
  assert.ok(curves.json<{ scalars: number }>().scalars > 10);
  assert.deepEqual(readdirSync(runs), ['events.out.tfevents.0.metatrain']);
  const nowhere = await run('adapt', jobId, '--support', join(directory, 'none.csv'), '--query', '4');
  assert.match(nowhere.stderr, /--support: got .*none\.csv, which is not there; accepted: a folder of images/);
});

function floatsOf(file: string, name: string): Float32Array {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, { data_offsets: [number, number] }>;
  const [begin, end] = header[name]!.data_offsets;
  return new Float32Array(Uint8Array.from(bytes.subarray(start + begin, start + end)).buffer);
}

test('requests beside a running job are answered while a worker is killed, and the job keeps its bytes', async (t) => {
  const cluster = await ProcessCluster.start(t, { job });
  const workers = [await cluster.startWorker('one'), await cluster.startWorker('two')];
  const trained = await cluster.submit();
  await cluster.ended(trained.jobId, trained.events);
  const alone = await cluster.submit(beside);
  const undisturbed = await cluster.ended(alone.jobId, alone.events);

  const running = await cluster.submit(beside);
  await until(running.events, (event) => event.kind === 'metaStep');
  const client = new MetatrainClient({ address: cluster.address });
  t.after(() => client.close());
  const lines = Array.from({ length: 100 }, (_, i) => i / 25 - 2);
  const asked = lines.map(async (slope) => {
    const support = { inputs: { numbers: [1, 2, 3] }, targets: [slope, 2 * slope, 3 * slope] };
    const { predictions } = await client.models.predict({ jobId: trained.jobId, support }, { numbers: [2] });
    return predictions[0]!.outputs[0]!;
  });
  const answers = Promise.allSettled(asked);
  await asked[0];
  await workers[1]!.kill('SIGKILL');
  for (const [i, answer] of (await answers).entries()) {
    if (answer.status === 'rejected') {
      assert.ok(answer.reason instanceof MetatrainError && answer.reason.code !== 'INTERNAL', String(answer.reason));
      assert.fail(`with a worker left every request is answered: ${answer.reason.message}`);
    }
    assert.ok(Math.abs(answer.value - 2 * lines[i]!) < 0.1, `${answer.value} for twice ${lines[i]}`);
  }
  const ended = await cluster.ended(running.jobId, running.events);
  assert.equal(ended.paramsSha256, undisturbed.paramsSha256);
});
