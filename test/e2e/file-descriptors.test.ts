// A coordinator that may open no more files, as many connections can make it: what it cannot write
// waits, and is written when it can.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { MetatrainClient } from '../../client/index.ts';
import { specText } from '../integration/coordinator/cluster.ts';
import { NullWorker } from '../integration/coordinator/null-worker.ts';
import { leftOutUnless } from '../support/needs.ts';
import { TestProcess } from '../support/processes.ts';

const limit = (pid: number, files: string) => spawnSync('prlimit', ['--pid', String(pid), `--nofile=${files}`]);
const skip = leftOutUnless(
  process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0,
  'a coordinator without file descriptors',
  'no prlimit (util-linux)',
);

test('a last checkpoint that cannot be opened for want of file descriptors waits for one, and the job succeeds', {
  skip,
}, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const flags = ['--listen', '127.0.0.1:0', '--http', 'off', '--state-dir', directory, '--log-level', 'error'];
  const coordinator = new TestProcess(t, 'coordinator/main.js', flags);
  const { address } = await coordinator.ready<{ address: string }>();
  const pid = coordinator.child.pid!;
  const client = new MetatrainClient({ address });
  t.after(() => client.close());
  let release: (() => void) | undefined;
  const held = new Promise<void>((isHeld) => {
    const worker = new NullWorker({
      address,
      workerId: 'w',
      onLease(lease, self) {
        if (release || lease.train?.metaStep !== 9) return self.answer(lease);
        release = () => self.answer(lease);
        isHeld();
      },
    });
    t.after(() => worker.kill());
  });
  const { jobId } = await client.submitJob(specText({ iterations: 10, shardSize: 10 }));
  await held;
  // Of the numbers below the limit none is free: descriptors get the lowest one that is.
  const open = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let lowestFree = 0;
  while (open.has(lowestFree)) lowestFree += 1;
  assert.equal(limit(pid, `${lowestFree}:`).status, 0);
  release?.();
  await coordinator.stderrSays(/a checkpoint waits for the disk/);
  assert.match(coordinator.stderr, /STORAGE_UNAVAILABLE.*EMFILE/);
  assert.equal(limit(pid, '256:').status, 0);
  for await (const _ of client.watchJob(jobId));
  const job = await client.getJob(jobId);
  assert.deepEqual([job.state, job.checkpoints.map(({ step }) => step)], ['SUCCEEDED', [10]]);
});
