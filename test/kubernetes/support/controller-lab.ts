// A namespace of the real API server, a controller outside of it with the Role that it gets inside, a
// coordinator with null workers, and a network between controller and API server that can be broken.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { kubeconfigAccess } from '../../../deploy/controller/kube/access.ts';
import { ApiClient } from '../../../deploy/controller/kube/api-client.ts';
import { Reflector } from '../../../deploy/controller/kube/reflector.ts';
import { permissions } from '../../../deploy/controller/permissions.ts';
import {
  group,
  type MetaTrainJob,
  type MetaTrainJobSpec,
  type MetaTrainJobStatus,
  plural,
  resourcesPath,
} from '../../../deploy/controller/resource.ts';
import { customResourceDefinition } from '../../../deploy/kubernetes/source/crd/index.ts';
import { realClock } from '../../../shared/clock.ts';
import { silentLogger } from '../../../shared/log.ts';
import { randomFraction } from '../../../shared/rng.ts';
import { TcpProxy } from '../../chaos/tcp-proxy.ts';
import { type SpecOptions, specText, TestCluster } from '../../integration/coordinator/cluster.ts';
import { TestProcess } from '../../support/processes.ts';
import { untilServed } from '../cluster/foreign-definitions.ts';
import { kubectl, kubectlJson } from './kubectl.ts';
import { namespace } from './namespace.ts';

const account = 'metatrain-controller';
/** Of the API server's certificate. */
const serverName = 'kubernetes.default.svc';

export class ControllerLab {
  readonly namespace: string;
  readonly cluster: TestCluster;
  readonly proxy: TcpProxy;
  readonly #t: TestContext;
  readonly #controllers: TestProcess[];
  readonly #directory: string;
  readonly #address: string;
  readonly #seen = new Map<string, MetaTrainJob>();
  readonly #readers = new Set<() => void>();

  private constructor(t: TestContext, name: string, cluster: TestCluster, proxy: TcpProxy, controllers: TestProcess[]) {
    this.#t = t;
    this.#controllers = controllers;
    this.namespace = name;
    this.cluster = cluster;
    this.proxy = proxy;
    this.#address = cluster.address;
    this.#directory = mkdtempSync(join(tmpdir(), 'metatrain-controller-'));
    t.after(() => rmSync(this.#directory, { recursive: true }));
    t.after(() => proxy.close());
  }

  static async start(t: TestContext): Promise<ControllerLab> {
    // Before the namespace goes, and with it what they may do.
    const controllers: TestProcess[] = [];
    t.after(() => Promise.all(controllers.map((controller) => controller.kill('SIGKILL'))));
    await defineResource();
    const name = await namespace(t, 'controller');
    const cluster = await TestCluster.start(t);
    const admin = kubeconfigAccess(process.env.KUBECONFIG ?? '');
    const proxy = await TcpProxy.listen(Number(admin.server.port), admin.server.hostname);
    const lab = new ControllerLab(t, name, cluster, proxy, controllers);
    await lab.#allow();
    lab.#follow(admin);
    return lab;
  }

  /** The user name in the audit log. */
  get user(): string {
    return `system:serviceaccount:${this.namespace}:${account}`;
  }

  /** Resolves when it has started. */
  async controller(flags: readonly string[] = []): Promise<TestProcess> {
    const controller = new TestProcess(this.#t, 'deploy/controller/main.js', [
      ...['--kubeconfig', join(this.#directory, 'kubeconfig'), '--coordinator', this.#address],
      ...['--identity', 'pod-a', '--log-format', 'json', ...flags],
    ]);
    this.#controllers.push(controller);
    await controller.ready();
    return controller;
  }

  async apply(name: string, options: SpecOptions = {}, spec: Partial<MetaTrainJobSpec> = {}): Promise<string> {
    const job = specText({ name, ...options });
    const metadata = { name, namespace: this.namespace };
    const resource = { apiVersion: 'metatrain.dev/v1alpha1', kind: 'MetaTrainJob', metadata };
    await kubectl(['create', '--filename', '-'], {
      input: JSON.stringify({ ...resource, spec: { job: JSON.parse(job), ...spec } }),
    });
    return job;
  }

  async suspend(name: string, suspend: boolean): Promise<void> {
    const patch = JSON.stringify({ spec: { suspend } });
    await kubectl(['patch', 'metatrainjob', name, '--namespace', this.namespace, '--type=merge', '--patch', patch]);
  }

  async delete(name: string): Promise<void> {
    await kubectl(['delete', 'metatrainjob', name, '--namespace', this.namespace, '--wait=false']);
  }

  resource(name: string): MetaTrainJob | undefined {
    return this.#seen.get(`${this.namespace}/${name}`);
  }

  /** The status once it is as wanted. */
  async status(
    name: string,
    isWanted: (status: MetaTrainJobStatus) => boolean,
    patienceMs = 120_000,
  ): Promise<MetaTrainJobStatus> {
    await this.#until(name, () => isWanted(this.resource(name)?.status ?? {}), patienceMs);
    return this.resource(name)?.status ?? {};
  }

  gone(name: string, patienceMs = 120_000): Promise<void> {
    return this.#until(name, () => this.resource(name) === undefined, patienceMs);
  }

  /** Reasons of the Events of a resource, the oldest first. */
  async told(name: string): Promise<string[]> {
    const selector = `--field-selector=involvedObject.name=${name}`;
    const list = await kubectlJson<{
      readonly items: readonly { readonly reason: string; readonly eventTime: string }[];
    }>(['get', 'events', '--namespace', this.namespace, selector]);
    return [...list.items].sort((a, b) => (a.eventTime < b.eventTime ? -1 : 1)).map(({ reason }) => reason);
  }

  /** The ids of all jobs that the coordinator knows. */
  jobIds(): Promise<string[]> {
    return new Promise((resolve, reject) => {
      this.cluster.jobs.listJobs({ pageSize: 500 }, (error, page) => {
        if (error) reject(error);
        else resolve((page?.jobs ?? []).map(({ jobId }) => jobId));
      });
    });
  }

  #until(name: string, isWanted: () => boolean, patienceMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const read = () => {
        if (!isWanted()) return;
        this.#readers.delete(read);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#readers.delete(read);
        const shown = JSON.stringify(this.resource(name)?.status, null, 1);
        reject(new Error(`${name} was not as wanted within ${patienceMs} ms; its status is ${shown}`));
      }, patienceMs);
      this.#readers.add(read);
      read();
    });
  }

  /** Sees the resources as the administrator, past the proxy. */
  #follow(admin: ReturnType<typeof kubeconfigAccess>): void {
    const stop = new AbortController();
    const api = new ApiClient(admin, realClock, { userAgent: 'controller-test' });
    const onChange = (key: string, resource: MetaTrainJob | undefined) => {
      if (resource) this.#seen.set(key, resource);
      else this.#seen.delete(key);
      for (const read of [...this.#readers]) read();
    };
    const dependencies = { api, clock: realClock, log: silentLogger, randomFraction };
    const run = new Reflector({ path: resourcesPath(this.namespace), onChange }, dependencies).run(stop.signal);
    this.#t.after(async () => {
      stop.abort();
      await run;
      api.close();
    });
  }

  /** A service account with the controller's Role, and a kubeconfig with its token, through the proxy. */
  async #allow(): Promise<void> {
    const metadata = { name: account, namespace: this.namespace };
    const rbac = 'rbac.authorization.k8s.io';
    const objects = [
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
      { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules: permissions },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'RoleBinding',
        metadata,
        roleRef: { apiGroup: rbac, kind: 'Role', name: account },
        subjects: [{ kind: 'ServiceAccount', ...metadata }],
      },
    ];
    await kubectl(['apply', '--filename', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    });
    const token = await kubectl(['create', 'token', account, '--namespace', this.namespace, '--duration=3h']);
    const { clusters } = await kubectlJson<{ readonly clusters: readonly [{ readonly cluster: object }] }>([
      ...['config', 'view', '--raw', '--minify'],
    ]);
    const cluster = { ...clusters[0].cluster, server: `https://${this.proxy.address}`, 'tls-server-name': serverName };
    const config = {
      'current-context': 'lab',
      clusters: [{ name: 'lab', cluster }],
      users: [{ name: account, user: { token: token.trim() } }],
      contexts: [{ name: 'lab', context: { cluster: 'lab', user: account, namespace: this.namespace } }],
    };
    writeFileSync(join(this.#directory, 'kubeconfig'), JSON.stringify(config), { mode: 0o600 });
  }
}

/** Where nothing has defined the resource yet, or something else had. */
async function defineResource(): Promise<void> {
  const input = JSON.stringify(customResourceDefinition());
  await kubectl(['apply', '--filename', '-'], { input });
  await kubectl(['wait', untilServed, `crd/${plural}.${group}`]);
}

/** A user's requests to the API server, as `verb group/resource`, from the audit log. */
export function auditOf(user: string): Set<string> {
  const used = new Set<string>();
  for (const line of readFileSync(process.env.METATRAIN_KUBERNETES_AUDIT_LOG ?? '', 'utf8').split('\n')) {
    if (!line.includes(user)) continue;
    const { verb, objectRef, user: who, responseStatus } = JSON.parse(line) as AuditEvent;
    if (who?.username !== user || !objectRef?.resource) continue;
    const { apiGroup = '', resource, subresource } = objectRef;
    used.add(`${verb} ${apiGroup}/${subresource === undefined ? resource : `${resource}/${subresource}`}`);
    if (responseStatus?.code === 403) used.add(`FORBIDDEN ${verb} ${apiGroup}/${resource}`);
  }
  return used;
}

interface AuditEvent {
  readonly verb: string;
  readonly user?: { readonly username: string };
  readonly objectRef?: { readonly apiGroup?: string; readonly resource?: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code?: number };
}
