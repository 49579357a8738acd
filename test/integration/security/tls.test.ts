// Real handshakes between grpc-js and the coordinator, with what `metatrain certs` makes: who is believed, who is not, and that a good
// certificate alone opens nothing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { after, before, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import { type CertificateAndKey, certifyClient, certifyServer } from '../../../client/certificates.ts';
import { MetatrainClient } from '../../../client/index.ts';
import type { SecurityOptions } from '../../../coordinator/access/exposure.ts';
import { startCoordinator } from '../../../coordinator/main.ts';
import { type ConnectionOptions, connectionTo } from '../../../shared/connection.ts';
import type { MetatrainError } from '../../../shared/errors.ts';
import { channelOptions, JobService } from '../../../shared/wire.ts';
import { call, rejection } from '../coordinator/cluster.ts';
import { NullWorker } from '../coordinator/null-worker.ts';
import { token, writeTokens } from './secured-cluster.ts';

const commandLine = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'client', 'cli', 'main.js');
const reader = token('reader', ['read']);
const pool = token('pool', ['worker']);

const directory = mkdtempSync(join(tmpdir(), 'metatrain-tls-'));
const file = (...names: string[]) => join(directory, ...names);
const tokensFile = file('tokens.jsonl');

const yesterday = { notBefore: new Date(Date.now() - 172_800_000), notAfter: new Date(Date.now() - 86_400_000) };
const today = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + 86_400_000) };

function save(name: string, { certificate, key }: CertificateAndKey): void {
  writeFileSync(file(`${name}.pem`), certificate);
  writeFileSync(file(`${name}-key.pem`), key);
}

before(async () => {
  for (const folder of ['ours', 'theirs'])
    execFileSync(process.execPath, [commandLine, 'certs', '--out', file(folder)]);
  const authority = {
    certificate: readFileSync(file('ours', 'ca.pem'), 'utf8'),
    key: readFileSync(file('ours', 'ca-key.pem'), 'utf8'),
  };
  save('expired-server', await certifyServer(authority, ['127.0.0.1'], yesterday));
  save('expired-client', await certifyClient(authority, yesterday));
  save('elsewhere', await certifyServer(authority, ['coordinator.example', '192.0.2.1'], today));
  writeTokens(tokensFile, [reader, pool]);
});
after(() => rmSync(directory, { recursive: true, force: true }));

const tlsOf = (name: string) => ({ cert: file(`${name}.pem`), key: file(`${name}-key.pem`) });
const ours = tlsOf('ours/coordinator');
const ca = () => file('ours', 'ca.pem');
const shown = (name: string): ConnectionOptions => ({ tlsCert: file(`${name}.pem`), tlsKey: file(`${name}-key.pem`) });

async function listen(t: TestContext, security: SecurityOptions, host = '127.0.0.1'): Promise<string> {
  const stateDirectory = mkdtempSync(join(directory, 'state-'));
  const coordinator = await startCoordinator({
    stateDirectory,
    host,
    port: 0,
    security: { tokensFile, ...security },
    limits: { closeGraceMs: 500 },
  });
  t.after(() => coordinator.close());
  return `127.0.0.1:${coordinator.address.slice(coordinator.address.lastIndexOf(':') + 1)}`;
}

function listJobs(t: TestContext, address: string, options: ConnectionOptions): Promise<unknown> {
  const { credentials, interceptors } = connectionTo(address, options);
  const client = new JobService(address, credentials, { ...channelOptions, interceptors });
  t.after(() => client.close());
  return call(client, 'ListJobs', {});
}

test('only their owner can read the keys of metatrain certs, and its authority is kept', async () => {
  const before = readFileSync(ca(), 'utf8');
  for (const name of ['ca', 'coordinator', 'client']) {
    assert.equal(statSync(file('ours', `${name}-key.pem`)).mode & 0o777, 0o600, name);
  }
  const coordinator = readFileSync(file('ours', 'coordinator.pem'), 'utf8');
  execFileSync(process.execPath, [commandLine, 'certs', '--out', file('ours')]);
  assert.equal(readFileSync(ca(), 'utf8'), before);
  assert.notEqual(readFileSync(file('ours', 'coordinator.pem'), 'utf8'), coordinator);
});

test('TLS: only a client that trusts the right authority and has a token gets through', async (t) => {
  const address = await listen(t, { tls: ours });
  await listJobs(t, address, { tlsCa: ca(), token: reader.secret });
  assert.equal((await rejection(listJobs(t, address, { tlsCa: ca() }))).code, status.UNAUTHENTICATED);
  const refused: [name: string, options: ConnectionOptions, reason: RegExp][] = [
    ['no TLS', {}, /./],
    ['another authority', { tlsCa: file('theirs', 'ca.pem') }, /certificate/],
    ["the system's authorities", { tlsCa: 'system' }, /certificate/],
  ];
  for (const [name, options, reason] of refused) {
    const error = await rejection(listJobs(t, address, { ...options, token: reader.secret }));
    assert.equal(status[error.code], 'UNAVAILABLE', name);
    assert.match(error.details, reason, name);
  }
});

test("TLS: a coordinator's certificate that has expired, or is for another host, is refused", async (t) => {
  for (const [name, reason, told] of [
    ['expired-server', /certificate has expired/, /^the certificate of \S+ has expired \(it was good until /],
    ['elsewhere', /does not match certificate's altnames/, /^the certificate of \S+ does not name 127\.0\.0\.1; /],
    ['ours/client', /certificate purpose/, /^the certificate of \S+ is not one for a coordinator; /],
  ] as const) {
    const address = await listen(t, { tls: tlsOf(name) });
    const error = await rejection(listJobs(t, address, { tlsCa: ca(), token: reader.secret }));
    assert.equal(status[error.code], 'UNAVAILABLE', name);
    assert.match(error.details, reason, name);
    const client = new MetatrainClient({ address, connection: connectionTo(address, { tlsCa: ca() }) });
    const { code, message } = (await rejection(client.listWorkers())) as unknown as MetatrainError;
    client.close();
    assert.equal(code, 'NOT_READY');
    assert.match(message, told);
  }
});

test('mutual TLS: only a valid client certificate of the right authority gets as far as the token', async (t) => {
  const address = await listen(t, { tls: { ...ours, clientCa: ca() } });
  const good = shown('ours/client');
  await listJobs(t, address, { tlsCa: ca(), ...good, token: reader.secret });
  assert.equal((await rejection(listJobs(t, address, { tlsCa: ca(), ...good }))).code, status.UNAUTHENTICATED);
  for (const [name, options] of [
    ['no certificate', {}],
    ['a certificate of another authority', shown('theirs/client')],
    ['an expired certificate', shown('expired-client')],
    ['a certificate for coordinators', shown('ours/coordinator')],
  ] as const) {
    const error = await rejection(listJobs(t, address, { tlsCa: ca(), ...options, token: reader.secret }));
    assert.equal(status[error.code], 'UNAVAILABLE', `${name}: ${error.details}`);
  }
});

test('with TLS and tokens the coordinator listens for other machines, and a worker joins over mutual TLS', async (t) => {
  const address = await listen(t, { tls: { ...ours, clientCa: ca() } }, '0.0.0.0');
  const mutual = { tlsCa: ca(), ...shown('ours/client') };
  const worker = new NullWorker({
    address,
    workerId: 'w1',
    connection: connectionTo(address, { ...mutual, token: pool.secret }),
  });
  t.after(() => worker.kill());
  await worker.welcome();
  const client = new MetatrainClient({
    address,
    connection: connectionTo(address, { ...mutual, token: reader.secret }),
  });
  t.after(() => client.close());
  assert.deepEqual(
    (await client.listWorkers()).map(({ workerId }) => workerId),
    ['w1'],
  );
});
