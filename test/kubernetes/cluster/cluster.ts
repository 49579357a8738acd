// A whole cluster on this machine: started, stopped, and checked to have left nothing. Several can
// run side by side when their names, folders, ports and networks differ.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cache } from './cache.ts';
import { kubeconfigOf, startApiServer, startControlPlane, untilReady } from './control-plane.ts';
import { networkOf } from './network.ts';
import { groupsLeft, importImage, openNode, removeRest, startNode, tagImage, wireLeft } from './node.ts';
import { Processes } from './processes.ts';

export interface ClusterOptions {
  /** At most 8 lower-case letters and digits; names its network interface and its control group. */
  readonly name: string;
  /** Emptied at the start. */
  readonly folder: string;
  /** Of the API server on loopback or on the wire; etcd takes the next two. */
  readonly port: number;
  /** N of its addresses 10.N.0.0/16. */
  readonly network: number;
  /** Whether this machine becomes a node that runs pods; it takes root. */
  readonly hasNode: boolean;
  /** Whether the kernel ends the cluster when this process ends, however it ends. */
  readonly isTied: boolean;
}

const endPatienceMs = 2_000;

export class Cluster {
  readonly #cache: Cache;
  readonly #options: ClusterOptions;
  readonly #processes: Processes;

  constructor(cache: Cache, options: ClusterOptions) {
    this.#cache = cache;
    this.#options = options;
    this.#processes = new Processes(options.folder, options.isTied);
  }

  get kubeconfig(): string {
    return kubeconfigOf(this.#options.folder);
  }

  get auditLog(): string {
    return join(this.#options.folder, 'audit.log');
  }

  /** Stops what an earlier cluster of this folder left, and starts this one. */
  async up(log: (line: string) => void): Promise<void> {
    const { name, folder, hasNode } = this.#options;
    const startedAt = performance.now();
    await this.down();
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'cluster.json'), JSON.stringify(this.#options));
    if (hasNode)
      await openNode(this.#processes, { cluster: name, folder, network: this.#network, server: this.#server });
    await startControlPlane(this.#cache, this.#processes, this.#controlPlane);
    if (hasNode) {
      const options = { cluster: name, folder, network: this.#network, server: this.#server };
      await startNode(this.#cache, this.#processes, options, log);
    }
    log(`cluster ${name} up in ${Math.round((performance.now() - startedAt) / 1000)} s at ${this.#server}`);
  }

  /** Ends everything, pods too, without a farewell, and empties the folder. Does nothing for a cluster that is not there. */
  async down(): Promise<void> {
    const { name, folder } = this.#options;
    const processes = this.#processes;
    if (existsSync(folder)) {
      const first = ['kubelet', 'kube-proxy', 'coredns', 'node', 'kube-scheduler', 'kube-controller-manager'];
      const last = ['kube-apiserver', 'etcd'];
      const others = processes.names.filter((process) => !first.includes(process) && !last.includes(process));
      // A tidy end of the last two would wait for open watches; nobody reads their data again.
      for (const process of [...first, ...others, ...last]) await processes.stop(process, endPatienceMs);
    }
    await removeRest(name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  }

  /** The API server again, on the same data. */
  async restartApiServer(): Promise<void> {
    await this.#processes.stop('kube-apiserver', 30_000);
    startApiServer(this.#cache, this.#processes, this.#controlPlane);
    await untilReady(this.#cache, this.#processes, this.#options.folder);
  }

  /** Processes of the cluster that have ended, though nobody stopped them. */
  ended(): string[] {
    return this.#processes.names.filter((name) => this.#processes.pidOf(name) === undefined);
  }

  /** Makes the images of an archive available to pods. */
  importImage(archive: string): void {
    importImage(this.#cache, this.#options.folder, archive);
  }

  /** Gives an image that is there another name as well. */
  tagImage(name: string, other: string): void {
    tagImage(this.#cache, this.#options.folder, name, other);
  }

  /** What of this cluster still exists; nothing after `down`. */
  left(): string[] {
    const { name, folder } = this.#options;
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(`${folder}/`))
      .map((line) => `mount ${line.split(' ')[1]}`);
    const processes = processesNaming(folder).map((words) => `process ${words}`);
    const groups = groupsLeft(name).map((group) => `control group ${group}`);
    return [...processes, ...mounts, ...groups, ...wireLeft(name).map((wire) => `network interface ${wire}`)];
  }

  get #network() {
    return networkOf(this.#options.network);
  }

  get #address(): string {
    return this.#options.hasNode ? this.#network.machine : '127.0.0.1';
  }

  get #server(): string {
    return `https://${this.#address}:${this.#options.port}`;
  }

  get #controlPlane() {
    return {
      folder: this.#options.folder,
      address: this.#address,
      port: this.#options.port,
      serviceRange: this.#network.services,
      serviceAddress: this.#network.serviceOfServer,
    };
  }
}

/**
 * The cluster that was started in this folder, to stop it or to add to it. What it starts outlives
 * this process: a test that restarts the API server leaves it to the tests that follow.
 */
export function reopenCluster(cache: Cache, folder: string): Cluster {
  const options = JSON.parse(readFileSync(join(folder, 'cluster.json'), 'utf8')) as ClusterOptions;
  return new Cluster(cache, { ...options, isTied: false });
}

/** Command lines that name the folder, of other processes than this one. */
function processesNaming(folder: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (words.includes(`${folder}/`)) found.push(`${pid} ${words.slice(0, 120)}`);
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}
