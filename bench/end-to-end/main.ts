// Meta-steps a second of a real cluster (a coordinator and a worker of two threads over gRPC)
// against a PyTorch loop over equal tasks in one process: second-order MAML on the sinusoid, 25
// tasks, 10 points. They take turns in one run: the job is paused while PyTorch computes.
import { parseArgs } from 'node:util';
import { LocalCluster } from '../../client/cli/local-cluster.ts';
import { MetatrainClient } from '../../client/metatrain-client.ts';
import { delay } from '../../shared/clock.ts';
import { createEngine } from '../../worker/engine/create.ts';
import { endlessJob } from '../endless-job.ts';
import { peersPython, shareWorkload, startPeer } from '../engine/peers.ts';
import { arraysOf, paramArrays, program, taskArrays, type Workload, workloads } from '../engine/workloads.ts';

/** As `metatrain run` has them on two cores. */
const [workers, slots] = [1, 2];
/** Cuts the meta-batch into one shard a thread. */
const shardSize = 13;
const usage = {
  rounds: { type: 'string', default: '6' },
  seconds: { type: 'string', default: '2' },
} as const;

export async function run(args: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({ args: [...args], options: usage });
  const python = peersPython();
  if ('missing' in python) log(`the peer is left out: ${python.missing}`);
  const cluster = await LocalCluster.start(
    { workers, slots, listen: '127.0.0.1:0', hasHttp: false, dataDirectories: [], logLevel: 'warn' },
    { environment: process.env, note: log, log: (title, line) => log(`${title}: ${line}`) },
  );
  const client = new MetatrainClient({ address: cluster.address });
  const results: unknown[] = [];
  try {
    for (const workload of workloads.filter(({ model }) => model === 'mlp')) {
      results.push(
        await measure(
          client,
          workload,
          'python' in python ? python.python : undefined,
          Number(values.rounds),
          Number(values.seconds),
        ),
      );
    }
  } finally {
    client.close();
    await cluster.close();
  }
  return {
    benchmark: 'end-to-end',
    node: process.version,
    workers,
    shardSize,
    peersMissing: 'missing' in python ? python.missing : undefined,
    results,
  };
}

async function measure(
  client: MetatrainClient,
  workload: Workload,
  python: string | undefined,
  rounds: number,
  seconds: number,
) {
  const { jobId } = await client.submitJob(endlessJob(workload, shardSize));
  await started(client, jobId);
  await client.pauseJob(jobId);
  const engine = await engineAlone(workload);
  const shared = shareWorkload(workload, arraysOf(workload));
  const peer = python === undefined ? undefined : await startPeer(python, 'torch-eager', shared.folder);
  const cluster: number[] = [];
  const alone: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    cluster.push(await clusterTurn(client, jobId, seconds));
    alone.push(await engine.measure(seconds / 4));
    if (peer) theirs.push(median((await peer.measure(seconds)).milliseconds) * workload.tasks);
  }
  peer?.close();
  shared.remove();
  await engine.close();
  await client.cancelJob(jobId);
  const metaStepMs = median(cluster);
  const engineMs = median(alone);
  const peerMs = theirs.length > 0 ? median(theirs) : undefined;
  const result = {
    workload: workload.name,
    tasks: workload.tasks,
    metaStepMs: round(metaStepMs),
    bestMetaStepMs: round(Math.min(...cluster)),
    metaStepsPerSecond: round(1000 / metaStepMs),
    shardInEngineMs: round(engineMs),
    shareOutsideEngine: round(1 - engineMs / metaStepMs),
    ...(peerMs === undefined
      ? {}
      : {
          torchEagerLoopMs: round(peerMs),
          ratio: round(peerMs / metaStepMs),
          bestRatio: round(Math.min(...theirs) / Math.min(...cluster)),
        }),
  };
  log(JSON.stringify(result));
  return result;
}

async function started(client: MetatrainClient, jobId: string): Promise<void> {
  for await (const event of client.watchJob(jobId)) if (event.kind === 'metaStep' && event.summary.step > 200) return;
  throw new Error(`job ${jobId} ended before it could be measured`);
}

/** Milliseconds per meta-step over some seconds of running. */
async function clusterTurn(client: MetatrainClient, jobId: string, seconds: number): Promise<number> {
  await client.resumeJob(jobId);
  const from = { at: performance.now(), steps: (await client.getJob(jobId)).steps };
  await delay(seconds * 1000);
  const to = { at: performance.now(), steps: (await client.getJob(jobId)).steps };
  await client.pauseJob(jobId);
  return (to.at - from.at) / (to.steps - from.steps);
}

/** The larger shard in the engine alone, on one thread, as in a worker. */
async function engineAlone(workload: Workload) {
  const engine = await createEngine({ engine: 'compiled', device: 'cpu' });
  const compiled = await engine.compile(program(workload, shardSize));
  const [params, tasks] = [paramArrays(workload), taskArrays(workload, shardSize)];
  return {
    async measure(seconds: number): Promise<number> {
      const times: number[] = [];
      const until = performance.now() + seconds * 1000;
      while (performance.now() < until) {
        const at = performance.now();
        await compiled.run(params, tasks);
        times.push(performance.now() - at);
      }
      return median(times);
    },
    close: () => engine.close(),
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function log(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}
