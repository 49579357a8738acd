// `npm run chaos -- [--faults N] [--iterations N] [--seed S] [--spans auto|always]`: one sinusoid
// job on a real cluster, first undisturbed, then under faults of every kind, among them at least
// ten SIGKILLs of the coordinator. Passes when the job ends with the very same paramsSha256. Prints
// the faults, the time to recover (from the fault until the job is further than it was) and the
// goodput as one JSON object; exit code 1 when it does not hold.
import { parseArgs } from 'node:util';
import type { Job } from '../../client/index.ts';
import { delay } from '../../shared/clock.ts';
import { taskRng } from '../../shared/rng.ts';
import { ChaosCluster } from './chaos-cluster.ts';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '56' },
    /** Enough for the meta-steps that go on while faults last: about 400 a fault on two cores. */
    iterations: { type: 'string', default: '24000' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '3' },
    /** `placement.spans` of the job under faults; the undisturbed one has none. */
    spans: { type: 'string', default: 'never' },
  },
});
const faults = Number(values.faults);
const iterations = Number(values.iterations);
const workers = Number(values.workers);
const rng = taskRng(Number(values.seed), 'chaos', 0);

/** No fault may cost the job longer than this. */
const recoveryLimitMs = 60_000;
const pollMs = 20;

const specOf = (spans: string) =>
  JSON.stringify({
    name: 'chaos',
    seed: 3,
    task: { distribution: 'sinusoid', shots: 5 },
    model: { architecture: 'mlp' },
    algorithm: { name: 'maml', order: 'second', innerSteps: 1, innerLearningRate: 0.01 },
    meta: { iterations, batchSize: 24, optimizer: { name: 'adam', learningRate: 0.001 } },
    evaluation: { every: Math.ceil(iterations / 5), tasks: 40, innerSteps: 3 },
    checkpoint: { every: 60, keep: 3 },
    placement: { shardSize: 6, spans },
  });

type Inflict = (cluster: ChaosCluster, jobId: string) => Promise<void>;

const someWorker = () => rng.below(workers);

/** Frozen or silent for a while: shorter than three heartbeats, or longer, so that leases are lost. */
const aWhile = () => delay(rng.uniform() < 0.7 ? rng.between(200, 1_500) : rng.between(6_500, 8_000));

const inflictions: Readonly<Record<string, Inflict>> = {
  coordinatorKilled: (cluster) => cluster.killCoordinator(),
  coordinatorKilledAndCheckpointTorn: (cluster, jobId) =>
    cluster.killCoordinator(() => void cluster.tearNewestCheckpoint(jobId)),
  coordinatorStopped: (cluster) => cluster.stopCoordinator(),
  async coordinatorFrozen(cluster) {
    const thaw = cluster.freezeCoordinator();
    await aWhile();
    thaw();
  },
  workerKilled: (cluster) => cluster.killWorker(someWorker()),
  async everyWorkerKilled(cluster) {
    await Promise.all(cluster.workers.map((_, index) => cluster.killWorker(index)));
  },
  async workerDrained(cluster) {
    const code = await cluster.drainWorker(someWorker());
    if (code !== 0) throw new Error(`a drained worker ended with exit code ${code}`);
  },
  async workerFrozen(cluster) {
    const thaw = cluster.freezeWorker(someWorker());
    await aWhile();
    thaw();
  },
  async connectionCut(cluster) {
    cluster.workers[someWorker()]!.proxy.cut();
  },
  async connectionEnded(cluster) {
    cluster.workers[someWorker()]!.proxy.end();
  },
  async everyConnectionCut(cluster) {
    for (const { proxy } of cluster.workers) proxy.cut();
  },
  async connectionGarbled(cluster) {
    cluster.workers[someWorker()]!.proxy.garble();
  },
  async partitioned(cluster) {
    const { proxy } = cluster.workers[someWorker()]!;
    proxy.silence(true);
    await aWhile();
    proxy.silence(false);
  },
  async networkSlow(cluster) {
    const { proxy } = cluster.workers[someWorker()]!;
    proxy.delay(rng.between(20, 200));
    await aWhile();
    proxy.delay(0);
  },
  async jobPaused(cluster, jobId) {
    await cluster.client.pauseJob(jobId);
    await delay(300);
    await cluster.client.resumeJob(jobId);
  },
};

/** Ten kills of the coordinator, two of them with a torn checkpoint, every other kind in turn; in an order that the seed gives. */
function planFaults(): string[] {
  const kinds = Object.keys(inflictions).filter((kind) => !kind.startsWith('coordinatorKilled'));
  const kills = [
    ...new Array<string>(8).fill('coordinatorKilled'),
    ...new Array<string>(2).fill('coordinatorKilledAndCheckpointTorn'),
  ];
  const others = Array.from(
    { length: Math.max(faults - kills.length, kinds.length) },
    (_, i) => kinds[i % kinds.length]!,
  );
  const all = [...kills, ...others];
  return rng.sample(all.length, all.length).map((index) => all[index]!);
}

/** Asks again while the coordinator is away. */
async function jobOf(cluster: ChaosCluster, jobId: string): Promise<Job> {
  const deadline = performance.now() + recoveryLimitMs;
  for (;;) {
    try {
      return await cluster.client.getJob(jobId);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(pollMs);
    }
  }
}

const hasEnded = ({ state }: Job) => state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELLED';

/** @returns the job once it has come past `step`, or has ended. */
async function pastStep(cluster: ChaosCluster, jobId: string, step: number): Promise<Job> {
  const deadline = performance.now() + recoveryLimitMs;
  for (;;) {
    const job = await jobOf(cluster, jobId);
    const [surprise] = cluster.surprises;
    if (surprise) throw new Error(surprise);
    if (job.steps > step || hasEnded(job)) return job;
    if (performance.now() > deadline) throw new Error(`the job stands at meta-step ${job.steps}, wanted: past ${step}`);
    await delay(pollMs);
  }
}

async function undisturbed(): Promise<{ job: Job; wallSeconds: number }> {
  const cluster = await ChaosCluster.start(workers);
  try {
    const startedAt = performance.now();
    const { jobId } = await cluster.client.submitJob(specOf('never'));
    let job = await jobOf(cluster, jobId);
    while (!hasEnded(job)) job = await pastStep(cluster, jobId, job.steps);
    return { job, wallSeconds: (performance.now() - startedAt) / 1_000 };
  } finally {
    await cluster.close();
  }
}

interface Inflicted {
  readonly kind: string;
  readonly atStep: number;
  readonly recoverSeconds: number;
}

async function disturbed(expected: Job) {
  const cluster = await ChaosCluster.start(workers);
  try {
    const startedAt = performance.now();
    const { jobId } = await cluster.client.submitJob(specOf(values.spans));
    const plan = planFaults();
    const inflicted: Inflicted[] = [];
    for (const [index, kind] of plan.entries()) {
      const from = Math.floor(((index + 1) * iterations) / (plan.length + 2));
      const { steps } = await pastStep(cluster, jobId, from);
      const faultAt = performance.now();
      process.stderr.write(`${index + 1}/${plan.length} ${kind} at meta-step ${steps}: `);
      await inflictions[kind]!(cluster, jobId);
      const job = await pastStep(cluster, jobId, steps);
      if (job.state === 'SUCCEEDED') {
        throw new Error(`the job was done after ${index + 1} of ${plan.length} faults: give it more --iterations`);
      }
      if (hasEnded(job)) throw new Error(`the job ended: ${job.state} ${job.error?.message ?? ''}`);
      const recoverSeconds = (performance.now() - faultAt) / 1_000;
      inflicted.push({ kind, atStep: steps, recoverSeconds });
      process.stderr.write(`${recoverSeconds.toFixed(2)} s\n`);
    }
    let job = await jobOf(cluster, jobId);
    while (!hasEnded(job)) job = await pastStep(cluster, jobId, job.steps);
    const wallSeconds = (performance.now() - startedAt) / 1_000;
    let chainProofs = 0;
    for await (const event of cluster.client.watchJob(jobId)) {
      if (event.kind === 'stateChanged' && /applied again to the same bytes/.test(event.reason)) chainProofs += 1;
    }
    if (job.state !== 'SUCCEEDED' || job.paramsSha256 !== expected.paramsSha256) {
      const found = `${job.state} ${job.error?.message ?? ''} ${job.paramsSha256}`;
      throw new Error(`expected SUCCEEDED ${expected.paramsSha256}, found ${found}`);
    }
    if (JSON.stringify(job.evaluations) !== JSON.stringify(expected.evaluations)) {
      throw new Error('the evaluations are not those of the undisturbed run');
    }
    return { job, inflicted, wallSeconds, chainProofs, results: cluster.results };
  } catch (error) {
    process.stderr.write(`${cluster.lastWords}\n`);
    throw error;
  } finally {
    await cluster.close();
  }
}

function summarise(seconds: readonly number[]) {
  const sorted = seconds.toSorted((a, b) => a - b);
  return { median: round(sorted[Math.floor(sorted.length / 2)] ?? 0), maximum: round(sorted.at(-1) ?? 0) };
}

const round = (value: number) => Math.round(value * 1_000) / 1_000;

try {
  const reference = await undisturbed();
  process.stderr.write(`undisturbed: ${reference.wallSeconds.toFixed(1)} s, ${reference.job.paramsSha256}\n`);
  const { job, inflicted, wallSeconds, chainProofs, results } = await disturbed(reference.job);
  const useful = new Map(results.map(({ key, computeMs }) => [key, computeMs]));
  const sum = (times: Iterable<number>) => [...times].reduce((total, ms) => total + ms, 0);
  const kinds = [...new Set(inflicted.map(({ kind }) => kind))].sort();
  const of = (kind: string) => inflicted.filter((fault) => fault.kind === kind).map((fault) => fault.recoverSeconds);
  const report = {
    faults: inflicted.length,
    byKind: Object.fromEntries(kinds.map((kind) => [kind, { count: of(kind).length, ...summarise(of(kind)) }])),
    coordinatorKills: inflicted.filter(({ kind }) => kind.startsWith('coordinatorKilled')).length,
    recoverSeconds: summarise(inflicted.map(({ recoverSeconds }) => recoverSeconds)),
    // Compute time of the results that are in θ, over that of every result that came; killed shards send none.
    goodput: round(sum(useful.values()) / sum(results.map(({ computeMs }) => computeMs))),
    wallSeconds: round(wallSeconds),
    undisturbedWallSeconds: round(reference.wallSeconds),
    wallRatio: round(reference.wallSeconds / wallSeconds),
    chainProofs,
    paramsSha256: job.paramsSha256,
    equal: true,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  process.exit(0);
} catch (error) {
  process.stderr.write(`chaos: ${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
}
