// What a cluster could leave on a machine, listed before the start and after the end.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Folders that container runtimes and kubelets usually write to. Ours must not. */
const usualFolders = [
  '/etc/cni',
  '/opt/cni',
  '/run/containerd',
  '/run/netns',
  '/usr/libexec/kubernetes',
  '/var/lib/cni',
  '/var/lib/containerd',
  '/var/lib/kubelet',
  '/var/log/containers',
  '/var/log/pods',
];

/**
 * One line for each thing that exists: interfaces, routes, control groups, mounts, usual folders. Leaves
 * out what is named after another cluster of ours, which may come and go meanwhile.
 */
export function traceOfClusters(cluster: string): Set<string> {
  const lines = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []);
  const found = new Set<string>();
  for (const name of readdirSync('/sys/class/net')) found.add(`network interface ${name}`);
  for (const route of lines('/proc/net/route').slice(1)) found.add(`route ${route.split('\t').slice(0, 3).join(' ')}`);
  for (const table of lines('/proc/net/ip_tables_names')) found.add(`iptables table ${table}`);
  for (const group of controlGroups()) found.add(`control group ${group}`);
  for (const mount of lines('/proc/mounts')) {
    const path = mount.split(' ')[1]!;
    if (/metatrain|kubelet|containerd|netns|\/pods\//.test(path)) found.add(`mount ${path}`);
  }
  for (const folder of usualFolders) if (existsSync(folder)) found.add(`folder ${folder}`);
  found.add(`ip_forward ${lines('/proc/sys/net/ipv4/ip_forward').join('')}`);
  const others = new RegExp(`\\b(?:mt-|metatrain-kubernetes-|metatrain-(?!kubernetes-))(?!${cluster}(?:[\\s/]|$))`);
  return new Set([...found].filter((line) => !others.test(line)));
}

/** Two levels are enough: kubelets begin a tree of their own near the top. */
function controlGroups(): string[] {
  const root = '/sys/fs/cgroup';
  const below = (folder: string): string[] =>
    existsSync(folder)
      ? readdirSync(folder, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map((entry) => join(folder, entry.name))
      : [];
  return below(root)
    .flatMap((folder) => [folder, ...below(folder)])
    .filter((folder) => /metatrain|kubepods|k8s|containerd/.test(folder));
}
