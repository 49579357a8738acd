// A state directory that is taken away from a running coordinator: it stops acknowledging what it
// cannot keep, says why, and goes on when the directory is put back.
import assert from 'node:assert/strict';
import { existsSync, renameSync, rmSync } from 'node:fs';
import test from 'node:test';
import { status } from '@grpc/grpc-js';
import pino from 'pino';
import { Mailbox } from '../../support/mailbox.ts';
import { call, rejection, specText, TestCluster } from './cluster.ts';

const gone = /the state directory \S+ is not the one that this coordinator has open: it is gone/;

test('without its state directory the coordinator is not ready, pauses jobs and refuses new ones; once it is back all end with equal bytes', async (t) => {
  const lines = new Mailbox<{ msg: string; code?: string; state?: string }>();
  const log = pino({ level: 'info' }, { write: (line: string) => lines.put(JSON.parse(line)) });
  const until = async (isIt: (line: { msg: string; state?: string }) => boolean) => {
    for (;;) if (isIt(await lines.take('a line of the log'))) return;
  };
  const http = { host: '127.0.0.1', port: 0 };
  const cluster = await TestCluster.start(t, { http }, log);
  const readiness = async () => {
    const response = await fetch(`http://${cluster.http}/readyz`);
    return { status: response.status, text: await response.text() };
  };
  const spec = specText({ iterations: 40, checkpoint: { every: 10 } });
  let release: (() => void) | undefined;
  const held = new Promise<void>((isHeld) => {
    void cluster.worker('w', {
      onLease(lease, worker) {
        if (release || lease.train?.metaStep !== 15) return worker.answer(lease);
        release = () => worker.answer(lease);
        isHeld();
      },
    });
  });
  const jobId = await cluster.submit(spec);
  await held;
  assert.equal((await readiness()).status, 200);
  const away = `${cluster.stateDirectory}-away`;
  t.after(() => rmSync(away, { recursive: true, force: true }));
  renameSync(cluster.stateDirectory, away);
  const refused = await rejection(cluster.submit(spec));
  assert.equal(refused.code, status.UNAVAILABLE, 'from the first moment');
  assert.match(refused.details, gone);
  await until(({ msg }) => msg === 'every job waits for the disk, and no new one is taken');
  await until(({ msg, state }) => msg === 'job state' && state === 'paused');
  const { status: ready, text } = await readiness();
  assert.equal(ready, 503);
  assert.match(text, gone);
  assert.equal((await cluster.job(jobId)).state, 'JOB_STATE_PAUSED');
  assert.match((await rejection(call(cluster.jobs, 'ResumeJob', { jobId }))).details, gone);
  release?.();
  assert.equal(existsSync(cluster.stateDirectory), false, 'nothing makes it anew');
  renameSync(away, cluster.stateDirectory);
  const job = await cluster.end(jobId);
  assert.equal(job.state, 'JOB_STATE_SUCCEEDED');
  assert.equal((await readiness()).status, 200);
  const other = await cluster.end(await cluster.submit(specText({ iterations: 40, checkpoint: { every: 10 } })));
  assert.equal(other.paramsSha256, job.paramsSha256);
});
