// Linux's limits for this process: the CPU quota and the memory limit of its control groups,
// versions 1 and 2. A limit holds for all groups below, so the smallest one on the way up counts.
// Reads files through a function, which a test can replace. Without control groups there is no
// limit.
import { readFileSync } from 'node:fs';

export interface CgroupLimits {
  /** Processors' worth of time, such as 0.5. */
  readonly processors: number | undefined;
  readonly memoryBytes: number | undefined;
}

/** The text of a file; undefined where it cannot be read. */
export type ReadText = (path: string) => string | undefined;

export function cgroupLimits(read: ReadText = readText): CgroupLimits {
  const mounts = mountsIn(read('/proc/self/mountinfo') ?? '');
  const processors: number[] = [];
  const memoryBytes: number[] = [];
  for (const [controllers, path] of groupsIn(read('/proc/self/cgroup') ?? '')) {
    const isUnified = controllers === '';
    for (const directory of directoriesOf(mounts, controllers, path)) {
      const file = (name: string) => read(`${directory}/${name}`)?.trim();
      const quota = isUnified
        ? quotaOf(file('cpu.max')?.split(' '))
        : quotaOf([file('cpu.cfs_quota_us'), file('cpu.cfs_period_us')]);
      const memory = Number(file(isUnified ? 'memory.max' : 'memory.limit_in_bytes') ?? Number.NaN);
      if (quota !== undefined) processors.push(quota);
      if (memory > 0 && memory < unlimitedBytes) memoryBytes.push(memory);
    }
  }
  return { processors: smallest(processors), memoryBytes: smallest(memoryBytes) };
}

/** Version 1 says "no limit" as the largest number of whole pages. */
const unlimitedBytes = 2 ** 60;

const smallest = (values: readonly number[]): number | undefined =>
  values.length > 0 ? Math.min(...values) : undefined;

/** `max` and -1 are no quota. */
function quotaOf([quota, period]: readonly (string | undefined)[] = []): number | undefined {
  const processors = Number(quota) / Number(period);
  return processors > 0 && processors < Number.POSITIVE_INFINITY ? processors : undefined;
}

/** Each line of /proc/self/cgroup, `4:cpu,cpuacct:/a/b`; version 2 has no controllers there. */
function groupsIn(text: string): (readonly [controllers: string, path: string])[] {
  return text.split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    return controllers === undefined || path === undefined ? [] : [[controllers, path] as const];
  });
}

interface Mount {
  /** Of the control groups' tree, what is seen at `point`. */
  readonly root: string;
  readonly point: string;
  readonly isUnified: boolean;
  readonly options: readonly string[];
}

/** Of /proc/self/mountinfo: `36 35 0:31 ROOT POINT rw … - cgroup cgroup rw,cpu,cpuacct`. */
function mountsIn(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [mounted = '', described = ''] = line.split(' - ');
    const [, , , root, point] = mounted.split(' ');
    const [type, , options = ''] = described.split(' ');
    if (root === undefined || point === undefined || !type?.startsWith('cgroup')) return [];
    return [{ root, point, isUnified: type === 'cgroup2', options: options.split(',') }];
  });
}

/**
 * From the group's own directory up to the mounted one. A group outside of the mount belongs to a
 * container, which sees it at the mount.
 */
function directoriesOf(mounts: readonly Mount[], controllers: string, path: string): string[] {
  const mount = mounts.find(({ isUnified, options }) =>
    controllers === '' ? isUnified : !isUnified && controllers.split(',').every((name) => options.includes(name)),
  );
  if (!mount) return [];
  const { root, point } = mount;
  const below = root === '/' ? path : path.startsWith(root) ? path.slice(root.length) : '';
  const names = below.split('/').filter((name) => name !== '' && name !== '..');
  return Array.from({ length: names.length + 1 }, (_, up) => [point, ...names.slice(0, names.length - up)].join('/'));
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
