// A coordinator and its workers on this machine, as child processes. Starts them, reports a worker
// that ends and restarts it once, fails when the coordinator or every worker is gone, and stops all
// of them at the end. No child outlives this process.

import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { delay } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { machineMemoryBytes, shareForCompute } from '../../shared/machine-memory.ts';
import { ManagedProcess } from './managed-process.ts';
import { programFile } from './programs.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface LocalClusterOptions {
  readonly workers: number;
  /** Compute threads of each. */
  readonly slots: number;
  readonly listen: string;
  /** Whether metrics, health and the console are served. */
  readonly hasHttp: boolean;
  /** Allows `listen` to be an address that other machines can reach. */
  readonly isInsecure?: boolean;
  /** Absent: a temporary directory, removed by `close`. */
  readonly stateDirectory?: string;
  /** Searched before METATRAIN_DATA_DIR and the cache. */
  readonly dataDirectories: readonly string[];
  /** Files, loaded instead of those of METATRAIN_PLUGIN. Default: none. */
  readonly plugins?: readonly string[];
  readonly logLevel: string;
  /**
   * Engine and device of the workers. Absent: from their environment, by default compiled on the
   * cpu.
   */
  readonly placement?: { readonly engine: string; readonly device: string };
}

export interface LocalClusterDependencies {
  /** Messages for the user, such as a worker that ended. */
  readonly note: (text: string) => void;
  /** The processes' environment. */
  readonly environment: Environment;
  /** Each line that a process logs. */
  readonly log: (title: string, line: string) => void;
  /** The processes' programs; replaced in tests. */
  readonly programs?: { readonly coordinator: string; readonly worker: string };
}

/** Pause before a worker is started again. */
const restartAfterMs = 1_000;
const maxRestarts = 1;
const stopWithinMs = 10_000;

interface LocalWorker {
  process: ManagedProcess;
  workerId: string;
  restarts: number;
}

export class LocalCluster {
  /** HOST:PORT of the coordinator. */
  readonly address: string;
  /** HOST:PORT of its metrics and console; undefined where they are not served. */
  readonly http: string | undefined;
  /** Rejects when the cluster can no longer work; never resolves. */
  readonly failed: Promise<never>;
  readonly #options: LocalClusterOptions;
  readonly #dependencies: LocalClusterDependencies;
  readonly #coordinator: ManagedProcess;
  readonly #removeState: () => Promise<void>;
  readonly #workers: LocalWorker[] = [];
  readonly #closing = new AbortController();
  #alive = 0;
  #fail: (error: MetatrainError) => void = () => {};
  #closed: Promise<void> | undefined;

  private constructor(
    options: LocalClusterOptions,
    dependencies: LocalClusterDependencies,
    coordinator: ManagedProcess,
    { address, http }: Readonly<Record<string, unknown>>,
    removeState: () => Promise<void>,
  ) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#coordinator = coordinator;
    this.#removeState = removeState;
    this.address = String(address);
    this.http = http === undefined ? undefined : String(http);
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
    void coordinator.exited.then((exit) => {
      if (!this.#isClosing) this.#fail(new MetatrainError('SHUTTING_DOWN', coordinator.describe(exit)));
    });
  }

  /**
   * Resolves once the coordinator listens and every worker has joined it.
   *
   * @throws MetatrainError with what a process said, when one does not start; nothing is left running then. The signal's reason, when aborted.
   */
  static async start(
    options: LocalClusterOptions,
    dependencies: LocalClusterDependencies,
    signal?: AbortSignal,
  ): Promise<LocalCluster> {
    signal?.throwIfAborted();
    const program = dependencies.programs?.coordinator ?? programFile('coordinator');
    dependencies.note(`starting a coordinator and ${describeWorkers(options)} on this machine`);
    const state = await openStateDirectory(options.stateDirectory);
    const coordinator = new ManagedProcess({
      title: 'the coordinator',
      file: program,
      flags: [
        ...['--listen', options.listen, '--state-dir', state.directory],
        ...['--log-level', options.logLevel, '--log-format', 'json', '--exit-with-parent'],
        ...(options.hasHttp ? [] : ['--http', 'off']),
        ...(options.isInsecure ? ['--insecure'] : []),
        ...pluginFlags(options),
      ],
      environment: localEnvironment(dependencies.environment),
      onLog: (line) => dependencies.log('coordinator', line),
    });
    const abort = () => coordinator.kill();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const addresses = await coordinator.ready;
      signal?.throwIfAborted();
      const cluster = new LocalCluster(options, dependencies, coordinator, addresses, state.remove);
      await cluster.#startWorkers(signal);
      return cluster;
    } catch (error) {
      coordinator.kill();
      await coordinator.exited;
      await state.remove();
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  get workerIds(): readonly string[] {
    return this.#workers.map(({ workerId }) => workerId);
  }

  /** Stops the workers, then the coordinator; kills what does not stop in time. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#stopAll();
    return this.#closed;
  }

  /** Kills everything at once, for a second Ctrl-C. */
  kill(): void {
    this.#closing.abort();
    for (const { process } of this.#workers) process.kill();
    this.#coordinator.kill();
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  async #startWorkers(signal: AbortSignal | undefined): Promise<void> {
    const count = this.#options.workers;
    for (let number = 1; number <= count; number++) {
      this.#workers.push({ process: this.#startWorker(number), workerId: '', restarts: 0 });
    }
    const abort = () => this.kill();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([Promise.all(this.#workers.map((worker) => this.#join(worker))), this.failed]);
    } catch (error) {
      this.kill();
      await Promise.all(this.#workers.map(({ process }) => process.exited));
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    this.#alive = count;
    for (const [index, worker] of this.#workers.entries()) this.#watch(worker, index + 1);
  }

  #startWorker(number: number): ManagedProcess {
    const { dataDirectories, logLevel, placement } = this.#options;
    return new ManagedProcess({
      title: `worker ${number}`,
      file: this.#dependencies.programs?.worker ?? programFile('worker'),
      flags: [
        ...['--coordinator', this.address, '--slots', String(this.#options.slots), '--memory', this.#memoryOfOne()],
        ...dataDirectories.flatMap((directory) => ['--data-dir', directory]),
        ...pluginFlags(this.#options),
        ...(placement ? ['--engine', placement.engine, '--device', placement.device] : []),
        ...['--log-level', logLevel, '--log-format', 'json', '--exit-with-parent'],
        // METATRAIN_HTTP is for the coordinator here: only one of several workers could listen
        // there.
        ...['--http', 'off'],
      ],
      // With one id for several workers, each would fence off the previous one.
      environment: { ...localEnvironment(this.#dependencies.environment), METATRAIN_WORKER_ID: undefined },
      onLog: (line) => this.#dependencies.log(`worker ${number}`, line),
    });
  }

  /**
   * The memory of one worker: without a limit, each worker would use the whole machine's memory.
   */
  #memoryOfOne(): string {
    const { environment } = this.#dependencies;
    if (environment.METATRAIN_MEMORY) return environment.METATRAIN_MEMORY;
    const mebibytes = Math.floor((machineMemoryBytes() * shareForCompute) / this.#options.workers / 2 ** 20);
    return `${Math.max(1, mebibytes)}MiB`;
  }

  async #join(worker: LocalWorker): Promise<void> {
    const { workerId } = await worker.process.ready;
    worker.workerId = String(workerId);
  }

  /** Follows one worker until the cluster closes or the worker is gone for good. */
  async #watch(worker: LocalWorker, number: number): Promise<void> {
    for (;;) {
      const exit = await worker.process.exited;
      if (this.#isClosing) return;
      const { note } = this.#dependencies;
      const what = worker.process.describe(exit);
      if (worker.restarts === maxRestarts) {
        note(`${what}; it is not started again`);
        this.#alive -= 1;
        if (this.#alive === 0) this.#fail(new MetatrainError('NOT_READY', `no worker is left: ${what}`));
        return;
      }
      const others = this.#alive > 1 ? 'other workers compute its shards, and ' : '';
      note(`${what}; ${others}it is started again`);
      worker.restarts += 1;
      await delay(restartAfterMs, this.#closing.signal).catch(() => {});
      if (this.#isClosing) return;
      worker.process = this.#startWorker(number);
      // The next turn of the loop handles its end, also before it is ready.
      await this.#join(worker).then(
        () => note(`worker ${number} is back`),
        () => worker.process.kill(),
      );
    }
  }

  async #stopAll(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#workers.map(({ process }) => process.stop(stopWithinMs)));
    await this.#coordinator.stop(stopWithinMs);
    await this.#removeState();
  }
}

/** Such as `a worker of 2 threads`. */
export const describeWorkers = ({ workers, slots }: Pick<LocalClusterOptions, 'workers' | 'slots'>): string =>
  `${workers === 1 ? 'a worker' : `${workers} workers`} of ${slots === 1 ? 'one thread' : `${slots} threads`}${workers === 1 ? '' : ' each'}`;

const pluginFlags = ({ plugins = [] }: LocalClusterOptions): string[] => plugins.flatMap((file) => ['--plugin', file]);

/**
 * The environment without the variables for another cluster: on loopback there is no TLS and no
 * token.
 */
function localEnvironment(environment: Environment): Environment {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^METATRAIN_(TLS_.*|TOKENS?|TOKEN_FILE)$/.test(name)),
  );
}

async function openStateDirectory(
  wanted: string | undefined,
): Promise<{ readonly directory: string; readonly remove: () => Promise<void> }> {
  if (wanted !== undefined) return { directory: wanted, remove: async () => {} };
  const directory = await mkdtemp(join(tmpdir(), 'metatrain-'));
  const removeAtExit = () => rmSync(directory, { recursive: true, force: true });
  process.on('exit', removeAtExit);
  return {
    directory,
    remove: async () => {
      await rm(directory, { recursive: true, force: true });
      process.off('exit', removeAtExit);
    },
  };
}
