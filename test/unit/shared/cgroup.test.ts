// Control groups of both versions as trees of files.
import assert from 'node:assert/strict';
import test from 'node:test';
import { type CgroupLimits, cgroupLimits } from '../../../shared/cgroup.ts';
import { usableProcessors } from '../../../shared/machine-processors.ts';

const v2Mount = '42 30 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate';
const v1Mounts = [
  '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
  '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct',
  '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:10 - cgroup cgroup rw,memory',
].join('\n');
const noLimit = '9223372036854771712\n';

const limitsOf = (files: Readonly<Record<string, string>>): CgroupLimits => cgroupLimits((path) => files[path]);

test('version 2: the quota and the memory limit of the group itself', () => {
  const limits = limitsOf({
    '/proc/self/mountinfo': v2Mount,
    '/proc/self/cgroup': '0::/app\n',
    '/sys/fs/cgroup/app/cpu.max': '50000 100000\n',
    '/sys/fs/cgroup/app/memory.max': '268435456\n',
  });
  assert.deepEqual(limits, { processors: 0.5, memoryBytes: 2 ** 28 });
  assert.equal(usableProcessors(64, limits), 1);
});

test('version 2: the smallest limit of the group and of those above it counts', () => {
  const limits = limitsOf({
    '/proc/self/mountinfo': v2Mount,
    '/proc/self/cgroup': '0::/kubepods.slice/pod7/app\n',
    '/sys/fs/cgroup/kubepods.slice/cpu.max': '800000 100000\n',
    '/sys/fs/cgroup/kubepods.slice/memory.max': 'max\n',
    '/sys/fs/cgroup/kubepods.slice/pod7/cpu.max': '250000 100000\n',
    '/sys/fs/cgroup/kubepods.slice/pod7/memory.max': '1073741824\n',
    '/sys/fs/cgroup/kubepods.slice/pod7/app/cpu.max': 'max 100000\n',
    '/sys/fs/cgroup/kubepods.slice/pod7/app/memory.max': '2147483648\n',
  });
  assert.deepEqual(limits, { processors: 2.5, memoryBytes: 2 ** 30 });
  assert.equal(usableProcessors(64, limits), 2);
});

test('version 2 in a container: its own group is what is mounted', () => {
  const files = { '/sys/fs/cgroup/cpu.max': '150000 100000\n', '/sys/fs/cgroup/memory.max': '4096\n' };
  for (const path of ['/', '/../other', '/docker/abc']) {
    const limits = limitsOf({ '/proc/self/mountinfo': v2Mount, '/proc/self/cgroup': `0::${path}\n`, ...files });
    assert.deepEqual(limits, { processors: 1.5, memoryBytes: 4096 }, path);
  }
});

test('version 1: each controller has its own tree, and the smallest limit on the way up counts', () => {
  const limits = limitsOf({
    '/proc/self/mountinfo': v1Mounts,
    '/proc/self/cgroup': '5:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n0::/\n',
    '/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us': '-1\n',
    '/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us': '100000\n',
    '/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us': '300000\n',
    '/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us': '100000\n',
    '/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes': '536870912\n',
    '/sys/fs/cgroup/memory/docker/memory.limit_in_bytes': noLimit,
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': noLimit,
  });
  assert.deepEqual(limits, { processors: 3, memoryBytes: 2 ** 29 });
});

test('version 1 in a container: the group’s path is the host’s, and its part of the tree is mounted', () => {
  const root = '/docker/abc';
  const limits = limitsOf({
    '/proc/self/mountinfo': v1Mounts.replaceAll(' / /sys/fs/cgroup/', ` ${root} /sys/fs/cgroup/`),
    '/proc/self/cgroup': `5:memory:${root}\n3:cpu,cpuacct:${root}\n`,
    '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '50000\n',
    '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': '8192\n',
  });
  assert.deepEqual(limits, { processors: 0.5, memoryBytes: 8192 });
});

test('no control groups, no limits, and files that say nothing of use are no limit', () => {
  const none = { processors: undefined, memoryBytes: undefined };
  assert.deepEqual(limitsOf({}), none);
  const noise = { '/proc/self/mountinfo': `${v2Mount}\nwhat\n`, '/proc/self/cgroup': 'not a group\n0::/a\n' };
  assert.deepEqual(limitsOf(noise), none);
  const files = { '/sys/fs/cgroup/a/cpu.max': 'max 100000\n', '/sys/fs/cgroup/a/memory.max': 'max\n' };
  assert.deepEqual(limitsOf({ ...noise, ...files }), none);
  assert.deepEqual(limitsOf({ ...noise, '/sys/fs/cgroup/a/cpu.max': '', '/sys/fs/cgroup/a/memory.max': '' }), none);
});

test('a quota gives whole slots, one at least, and never more than the processors that there are', () => {
  const slots = [0.01, 0.5, 1, 1.9, 2, 3.99, 100].map((processors) => usableProcessors(8, { processors }));
  assert.deepEqual(slots, [1, 1, 1, 1, 2, 3, 8]);
  assert.equal(usableProcessors(8, { processors: undefined }), 8);
});
