// A real cluster that can be hurt: the coordinator and its workers as processes, a breakable network before each worker. Whatever was killed is
// started again as an operator's supervisor would.
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ManagedProcess } from '../../client/cli/managed-process.ts';
import { MetatrainClient } from '../../client/index.ts';
import { TcpProxy } from './tcp-proxy.ts';

const programOf = (name: 'coordinator' | 'worker') => fileURLToPath(new URL(`../../${name}/main.js`, import.meta.url));

/** A result as the coordinator's log tells it. */
export interface LoggedResult {
  readonly key: string;
  readonly computeMs: number;
}

class LastWords {
  readonly #lines = new Map<string, string[]>();

  add(title: string, line: string): void {
    const lines = this.#lines.get(title) ?? [];
    this.#lines.set(title, lines);
    lines.push(line);
    if (lines.length > 15) lines.shift();
  }

  toString(): string {
    return [...this.#lines].map(([title, lines]) => `${title}:\n  ${lines.join('\n  ')}`).join('\n');
  }
}

interface ChaosWorker {
  readonly workerId: string;
  readonly proxy: TcpProxy;
  process: ManagedProcess;
  isEnding: boolean;
}

export class ChaosCluster {
  /** Workers that ended without being told to, and what they said. */
  readonly surprises: string[] = [];
  readonly stateDirectory: string;
  readonly workers: ChaosWorker[] = [];
  /** Every result that came and was whole, counted or not. */
  readonly results: LoggedResult[];
  /** The last that each process said, for a failure's report. */
  readonly lastWords: LastWords;
  client: MetatrainClient;
  #coordinator: ManagedProcess;
  readonly #port: number;
  #isClosed = false;

  private constructor(
    coordinator: ManagedProcess,
    address: string,
    stateDirectory: string,
    results: LoggedResult[],
    lastWords: LastWords,
  ) {
    this.lastWords = lastWords;
    this.stateDirectory = stateDirectory;
    this.results = results;
    this.#coordinator = coordinator;
    this.#port = Number(address.split(':').at(-1));
    this.client = new MetatrainClient({ address });
  }

  static async start(workers: number): Promise<ChaosCluster> {
    const results: LoggedResult[] = [];
    const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-chaos-'));
    const lastWords = new LastWords();
    const coordinator = startCoordinator(0, stateDirectory, results, lastWords);
    const { address } = (await coordinator.ready) as { address: string };
    const cluster = new ChaosCluster(coordinator, address, stateDirectory, results, lastWords);
    for (let i = 1; i <= workers; i += 1) {
      const workerId = `worker-${i}`;
      const proxy = await TcpProxy.listen(cluster.#port);
      const worker = { workerId, proxy, process: startWorker(workerId, proxy.address, lastWords), isEnding: false };
      cluster.workers.push(worker);
      cluster.#watch(worker);
    }
    await Promise.all(cluster.workers.map(({ process }) => process.ready));
    return cluster;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** SIGKILL, then whatever is done to its disk, then a new start. */
  async killCoordinator(betweenLives: () => void = () => undefined): Promise<void> {
    this.#coordinator.kill();
    await this.#coordinator.exited;
    betweenLives();
    await this.#restartCoordinator();
  }

  async stopCoordinator(): Promise<void> {
    await this.#coordinator.stop(30_000);
    await this.#restartCoordinator();
  }

  async #restartCoordinator(): Promise<void> {
    this.#coordinator = startCoordinator(this.#port, this.stateDirectory, this.results, this.lastWords);
    await this.#coordinator.ready;
    this.client.close();
    this.client = new MetatrainClient({ address: this.address });
  }

  /** Frozen, as by a long garbage collection or a suspended virtual machine. */
  freezeCoordinator(): () => void {
    return freeze(this.#coordinator);
  }

  freezeWorker(index: number): () => void {
    return freeze(this.workers[index]!.process);
  }

  async killWorker(index: number): Promise<void> {
    const worker = this.workers[index]!;
    worker.isEnding = true;
    worker.process.kill();
    await worker.process.exited;
    await this.#restartWorker(worker);
  }

  /** SIGTERM: it finishes what it holds and leaves; another comes in its place. @returns its exit code. */
  async drainWorker(index: number): Promise<number | null> {
    const worker = this.workers[index]!;
    worker.isEnding = true;
    await worker.process.stop(30_000);
    const { code } = await worker.process.exited;
    await this.#restartWorker(worker);
    return code;
  }

  async #restartWorker(worker: ChaosWorker): Promise<void> {
    worker.process = startWorker(worker.workerId, worker.proxy.address, this.lastWords);
    worker.isEnding = false;
    this.#watch(worker);
    await worker.process.ready;
  }

  #watch(worker: ChaosWorker): void {
    const { process } = worker;
    void process.exited.then((exit) => {
      if (!worker.isEnding && !this.#isClosed) this.surprises.push(process.describe(exit));
    });
  }

  /** Cuts the job's newest checkpoint in half, where an older one can serve. */
  tearNewestCheckpoint(jobId: string): boolean {
    const directory = join(this.stateDirectory, 'checkpoints', jobId);
    const files = readdirSync(directory)
      .filter((name) => name.endsWith('.safetensors'))
      .sort();
    const newest = files.at(-1);
    if (!newest || files.length < 2) return false;
    const file = join(directory, newest);
    truncateSync(file, Math.floor(statSync(file).size / 2));
    return true;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.client.close();
    for (const { process, proxy } of this.workers) {
      process.kill();
      await process.exited;
      proxy.close();
    }
    this.#coordinator.kill();
    await this.#coordinator.exited;
    rmSync(this.stateDirectory, { recursive: true, force: true });
  }
}

function startCoordinator(
  port: number,
  stateDirectory: string,
  results: LoggedResult[],
  lastWords: LastWords,
): ManagedProcess {
  return new ManagedProcess({
    title: 'the coordinator',
    file: programOf('coordinator'),
    flags: [
      ...['--listen', `127.0.0.1:${port}`, '--state-dir', stateDirectory],
      ...['--log-level', 'debug', '--exit-with-parent'],
    ],
    environment: process.env,
    onLog: (line) => {
      if (!line.includes('"computeMs"')) {
        lastWords.add('coordinator', line);
        return;
      }
      const { work, metaStep, shard, computeMs } = JSON.parse(line) as Record<string, string | number>;
      results.push({ key: `${work}/${metaStep}/${shard}`, computeMs: Number(computeMs) });
    },
  });
}

function startWorker(workerId: string, coordinator: string, lastWords: LastWords): ManagedProcess {
  return new ManagedProcess({
    title: workerId,
    file: programOf('worker'),
    flags: [
      ...['--coordinator', coordinator, '--worker-id', workerId, '--slots', '1', '--drain-seconds', '10'],
      ...['--log-level', 'info', '--exit-with-parent'],
    ],
    environment: process.env,
    onLog: (line) => lastWords.add(workerId, line),
  });
}

function freeze({ pid }: ManagedProcess): () => void {
  if (pid === undefined) throw new Error('the process does not run');
  process.kill(pid, 'SIGSTOP');
  return () => process.kill(pid, 'SIGCONT');
}
