// What a node is made of: containerd, runc, the CNI plugins and nftables, from Debian's packages.
// They are unpacked into the cache; nothing is installed on the machine.
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cache } from './cache.ts';
import { runProgram } from './processes.ts';

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
  const stamp = join(cache.runtime, 'unpacked');
  if (!existsSync(stamp)) {
    const startedAt = performance.now();
    const archives = join(cache.runtime, 'packages');
    mkdirSync(archives, { recursive: true });
    mkdirSync(root, { recursive: true });
    runProgram('apt-get', ['update', '--quiet=2']);
    // --reinstall names a package that the machine already has, too.
    const plan = runProgram('apt-get', [
      'install',
      '--simulate',
      '--reinstall',
      '--no-install-recommends',
      ...packages,
    ]);
    const names = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!);
    runProgram('sh', ['-c', 'cd "$1" && shift && exec apt-get download --quiet=2 "$@"', 'sh', archives, ...names]);
    for (const archive of readdirSync(archives)) runProgram('dpkg', ['-x', join(archives, archive), root]);
    cpSync(join(root, 'usr', 'lib', 'cni'), join(cache.runtime, 'cni'), { recursive: true });
    writeFileSync(stamp, names.join('\n'));
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
