// Meta-steps a second with `placement.spans` never and auto, on the sinusoid: a coordinator and two
// workers side by side, and with a relay between them that adds a delay each way. The peer is a
// whole training loop in one JAX process. All take turns in one run.
import { parseArgs } from 'node:util';
import { LocalCluster } from '../client/cli/local-cluster.ts';
import { ManagedProcess } from '../client/cli/managed-process.ts';
import { programFile } from '../client/cli/programs.ts';
import { MetatrainClient } from '../client/metatrain-client.ts';
import { delay } from '../shared/clock.ts';
import { paceText } from '../shared/pace.ts';
import { TcpProxy } from '../test/chaos/tcp-proxy.ts';
import { endlessJob } from './endless-job.ts';
import { loopSteps, peersPython, shareWorkload, startPeer } from './engine/peers.ts';
import { arraysOf, type Workload, workloads } from './engine/workloads.ts';

const workers = 2;
/** Cuts the meta-batch into one shard a worker. */
const shardSize = 13;
const modes = ['never', 'auto'] as const;
type Mode = (typeof modes)[number];

const usage = {
  rounds: { type: 'string', default: '4' },
  seconds: { type: 'string', default: '4' },
  /** Milliseconds that the relay adds, each way. */
  delay: { type: 'string', default: '20' },
} as const;

export async function run(args: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({ args: [...args], options: usage });
  const [rounds, seconds, delayMs] = [Number(values.rounds), Number(values.seconds), Number(values.delay)];
  const python = peersPython();
  if ('missing' in python) log(`the peer is left out: ${python.missing}`);
  const [workload] = workloads;
  if (workload?.model !== 'mlp') throw new Error('the first workload is the sinusoid');
  const near = await openPlace(workload, 0);
  const far = await openPlace(workload, delayMs);
  const shared = shareWorkload(workload, arraysOf(workload));
  const peer = 'python' in python ? await startPeer(python.python, 'jax-loop', shared.folder) : undefined;
  const times = { near: emptyTimes(), far: emptyTimes(), peer: [] as number[], peerProcessor: [] as number[] };
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const mode of modes) {
        times.near[mode].push(await near.turn(mode, seconds));
        times.far[mode].push(await far.turn(mode, seconds));
      }
      if (!peer) continue;
      const { milliseconds, processorMs } = await peer.measure(seconds);
      times.peer.push((median(milliseconds) * workload.tasks) / loopSteps);
      times.peerProcessor.push((processorMs * workload.tasks) / (milliseconds.length * loopSteps));
    }
    const [nearMs, farMs] = [mediansOf(times.near), mediansOf(times.far)];
    return {
      benchmark: 'relay',
      node: process.version,
      workers,
      workload: workload.name,
      tasks: workload.tasks,
      metaStepMs: { sideBySide: nearMs, withRelay: farMs },
      delayMs,
      autoOverNever: { sideBySide: round4(nearMs.never / nearMs.auto), withRelay: round4(farMs.never / farMs.auto) },
      pace: { sideBySide: near.pace(), withRelay: far.pace() },
      ...(peer
        ? {
            jaxLoopMs: round4(median(times.peer)),
            jaxLoopProcessorMs: round4(median(times.peerProcessor)),
            ratio: round4(median(times.peer) / nearMs.auto),
          }
        : { peersMissing: 'missing' in python ? python.missing : undefined }),
    };
  } finally {
    peer?.close();
    shared.remove();
    await near.close();
    await far.close();
  }
}

const emptyTimes = (): Record<Mode, number[]> => ({ never: [], auto: [] });

const mediansOf = ({ never, auto }: Record<Mode, number[]>) => ({
  never: round4(median(never)),
  auto: round4(median(auto)),
});

/** A cluster whose workers reach the coordinator over a relay, and a paused job of each mode. */
async function openPlace(workload: Workload, delayMs: number) {
  const cluster = await LocalCluster.start(
    { workers: 0, slots: 1, listen: '127.0.0.1:0', hasHttp: false, dataDirectories: [], logLevel: 'warn' },
    { environment: process.env, note: log, log: (title, line) => log(`${title}: ${line}`) },
  );
  const relay = delayMs > 0 ? await TcpProxy.listen(Number(cluster.address.split(':').at(-1))) : undefined;
  relay?.delay(delayMs);
  const processes = Array.from({ length: workers }, (_, i) => startWorker(i + 1, relay?.address ?? cluster.address));
  await Promise.all(processes.map(({ ready }) => ready));
  const client = new MetatrainClient({ address: cluster.address });
  const jobs = new Map<Mode, string>();
  for (const mode of modes) {
    const job = JSON.parse(endlessJob(workload, shardSize));
    const spec = { ...job, placement: { ...job.placement, spans: mode } };
    const { jobId } = await client.submitJob(JSON.stringify(spec));
    jobs.set(mode, jobId);
    await pastStep(client, jobId, 200);
    await client.pauseJob(jobId);
  }
  const jobOf = (mode: Mode) => client.getJob(jobs.get(mode)!);
  let pace: string | undefined;
  return {
    /** Milliseconds of a meta-step over some seconds. */
    async turn(mode: Mode, seconds: number): Promise<number> {
      const { jobId } = await jobOf(mode);
      await client.resumeJob(jobId);
      const from = { at: performance.now(), steps: (await jobOf(mode)).steps };
      await delay(seconds * 1_000);
      const job = await jobOf(mode);
      const to = { at: performance.now(), steps: job.steps };
      if (mode === 'auto' && job.pace) pace = paceText(job.pace);
      await client.pauseJob(jobId);
      // A span that is stopped ends within a meta-step.
      await delay(500);
      return (to.at - from.at) / (to.steps - from.steps);
    },
    /** How auto computed last. */
    pace: () => pace,
    async close(): Promise<void> {
      client.close();
      for (const process of processes) process.kill();
      relay?.close();
      await cluster.close();
    },
  };
}

function startWorker(number: number, address: string): ManagedProcess {
  const title = `worker ${number}`;
  return new ManagedProcess({
    title,
    file: programFile('worker'),
    flags: ['--coordinator', address, '--slots', '1', '--http', 'off', '--log-level', 'warn', '--exit-with-parent'],
    environment: process.env,
    onLog: (line) => log(`${title}: ${line}`),
  });
}

async function pastStep(client: MetatrainClient, jobId: string, step: number): Promise<void> {
  for await (const event of client.watchJob(jobId)) if (event.kind === 'metaStep' && event.summary.step > step) return;
  throw new Error(`job ${jobId} ended before it could be measured`);
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const round4 = (value: number): number => Number(value.toPrecision(4));

const log = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
