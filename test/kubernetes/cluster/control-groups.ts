// The control group of a cluster's pods, in version 1 (one hierarchy a controller) and version 2 (one
// for all) of the kernel's interface. The kernel removes no group by itself.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { delay } from '../../../shared/clock.ts';

const groupRoot = '/sys/fs/cgroup';

/** Folders of all hierarchies of control groups: one in version 2, one a controller in version 1. */
function hierarchies(): string[] {
  if (existsSync(join(groupRoot, 'cgroup.controllers'))) return [groupRoot];
  return readdirSync(groupRoot).map((name) => join(groupRoot, name));
}

/** The folders of this group that exist. */
export const groupsNamed = (name: string): string[] =>
  hierarchies()
    .map((hierarchy) => join(hierarchy, name))
    .filter((folder) => existsSync(folder));

/** Makes the group in each hierarchy. */
export function makeGroups(name: string): void {
  for (const hierarchy of hierarchies()) {
    const group = join(hierarchy, name);
    mkdirSync(group, { recursive: true });
    // In version 1 a new set of processors is empty, and takes no process.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (hierarchy !== groupRoot && existsSync(join(group, file))) {
        writeFileSync(join(group, file), readFileSync(join(hierarchy, file)));
      }
    }
  }
}

/** False when a group in it is still busy. */
function removeTree(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && !removeTree(join(folder, entry.name))) return false;
    }
    rmdirSync(folder);
    return true;
  } catch {
    return !existsSync(folder);
  }
}

/** Removes the group with all groups in it. */
export async function removeGroups(name: string): Promise<void> {
  for (const group of groupsNamed(name)) {
    // A group can be removed once the kernel has reaped its last process.
    for (let attempt = 0; !removeTree(group) && attempt < 100; attempt += 1) await delay(50);
  }
}
