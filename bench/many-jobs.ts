// Sixteen small jobs at once on one worker, against these jobs one after another on one worker:
// processor time of coordinator and worker, and wall time. The jobs' graphs differ, so that no two
// share a program. A ratio above 1 is the cost of switching; a worker that compiles programs again
// at every switch has a multiple of it. Both ways take turns in one run, after a round that is not
// measured.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ManagedProcess } from '../client/cli/managed-process.ts';
import { MetatrainClient } from '../client/metatrain-client.ts';
import { MetatrainError } from '../shared/errors.ts';
import { processorMs } from './processor-time.ts';

/** The largest ratios that pass. */
const limit = 1.3;
const usage = {
  jobs: { type: 'string', default: '16' },
  slots: { type: 'string', default: '2' },
  iterations: { type: 'string', default: '100' },
  rounds: { type: 'string', default: '3' },
  memory: { type: 'string' },
} as const;

interface Cost {
  readonly wallSeconds: number;
  readonly processorSeconds: number;
  /** Programs that the worker compiled. */
  readonly programs: number;
}

export async function run(args: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({ args: [...args], options: usage });
  const [jobs, slots, iterations, rounds] = (['jobs', 'slots', 'iterations', 'rounds'] as const).map((name) => {
    const number = Number(values[name]);
    if (Number.isInteger(number) && number > 0) return number;
    throw new MetatrainError('REQUEST_INVALID', `--${name}: got ${values[name]}; accepted: a whole number from 1`);
  }) as [number, number, number, number];
  const files = Array.from({ length: jobs }, (_, index) => jobFile(index, iterations));
  const cluster = await OneWorker.start(slots, values.memory);
  const alone: Cost[] = [];
  const together: Cost[] = [];
  try {
    await cluster.runTogether(files);
    for (let round = 0; round < rounds; round += 1) {
      alone.push(await cluster.measure(() => cluster.runOneByOne(files)));
      together.push(await cluster.measure(() => cluster.runTogether(files)));
      log(`round ${round + 1}: one by one ${JSON.stringify(alone.at(-1))}, at once ${JSON.stringify(together.at(-1))}`);
    }
  } finally {
    await cluster.close();
  }
  const total = (costs: readonly Cost[], what: keyof Cost) => costs.reduce((sum, cost) => sum + cost[what], 0);
  const ratio = (what: keyof Cost) => round(total(together, what) / total(alone, what));
  return {
    benchmark: 'many-jobs',
    node: process.version,
    jobs,
    slots,
    iterations,
    rounds,
    oneByOne: totals(alone, total),
    atOnce: totals(together, total),
    processorRatio: ratio('processorSeconds'),
    wallRatio: ratio('wallSeconds'),
    limit,
    holds: Math.max(ratio('processorSeconds'), ratio('wallSeconds')) <= limit,
  };
}

function totals(costs: readonly Cost[], total: (costs: readonly Cost[], what: keyof Cost) => number): Cost {
  return {
    wallSeconds: round(total(costs, 'wallSeconds')),
    processorSeconds: round(total(costs, 'processorSeconds')),
    programs: total(costs, 'programs'),
  };
}

/** Small, with a graph that no other job has. */
function jobFile(index: number, iterations: number): string {
  return JSON.stringify({
    name: `many-jobs-${index}`,
    seed: index,
    task: { distribution: 'sinusoid', shots: 5, queries: 5 },
    model: { architecture: 'mlp', hiddenLayers: [8 + index] },
    algorithm: { name: 'maml', innerSteps: 1, innerLearningRate: 0.01 },
    meta: { iterations, batchSize: 8, optimizer: { name: 'adam', learningRate: 0.005 } },
    evaluation: { tasks: 20, innerSteps: 2 },
  });
}

/** A coordinator and one worker, in processes of their own. */
class OneWorker {
  readonly #client: MetatrainClient;
  readonly #coordinator: ManagedProcess;
  readonly #worker: ManagedProcess;
  readonly #metrics: string;
  readonly #directory: string;

  private constructor(
    { coordinator, worker }: { readonly coordinator: ManagedProcess; readonly worker: ManagedProcess },
    { address, metrics, directory }: Readonly<Record<'address' | 'metrics' | 'directory', string>>,
  ) {
    this.#client = new MetatrainClient({ address });
    this.#coordinator = coordinator;
    this.#worker = worker;
    this.#metrics = metrics;
    this.#directory = directory;
  }

  static async start(slots: number, memory: string | undefined): Promise<OneWorker> {
    const directory = mkdtempSync(join(tmpdir(), 'metatrain-bench-'));
    const state = ['--listen', '127.0.0.1:0', '--state-dir', directory, '--http', 'off'];
    const coordinator = start('coordinator', state);
    const address = String((await coordinator.ready).address);
    const flags = ['--coordinator', address, '--slots', String(slots), '--http', '127.0.0.1:0'];
    const worker = start('worker', memory === undefined ? flags : [...flags, '--memory', memory]);
    const metrics = String((await worker.ready).http);
    return new OneWorker({ coordinator, worker }, { address, metrics, directory });
  }

  async runTogether(files: readonly string[]): Promise<void> {
    await Promise.all(files.map((file) => this.#runJob(file)));
  }

  async runOneByOne(files: readonly string[]): Promise<void> {
    for (const file of files) await this.#runJob(file);
  }

  async measure(work: () => Promise<void>): Promise<Cost> {
    const from = await this.#cost();
    await work();
    const to = await this.#cost();
    return {
      wallSeconds: to.wallSeconds - from.wallSeconds,
      processorSeconds: to.processorSeconds - from.processorSeconds,
      programs: to.programs - from.programs,
    };
  }

  async #runJob(file: string): Promise<void> {
    const { jobId } = await this.#client.submitJob(file);
    for await (const event of this.#client.watchJob(jobId)) {
      if (event.kind !== 'stateChanged' || event.state !== 'FAILED') continue;
      throw new MetatrainError('SHARD_FAILED', `job ${jobId} failed: ${event.reason}`);
    }
  }

  /** Since both processes started. */
  async #cost(): Promise<Cost> {
    const metrics = await (await fetch(`http://${this.#metrics}/metrics`)).text();
    const programs = Number(/^metatrain_engine_trace_seconds_count (\d+)/m.exec(metrics)?.[1] ?? Number.NaN);
    const processes = [this.#coordinator, this.#worker];
    const processorSeconds = processes.reduce((sum, { pid }) => sum + processorMs(pid!), 0) / 1_000;
    return { wallSeconds: performance.now() / 1_000, processorSeconds, programs };
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#worker.stop(10_000);
    await this.#coordinator.stop(10_000);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function start(title: 'coordinator' | 'worker', flags: readonly string[]): ManagedProcess {
  return new ManagedProcess({
    title,
    file: fileURLToPath(new URL(`../${title}/main.js`, import.meta.url)),
    flags: [...flags, '--log-level', 'warn', '--exit-with-parent'],
    environment: process.env,
    onLog: log,
  });
}

const round = (value: number): number => Number(value.toPrecision(4));

function log(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}
