// The promise of the whole: for one job file the same θ to the bit, whatever cluster runs it and whatever dies on the way.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { RunResult } from '../../client/cli/run-result.ts';
import { type JobEvent, MetatrainClient } from '../../client/index.ts';
import { packageRoot } from '../../shared/wire.ts';
import { metatrain } from '../support/command.ts';
import { TestProcess } from '../support/processes.ts';

const iterations = 160;
/** Five inner steps of second order: slow enough that what is killed after the first checkpoint is killed half-way. */
const overrides = [
  `meta.iterations=${iterations}`,
  'meta.batchSize=32',
  'algorithm.innerSteps=5',
  'placement.shardSize=4',
  'checkpoint.every=10',
  'evaluation.tasks=50',
];
const jobFile = join(packageRoot, 'examples', 'sinusoid.yaml');
const setFlags = overrides.flatMap((override) => ['--set', override]);

async function run(t: TestContext, workers: number): Promise<RunResult> {
  const result = await metatrain(t, [
    'run',
    jobFile,
    ...setFlags,
    '--workers',
    String(workers),
    '--no-output',
    '--json',
  ]);
  assert.equal(result.code, 0, result.stderr);
  return result.json<RunResult>();
}

let reference: RunResult | undefined;

test('one, two and three workers give the same parameters and the same evaluation, to the bit', async (t) => {
  const alone = await run(t, 1);
  reference = alone;
  assert.equal(alone.state, 'SUCCEEDED');
  assert.equal(alone.steps, iterations);
  assert.match(alone.paramsSha256, /^[0-9a-f]{64}$/);
  for (const workers of [2, 3]) {
    const together = await run(t, workers);
    assert.equal(together.paramsSha256, alone.paramsSha256, `${workers} workers`);
    assert.deepEqual(together.evaluation, alone.evaluation, `${workers} workers`);
  }
});

test('a worker killed half-way and another that joins change nothing', async (t) => {
  const cluster = await Cluster.start(t);
  const victim = await cluster.startWorker('victim');
  await cluster.startWorker('stays');
  const { jobId, events } = await cluster.submit();
  await until(events, ({ kind }) => kind === 'checkpointWritten');
  await victim.kill('SIGKILL');
  await cluster.startWorker('joins');
  await cluster.assertSameBytes(jobId, events);
});

test('a coordinator killed half-way and started again goes on; its workers come back by themselves', async (t) => {
  const cluster = await Cluster.start(t);
  const workers = [await cluster.startWorker('first'), await cluster.startWorker('second')];
  const { jobId, events } = await cluster.submit();
  await until(events, ({ kind }) => kind === 'checkpointWritten');
  await cluster.killCoordinator();
  await cluster.startCoordinator();
  const back = await until(events, (event) => event.kind === 'stateChanged' && /restart/.test(event.reason));
  const step = Number(/from meta-step (\d+)/.exec(back.kind === 'stateChanged' ? back.reason : '')?.[1]);
  assert.ok(step >= 10 && step < iterations, `taken up again from meta-step ${step}`);
  await cluster.assertSameBytes(jobId, events);
  assert.deepEqual(await cluster.workerIds(), ['first', 'second']);
  for (const worker of workers) assert.equal(worker.child.exitCode, null, worker.stderr);
});

/** The next event that is wanted. */
async function until(
  events: AsyncGenerator<JobEvent, void>,
  isWanted: (event: JobEvent) => boolean,
): Promise<JobEvent> {
  for (;;) {
    const { value } = await events.next();
    if (!value) throw new Error('the job ended first');
    if (isWanted(value)) return value;
  }
}

/** A coordinator and workers as processes of their own, so that each can be killed. */
class Cluster {
  readonly #t: TestContext;
  readonly #stateDirectory: string;
  #coordinator: TestProcess | undefined;
  #address = '127.0.0.1:0';
  #client: MetatrainClient | undefined;

  private constructor(t: TestContext) {
    this.#t = t;
    this.#stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-e2e-'));
    // After the processes: hooks run in the order of their making, and the last coordinator's is made later.
    t.after(async () => {
      this.#client?.close();
      await this.#coordinator?.kill('SIGKILL');
      rmSync(this.#stateDirectory, { recursive: true });
    });
  }

  static async start(t: TestContext): Promise<Cluster> {
    const cluster = new Cluster(t);
    await cluster.startCoordinator();
    return cluster;
  }

  /** On the port and the state directory of the one before. */
  async startCoordinator(): Promise<void> {
    const flags = ['--listen', this.#address, '--state-dir', this.#stateDirectory, '--log-level', 'warn'];
    this.#coordinator = new TestProcess(this.#t, 'coordinator/main.js', flags);
    const { address } = await this.#coordinator.ready<{ address: string }>();
    this.#address = address;
  }

  async killCoordinator(): Promise<void> {
    await this.#coordinator?.kill('SIGKILL');
  }

  async startWorker(workerId: string): Promise<TestProcess> {
    const flags = ['--coordinator', this.#address, '--slots', '1', '--worker-id', workerId, '--log-level', 'warn'];
    const worker = new TestProcess(this.#t, 'worker/main.js', flags);
    await worker.ready();
    return worker;
  }

  async submit(): Promise<{ readonly jobId: string; readonly events: AsyncGenerator<JobEvent, void> }> {
    const submitted = await metatrain(this.#t, ['submit', jobFile, ...setFlags, '--coordinator', this.#address]);
    assert.equal(submitted.code, 0, submitted.stderr);
    const [jobId = ''] = submitted.stdout;
    this.#client = new MetatrainClient({ address: this.#address });
    return { jobId, events: this.#client.watchJob(jobId) };
  }

  async workerIds(): Promise<string[]> {
    const workers = await this.#client!.listWorkers();
    return workers.map(({ workerId }) => workerId).sort();
  }

  /** Follows the job to its end; its parameters and its evaluation must be those of one quiet worker. */
  async assertSameBytes(jobId: string, events: AsyncGenerator<JobEvent, void>): Promise<void> {
    for await (const _ of events);
    const job = await this.#client!.getJob(jobId);
    assert.equal(job.state, 'SUCCEEDED', job.error?.message);
    reference ??= await run(this.#t, 1);
    assert.equal(job.paramsSha256, reference.paramsSha256);
    assert.deepEqual(job.evaluations.at(-1), reference.evaluation);
  }
}
