// A fake API server, a real coordinator with null workers, and controllers as processes of their own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { MetaTrainJobSpec, MetaTrainJobStatus } from '../../../deploy/controller/resource.ts';
import { type AuditLine, collectionOf, FakeApiServer, type Stored } from '../../support/fake-api-server.ts';
import { TestProcess } from '../../support/processes.ts';
import { type SpecOptions, specText, TestCluster } from '../coordinator/cluster.ts';

export const jobs = collectionOf('metatrain.dev', 'lab', 'metatrainjobs');
const events = collectionOf('events.k8s.io', 'lab', 'events');
export const leases = collectionOf('coordination.k8s.io', 'lab', 'leases');

/** The requests of all controllers of this test file to their API servers. */
export const auditOfAll: AuditLine[] = [];

export interface Told {
  readonly type: string;
  readonly reason: string;
  readonly note: string;
}

export class Lab {
  readonly api: FakeApiServer;
  readonly cluster: TestCluster;
  readonly #t: TestContext;
  readonly #directory: string;
  readonly #address: string;

  private constructor(t: TestContext, api: FakeApiServer, cluster: TestCluster) {
    this.#t = t;
    this.api = api;
    this.cluster = cluster;
    this.#address = cluster.address;
    this.#directory = mkdtempSync(join(tmpdir(), 'metatrain-controller-'));
    t.after(() => {
      auditOfAll.push(...api.audit);
      rmSync(this.#directory, { recursive: true });
    });
  }

  static async start(t: TestContext): Promise<Lab> {
    return new Lab(t, await FakeApiServer.start(t), await TestCluster.start(t));
  }

  /** On the port of the one before, with its state or with none. */
  async restartCoordinator(stateDirectory?: string): Promise<void> {
    const port = Number(this.#address.split(':').at(-1));
    await this.cluster.restart({ port, ...(stateDirectory !== undefined && { stateDirectory }) });
  }

  /** An empty folder that goes with the lab. */
  newDirectory(): string {
    return mkdtempSync(join(this.#directory, 'state-'));
  }

  /** Resolves when it has started. */
  async controller(identity = 'pod-a', flags: readonly string[] = [], apiPort = this.api.port): Promise<TestProcess> {
    const file = join(this.#directory, `kubeconfig-${apiPort}`);
    writeFileSync(file, this.api.kubeconfig(apiPort));
    const controller = new TestProcess(this.#t, 'deploy/controller/main.js', [
      '--kubeconfig',
      file,
      '--coordinator',
      this.#address,
      '--identity',
      identity,
      '--log-format',
      'json',
      ...flags,
    ]);
    await controller.ready();
    return controller;
  }

  apply(name: string, options: SpecOptions = {}, spec: Partial<MetaTrainJobSpec> = {}): Stored {
    const job = JSON.parse(specText({ name, ...options })) as Record<string, unknown>;
    return this.api.create(jobs, {
      apiVersion: 'metatrain.dev/v1alpha1',
      kind: 'MetaTrainJob',
      metadata: { name },
      spec: { job, ...spec },
    });
  }

  suspend(name: string, suspend: boolean): void {
    this.api.patch(jobs, name, { spec: { suspend } });
  }

  /** The status once it is as wanted. */
  async status(
    name: string,
    isWanted: (status: MetaTrainJobStatus) => boolean,
    patienceMs?: number,
  ): Promise<MetaTrainJobStatus> {
    const object = await this.api.until(
      jobs,
      name,
      (resource) => resource?.status !== undefined && isWanted(resource.status as MetaTrainJobStatus),
      patienceMs,
    );
    return object?.status as MetaTrainJobStatus;
  }

  gone(name: string, patienceMs?: number): Promise<unknown> {
    return this.api.until(jobs, name, (resource) => resource === undefined, patienceMs);
  }

  told(name: string): Told[] {
    return this.api
      .all(events)
      .filter((event) => (event as unknown as { regarding: { name: string } }).regarding.name === name)
      .map((event) => event as unknown as Told);
  }

  /** The ids of all jobs that the coordinator knows. */
  async jobIds(): Promise<string[]> {
    return new Promise((resolve, reject) => {
      this.cluster.jobs.listJobs({ pageSize: 500 }, (error, page) => {
        if (error) reject(error);
        else resolve((page?.jobs ?? []).map(({ jobId }) => jobId));
      });
    });
  }
}

export const hasState =
  (...states: readonly string[]) =>
  ({ state }: MetaTrainJobStatus): boolean =>
    states.includes(state ?? '');

/** `True`, `False`, `Unknown`, or empty where the condition is absent. */
export const conditionIn = ({ conditions = [] }: MetaTrainJobStatus, type: string): string =>
  conditions.find((condition) => condition.type === type)?.status ?? '';

export const reasonIn = ({ conditions = [] }: MetaTrainJobStatus, type: string): string =>
  conditions.find((condition) => condition.type === type)?.reason ?? '';
