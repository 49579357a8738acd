// What it costs to be watched: the same job through two real clusters (a coordinator and two workers each), one that nobody watches and one whose
// metrics are scraped every second, whose events go to NATS and to which a console's stream is open. They take turns in one run: a cluster's job is paused
// while the other's runs. Events are kept in the embedded log in both: that is how the coordinator works.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ManagedProcess } from '../../client/cli/managed-process.ts';
import { MetatrainClient } from '../../client/metatrain-client.ts';
import { delay } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { startNats } from './nats.ts';

const parts = ['metrics', 'nats', 'console'] as const;
type Part = (typeof parts)[number];

const workers = 2;
const scrapeEveryMs = 1_000;
const usage = {
  rounds: { type: 'string', default: '10' },
  seconds: { type: 'string', default: '3' },
  /** Parts of the watching, with commas between. */
  only: { type: 'string', default: parts.join(',') },
} as const;

export async function run(args: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({ args: [...args], options: usage });
  const [rounds, seconds] = [positive('rounds', values.rounds), positive('seconds', values.seconds)];
  const asked = partsOf(values.only);
  const nats = asked.has('nats') ? await startNats() : undefined;
  const watched = new Set([...asked].filter((part) => part !== 'nats' || nats?.url !== undefined));
  const clusters: Cluster[] = [];
  try {
    const alone = await Cluster.start(new Set(), undefined);
    clusters.push(alone);
    const seen = await Cluster.start(watched, nats?.url);
    clusters.push(seen);
    const pairs: { readonly off: number; readonly on: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      // First the one, then the other, so that what drifts drifts for both.
      const turns = round % 2 === 0 ? [alone, seen] : [seen, alone];
      const rates = new Map<Cluster, number>();
      for (const cluster of turns) rates.set(cluster, await cluster.turn(seconds));
      const pair = { off: rates.get(alone)!, on: rates.get(seen)! };
      pairs.push(pair);
      log(`round ${round + 1}: ${pair.off.toFixed(0)} and, watched, ${pair.on.toFixed(0)} meta-steps/s`);
    }
    const ratios = pairs.map(({ off, on }) => on / off);
    const [low, ratio, high] = quartiles(ratios);
    return {
      benchmark: 'observability',
      node: process.version,
      workers,
      watchedBy: [...watched],
      ...(nats?.missing !== undefined && { leftOut: `nats: ${nats.missing}` }),
      ...seen.tally(),
      rounds,
      secondsPerTurn: seconds,
      metaStepsPerSecond: {
        alone: round(quartiles(pairs.map(({ off }) => off))[1]),
        watched: round(quartiles(pairs.map(({ on }) => on))[1]),
      },
      ratio: round(ratio),
      costPercent: round(100 * (1 - ratio)),
      /** Of the rounds' costs: half of them lie between. */
      costInterquartilePercent: [round(100 * (1 - high)), round(100 * (1 - low))],
    };
  } finally {
    for (const cluster of clusters) await cluster.close();
    await nats?.close();
  }
}

class Cluster {
  readonly #client: MetatrainClient;
  readonly #processes: readonly ManagedProcess[];
  readonly #directory: string;
  readonly #watching = new AbortController();
  readonly #watchers: Promise<void>[] = [];
  #jobId = '';
  #scrapes = 0;
  #streamedEvents = 0;

  private constructor(address: string, processes: readonly ManagedProcess[], directory: string) {
    this.#client = new MetatrainClient({ address });
    this.#processes = processes;
    this.#directory = directory;
  }

  /** With its job under way, and paused. */
  static async start(watched: ReadonlySet<Part>, natsUrl: string | undefined): Promise<Cluster> {
    const directory = mkdtempSync(join(tmpdir(), 'metatrain-bench-'));
    const hasHttp = watched.has('metrics') || watched.has('console');
    const http = ['--http', hasHttp ? '127.0.0.1:0' : 'off'];
    const state = ['--listen', '127.0.0.1:0', '--state-dir', directory];
    const processes = [
      start('coordinator', [...state, ...http, ...(natsUrl === undefined ? [] : ['--nats', natsUrl])]),
    ];
    const { address, http: coordinatorHttp } = await processes[0]!.ready;
    const ofWorkers = ['--coordinator', String(address), '--slots', '1'];
    for (let number = 1; number <= workers; number++) {
      const metrics = ['--http', watched.has('metrics') ? '127.0.0.1:0' : 'off'];
      processes.push(start('worker', [...ofWorkers, '--worker-id', `worker-${number}`, ...metrics]));
    }
    const ready = await Promise.all(processes.slice(1).map(({ ready }) => ready));
    const cluster = new Cluster(String(address), processes, directory);
    const served = [coordinatorHttp, ...ready.map(({ http: workerHttp }) => workerHttp)].map(String);
    await cluster.#begin();
    if (watched.has('metrics')) for (const target of served) cluster.#scrape(target);
    if (watched.has('console')) cluster.#watchers.push(cluster.#stream(String(coordinatorHttp)));
    return cluster;
  }

  async #begin(): Promise<void> {
    const { jobId } = await this.#client.submitJob(jobFile);
    this.#jobId = jobId;
    for await (const event of this.#client.watchJob(jobId)) {
      if (event.kind === 'metaStep' && event.summary.step > 200) break;
    }
    await this.#client.pauseJob(jobId);
  }

  /** Meta-steps a second, over some seconds of running. */
  async turn(seconds: number): Promise<number> {
    await this.#client.resumeJob(this.#jobId);
    const from = await this.#steps();
    await delay(seconds * 1_000);
    const to = await this.#steps();
    await this.#client.pauseJob(this.#jobId);
    return ((to.steps - from.steps) * 1_000) / (to.at - from.at);
  }

  async #steps(): Promise<{ readonly at: number; readonly steps: number }> {
    const { steps } = await this.#client.getJob(this.#jobId);
    return { at: performance.now(), steps };
  }

  /** As Prometheus does, and whole. */
  #scrape(target: string): void {
    const { signal } = this.#watching;
    const scrape = async () => {
      while (!signal.aborted) {
        const response = await fetch(`http://${target}/metrics`, { signal });
        if (!response.ok) throw new Error(`${target}/metrics answers ${response.status}`);
        await response.arrayBuffer();
        this.#scrapes += 1;
        await delay(scrapeEveryMs, signal);
      }
    };
    this.#watchers.push(scrape().catch((error: unknown) => this.#unlessClosing(error)));
  }

  /** The console's stream of the cluster's events; where the coordinator serves no console, the same events over gRPC. */
  async #stream(http: string): Promise<void> {
    const { signal } = this.#watching;
    try {
      const response = await fetch(`http://${http}/api/v1/events`, { signal });
      if (response.ok && response.body) {
        for await (const chunk of response.body) this.#streamedEvents += countEvents(chunk);
      } else {
        for await (const _ of this.#client.watchEvents({ signal })) this.#streamedEvents += 1;
      }
    } catch (error) {
      this.#unlessClosing(error);
    }
  }

  #unlessClosing(error: unknown): void {
    if (!this.#watching.signal.aborted) log(`a watcher ended: ${String(error)}`);
  }

  /** What its watchers have had. */
  tally(): { readonly scrapes: number; readonly streamedEvents: number } {
    return { scrapes: this.#scrapes, streamedEvents: this.#streamedEvents };
  }

  async close(): Promise<void> {
    this.#watching.abort();
    await Promise.all(this.#watchers);
    this.#client.close();
    for (const process of [...this.#processes].reverse()) {
      process.kill();
      await process.exited;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function start(program: 'coordinator' | 'worker', flags: readonly string[]): ManagedProcess {
  const file = fileURLToPath(new URL(`../../${program}/main.js`, import.meta.url));
  const variables = Object.entries(process.env).filter(([name]) => !/^(METATRAIN|OTEL)_/.test(name));
  return new ManagedProcess({
    title: program,
    file,
    flags: [...flags, '--log-level', 'warn', '--log-format', 'json', '--exit-with-parent'],
    environment: Object.fromEntries(variables),
    onLog: (line) => log(`${program}: ${line}`),
  });
}

/** MAML's sinusoid, in as many shards as there are workers; it does not end by itself. */
const jobFile = JSON.stringify({
  name: 'bench-observability',
  task: { distribution: 'sinusoid', shots: 10, queries: 10 },
  model: { architecture: 'mlp', hiddenLayers: [40, 40] },
  algorithm: { name: 'maml', order: 'second', innerSteps: 1, innerLearningRate: 0.01 },
  meta: { iterations: 1_000_000_000, batchSize: 25, optimizer: { name: 'adam', learningRate: 0.001 }, clipNorm: 0.5 },
  evaluation: { tasks: 2, innerSteps: 1 },
  placement: { shardSize: 13 },
});

function partsOf(text: string): ReadonlySet<Part> {
  const names = text.split(',').map((name) => parts.find((part) => part === name.trim()));
  if (names.every((name) => name !== undefined)) return new Set(names);
  throw new MetatrainError('REQUEST_INVALID', `--only: got ${text}; accepted: some of ${parts.join(', ')}`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new MetatrainError('REQUEST_INVALID', `--${name}: got ${text}; accepted: a number above 0`);
}

/** Server-sent events end with an empty line. */
const countEvents = (chunk: Uint8Array): number => Buffer.from(chunk).toString('latin1').split('\n\n').length - 1;

function quartiles(values: readonly number[]): readonly [low: number, median: number, high: number] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (fraction: number) => {
    const place = fraction * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
    return below + (above - below) * (place - Math.floor(place));
  };
  return [at(0.25), at(0.5), at(0.75)];
}

const round = (value: number): number => Number(value.toPrecision(4));

function log(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}
