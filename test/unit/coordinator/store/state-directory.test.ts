// Who may have a state directory, where it may be, and who may read it.
import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { JobBook } from '../../../../coordinator/jobs/job-book.ts';
import {
  mountTypeIn,
  networkFileSystemOf,
  refuseNetworkFileSystem,
} from '../../../../coordinator/store/file-system.ts';
import { load, loadFileLocks, loadLmdb } from '../../../../coordinator/store/native.ts';
import { StateDirectory } from '../../../../coordinator/store/state-directory.ts';
import { readJob } from '../../../../learning/job-file.ts';
import { silentLogger } from '../../../../shared/log.ts';
import { specText } from '../../../integration/coordinator/cluster.ts';

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const inUse = { code: 'NOT_READY', message: /is in use by another coordinator/ };

test('of three processes that open a state directory at once exactly one gets it, even if its path is too long for a socket', async (t) => {
  const path = join(temporaryDirectory(t), 'long'.repeat(50), 'state');
  const opened = await Promise.allSettled([1, 2, 3].map(() => StateDirectory.open(path)));
  const owners = opened.filter((result) => result.status === 'fulfilled');
  assert.equal(owners.length, 1);
  for (const result of opened) if (result.status === 'rejected') assert.match(result.reason.message, inUse.message);
  await owners[0]?.value.close();
  const next = await StateDirectory.open(path);
  await assert.rejects(StateDirectory.open(path), inUse);
  await next.close();
});

test('only its owner can read a state directory and its files', async (t) => {
  if (process.platform === 'win32') return t.skip('Windows has no file modes');
  const path = join(temporaryDirectory(t), 'state');
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  const state = await StateDirectory.open(path);
  const limits = { unfinishedJobs: 10, unfinishedJobsPerClient: 10, jobBytes: 2 ** 30, watchers: 10, endedJobs: 10 };
  const book = new JobBook(state.jobs, limits, silentLogger, () => undefined);
  await book.submit({ job: readJob(specText()), idempotencyKey: 'key' }, 1);
  const layout = { tensors: [{ name: 'w', shape: [3] }] };
  const metadata = {
    ...{ jobId: 'j', spec: '{}', step: 1, nextTask: 8, paramsSha256: '', chainSha256: '', previousSha256: '' },
    ...{ engineFingerprint: '', skippedTasks: 0 },
  };
  await state.checkpoints.write({ metadata, layout, metaParams: new Float32Array(3), slots: {} });
  const modes = new Map<string, string>();
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    modes.set(file.slice(path.length + 1), (statSync(file).mode & 0o777).toString(8));
  }
  assert.equal((statSync(path).mode & 0o777).toString(8), '700');
  assert.deepEqual(Object.fromEntries([...modes].sort()), {
    checkpoints: '700',
    'checkpoints/j': '700',
    'checkpoints/j/step-000000001.safetensors': '600',
    'coordinator.lock': '600',
    'jobs.lmdb': '600',
    'jobs.lmdb-lock': '600',
  });
  await state.close();
});

test("opening a state directory removes other users' rights on its files", async (t) => {
  if (process.platform === 'win32') return t.skip('Windows has no file modes');
  const path = temporaryDirectory(t);
  await (await StateDirectory.open(path)).close();
  chmodSync(join(path, 'jobs.lmdb'), 0o644);
  chmodSync(join(path, 'checkpoints'), 0o755);
  await (await StateDirectory.open(path)).close();
  assert.equal(statSync(join(path, 'jobs.lmdb')).mode & 0o777, 0o600);
  assert.equal(statSync(join(path, 'checkpoints')).mode & 0o777, 0o700);
});

test('a state directory that is a file is refused with its path', async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'coordinator.lock'));
  await assert.rejects(StateDirectory.open(directory), { code: 'REQUEST_INVALID', message: /EISDIR.*--state-dir/ });
  writeFileSync(join(directory, 'file'), '');
  await assert.rejects(StateDirectory.open(join(directory, 'file')), {
    code: 'REQUEST_INVALID',
    message: /--state-dir/,
  });
});

test('a state directory that is deleted or replaced is reported until it is put back', async (t) => {
  const path = join(temporaryDirectory(t), 'state');
  const state = await StateDirectory.open(path);
  const { room } = state;
  const missed = (what: RegExp) => {
    const error = room.missing(0);
    assert.equal(error?.code, 'STORAGE_UNAVAILABLE');
    assert.match(error.message, what);
  };
  assert.equal(room.missing(0), undefined);
  renameSync(path, `${path}-away`);
  missed(/is not the one that this coordinator has open: it is gone\. Nothing is written until it is put back/);
  mkdirSync(path);
  missed(/it has been replaced/);
  rmSync(path, { recursive: true });
  renameSync(`${path}-away`, path);
  assert.equal(room.missing(0), undefined);
  const database = join(path, 'jobs.lmdb');
  copyFileSync(database, `${database}-copy`);
  renameSync(`${database}-copy`, database);
  missed(/jobs\.lmdb has been replaced/);
  rmSync(database);
  missed(/jobs\.lmdb is gone/);
  await state.close();
});

test('a network file system is refused by name, and a disk of this machine is not', () => {
  const on = (type: number, mount?: string) =>
    networkFileSystemOf('/state', { typeOf: () => type, mountTypeOf: () => mount });
  const [ext4, overlay, fuse] = [0xef53, 0x794c7630, 0x65735546];
  for (const [type, mount, name] of [
    [0x6969, undefined, 'NFS'],
    [0xff534d42, undefined, 'CIFS'],
    // The same as a signed number, which some systems give.
    [0xff534d42 | 0, undefined, 'CIFS'],
    [0xfe534d42, undefined, 'SMB'],
    [0x00c36400, undefined, 'CephFS'],
    [fuse, 'fuse.glusterfs', 'glusterfs'],
    [fuse, 'fuse.s3fs', 's3fs'],
    [ext4, undefined, undefined],
    [overlay, undefined, undefined],
    [fuse, 'fuseblk', undefined],
    [fuse, 'fuse.fuse-overlayfs', undefined],
    [fuse, undefined, undefined],
  ] as const) {
    assert.equal(on(type, mount), name, `${type} ${mount}`);
  }
  assert.throws(() => refuseNetworkFileSystem('/state', { typeOf: () => 0x6969, mountTypeOf: () => undefined }), {
    code: 'REQUEST_INVALID',
    message: /^state directory \/state: got a network file system \(NFS\); accepted: a disk of this machine/,
  });
});

test('the type of a mount is found by its device number', () => {
  const mountinfo = [
    '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue',
    '40 35 0:300 / /shared rw,relatime shared:7 - fuse.sshfs host:/ rw,user_id=0',
  ].join('\n');
  // As glibc packs 0:300: the minor number's lower byte, and the rest from bit 20 on.
  assert.equal(mountTypeIn(mountinfo, (300 & 0xff) | ((300 >> 8) << 20)), 'fuse.sshfs');
  assert.equal(mountTypeIn(mountinfo, 98 << 8), 'ext3');
  assert.equal(mountTypeIn(mountinfo, 7), undefined);
});

test('a package without a binary for this machine gives one error with its name and the remedy', async () => {
  const missing = load('lmdb', () => Promise.reject(new Error('No native build was found for platform=linux')));
  await assert.rejects(missing, {
    code: 'NOT_READY',
    message:
      /^the package lmdb has no binary for this machine \(\w+-\w+\)\. .*run npm install again without --omit=optional/,
  });
  assert.equal(typeof (await loadLmdb()).open, 'function');
  assert.equal(typeof (await loadFileLocks()).tryLock, 'function');
});
