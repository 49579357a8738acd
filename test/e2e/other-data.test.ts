// Real workers with different files on their disks: each is refused by name, and the job gives the
// bytes of the one that it began with.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { MetatrainClient } from '../../client/index.ts';
import { TestProcess } from '../support/processes.ts';
import { characterEntries, drawingOf, emptyFixture, type ZipEntry, zipOf } from '../unit/learning/omniglot-fixture.ts';

const spec = JSON.stringify({
  name: 'letters',
  task: {
    distribution: 'omniglot',
    ways: 2,
    shots: 1,
    queries: 2,
    alphabets: { train: ['Greek', 'Latin'], test: ['Tagalog'] },
  },
  model: { architecture: 'mlp', hiddenLayers: [8] },
  algorithm: { name: 'maml', innerSteps: 1, innerLearningRate: 0.1 },
  meta: { iterations: 60, batchSize: 8, optimizer: { name: 'adam', learningRate: 0.01 } },
  evaluation: { tasks: 8, innerSteps: 1 },
  placement: { shardSize: 1 },
});

const letters = (set: string, alphabet: string, seeds: readonly number[]) =>
  seeds.flatMap((seed, index) => characterEntries(set, alphabet, index + 1, seed));
const background = [...letters('images_background', 'Greek', [1, 2]), ...letters('images_background', 'Latin', [3, 4])];
const tagalog = letters('images_evaluation', 'Tagalog', [21, 22, 23]);

/** Drawings that `change` has altered; the archive `images_evaluation` stays. */
function fullSet(t: TestContext, change: (drawings: readonly ZipEntry[]) => readonly ZipEntry[] = (same) => same) {
  const fixture = emptyFixture();
  t.after(() => fixture.remove());
  const path = fixture.write('images_background.zip', zipOf(change(background)));
  fixture.write('images_evaluation.zip', zipOf(tagalog));
  return { directory: fixture.directory, path };
}

function smallSet(t: TestContext) {
  const fixture = emptyFixture();
  t.after(() => fixture.remove());
  fixture.write('images_background_small1.zip', zipOf(background));
  fixture.write('images_background_small2.zip', zipOf(letters('images_background_small2', 'Tagalog', [21, 22])));
  return { directory: fixture.directory };
}

const withOneDrawingAltered = ([first, ...rest]: readonly ZipEntry[]) => [
  { ...first!, data: drawingOf(4711) },
  ...rest,
];
const withAlphabetsSwapped = (drawings: readonly ZipEntry[]) =>
  drawings.map((entry) => {
    const name = entry.name.replace(/Greek|Latin/, (alphabet) => (alphabet === 'Greek' ? 'Latin' : 'Greek'));
    return { ...entry, name };
  });

class Cluster {
  readonly client: MetatrainClient;
  readonly #t: TestContext;
  readonly #address: string;

  private constructor(t: TestContext, address: string) {
    this.#t = t;
    this.#address = address;
    this.client = new MetatrainClient({ address });
    t.after(() => this.client.close());
  }

  static async start(t: TestContext): Promise<Cluster> {
    const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-other-data-'));
    const flags = ['--listen', '127.0.0.1:0', '--state-dir', stateDirectory, '--log-level', 'warn'];
    const coordinator = new TestProcess(t, 'coordinator/main.js', flags);
    t.after(async () => {
      await coordinator.kill('SIGKILL');
      rmSync(stateDirectory, { recursive: true });
    });
    const { address } = await coordinator.ready<{ address: string }>();
    return new Cluster(t, address);
  }

  async worker(workerId: string, directory: string): Promise<TestProcess> {
    const flags = ['--coordinator', this.#address, '--slots', '1', '--worker-id', workerId, '--log-level', 'warn'];
    const worker = new TestProcess(this.#t, 'worker/main.js', [...flags, '--data-dir', directory]);
    await worker.ready();
    return worker;
  }

  /** A job that its workers have begun, paused. */
  async begunJob(): Promise<string> {
    const { jobId } = await this.client.submitJob(spec);
    for await (const event of this.client.watchJob(jobId)) if (event.kind === 'metaStep') break;
    await this.client.pauseJob(jobId);
    return jobId;
  }

  /**
   * Resumes the job, which no worker with its data computes now, and follows it to its end. Once
   * `refused` workers were refused, `right` starts one.
   *
   * @returns the job, and why its shards were given back, by worker.
   */
  async finish(jobId: string, refused: number, right: () => Promise<unknown>) {
    await this.client.resumeJob(jobId);
    const refusals = new Map<string, string>();
    for await (const event of this.client.watchJob(jobId)) {
      if (event.kind !== 'shardRetried' || !/keeps to the data/.test(event.retried.reason)) continue;
      const { workerId, reason } = event.retried;
      const isNew = !refusals.has(workerId);
      refusals.set(workerId, reason);
      if (isNew && refusals.size === refused) await right();
    }
    return { job: await this.client.getJob(jobId), refusals };
  }

  async aloneSha256(): Promise<string> {
    const { jobId } = await this.client.submitJob(spec);
    for await (const _ of this.client.watchJob(jobId));
    return (await this.client.getJob(jobId)).paramsSha256;
  }
}

const refusal = (begun: string) =>
  new RegExp(
    `^the job keeps to the data it began with, omniglot full sha256 ${begun}; read here: omniglot (full|small) sha256 [0-9a-f]{64}$`,
  );

test('workers with one drawing altered, with two alphabets swapped and with the small set are refused by name', async (t) => {
  const cluster = await Cluster.start(t);
  const first = await cluster.worker('first', fullSet(t).directory);
  const alone = await cluster.aloneSha256();
  const jobId = await cluster.begunJob();
  await first.kill('SIGKILL');
  await Promise.all([
    cluster.worker('altered', fullSet(t, withOneDrawingAltered).directory),
    cluster.worker('swapped', fullSet(t, withAlphabetsSwapped).directory),
    cluster.worker('small', smallSet(t).directory),
  ]);
  const right = () => cluster.worker('right', fullSet(t).directory);
  const { job, refusals } = await cluster.finish(jobId, 3, right);
  const [data] = job.data;
  assert.deepEqual([data?.name, data?.part], ['omniglot', 'full']);
  assert.deepEqual([...refusals.keys()].sort(), ['altered', 'small', 'swapped']);
  for (const [workerId, reason] of refusals) assert.match(reason, refusal(data!.sha256), workerId);
  assert.equal(new Set(refusals.values()).size, 3, 'three different hashes');
  assert.deepEqual([job.state, job.paramsSha256], ['SUCCEEDED', alone]);
});

test('a worker whose data changes in the middle of a job, and that starts again, is refused; the bytes stay', async (t) => {
  const cluster = await Cluster.start(t);
  const changing = fullSet(t);
  const before = await cluster.worker('changing', changing.directory);
  const alone = await cluster.aloneSha256();
  const jobId = await cluster.begunJob();
  await before.kill('SIGKILL');
  writeFileSync(changing.path, zipOf(withOneDrawingAltered(background)));
  await cluster.worker('changing', changing.directory);
  const { job, refusals } = await cluster.finish(jobId, 1, () => cluster.worker('right', fullSet(t).directory));
  assert.match(refusals.get('changing') ?? '', refusal(job.data[0]!.sha256));
  const workers = await cluster.client.listWorkers();
  assert.ok(
    workers.every(({ state }) => state !== 'QUARANTINED'),
    'nobody is quarantined',
  );
  assert.deepEqual([job.state, job.paramsSha256], ['SUCCEEDED', alone]);
});
