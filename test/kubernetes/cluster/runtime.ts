// What a node is made of: containerd, runc, the CNI plugins and nftables, from Debian's packages.
// They are unpacked into the cache; nothing is installed on the machine.
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Cache } from './cache.ts';
import { unpackPackages } from './debian-packages.ts';

const packages = ['containerd', 'runc', 'containernetworking-plugins', 'nftables', 'conntrack'];

export interface Runtime {
  readonly containerd: string;
  /** containerd's client, which imports images. */
  readonly ctr: string;
  /** Folder of the CNI plugins. */
  readonly plugins: string;
  /** PATH and LD_LIBRARY_PATH for programs of these packages. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Downloads and unpacks the packages, with those of their dependencies that the machine lacks. */
export function unpackRuntime(cache: Cache, log: (line: string) => void): Runtime {
  const root = join(cache.runtime, 'root');
  const startedAt = performance.now();
  if (unpackPackages(cache.runtime, packages)) {
    cpSync(join(root, 'usr', 'lib', 'cni'), join(cache.runtime, 'cni'), { recursive: true });
    log(`containerd, runc, nftables: unpacked in ${Math.round((performance.now() - startedAt) / 1000)} s`);
  }
  const libraries = readdirSync(join(root, 'usr', 'lib'))
    .filter((name) => name.endsWith('-linux-gnu'))
    .flatMap((name) => [join(root, 'usr', 'lib', name), join(root, 'lib', name)]);
  return {
    containerd: join(root, 'usr', 'bin', 'containerd'),
    ctr: join(root, 'usr', 'bin', 'ctr'),
    plugins: join(cache.runtime, 'cni'),
    environment: {
      PATH: ['usr/bin', 'usr/sbin', 'sbin', 'bin']
        .map((name) => join(root, name))
        .concat(process.env.PATH ?? '')
        .join(':'),
      LD_LIBRARY_PATH: libraries.join(':'),
    },
  };
}
