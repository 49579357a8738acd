// Who the coordinator is to NATS, over which wire; what it says when it is turned away; and that no secret is ever in its log.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { credsAuthenticator } from 'nats';
import { certifyClient, certifyServer, makeAuthority } from '../../../client/certificates.ts';
import type { NatsOptions } from '../../../coordinator/event-bus/open.ts';
import { makeAccounts } from '../../support/nats-accounts.ts';
import { NatsServer } from '../../support/nats-server.ts';
import { withoutPrograms } from '../../support/needs.ts';
import { TestCluster } from '../coordinator/cluster.ts';
import { endOf, logging, natsAt } from './with-nats.ts';

const skip = withoutPrograms(['nats-server'], 'events on a NATS server with TLS and credentials');

function files(t: TestContext, contents: Readonly<Record<string, string>>) {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = (name: string) => join(directory, name);
  for (const [name, text] of Object.entries(contents)) writeFileSync(path(name), text);
  return path;
}

/** Runs a job with the coordinator told these options; the stream must end with its end. */
async function mustPublish(t: TestContext, nats: NatsServer, options: Partial<NatsOptions>): Promise<string[]> {
  const { log, all } = logging();
  const cluster = await TestCluster.start(t, { nats: natsAt(nats, options) }, log);
  await cluster.worker('w1');
  const jobId = await cluster.submit();
  await nats.messages(endOf(jobId));
  await cluster.stop();
  return all;
}

/** Runs a job with the coordinator told these options. @returns why NATS turned it away, and the whole log. */
async function mustBeTurnedAway(t: TestContext, nats: NatsServer, options: Partial<NatsOptions>) {
  const { log, until, all } = logging();
  const cluster = await TestCluster.start(t, { nats: natsAt(nats, options) }, log);
  await cluster.worker('w1');
  const job = await cluster.end(await cluster.submit());
  assert.equal(job.state, 'JOB_STATE_SUCCEEDED', 'training does not notice');
  const { reason } = await until(/events do not reach NATS/);
  // It keeps trying.
  await until(/events do not reach NATS/);
  await cluster.stop();
  return { reason: String(reason), all };
}

const day = 86_400_000;
const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) };

async function securedServer(t: TestContext) {
  const authority = await makeAuthority('Test authority', validity);
  const server = await certifyServer(authority, ['127.0.0.1'], validity);
  const client = await certifyClient(authority, validity);
  const stranger = await makeAuthority('Another authority', validity);
  const path = files(t, {
    'ca.pem': authority.certificate,
    'other-ca.pem': stranger.certificate,
    'server.pem': server.certificate,
    'server-key.pem': server.key,
    'client.pem': client.certificate,
    'client-key.pem': client.key,
  });
  const tls = { ca: path('ca.pem'), cert: path('client.pem'), key: path('client-key.pem') };
  const config = [
    'authorization { user: trainer, password: "s3cret-pass" }',
    `tls { cert_file: "${path('server.pem')}", key_file: "${path('server-key.pem')}", ca_file: "${tls.ca}", verify: true }`,
  ].join('\n');
  const ownTls = { caFile: tls.ca, certFile: tls.cert, keyFile: tls.key, host: '127.0.0.1' };
  const nats = await NatsServer.start(t, { config, client: { user: 'trainer', pass: 's3cret-pass', tls: ownTls } });
  return { nats, tls, path };
}

test('mutual TLS and a password: a wrong password, or a server of another authority, is logged and disturbs no job', {
  skip,
}, async (t) => {
  const { nats, tls, path } = await securedServer(t);
  const right = { user: 'trainer', password: 's3cret-pass', tls };
  const log = await mustPublish(t, nats, right);
  const wrong = await mustBeTurnedAway(t, nats, { ...right, password: 'wrong-pass-1' });
  assert.match(wrong.reason, /no connection to nats:\/\/127\.0\.0\.1:\d+: .*Authorization Violation/i);
  const strange = await mustBeTurnedAway(t, nats, { ...right, tls: { ...tls, ca: path('other-ca.pem') } });
  assert.match(strange.reason, /certificate/);
  const noCertificate = await mustBeTurnedAway(t, nats, { ...right, tls: { ca: tls.ca } });
  assert.match(noCertificate.reason, /no connection/);
  for (const line of [...log, ...wrong.all, ...strange.all, ...noCertificate.all]) {
    assert.doesNotMatch(line, /s3cret-pass|wrong-pass-1/);
  }
});

test('a server without the requested encryption is refused', { skip }, async (t) => {
  const nats = await NatsServer.start(t);
  const { reason } = await mustBeTurnedAway(t, nats, { servers: [nats.url.replace('nats:', 'tls:')] });
  assert.match(reason, /TLS|tls/);
});

test('a token from a file', { skip }, async (t) => {
  const nats = await NatsServer.start(t, { config: 'authorization { token: "t0ken" }', client: { token: 't0ken' } });
  const path = files(t, { token: 't0ken\n' });
  const log = await mustPublish(t, nats, { tokenFile: path('token') });
  for (const line of log) assert.doesNotMatch(line, /t0ken/);
});

test('a credentials file', { skip }, async (t) => {
  const { config, credentials } = makeAccounts();
  const authenticator = credsAuthenticator(new TextEncoder().encode(credentials));
  const nats = await NatsServer.start(t, { config, client: { authenticator } });
  const path = files(t, { 'user.creds': credentials, 'stranger.creds': makeAccounts().credentials });
  await mustPublish(t, nats, { credentialsFile: path('user.creds') });
  const { reason } = await mustBeTurnedAway(t, nats, { credentialsFile: path('stranger.creds') });
  assert.match(reason, /Authorization Violation/i);
});
