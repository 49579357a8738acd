// A cluster of processes for tests that kill them: a coordinator, and workers that join one by one.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Job, type JobEvent, MetatrainClient } from '../../client/index.ts';
import { metatrain } from './command.ts';
import { type Exposition, scrape } from './exposition.ts';
import { TestProcess } from './processes.ts';

/** The next event that is wanted. */
export async function until(
  events: AsyncGenerator<JobEvent, void>,
  isWanted: (event: JobEvent) => boolean,
): Promise<JobEvent> {
  for (;;) {
    const { value } = await events.next();
    if (!value) throw new Error('the job ended first');
    if (isWanted(value)) return value;
  }
}

export interface ProcessClusterOptions {
  /** The job file and its `--set` flags. */
  readonly job: readonly string[];
  /** Modules of parts that every process loads. Default: none. */
  readonly plugins?: readonly string[];
}

/** A coordinator and workers as processes of their own, so that each can be killed. */
export class ProcessCluster {
  readonly #t: TestContext;
  readonly #options: ProcessClusterOptions;
  readonly #stateDirectory: string;
  #coordinator: TestProcess | undefined;
  #address = '127.0.0.1:0';
  #client: MetatrainClient | undefined;
  /** Addresses by worker. */
  readonly #metricsOf = new Map<string, string>();

  private constructor(t: TestContext, options: ProcessClusterOptions) {
    this.#t = t;
    this.#options = options;
    this.#stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-e2e-'));
    // After the processes: hooks run in the order of their making, and the last coordinator's is
    // made later.
    t.after(async () => {
      this.#client?.close();
      await this.#coordinator?.kill('SIGKILL');
      rmSync(this.#stateDirectory, { recursive: true });
    });
  }

  static async start(t: TestContext, options: ProcessClusterOptions): Promise<ProcessCluster> {
    const cluster = new ProcessCluster(t, options);
    await cluster.startCoordinator();
    return cluster;
  }

  /** Another cluster, with a copy of this one's jobs and secret. Kills this one's coordinator. */
  async copy(): Promise<ProcessCluster> {
    await this.killCoordinator();
    const copy = new ProcessCluster(this.#t, this.#options);
    cpSync(this.#stateDirectory, copy.#stateDirectory, { recursive: true });
    await copy.startCoordinator();
    return copy;
  }

  get address(): string {
    return this.#address;
  }

  get #pluginFlags(): string[] {
    return (this.#options.plugins ?? []).flatMap((file) => ['--plugin', file]);
  }

  /** On the port and the state directory of the one before. */
  async startCoordinator(): Promise<void> {
    const flags = [
      '--listen',
      this.#address,
      '--state-dir',
      this.#stateDirectory,
      '--log-level',
      'warn',
      ...this.#pluginFlags,
    ];
    this.#coordinator = new TestProcess(this.#t, 'coordinator/main.js', flags);
    const { address } = await this.#coordinator.ready<{ address: string }>();
    this.#address = address;
  }

  async killCoordinator(): Promise<void> {
    await this.#coordinator?.kill('SIGKILL');
  }

  /** @param more flags of the worker, such as `--http 127.0.0.1:0` for its metrics. */
  async startWorker(workerId: string, more: readonly string[] = []): Promise<TestProcess> {
    const flags = [
      '--coordinator',
      this.#address,
      '--slots',
      '1',
      '--worker-id',
      workerId,
      '--log-level',
      'warn',
      ...this.#pluginFlags,
      ...more,
    ];
    const worker = new TestProcess(this.#t, 'worker/main.js', flags);
    const { http } = await worker.ready<{ http?: string }>();
    if (http !== undefined) this.#metricsOf.set(workerId, http);
    return worker;
  }

  async metricsOf(workerId: string): Promise<Exposition> {
    return scrape(this.#metricsOf.get(workerId)!);
  }

  /** @param more flags beside those of the cluster's job. */
  async submit(
    more: readonly string[] = [],
  ): Promise<{ readonly jobId: string; readonly events: AsyncGenerator<JobEvent, void> }> {
    const submitted = await metatrain(this.#t, [
      'submit',
      ...this.#options.job,
      ...more,
      ...this.#pluginFlags,
      '--coordinator',
      this.#address,
    ]);
    assert.equal(submitted.code, 0, submitted.stderr);
    const [jobId = ''] = submitted.stdout;
    return { jobId, events: this.watch(jobId) };
  }

  watch(jobId: string): AsyncGenerator<JobEvent, void> {
    this.#client ??= new MetatrainClient({ address: this.#address });
    return this.#client.watchJob(jobId);
  }

  async workerIds(): Promise<string[]> {
    const workers = await this.#client!.listWorkers();
    return workers.map(({ workerId }) => workerId).sort();
  }

  /** Follows the job to its end. */
  async ended(jobId: string, events: AsyncGenerator<JobEvent, void>): Promise<Job> {
    for await (const _ of events);
    return this.#client!.getJob(jobId);
  }
}
