// The cost of observation: one job on two real clusters of a coordinator and two workers each. One
// has no observers; the other is scraped, publishes to NATS and streams to a console. The clusters
// take short turns: while one runs, the other is stopped (SIGSTOP). Reports the loss of throughput
// and the added processor time (/proc) of a meta-step, as means over rounds with 95 % intervals.
// `--only none` turns all observation off and shows the effect of chance.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ManagedProcess } from '../../client/cli/managed-process.ts';
import { MetatrainClient } from '../../client/metatrain-client.ts';
import { delay } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { endlessJob } from '../endless-job.ts';
import { workloads } from '../engine/workloads.ts';
import { processorMs } from '../processor-time.ts';
import { startNats } from './nats.ts';

// Why it is measured like this:
// - The other cluster is stopped. A paused job instead would idle, and was slow afterwards.
// - A process that was stopped is slow for about half a second: each turn is measured after that.
// - The coordinator stops first and continues last. Otherwise it would take the waiting shards for
//   slow ones and lease them again, and V8 would compile hot functions anew at the cancellation.
// - A span is three turns, and spans alternate. Machines slow down by a tenth for seconds at a time,
//   so only the middle half of a round's spans counts. Every span has a scrape and every second has
//   events, so this leaves out no cost of observation.
// - Two clusters differ by chance while their processes live: each round starts and warms new ones.
// - Both store events in the embedded log, which a coordinator always does.

const parts = ['metrics', 'nats', 'console'] as const;
type Part = (typeof parts)[number];

const workers = 2;
/** Turns of both clusters, each with a scrape. After them V8 has compiled the hot functions. */
const warmUpTurns = 5;
const warmUpSeconds = 5;
/** From the start of a turn until it is measured. */
const wakingMs = 500;
/** Time for a shard that is under way when the coordinator is stopped. */
const settlingMs = 50;
/**
 * The middle turn has a scrape: with 1.5 s a turn, that is about every 5 s, as in
 * `deploy/prometheus/prometheus.yml`.
 */
const turnsPerSpan = 3;
const usage = {
  rounds: { type: 'string', default: '10' },
  /** Spans of each cluster in a round. */
  spans: { type: 'string', default: '4' },
  /**
   * Measured seconds of a turn: short enough that no heartbeat is missed during two turns of the
   * other cluster.
   */
  seconds: { type: 'string', default: '1.5' },
  /** Tasks of a meta-step: more of them make it longer. */
  tasks: { type: 'string', default: '25' },
  /** Kinds of observation, separated by commas, or `none`. */
  only: { type: 'string', default: parts.join(',') },
} as const;

export async function run(args: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({ args: [...args], options: usage });
  const rounds = whole('rounds', values.rounds);
  const spans = whole('spans', values.spans);
  const seconds = positive('seconds', values.seconds);
  const tasks = whole('tasks', values.tasks);
  const sinusoid = workloads.find(({ name }) => name === 'sinusoid-1-step')!;
  const jobFile = endlessJob({ ...sinusoid, tasks }, Math.ceil(tasks / workers));
  const asked = partsOf(values.only);
  const nats = asked.has('nats') ? await startNats() : undefined;
  const watched = new Set([...asked].filter((part) => part !== 'nats' || nats?.url !== undefined));
  const compared: Round[] = [];
  try {
    for (let number = 1; number <= rounds; number++) {
      const result = await compare(watched, {
        spans,
        seconds,
        jobFile,
        natsUrl: nats?.url,
        isWatchedFirst: number % 2 === 0,
      });
      compared.push(result);
      const { alone, watched: seen, cost } = result;
      log(`round ${number}: alone ${described(alone)}; watched ${described(seen)}; cost ${(100 * cost).toFixed(1)} %`);
    }
  } finally {
    await nats?.close();
  }
  const cost = estimateOf(compared.map((result) => 100 * result.cost));
  const processorCost = estimateOf(compared.map((result) => 100 * result.processorCost));
  const meanOf = (pick: (round: Round) => number) => round(sum(compared.map(pick)) / rounds);
  return {
    benchmark: 'observability',
    node: process.version,
    workers,
    watchedBy: [...watched],
    ...(nats?.missing !== undefined && { leftOut: `nats: ${nats.missing}` }),
    scrapes: sum(compared.map(({ scrapes }) => scrapes)),
    streamedEvents: sum(compared.map(({ streamedEvents }) => streamedEvents)),
    tasks,
    rounds,
    spans,
    secondsPerSpan: turnsPerSpan * seconds,
    metaStepsPerSecond: {
      alone: meanOf(({ alone }) => alone.stepsPerSecond),
      watched: meanOf(({ watched: seen }) => seen.stepsPerSecond),
    },
    processorMsPerMetaStep: {
      alone: meanOf(({ alone }) => alone.processorMsPerStep),
      watched: meanOf(({ watched: seen }) => seen.processorMsPerStep),
    },
    ratio: round(1 - cost.mean / 100),
    costPercent: round(cost.mean),
    costHalfWidth95Percent: round(cost.halfWidth95),
    processorCostPercent: round(processorCost.mean),
    processorCostHalfWidth95Percent: round(processorCost.halfWidth95),
  };
}

interface Round extends Tally {
  readonly alone: Speed;
  readonly watched: Speed;
  /**
   * How much observation lowers throughput, and raises processor time a meta-step: a share of the
   * cluster without observers.
   */
  readonly cost: number;
  readonly processorCost: number;
}

interface Speed {
  readonly stepsPerSecond: number;
  /** All processes of the cluster together; NaN without /proc. */
  readonly processorMsPerStep: number;
}

/** What a cluster has computed up to a moment. */
interface Progress {
  readonly atMs: number;
  readonly steps: number;
  readonly processorMs: number;
}

interface Tally {
  readonly scrapes: number;
  readonly streamedEvents: number;
}

interface RoundOptions {
  readonly spans: number;
  /** Measured seconds of a turn. */
  readonly seconds: number;
  readonly jobFile: string;
  readonly natsUrl: string | undefined;
  /** The observed cluster is started first and has the first turn. */
  readonly isWatchedFirst: boolean;
}

async function compare(watched: ReadonlySet<Part>, options: RoundOptions): Promise<Round> {
  const { spans, seconds, jobFile, natsUrl, isWatchedFirst } = options;
  const clusters: Cluster[] = [];
  try {
    for (const isWatched of [isWatchedFirst, !isWatchedFirst]) {
      clusters.push(await Cluster.start(jobFile, isWatched ? watched : new Set(), isWatched ? natsUrl : undefined));
    }
    for (let turn = 0; turn < warmUpTurns; turn++) {
      await Promise.all(clusters.map((cluster) => cluster.turn(warmUpSeconds, true)));
    }
    const measured = new Map(clusters.map((cluster): [Cluster, Progress[]] => [cluster, []]));
    for (let turn = 0; turn < spans * turnsPerSpan; turn++) {
      const isScraped = turn % turnsPerSpan === 1;
      // Alternates the order, so that a drift affects both.
      const order = turn % 2 === 0 ? clusters : clusters.toReversed();
      for (const cluster of order) measured.get(cluster)!.push(await cluster.turn(seconds, isScraped));
    }
    const [alone, seen] = (isWatchedFirst ? clusters.toReversed() : clusters) as [Cluster, Cluster];
    const speeds = Array.from({ length: spans }, (_, span) => {
      const speed = (cluster: Cluster) =>
        speedOf(measured.get(cluster)!.slice(span * turnsPerSpan, (span + 1) * turnsPerSpan));
      return { alone: speed(alone), seen: speed(seen) };
    });
    return {
      alone: speedOf(measured.get(alone)!),
      watched: speedOf(measured.get(seen)!),
      cost: 1 - middleMean(speeds.map((span) => span.seen.stepsPerSecond / span.alone.stepsPerSecond)),
      processorCost: middleMean(speeds.map((span) => span.seen.processorMsPerStep / span.alone.processorMsPerStep)) - 1,
      ...seen.tally(),
    };
  } finally {
    for (const cluster of clusters) await cluster.close();
  }
}

class Cluster {
  readonly #client: MetatrainClient;
  readonly #processes: readonly ManagedProcess[];
  readonly #directory: string;
  readonly #watching = new AbortController();
  readonly #watchers: Promise<void>[] = [];
  /** Addresses to scrape. */
  readonly #targets: readonly string[];
  #jobId = '';
  #scrapes = 0;
  #streamedEvents = 0;

  private constructor(
    address: string,
    processes: readonly ManagedProcess[],
    directory: string,
    targets: readonly string[],
  ) {
    this.#client = new MetatrainClient({ address });
    this.#processes = processes;
    this.#directory = directory;
    this.#targets = targets;
  }

  /** Resolves when the job runs. */
  static async start(jobFile: string, watched: ReadonlySet<Part>, natsUrl: string | undefined): Promise<Cluster> {
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
    const served = [coordinatorHttp, ...ready.map(({ http: workerHttp }) => workerHttp)].map(String);
    const cluster = new Cluster(String(address), processes, directory, watched.has('metrics') ? served : []);
    if (watched.has('console')) cluster.#watchers.push(cluster.#stream(String(coordinatorHttp)));
    await cluster.#begin(jobFile);
    return cluster;
  }

  async #begin(jobFile: string): Promise<void> {
    const { jobId } = await this.#client.submitJob(jobFile);
    this.#jobId = jobId;
    for await (const event of this.#client.watchJob(jobId)) {
      if (event.kind === 'metaStep') break;
    }
  }

  /** Runs for some seconds, then stops the processes. */
  async turn(seconds: number, isScraped: boolean): Promise<Progress> {
    await this.#wake();
    await delay(wakingMs);
    const from = await this.#progress();
    await delay(seconds * 500);
    if (isScraped) await this.#scrape();
    await delay(seconds * 500);
    const to = await this.#progress();
    await this.#rest();
    return {
      atMs: to.atMs - from.atMs,
      steps: to.steps - from.steps,
      processorMs: to.processorMs - from.processorMs,
    };
  }

  /**
   * The workers first, so that the coordinator finds their messages before it decides which leases
   * are late.
   */
  async #wake(): Promise<void> {
    for (const { pid } of this.#processes.slice(1)) process.kill(pid!, 'SIGCONT');
    await delay(settlingMs);
    process.kill(this.#processes[0]!.pid!, 'SIGCONT');
  }

  /** The coordinator first, so that the workers finish their shards. */
  async #rest(): Promise<void> {
    process.kill(this.#processes[0]!.pid!, 'SIGSTOP');
    await delay(settlingMs);
    for (const { pid } of this.#processes.slice(1)) process.kill(pid!, 'SIGSTOP');
  }

  async #progress(): Promise<Progress> {
    const { steps, state, error } = await this.#client.getJob(this.#jobId);
    if (state !== 'RUNNING') throw new Error(`the job is ${state}: ${error?.message}`);
    return { atMs: performance.now(), steps, processorMs: sum(this.#processes.map(({ pid }) => processorMs(pid!))) };
  }

  /** Reads the whole answer, as Prometheus does. */
  async #scrape(): Promise<void> {
    const { signal } = this.#watching;
    for (const target of this.#targets) {
      const response = await fetch(`http://${target}/metrics`, { signal });
      if (!response.ok) throw new Error(`${target}/metrics answers ${response.status}`);
      await response.arrayBuffer();
      this.#scrapes += 1;
    }
  }

  /**
   * The console's stream of the cluster's events, or these events over gRPC when the coordinator
   * serves no console.
   */
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

  /** What the observers received. */
  tally(): Tally {
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

function partsOf(text: string): ReadonlySet<Part> {
  if (text === 'none') return new Set();
  const names = text.split(',').map((name) => parts.find((part) => part === name.trim()));
  if (names.every((name) => name !== undefined)) return new Set(names);
  throw new MetatrainError('REQUEST_INVALID', `--only: got ${text}; accepted: none, or some of ${parts.join(', ')}`);
}

function whole(name: string, text: string): number {
  const value = positive(name, text);
  if (Number.isInteger(value)) return value;
  throw new MetatrainError('REQUEST_INVALID', `--${name}: got ${text}; accepted: a whole number above 0`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new MetatrainError('REQUEST_INVALID', `--${name}: got ${text}; accepted: a number above 0`);
}

/** Server-sent events end with an empty line. */
const countEvents = (chunk: Uint8Array): number => Buffer.from(chunk).toString('latin1').split('\n\n').length - 1;

/** 1.96 standard errors on either side of the mean. */
function estimateOf(values: readonly number[]): { readonly mean: number; readonly halfWidth95: number } {
  const mean = sum(values) / values.length;
  const variance = sum(values.map((value) => (value - mean) ** 2)) / Math.max(1, values.length - 1);
  return { mean, halfWidth95: 1.96 * Math.sqrt(variance / values.length) };
}

/** Mean of the middle half. */
function middleMean(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const leftOut = Math.floor(sorted.length / 4);
  const middle = sorted.slice(leftOut, sorted.length - leftOut);
  return sum(middle) / middle.length;
}

function speedOf(spans: readonly Progress[]): Speed {
  const steps = sum(spans.map((span) => span.steps));
  return {
    stepsPerSecond: (1_000 * steps) / sum(spans.map(({ atMs }) => atMs)),
    processorMsPerStep: sum(spans.map((span) => span.processorMs)) / steps,
  };
}

function described({ stepsPerSecond, processorMsPerStep }: Speed): string {
  return `${stepsPerSecond.toFixed(0)} meta-steps/s, ${processorMsPerStep.toFixed(3)} ms of processor time each`;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const round = (value: number): number => Number(value.toPrecision(4));

function log(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}
