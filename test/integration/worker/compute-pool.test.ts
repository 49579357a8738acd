// The compute pool with real threads; their programs are fakes that crash, fail and wait at will; the last test has real ones.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { BroadcastChannel } from 'node:worker_threads';
import { pino } from 'pino';
import { defaultCoreOptions } from '../../../coordinator/core/state.ts';
import { readJob } from '../../../learning/job-file.ts';
import { factorsOf, flattenSlots } from '../../../learning/outer-loop/span.ts';
import { Training } from '../../../learning/outer-loop/training.ts';
import { realClock } from '../../../shared/clock.ts';
import { type Logger, silentLogger } from '../../../shared/log.ts';
import type { ObserverOf } from '../../../shared/observers.ts';
import { bytesOfVector, sha256, vectorOfBytes } from '../../../shared/tensor-codec.ts';
import { ComputePool, type ComputePoolOptions } from '../../../worker/compute/pool.ts';
import type { PoolHappenings } from '../../../worker/compute/pool-happening.ts';
import type { ShardOutcome, ShardWork, StartProgress } from '../../../worker/compute/shard.ts';
import type { CompileReport } from '../../../worker/engine/engine.ts';
import { newsChannel, releaseChannel } from '../../support/fake-thread.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';
import { Mailbox } from '../../support/mailbox.ts';

const threadFile = new URL('../../support/fake-thread.js', import.meta.url);
const realThread = new URL('../../../worker/compute/thread.js', import.meta.url);
let outcomes: Mailbox<ShardOutcome>;
let starting: Mailbox<StartProgress>;
let exhausted: Mailbox<string>;
let news: Mailbox<string>;
let newsFeed: BroadcastChannel;
let pool: ComputePool | undefined;

beforeEach(() => {
  outcomes = new Mailbox();
  starting = new Mailbox();
  exhausted = new Mailbox();
  news = new Mailbox();
  newsFeed = new BroadcastChannel(newsChannel);
  newsFeed.onmessage = (event) => news.put((event as { readonly data: string }).data);
});

afterEach(async () => {
  newsFeed.close();
  await pool?.close();
});

async function startPool(
  options: Partial<ComputePoolOptions> = {},
  log: Logger = silentLogger,
  observer: ObserverOf<PoolHappenings> = {},
): Promise<ComputePool> {
  const dependencies = { clock: realClock, log, observer };
  pool = await ComputePool.start({ slots: 1, dataDirectories: [], threadFile, ...options }, dependencies);
  pool.listen({
    onOutcome: (outcome) => outcomes.put(outcome),
    onProgress: (progress) => starting.put(progress),
    onExhausted: ({ message }) => exhausted.put(message),
  });
  return pool;
}

const train = (paramsVersion = 0, firstTask = 0): ShardWork => ({
  kind: 'train',
  paramsVersion,
  shard: { metaStep: 0, firstTask, taskCount: 2 },
});

/** A pool with this job open and θ of version 0 there. */
async function openedPool(name: string, options?: Partial<ComputePoolOptions>): Promise<ComputePool> {
  const started = await startPool(options);
  started.openJob(name, { spec: sinusoidSpec(name), expectedData: [] });
  started.putParams(name, 0, bytesOfVector(Float32Array.of(1, 2, 3)));
  return started;
}

async function failureOf(name: string, options?: Partial<ComputePoolOptions>) {
  const started = await openedPool(name, options);
  started.run('lease', name, train());
  const outcome = await outcomes.take('the outcome');
  assert.equal(outcome.kind, 'failed');
  assert.equal(outcome.leaseId, 'lease');
  return outcome.failure;
}

async function release(): Promise<void> {
  const channel = new BroadcastChannel(releaseChannel);
  channel.postMessage('go');
  // Messages of a channel are delivered on later turns; the outcome that they bring is what tests wait for.
  channel.close();
}

test('a shard returns its gradient with the hash of its bytes', async () => {
  const started = await openedPool('sum');
  started.run('lease', 'sum', train(0, 10));
  const outcome = await outcomes.take('the outcome');
  assert.equal(outcome.kind, 'finished');
  assert.equal(outcome.output.kind, 'train');
  const { payload, payloadSha256, result } = outcome.output;
  const { measures } = result;
  assert.deepEqual(Buffer.from(payload), bytesOfVector(Float32Array.of(12, 14, 16)));
  assert.deepEqual(measures, [{ name: 'loss', values: [10, 11] }]);
  assert.deepEqual(Buffer.from(payloadSha256), sha256(payload));
});

test('each shard reads the version of the parameters that it names, even while newer ones arrive', async () => {
  const started = await openedPool('sum');
  for (let version = 1; version <= 12; version += 1) {
    started.putParams('sum', version, bytesOfVector(Float32Array.of(version, version, version)));
    started.run(`lease-${version}`, 'sum', train(version));
  }
  for (let version = 1; version <= 12; version += 1) {
    const outcome = await outcomes.take('the outcome');
    assert.equal(outcome.kind, 'finished');
    assert.equal(outcome.leaseId, `lease-${version}`);
    assert.ok(outcome.output.kind === 'train');
    assert.deepEqual(Buffer.from(outcome.output.payload), bytesOfVector(new Float32Array(3).fill(2 * version)));
  }
});

test('a missing version of the parameters fails the shard, but not permanently', async () => {
  const started = await openedPool('sum');
  started.run('lease', 'sum', train(5));
  const outcome = await outcomes.take('the outcome');
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.failure.code, 'META_STEP_STALE');
  assert.match(outcome.failure.message, /got 5 of job sum; held: 0/);
  assert.equal(outcome.failure.permanent, false);
});

test('a shard of a job that is not open fails with JOB_UNKNOWN', async () => {
  const started = await startPool();
  started.run('lease', 'nobody', { kind: 'initialize' });
  const outcome = await outcomes.take('the outcome');
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.failure.code, 'JOB_UNKNOWN');
});

test('an invalid request fails permanently, a data set missing here does not', async () => {
  assert.deepEqual(await failureOf('request-invalid'), {
    code: 'REQUEST_INVALID',
    message: 'task.ways: got 900; accepted: at most 145',
    permanent: true,
  });
  await pool?.close();
  assert.deepEqual(await failureOf('data-missing'), {
    code: 'DATA_SET_MISSING',
    message: 'no omniglot in /nowhere',
    permanent: false,
  });
});

test('a thread that crashes fails its shard, is replaced, and the next shard runs', async () => {
  const failure = await failureOf('crash');
  assert.equal(failure.permanent, false);
  assert.match(failure.message, /the compute thread died: a bug in native code/);
  pool!.run('again', 'crash', { kind: 'initialize' });
  const outcome = await outcomes.take('the outcome after the crash');
  assert.equal(outcome.kind, 'finished');
});

test('a thread that runs out of memory fails its shard with OUT_OF_MEMORY', async () => {
  const failure = await failureOf('exhaust-memory', { threadHeapMegabytes: 32 });
  assert.equal(failure.code, 'OUT_OF_MEMORY');
  assert.equal(failure.permanent, false);
});

test('threads that die of a job are always replaced, and the pool runs the shards of other jobs', async () => {
  const started = await openedPool('exit');
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    started.run(`lease-${attempt}`, 'exit', train());
    assert.equal((await outcomes.take('a failure')).kind, 'failed');
  }
  started.openJob('sum', { spec: sinusoidSpec('sum'), expectedData: [] });
  started.run('other', 'sum', { kind: 'initialize' });
  assert.equal((await outcomes.take('the outcome of the other job')).kind, 'finished');
  assert.equal(exhausted.size, 0);
});

test('threads that die without a shard exhaust the pool after three times each', async () => {
  const dying = `import { parentPort } from 'node:worker_threads';
    parentPort.postMessage({ kind: 'ready', fingerprint: 'fake-engine' });
    setImmediate(() => process.exit(3));`;
  await startPool({ threadFile: new URL(`data:text/javascript,${encodeURIComponent(dying)}`) });
  const end = await exhausted.take('the end of the pool');
  assert.match(end, /every compute thread died 3 times without a shard.*exited with code 3/);
});

test('a cancelled shard reports no outcome, whether it waited or ran', async () => {
  const started = await openedPool('hold');
  started.run('running', 'hold', train());
  started.run('waiting', 'hold', train());
  assert.equal(await news.take('news'), 'opened hold');
  assert.equal(await news.take('news'), 'began hold');
  started.cancel('running');
  started.cancel('waiting');
  started.run('after', 'hold', { kind: 'initialize' });
  await release();
  const outcome = await outcomes.take('the outcome');
  assert.equal(outcome.leaseId, 'after');
  assert.equal(outcomes.size, 0);
});

test('a thread opens the program of each job once, of more jobs than are run at once', async () => {
  const started = await startPool();
  const names = Array.from({ length: 2 * defaultCoreOptions.maxRunningJobs }, (_, index) => `job-${index}`);
  for (const name of names) {
    started.openJob(name, { spec: sinusoidSpec(name), expectedData: [] });
    started.putParams(name, 0, bytesOfVector(Float32Array.of(0, 0, 0)));
  }
  for (const round of ['first', 'second', 'last']) {
    for (const name of names) {
      started.run(`${round} of ${name}`, name, train());
      await outcomes.take('the outcome');
    }
  }
  started.openJob('end', { spec: sinusoidSpec('end'), expectedData: [] });
  started.run('end', 'end', { kind: 'initialize' });
  const told: string[] = [];
  while (told.at(-1) !== 'opened end') told.push(await news.take('news of the last job'));
  assert.deepEqual(
    told.filter((line) => !line.startsWith('began')),
    [...names, 'end'].map((name) => `opened ${name}`),
  );
});

test('when memory is short only the least recently used program is closed, and that is reported', async () => {
  let opened = 0;
  let evicted = 0;
  const observer: ObserverOf<PoolHappenings> = {
    programOpened: () => {
      opened += 1;
    },
    programEvicted: () => {
      evicted += 1;
    },
  };
  // An open session counts for half a MiB and its run: there is room for three of these.
  const started = await startPool({ threadFile: realThread, memoryLimitBytes: 1_800_000 }, silentLogger, observer);
  for (const [name, width] of [
    ['one', 8],
    ['two', 9],
    ['three', 10],
  ] as const) {
    assert.equal((await realOutcome(started, name, [width])).kind, 'finished', name);
  }
  assert.deepEqual([opened, evicted], [3, 0]);
  started.run('again', 'one', train());
  assert.equal((await outcomes.take('the outcome')).kind, 'finished');
  assert.equal((await realOutcome(started, 'four', [11])).kind, 'finished');
  started.run('still there', 'one', train());
  assert.equal((await outcomes.take('the outcome')).kind, 'finished');
  assert.deepEqual([opened, evicted], [4, 1]);
  started.run('opened again', 'two', train());
  assert.equal((await outcomes.take('the outcome')).kind, 'finished');
  assert.deepEqual([opened, evicted], [5, 2]);
});

test('a job goes to the thread that has its program open, and a new one to the thread with the fewest', async () => {
  const started = await startPool({ slots: 2 });
  for (const name of ['a', 'b', 'c', 'd', 'a', 'b', 'c', 'd']) {
    started.openJob(name, { spec: sinusoidSpec(name), expectedData: [] });
    started.putParams(name, 0, bytesOfVector(Float32Array.of(0, 0, 0)));
    started.run(`lease of ${name}`, name, train());
    await outcomes.take('the outcome');
  }
  started.openJob('end', { spec: sinusoidSpec('end'), expectedData: [] });
  started.run('end', 'end', { kind: 'initialize' });
  const told: string[] = [];
  while (told.at(-1) !== 'opened end') told.push(await news.take('news of the last job'));
  assert.deepEqual(
    told.filter((line) => line.startsWith('opened')),
    ['opened a', 'opened b', 'opened c', 'opened d', 'opened end'],
  );
});

test('a shard reports the begin and the end of opening its program, and that it waits for a thread', async () => {
  const started = await openedPool('hold');
  started.run('first', 'hold', train());
  assert.deepEqual(await starting.take('the beginning'), { leaseId: 'first', isStarting: true, isReopening: false });
  assert.deepEqual(await starting.take('the end'), { leaseId: 'first', isStarting: false, isReopening: false });
  assert.equal(await news.take('news'), 'opened hold');
  assert.equal(await news.take('news'), 'began hold');
  started.run('second', 'hold', { kind: 'initialize' });
  assert.deepEqual(await starting.take('the wait'), { leaseId: 'second', isStarting: true, isReopening: false });
  assert.equal(starting.size, 0);
  await release();
  assert.equal((await outcomes.take('the first outcome')).leaseId, 'first');
  assert.deepEqual(await starting.take('the end of the wait'), {
    leaseId: 'second',
    isStarting: false,
    isReopening: false,
  });
  assert.equal((await outcomes.take('the second outcome')).leaseId, 'second');
});

test('compiling does not count in a shard’s compute time', async () => {
  const reports: CompileReport[] = [];
  const observer: ObserverOf<PoolHappenings> = { compiled: ({ report }) => reports.push(report) };
  const started = await startPool({ threadFile: realThread }, silentLogger, observer);
  const first = await realOutcome(started, 'job', [64, 64]);
  assert.ok(first.kind === 'finished');
  const { traceMs, optimizeMs, sessionMs } = reports[0]!;
  assert.ok(first.computeMs < traceMs + optimizeMs + sessionMs, `${first.computeMs} ms of computing`);
  assert.ok(first.engineMs <= first.computeMs);
});

test('closing a job closes its program; opening it again with the same spec does not', async () => {
  const started = await openedPool('sum');
  started.run('first', 'sum', train());
  await outcomes.take('the outcome');
  started.openJob('sum', { spec: sinusoidSpec('sum'), expectedData: [] });
  started.run('second', 'sum', train());
  await outcomes.take('the outcome');
  started.closeJob('sum');
  const told: string[] = [];
  while (told.at(-1) !== 'closed sum') told.push(await news.take('the end of the program'));
  assert.deepEqual(told, ['opened sum', 'began sum', 'began sum', 'closed sum']);
});

test('shards beyond the queue are refused with QUEUE_FULL', async () => {
  const started = await openedPool('hold');
  for (let number = 0; number <= 16; number += 1) started.run(`lease-${number}`, 'hold', train());
  assert.equal(outcomes.size, 0);
  started.run('too-many', 'hold', train());
  const outcome = await outcomes.take('the refusal');
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.leaseId, 'too-many');
  assert.equal(outcome.failure.code, 'QUEUE_FULL');
  started.closeJob('hold');
  assert.equal(await news.take('news'), 'opened hold');
  assert.equal(await news.take('news'), 'began hold');
  await release();
});

test('real threads with the real engine give equal gradients, whichever of them computes', async () => {
  const started = await startPool({
    slots: 2,
    threadFile: new URL('../../../worker/compute/thread.js', import.meta.url),
  });
  assert.notEqual(started.fingerprint, '');
  started.openJob('job', { spec: sinusoidSpec(), expectedData: [] });
  started.run('init', 'job', { kind: 'initialize' });
  const initial = await outcomes.take('θ₀');
  assert.ok(initial.kind === 'finished' && initial.output.kind === 'initialize');
  started.putParams('job', 0, bytesOfVector(initial.output.initial.metaParams));
  for (let number = 0; number < 4; number += 1) started.run(`lease-${number}`, 'job', train(0, 6));
  const hashes = new Set<string>();
  for (let number = 0; number < 4; number += 1) {
    const outcome = await outcomes.take('a gradient');
    assert.ok(outcome.kind === 'finished' && outcome.output.kind === 'train', JSON.stringify(outcome));
    hashes.add(Buffer.from(outcome.output.payloadSha256).toString('hex'));
    assert.ok(outcome.output.payload.some((value) => value !== 0));
  }
  assert.equal(hashes.size, 1);
});

test('a span gives the bytes of its meta-steps computed one by one, on one thread, on two, and stopped early', async () => {
  const spec = sinusoidSpec('span', {
    meta: {
      iterations: 30,
      batchSize: 7,
      optimizer: { name: 'adam', learningRate: 0.01 },
      schedule: { name: 'cosine' },
    },
    placement: { shardSize: 3 },
  });
  const job = readJob(spec);
  const started = await startPool({ slots: 2, threadFile: realThread });
  started.openJob('span', { spec, expectedData: [] });
  started.run('init', 'span', { kind: 'initialize' });
  const made = await outcomes.take('θ₀');
  assert.ok(made.kind === 'finished' && made.output.kind === 'initialize');
  const { layout, metaParams } = made.output.initial;
  started.putParams('span', 0, bytesOfVector(metaParams));
  const runSpan = async (maxSteps: number, threads: number, budgetMs = 60_000) => {
    const optimizer = new Float32Array(2 * metaParams.length);
    const factors = factorsOf(job.spec, 0, maxSteps);
    const span = { maxSteps, threads, budgetMs, optimizer, factors };
    started.run(`${maxSteps} on ${threads}`, 'span', { kind: 'span', paramsVersion: 0, span });
    const outcome = await outcomes.take('the span');
    assert.ok(outcome.kind === 'finished' && outcome.output.kind === 'span', JSON.stringify(outcome));
    return outcome.output.end;
  };

  const expected = Training.begin(job, layout, metaParams.slice());
  const hashes: string[][] = [];
  for (let step = 0; step < 5; step += 1) {
    started.putParams('span', step, bytesOfVector(expected.metaParams.vector));
    const shards = [0, 3, 6].map((offset, shard) => ({
      shard,
      firstTask: 7 * step + offset,
      taskCount: Math.min(3, 7 - offset),
    }));
    for (const { shard, ...tasks } of shards) {
      started.run(`${step} ${shard}`, 'span', {
        kind: 'train',
        paramsVersion: step,
        shard: { metaStep: step, ...tasks },
      });
      const outcome = await outcomes.take('a gradient');
      assert.ok(outcome.kind === 'finished' && outcome.output.kind === 'train');
      const { result, payload, payloadSha256 } = outcome.output;
      const metaGradientSum = vectorOfBytes(Buffer.from(payload), metaParams.length);
      hashes[step] = [...(hashes[step] ?? []), Buffer.from(payloadSha256).toString('hex')];
      expected.keepTrainResult(shard, 3, { ...result, metaGradientSum, taskCount: tasks.taskCount });
    }
    expected.applyMetaStep(30, job.measures.train);
  }
  started.putParams('span', 0, bytesOfVector(metaParams));
  for (const threads of [1, 2]) {
    const { state, steps } = await runSpan(5, threads);
    assert.deepEqual(state.slice(0, metaParams.length), expected.metaParams.vector);
    assert.deepEqual([...state.slice(metaParams.length)], [...flattenSlots(job, expected.slots)]);
    const told = steps.map(({ shardsSha256 }) =>
      [0, 1, 2].map((i) => Buffer.from(shardsSha256.slice(32 * i, 32 * i + 32)).toString('hex')),
    );
    assert.deepEqual(told, hashes);
  }
  // Far more meta-steps than the hour that the test may take has room for.
  const stopping = runSpan(10_000_000, 2, 3_600_000);
  started.stopSpan('10000000 on 2');
  const stopped = await stopping;
  const last = stopped.steps.at(-1);
  assert.ok(last, 'the meta-step that it was at is there');
  assert.equal(
    sha256(bytesOfVector(stopped.state.slice(0, metaParams.length))).toString('hex'),
    Buffer.from(last.paramsSha256).toString('hex'),
  );
  const { steps } = await runSpan(30, 2, 0);
  assert.equal(steps.length, 1, 'its time is over after the first meta-step');
  assert.equal(Buffer.from(steps[0]!.shardsSha256.slice(0, 32)).toString('hex'), hashes[0]?.[0]);
});

/** What a real thread answers to a shard of a small job. */
async function realOutcome(started: ComputePool, name: string, hiddenLayers: readonly number[]): Promise<ShardOutcome> {
  const model = { architecture: 'mlp', hiddenLayers };
  started.openJob(name, {
    spec: sinusoidSpec(name, { model, evaluation: { tasks: 8, innerSteps: 1 } }),
    expectedData: [],
  });
  started.run(`${name} initialize`, name, { kind: 'initialize' });
  const made = await outcomes.take('the first parameters');
  assert.ok(made.kind === 'finished' && made.output.kind === 'initialize');
  started.putParams(name, 0, bytesOfVector(made.output.initial.metaParams));
  started.run(`${name} train`, name, train());
  return outcomes.take('the outcome');
}

test('what a thread compiles is logged, and jobs whose graphs are equal share a session', async () => {
  const lines = new Mailbox<Record<string, unknown>>();
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.put(JSON.parse(line)) });
  const started = await startPool({ threadFile: realThread }, log);
  const compiled: Record<string, unknown>[] = [];
  for (const name of ['one', 'two']) {
    assert.equal((await realOutcome(started, name, [8])).kind, 'finished');
    compiled.push(await lines.take('the line of the log'));
  }
  assert.deepEqual(
    compiled.map(({ msg, jobId, program, taskCount, tasksPerRun, isSessionShared }) => {
      return { msg, jobId, program, taskCount, tasksPerRun, isSessionShared };
    }),
    ['one', 'two'].map((jobId) => ({
      msg: 'compiled a program',
      jobId,
      program: 'maml mlp train',
      taskCount: 2,
      tasksPerRun: 2,
      isSessionShared: jobId === 'two',
    })),
  );
  assert.ok(
    compiled.every(
      ({ peakBytes, traceMs, sessionMs }) => Number(peakBytes) > 0 && Number(traceMs) > 0 && Number(sessionMs) > 0,
    ),
  );
});

test('a program beyond the memory of a thread is refused, but not permanently, after the programs of other jobs are closed', async () => {
  const started = await startPool({ threadFile: realThread, memoryLimitBytes: 150_000 });
  for (const [name, width] of [
    ['one', 64],
    ['two', 60],
    ['one-again', 64],
  ] as const) {
    assert.equal((await realOutcome(started, name, [width, width])).kind, 'finished', name);
  }
  const outcome = await realOutcome(started, 'large', [512, 512]);
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.failure.code, 'OUT_OF_MEMORY');
  assert.match(
    outcome.failure.message,
    /program "maml mlp train" needs about 5\.1 MiB for a run of 2 tasks; a compute thread here has 0\.14 MiB/,
  );
  assert.equal(outcome.failure.permanent, false);
});
