// `npm run bench -- coordinator [--workers 2,16] [--bytes 7044,450000] [--seconds S]`: the
// coordinator's throughput beside that of bare gRPC streams with equal messages in the same run,
// freely and in lock-step, and the cost of a meta-step beyond its bytes. Child processes: the
// coordinator, the bare server, and two with simulated workers (real streams, no computation).
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ManagedProcess } from '../../client/cli/managed-process.ts';
import { MetatrainClient } from '../../client/index.ts';
import { delay } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { NullWorkersSetup } from './null-workers.ts';

const childFile = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Child processes with workers. More of them would compete for the cores. */
const childProcesses = 2;

/**
 * For one configuration: most memory per worker (an incoming payload, a waiting payload, buffers),
 * in payloads.
 */
const copiesPerWorker = 3;

/** A configuration that has not made enough meta-steps after this long is given up. */
const patienceMs = 90_000;

/** A coordinator runs for days, so its first seconds are not measured. */
const warmUpMs = 2_000;

interface Rate {
  readonly rounds: number;
  readonly seconds: number;
}

export async function run(args: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      workers: { type: 'string', default: '2,16,128,1000' },
      bytes: { type: 'string', default: '7044,450000,50000000' },
      seconds: { type: 'string', default: '4' },
    },
  });
  const seconds = Number(values.seconds);
  const results: object[] = [];
  for (const bytes of list(values.bytes)) {
    let largest = 0;
    for (const workers of list(values.workers)) {
      const needed = workers * bytes * copiesPerWorker;
      if (needed > freemem() * 0.6) {
        const fits = Math.max(largest, Math.floor((freemem() * 0.6) / (bytes * copiesPerWorker)));
        process.stderr.write(`${workers} workers of ${bytes} bytes do not fit memory; ${fits} would\n`);
        results.push({ workers, bytes, leftOut: 'does not fit memory', neededBytes: needed, largestThatFits: fits });
        // Then measures the largest number of workers that fits.
        if (fits <= largest) continue;
        results.push(await measure(fits, bytes, seconds));
        break;
      }
      largest = workers;
      results.push(await measure(workers, bytes, seconds));
    }
  }
  return { benchmark: 'coordinator', cores: cpus().length, node: process.version, results };
}

const list = (text: string): number[] =>
  text.split(',').map((part) => {
    const value = Number(part);
    if (Number.isSafeInteger(value) && value >= 1) return value;
    throw new MetatrainError('REQUEST_INVALID', `got ${part}; accepted: whole numbers from 1 on, with commas`);
  });

async function measure(workers: number, bytes: number, seconds: number): Promise<object> {
  const width = widthFor(bytes / 4);
  const elements = parametersOf(width);
  const bare = await measureBare(workers, elements, seconds, 0);
  const lockStep = await measureBare(workers, elements, seconds, workers);
  const ours = await measureCoordinator(workers, width, seconds);
  // A round of the bare streams is one shard: θ out, a gradient in.
  const bareShards = bare.rounds / bare.seconds;
  const lockStepShards = lockStep.rounds / lockStep.seconds;
  const steps = ours.rounds / ours.seconds;
  const perShard = 2 * elements * 4;
  const result = {
    workers,
    bytes: elements * 4,
    stepsPerSecond: round(steps),
    shardsPerSecond: round(steps * workers),
    bytesPerSecond: Math.round(steps * workers * perShard),
    bareShardsPerSecond: round(bareShards),
    bareBytesPerSecond: Math.round(bareShards * perShard),
    ratio: round((steps * workers) / bareShards),
    bareLockStepShardsPerSecond: round(lockStepShards),
    lockStepRatio: round((steps * workers) / lockStepShards),
    overheadMsPerMetaStep: round(1_000 / steps - (1_000 * workers) / bareShards),
  };
  process.stderr.write(`${JSON.stringify(result)}\n`);
  return result;
}

const round = (value: number) => Math.round(value * 1_000) / 1_000;

async function measureBare(
  workers: number,
  elements: number,
  seconds: number,
  streamsInLockStep: number,
): Promise<Rate> {
  const server = fork(childFile('bare-server.js'), [String(elements), String(streamsInLockStep)]);
  const [{ address }] = (await once(server, 'message')) as [{ address: string }];
  const count = async () => {
    const answer = once(server, 'message');
    server.send('count');
    return ((await answer) as [{ rounds: number }])[0].rounds;
  };
  const children = await startWorkers(address, workers, elements);
  try {
    return await rate(count, seconds, workers);
  } finally {
    stop([...children, server]);
  }
}

async function measureCoordinator(workers: number, width: number, seconds: number): Promise<Rate> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-bench-'));
  const coordinator = new ManagedProcess({
    title: 'the coordinator',
    file: childFile('../../coordinator/main.js'),
    flags: ['--listen', '127.0.0.1:0', '--state-dir', stateDirectory, '--log-level', 'error', '--exit-with-parent'],
    environment: process.env,
    onLog: (line) => process.stderr.write(`${line}\n`),
  });
  const { address } = (await coordinator.ready) as { address: string };
  const client = new MetatrainClient({ address });
  const children = await startWorkers(address, workers, parametersOf(width));
  try {
    const { jobId } = await client.submitJob(jobFile(workers, width));
    const count = async () => {
      const { steps, error } = await client.getJob(jobId);
      if (error) throw new MetatrainError('INTERNAL', error.message);
      return steps;
    };
    return await rate(count, seconds, 1);
  } finally {
    client.close();
    stop(children);
    coordinator.kill();
    await coordinator.exited;
    rmSync(stateDirectory, { recursive: true, force: true });
  }
}

/** Number of parameters with two hidden layers of `width` between one input and one output. */
const parametersOf = (width: number): number => (width + 2) ** 2 - 3;

/** The smallest width with at least so many parameters. */
const widthFor = (parameters: number): number => Math.ceil(Math.sqrt(parameters + 3)) - 2;

/** One shard a worker and meta-step. Plain SGD, since the optimizer is not measured. */
const jobFile = (workers: number, width: number) =>
  JSON.stringify({
    name: 'null',
    task: { distribution: 'sinusoid' },
    model: { architecture: 'mlp', hiddenLayers: [width, width] },
    algorithm: { name: 'maml' },
    meta: { iterations: 100_000_000, batchSize: workers, optimizer: { name: 'sgd', learningRate: 0.1 } },
    evaluation: { tasks: 2, innerSteps: 1 },
    placement: { shardSize: 1 },
  });

/** Counts over `seconds`, or over a few rounds if they take longer, after the first rounds. */
async function rate(count: () => Promise<number>, seconds: number, roundsAtOnce: number): Promise<Rate> {
  const givenUpAt = performance.now() + patienceMs;
  const atLeast = async (wanted: number) => {
    for (let counted = await count(); ; counted = await count()) {
      if (counted >= wanted) return counted;
      if (performance.now() > givenUpAt)
        throw new MetatrainError('DEADLINE_EXCEEDED', `${counted} of ${wanted} rounds`);
      await delay(5);
    }
  };
  await atLeast(2 * roundsAtOnce);
  // Measures after V8 has compiled the hot functions of both sides.
  await delay(warmUpMs);
  const before = await count();
  const startedAt = performance.now();
  await delay(seconds * 1_000);
  const after = await atLeast(before + 2 * roundsAtOnce);
  return { rounds: after - before, seconds: (performance.now() - startedAt) / 1_000 };
}

async function startWorkers(address: string, workers: number, elements: number): Promise<ChildProcess[]> {
  const shares = Math.min(childProcesses, workers);
  const children: ChildProcess[] = [];
  let joined = 0;
  let allJoined = () => {};
  const everybody = new Promise<void>((resolve, reject) => {
    allJoined = resolve;
    setTimeout(
      () => reject(new MetatrainError('DEADLINE_EXCEEDED', `${joined} of ${workers} workers joined`)),
      patienceMs,
    ).unref();
  });
  for (let share = 0; share < shares; share += 1) {
    const first = Math.floor((share * workers) / shares);
    const setup: NullWorkersSetup = {
      address,
      first,
      workers: Math.floor(((share + 1) * workers) / shares) - first,
      elements,
    };
    const child = fork(childFile('null-workers.js'), [JSON.stringify(setup)]);
    child.on('message', () => {
      joined += 1;
      if (joined === workers) allJoined();
    });
    children.push(child);
  }
  await everybody;
  return children;
}

function stop(children: readonly ChildProcess[]): void {
  for (const child of children) child.kill('SIGKILL');
}
