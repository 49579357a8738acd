// Where the cluster's programs lie: one folder outside the repository, shared by all runs. Whatever
// is in it can be built again.
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export interface Cache {
  readonly root: string;
  /** etcd, kube-*, kubelet, coredns, helm3, helm4, kwok, pause. */
  readonly bin: string;
  /** One Go module for each program, to build it from. */
  readonly build: string;
  /** containerd, runc, nftables and the CNI plugins, unpacked from Debian's packages. */
  readonly runtime: string;
  /** Archives of container images. */
  readonly images: string;
}

/** METATRAIN_KUBERNETES_CACHE, else ~/.cache/metatrain-kubernetes. Makes the folders. */
export function openCache(environment: NodeJS.ProcessEnv = process.env): Cache {
  const root = resolve(environment.METATRAIN_KUBERNETES_CACHE ?? join(homedir(), '.cache', 'metatrain-kubernetes'));
  const at = (name: string) => join(root, name);
  const cache = { root, bin: at('bin'), build: at('build'), runtime: at('runtime'), images: at('images') };
  for (const folder of Object.values(cache)) mkdirSync(folder, { recursive: true });
  return cache;
}
