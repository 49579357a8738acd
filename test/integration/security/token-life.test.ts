// How a token comes and goes while the coordinator runs: an edited tokens file, SIGHUP, expiry, a bad edit.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { type Clock, realClock } from '../../../shared/clock.ts';
import { connectionTo } from '../../../shared/connection.ts';
import type { Logger } from '../../../shared/log.ts';
import { hashOfSecret, tokenLine } from '../../../shared/tokens.ts';
import { channelOptions, JobService } from '../../../shared/wire.ts';
import { Mailbox } from '../../support/mailbox.ts';
import { TestProcess } from '../../support/processes.ts';
import { call, collect, rejection, specText } from '../coordinator/cluster.ts';
import { SecuredCluster, token } from './secured-cluster.ts';

const reader = token('reader', ['read', 'submit']);
const second = token('second', ['read']);
const worker = token('worker', ['worker']);

/** The messages that a coordinator logs, as they come. */
function logInto(messages: Mailbox<string>): Logger {
  return pino({ level: 'info' }, { write: (line: string) => messages.put(JSON.parse(line).msg) });
}

async function heard(messages: Mailbox<string>, wanted: string): Promise<void> {
  while ((await messages.take(`"${wanted}" in the log`)) !== wanted);
}

test('an edited tokens file takes effect by itself, also for open streams', async (t) => {
  const messages = new Mailbox<string>();
  const cluster = await SecuredCluster.start(t, [reader, worker], {}, { log: logInto(messages) });
  const jobs = cluster.jobs(reader);
  const { jobId } = await call(jobs, 'SubmitJob', { spec: specText() });
  const watching = rejection(collect(jobs.WatchJob({ jobId })));
  const connected = await cluster.worker('w1', worker, { onLease() {} });

  cluster.setTokens([second, { ...worker, roles: ['read'] }]);
  await heard(messages, 'tokens read again');
  await call(cluster.jobs(second), 'GetJob', { jobId });
  const ended = await watching;
  assert.equal(ended.code, status.UNAUTHENTICATED);
  assert.match(ended.details, /^the token of reader has expired or was withdrawn$/);
  assert.equal((await connected.ended).code, status.UNAUTHENTICATED, 'a token that lost the role of its stream');
  assert.equal((await rejection(call(jobs, 'GetJob', { jobId }))).code, status.UNAUTHENTICATED);
});

test('a tokens file that cannot be read or parsed leaves the tokens unchanged', async (t) => {
  const cluster = await SecuredCluster.start(t, [reader]);
  const list = () => call(cluster.jobs(reader), 'ListJobs', {});
  for (const text of ['nonsense', '{"name":"x"}', JSON.stringify({ ...reader, sha256: 'z' })]) {
    writeFileSync(cluster.tokensFile, text);
    cluster.coordinator.reloadTokens();
    await list();
  }
  cluster.setTokens([]);
  cluster.coordinator.reloadTokens();
  assert.equal((await rejection(list())).code, status.UNAUTHENTICATED);
});

test('a stream ends when its token expires, and a new call is told when that was', async (t) => {
  let ahead = 0;
  const clock: Clock = { ...realClock, now: () => Date.now() + ahead };
  const expiresAt = Date.now() + 3_600_000;
  const passing = token('passing', ['read', 'submit'], expiresAt);
  const cluster = await SecuredCluster.start(t, [passing], {}, { clock });
  const jobs = cluster.jobs(passing);
  const { jobId } = await call(jobs, 'SubmitJob', { spec: specText() });
  const watching = rejection(collect(jobs.WatchJob({ jobId })));
  ahead = 3_600_001;
  assert.equal((await watching).code, status.UNAUTHENTICATED);
  const refusal = await rejection(call(jobs, 'GetJob', { jobId }));
  assert.equal(refusal.code, status.UNAUTHENTICATED);
  assert.equal(
    refusal.details,
    `the token of passing expired at ${new Date(expiresAt).toISOString()}; make another with metatrain token create`,
  );
});

test('SIGHUP makes the coordinator read its tokens again', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-security-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'tokens.jsonl');
  // In place, as long and as old as before: only the signal can tell of the change.
  const write = (of: typeof reader) => {
    writeFileSync(file, tokenLine({ ...of, sha256: hashOfSecret(of.secret), expiresAt: undefined }));
    utimesSync(file, 1_700_000_000, 1_700_000_000);
  };
  write(reader);
  const flags = ['coordinator', '--listen', '127.0.0.1:0', '--state-dir', join(directory, 'state'), '--tokens', file];
  const coordinator = new TestProcess(t, 'client/cli/main.js', flags);
  const messages = new Mailbox<string>();
  createInterface({ input: coordinator.child.stderr! }).on('line', (line) => messages.put(JSON.parse(line).msg));
  const { address } = await coordinator.ready<{ address: string }>();
  const list = (of: typeof reader) => {
    const { credentials, interceptors } = connectionTo(address, { token: of.secret });
    const client = new JobService(address, credentials, { ...channelOptions, interceptors });
    t.after(() => client.close());
    return call(client, 'ListJobs', {});
  };
  await list(reader);
  const another = token('readex', reader.roles);
  write(another);
  coordinator.signal('SIGHUP');
  await heard(messages, 'tokens read again');
  await list(another);
  assert.equal((await rejection(list(reader))).code, status.UNAUTHENTICATED);
});
