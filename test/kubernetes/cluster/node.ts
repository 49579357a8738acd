// This machine as the one node of the cluster: containerd, kubelet, kube-proxy and CoreDNS in
// namespaces of their own for processes, mounts and networks. When the first process of those
// namespaces ends, the kernel ends and removes everything in them. Only control groups are left to
// remove by hand. Root, Linux.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { delay } from '../../../shared/clock.ts';
import type { Cache } from './cache.ts';
import { groupsNamed, makeGroups, removeGroups } from './control-groups.ts';
import { kubeconfigOf } from './control-plane.ts';
import type { Network } from './network.ts';
import { dnsService, nodeName, writeConfigurations } from './node-configuration.ts';
import { writeImageArchive } from './oci-archive.ts';
import { type Processes, runProgram } from './processes.ts';
import { kubectlOf } from './programs.ts';
import { type Runtime, unpackRuntime } from './runtime.ts';

export interface NodeOptions {
  /** Names the network interface and the control group: at most 8 letters and digits. */
  readonly cluster: string;
  readonly folder: string;
  readonly network: Network;
  /** URL of the API server. */
  readonly server: string;
}

const patienceMs = 90_000;

const wireOf = (cluster: string) => `mt-${cluster}`;
const groupOf = (cluster: string) => `metatrain-${cluster}`;

/** Opens the node's namespaces and the wire to them. The API server can listen on its machine's end afterwards. */
export async function openNode(processes: Processes, { cluster, folder, network }: NodeOptions): Promise<void> {
  const wire = wireOf(cluster);
  mkdirSync(join(folder, 'node'), { recursive: true });
  const namespaces = ['--mount', '--pid', '--net', '--fork', '--kill-child', '--mount-proc'];
  const outer = processes.start('node', {
    program: 'unshare',
    args: [...namespaces, 'sh', '-ec', firstProcess, 'sh', join(folder, 'node', 'open')],
  });
  await until('the namespaces', () => existsSync(join(folder, 'node', 'open')), processes, 'node');
  const inner = childOf(outer);
  writeFileSync(join(folder, 'node', 'first-process'), String(inner));
  const ip = (...args: string[]) => runProgram('ip', args);
  const inside = (...args: string[]) => runProgram('nsenter', [`--net=/proc/${inner}/ns/net`, ...args]);
  ip('link', 'add', wire, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(inner));
  ip('address', 'add', `${network.machine}/30`, 'dev', wire);
  ip('link', 'set', wire, 'up');
  inside('ip', 'link', 'set', 'lo', 'up');
  inside('ip', 'address', 'add', `${network.node}/30`, 'dev', 'eth0');
  inside('ip', 'link', 'set', 'eth0', 'up');
  inside('ip', 'route', 'add', 'default', 'via', network.machine);
  inside('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward');
  // The machine reaches pods and Services through the node.
  for (const range of [network.services, network.pods]) ip('route', 'add', range, 'via', network.node, 'dev', wire);
}

/**
 * Says that it is ready, and waits for ever. What the programs write outside of the cluster's folder
 * goes into memory: /run and a layer above /var and /etc.
 */
const firstProcess = `
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
for folder in var etc; do
  mkdir -p /run/layers/$folder /run/layers/$folder-work
  mount -t overlay overlay -o lowerdir=/$folder,upperdir=/run/layers/$folder,workdir=/run/layers/$folder-work /$folder
done
touch "$1"
exec sleep infinity
`;

/** Starts the node's programs in the open namespaces and waits until the node is ready. */
export async function startNode(
  cache: Cache,
  processes: Processes,
  options: NodeOptions,
  log: (line: string) => void,
): Promise<void> {
  const { cluster, folder, network } = options;
  const runtime = unpackRuntime(cache, log);
  const at = (name: string) => join(folder, 'node', name);
  const enter = (program: string, args: readonly string[]) => ({
    program: 'nsenter',
    args: ['--target', readFileSync(at('first-process'), 'utf8'), '--mount', '--pid', '--net', '--', program, ...args],
    environment: runtime.environment,
  });
  makeGroups(groupOf(cluster));
  const socket = socketOf(folder);
  writeConfigurations(runtime, {
    folder,
    network,
    server: options.server,
    socket,
    group: groupOf(cluster),
    pauseImage,
  });
  processes.start('containerd', enter(runtime.containerd, ['--config', at('containerd.toml')]));
  await until('containerd', () => answers(runtime, folder), processes, 'containerd');
  const pause = at('pause.tar');
  mkdirSync(at('pause'), { recursive: true });
  runProgram('cp', [join(cache.bin, 'pause'), at('pause')]);
  writeImageArchive(pause, at('.'), { name: pauseImage, root: at('pause'), entrypoint: ['/pause'] });
  importImage(cache, folder, pause);
  const kubelet = ['--config', at('kubelet.yaml'), '--kubeconfig', kubeconfigOf(folder), '--root-dir', at('kubelet')];
  const identity = ['--hostname-override', nodeName, '--node-ip', network.node];
  processes.start('kubelet', enter(join(cache.bin, 'kubelet'), [...kubelet, ...identity]));
  processes.start('kube-proxy', enter(join(cache.bin, 'kube-proxy'), ['--config', at('kube-proxy.yaml')]));
  processes.start('coredns', enter(join(cache.bin, 'coredns'), ['-conf', at('Corefile')]));
  const kubectl = (args: string[], input?: string) =>
    runProgram(kubectlOf(cache), ['--kubeconfig', kubeconfigOf(folder), ...args], input === undefined ? {} : { input });
  kubectl(['apply', '-f', '-'], dnsService(network));
  await until('the node', () => isPresent(kubectl, `node/${nodeName}`), processes, 'kubelet');
  kubectl(['wait', '--for=condition=Ready', `node/${nodeName}`, '--timeout=60s']);
}

/** Makes the archive's images available to pods, under the names that the archive gives them. */
export const importImage = (cache: Cache, folder: string, archive: string): void =>
  ctr(cache, folder, 'import', archive);

/** Gives an image that is there another name as well. */
export const tagImage = (cache: Cache, folder: string, name: string, other: string): void =>
  ctr(cache, folder, 'tag', '--force', name, other);

function ctr(cache: Cache, folder: string, ...args: readonly string[]): void {
  const runtime = unpackRuntime(cache, () => {});
  const at = ['--address', socketOf(folder), '--namespace', 'k8s.io', 'images'];
  runProgram(runtime.ctr, [...at, ...args], { environment: runtime.environment });
}

/** Removes what the kernel does not: the control groups, and the wire if its other end still lives. */
export async function removeRest(cluster: string): Promise<void> {
  await removeGroups(groupOf(cluster));
  if (existsSync(`/sys/class/net/${wireOf(cluster)}`)) runProgram('ip', ['link', 'delete', wireOf(cluster)]);
}

/** Control groups of this cluster that exist, for the check that nothing is left. */
export const groupsLeft = (cluster: string): string[] => groupsNamed(groupOf(cluster));

export const wireLeft = (cluster: string): string[] =>
  existsSync(`/sys/class/net/${wireOf(cluster)}`) ? [wireOf(cluster)] : [];

const pauseImage = 'localhost/pause:1';
const socketOf = (folder: string) => join(folder, 'node', 'containerd.sock');

function answers(runtime: Runtime, folder: string): boolean {
  try {
    runProgram(runtime.ctr, ['--address', socketOf(folder), 'version'], { environment: runtime.environment });
    return true;
  } catch {
    return false;
  }
}

function isPresent(kubectl: (args: string[]) => string, object: string): boolean {
  return kubectl(['get', object, '--ignore-not-found', '--output=name']) !== '';
}

async function until(what: string, isTrue: () => boolean, processes: Processes, name: string): Promise<void> {
  const givenUpAt = performance.now() + patienceMs;
  while (!isTrue()) {
    if (processes.pidOf(name) === undefined) throw new Error(`${what}: ${name} ended:\n${processes.tailOf(name)}`);
    if (performance.now() > givenUpAt) throw new Error(`${what} is not ready:\n${processes.tailOf(name)}`);
    await delay(100);
  }
}

function childOf(parent: number): number {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (Number(fields[1]) === parent) return Number(name);
    } catch {
      // It ended meanwhile.
    }
  }
  throw new Error(`process ${parent} has no child`);
}
