// Certificates and tokens change while a job runs over TLS, as Kubernetes changes the files of a
// Secret: nothing is restarted, no stream is lost that need not be, new connections see the new
// certificate, and θ has the bytes of a quiet run.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { certifyClient, certifyServer } from '../../client/certificates.ts';
import type { RunResult } from '../../client/cli/run-result.ts';
import { MetatrainClient } from '../../client/index.ts';
import { connectionTo } from '../../shared/connection.ts';
import { hashOfSecret, newSecret } from '../../shared/tokens.ts';
import { TcpProxy } from '../chaos/tcp-proxy.ts';
import { metatrain } from '../support/command.ts';
import { sinusoidSpec } from '../support/job-specs.ts';
import { TestProcess } from '../support/processes.ts';

const commandLine = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'client', 'cli', 'main.js');
const day = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + 86_400_000) };
const spec = sinusoidSpec('rotated', {
  meta: { iterations: 600, batchSize: 16 },
  // In spans it would end too soon.
  placement: { shardSize: 4, spans: 'never' },
  evaluation: { tasks: 20, innerSteps: 2 },
});

/** A folder of files that change together: they are links into a folder that a link names, as a mounted Secret has them. */
class MountedSecret {
  readonly directory: string;
  #version = 0;

  constructor(parent: string, name: string, files: Readonly<Record<string, string>>) {
    this.directory = join(parent, name);
    mkdirSync(this.directory);
    this.replace(files);
    for (const file of Object.keys(files)) symlinkSync(join('..data', file), this.file(file));
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  replace(files: Readonly<Record<string, string>>): void {
    this.#version += 1;
    const folder = `..version-${this.#version}`;
    mkdirSync(join(this.directory, folder));
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(this.directory, folder, name), text, { mode: 0o600 });
    }
    symlinkSync(folder, join(this.directory, '..data_tmp'));
    renameSync(join(this.directory, '..data_tmp'), join(this.directory, '..data'));
  }
}

/** SHA-256 of the certificate that a new connection is shown. */
async function certificateShown(address: string, files: { ca: string; cert: string; key: string }): Promise<string> {
  const [host = '', port] = address.split(':');
  const socket = connect({
    host,
    port: Number(port),
    ALPNProtocols: ['h2', 'http/1.1'],
    ca: readFileSync(files.ca),
    cert: readFileSync(files.cert),
    key: readFileSync(files.key),
  });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

const tokensOf = (entries: readonly { name: string; secret: string; roles: readonly string[] }[]) =>
  entries.map(({ secret, ...entry }) => `${JSON.stringify({ ...entry, sha256: hashOfSecret(secret) })}\n`).join('');

async function quietRun(t: TestContext, directory: string): Promise<RunResult> {
  const file = join(directory, 'job.json');
  writeFileSync(file, spec);
  const result = await metatrain(t, ['run', file, '--workers', '1', '--slots', '1', '--no-output', '--json']);
  assert.equal(result.code, 0, result.stderr);
  return result.json<RunResult>();
}

test('certificates and tokens change under a running job: nothing restarts, streams live on, equal bytes', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-rotation-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  execFileSync(process.execPath, [commandLine, 'certs', '--out', join(directory, 'authority')]);
  const readAuthority = (name: string) => readFileSync(join(directory, 'authority', name), 'utf8');
  const authority = { certificate: readAuthority('ca.pem'), key: readAuthority('ca-key.pem') };
  const serverFiles = async () => {
    const { certificate, key } = await certifyServer(authority, ['127.0.0.1'], day);
    return { 'tls.crt': certificate, 'tls.key': key, 'ca.crt': authority.certificate };
  };
  const clientFiles = async () => {
    const { certificate, key } = await certifyClient(authority, day);
    return { 'tls.crt': certificate, 'tls.key': key, 'ca.crt': authority.certificate };
  };
  const worker = { name: 'pool', secret: newSecret(), roles: ['worker'] };
  const ann = { name: 'ann', secret: newSecret(), roles: ['submit', 'read'] };
  const server = new MountedSecret(directory, 'server', await serverFiles());
  const client = new MountedSecret(directory, 'client', await clientFiles());
  const tokens = new MountedSecret(directory, 'tokens', { 'tokens.jsonl': tokensOf([worker, ann]) });
  const workerToken = new MountedSecret(directory, 'worker-token', { token: worker.secret });
  const annToken = new MountedSecret(directory, 'ann-token', { token: ann.secret });

  const coordinator = new TestProcess(t, 'coordinator/main.js', [
    ...['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--state-dir', join(directory, 'state')],
    ...['--tls-cert', server.file('tls.crt'), '--tls-key', server.file('tls.key')],
    ...['--tls-client-ca', server.file('ca.crt'), '--tokens', tokens.file('tokens.jsonl'), '--log-format', 'json'],
  ]);
  const { address, http } = await coordinator.ready<{ address: string; http: string }>();
  // The worker's way to the coordinator, which can be cut.
  const proxy = await TcpProxy.listen(Number(address.split(':')[1]));
  t.after(() => proxy.close());
  const tls = [
    '--tls-ca',
    client.file('ca.crt'),
    '--tls-cert',
    client.file('tls.crt'),
    '--tls-key',
    client.file('tls.key'),
  ];
  const pool = new TestProcess(t, 'worker/main.js', [
    ...['--coordinator', proxy.address, ...tls, '--token-file', workerToken.file('token')],
    ...['--slots', '1', '--worker-id', 'w', '--log-format', 'json'],
  ]);
  await pool.ready();
  const shown = { ca: client.file('ca.crt'), cert: client.file('tls.crt'), key: client.file('tls.key') };
  const ours = new MetatrainClient({
    address,
    connection: connectionTo(address, {
      tlsCa: shown.ca,
      tlsCert: shown.cert,
      tlsKey: shown.key,
      tokenFile: annToken.file('token'),
    }),
  });
  t.after(() => ours.close());
  const { jobId } = await ours.submitJob(spec);
  const events = ours.watchJob(jobId);
  const progress = async () => {
    for (;;) {
      const { value, done } = await events.next();
      assert.ok(!done, 'the job runs on');
      if (value.kind === 'metaStep') return;
    }
  };
  await progress();

  // The coordinator's certificate: new connections see it, open ones stay.
  const before = { grpc: await certificateShown(address, shown), http: await certificateShown(http, shown) };
  assert.equal(before.grpc, before.http);
  server.replace(await serverFiles());
  await coordinator.stderrSays(/TLS files read again: new connections use them/);
  const after = { grpc: await certificateShown(address, shown), http: await certificateShown(http, shown) };
  assert.equal(after.grpc, after.http);
  assert.notEqual(after.grpc, before.grpc);
  // Bad files change nothing.
  server.replace({ ...(await serverFiles()), 'tls.key': readAuthority('ca-key.pem') });
  await coordinator.stderrSays(/the TLS files are bad; those before them stay/);
  assert.equal(await certificateShown(address, shown), after.grpc);
  await progress();
  assert.doesNotMatch(pool.stderr, /no connection/, 'no stream was lost for a certificate');

  // The worker's certificate and both tokens: the old ones hold until they are withdrawn.
  client.replace(await clientFiles());
  const nextWorker = { ...worker, secret: newSecret() };
  const nextAnn = { ...ann, secret: newSecret() };
  tokens.replace({ 'tokens.jsonl': tokensOf([worker, ann, nextWorker, nextAnn]) });
  await coordinator.stderrSays(/"tokens":4/);
  workerToken.replace({ token: nextWorker.secret });
  annToken.replace({ token: nextAnn.secret });
  await progress();
  tokens.replace({ 'tokens.jsonl': tokensOf([nextWorker, nextAnn]) });
  await coordinator.stderrSays(/"tokens":2/);
  await pool.stderrSays(/no connection: the token of pool has expired or was withdrawn/);
  await pool.stderrSays(/connected again/);

  // A lost connection is made again with all that is new.
  proxy.cut();
  await pool.stderrSays(/connected again[\s\S]*no connection[\s\S]*connected again/);
  await progress();

  for await (const _ of events);
  const job = await ours.getJob(jobId);
  assert.equal(job.state, 'SUCCEEDED');
  assert.equal(job.paramsSha256, (await quietRun(t, directory)).paramsSha256);
  assert.equal(pool.child.exitCode, null, pool.stderr);
  assert.equal(coordinator.child.exitCode, null, coordinator.stderr);
});

test('a worker whose token was withdrawn, and whose file holds no other, ends with code 1 and says why', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-rotation-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = (name: string) => join(directory, name);
  const worker = { name: 'pool', secret: newSecret(), roles: ['worker'] };
  writeFileSync(file('tokens.jsonl'), tokensOf([worker]));
  writeFileSync(file('token'), worker.secret, { mode: 0o600 });
  const coordinator = new TestProcess(t, 'coordinator/main.js', [
    ...['--listen', '127.0.0.1:0', '--http', 'off', '--state-dir', file('state'), '--tokens', file('tokens.jsonl')],
  ]);
  const { address } = await coordinator.ready<{ address: string }>();
  const flags = ['--coordinator', address, '--token-file', file('token'), '--slots', '1', '--log-format', 'json'];
  const pool = new TestProcess(t, 'worker/main.js', flags);
  await pool.ready();
  writeFileSync(file('tokens.jsonl'), '');
  assert.deepEqual(await pool.exited, { code: 1, signal: null });
  assert.match(pool.stderr, /refused by the coordinator: the token of pool has expired or was withdrawn/);
});
