import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { certifyClient, certifyServer, makeAuthority } from '../../../client/certificates.ts';
import { inClusterAccess, type KubeAccess, kubeconfigAccess } from '../../../deploy/controller/kube/access.ts';
import { ApiClient } from '../../../deploy/controller/kube/api-client.ts';
import { KubeError } from '../../../deploy/controller/kube/errors.ts';
import { realClock } from '../../../shared/clock.ts';
import { MetatrainError } from '../../../shared/errors.ts';

const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
const authority = await makeAuthority('an authority', validity);
const server = await certifyServer(authority, ['127.0.0.1', 'api.example'], validity);
const client = await certifyClient(authority, validity);

interface Seen {
  readonly headers: IncomingHttpHeaders;
  readonly hasCertificate: boolean;
}

/** An HTTPS server that remembers who asked. */
async function listening(t: TestContext): Promise<{ readonly url: string; readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const options = { cert: server.certificate, key: server.key, ca: authority.certificate };
  const listener = createServer({ ...options, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    seen.push({ headers: request.headers, hasCertificate: (request.socket as TLSSocket).authorized });
    response.end('{"kind":"Any"}');
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(async () => {
    listener.closeAllConnections();
    listener.close();
    await once(listener, 'close');
  });
  return { url: `https://127.0.0.1:${(listener.address() as AddressInfo).port}`, seen };
}

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-access-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

interface Parts {
  readonly cluster: object;
  readonly user: object;
}

function kubeconfigIn(directory: string, { cluster, user }: Parts): string {
  const file = join(directory, 'kubeconfig');
  const config = {
    'current-context': 'there',
    contexts: [{ name: 'there', context: { cluster: 'c', user: 'u', namespace: 'lab' } }],
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

async function ask(t: TestContext, access: KubeAccess, times = 1): Promise<void> {
  const api = new ApiClient(access, realClock);
  t.after(() => api.close());
  for (let time = 0; time < times; time += 1) await api.request({ path: '/version' });
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

test('a kubeconfig with data in it gives authority, token and namespace', async (t) => {
  const { url, seen } = await listening(t);
  const cluster = { server: url, 'certificate-authority-data': base64(authority.certificate) };
  const access = kubeconfigAccess(kubeconfigIn(directoryOf(t), { cluster, user: { token: 'secret' } }));
  await ask(t, access);
  assert.equal(access.namespace, 'lab');
  assert.equal(seen[0]?.headers.authorization, 'Bearer secret');
  assert.equal(seen[0]?.hasCertificate, false);
});

test('files beside the kubeconfig are found, and a client certificate is shown', async (t) => {
  const { url, seen } = await listening(t);
  const directory = directoryOf(t);
  writeFileSync(join(directory, 'ca.pem'), authority.certificate);
  writeFileSync(join(directory, 'cert.pem'), client.certificate);
  writeFileSync(join(directory, 'key.pem'), client.key);
  const cluster = { server: url, 'certificate-authority': 'ca.pem', 'tls-server-name': 'api.example' };
  const user = { 'client-certificate': 'cert.pem', 'client-key': 'key.pem' };
  await ask(t, kubeconfigAccess(kubeconfigIn(directory, { cluster, user })));
  assert.equal(seen[0]?.hasCertificate, true);
});

test('a server of another authority is refused, unless the kubeconfig skips the check', async (t) => {
  const { url } = await listening(t);
  const directory = directoryOf(t);
  const user = { token: 'secret' };
  const strict = kubeconfigAccess(kubeconfigIn(directory, { cluster: { server: url }, user }));
  await assert.rejects(ask(t, strict), (error) => error instanceof KubeError && error.status === 0);
  const cluster = { server: url, 'insecure-skip-tls-verify': true };
  await ask(t, kubeconfigAccess(kubeconfigIn(directory, { cluster, user })));
});

test("a pod's token is read again when the kubelet replaces it", async (t) => {
  const { url, seen } = await listening(t);
  const directory = directoryOf(t);
  const put = (name: string, token: string) => {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'token'), token);
    symlinkSync(name, join(directory, '..data-new'));
    renameSync(join(directory, '..data-new'), join(directory, '..data'));
  };
  put('..1', 'first');
  symlinkSync('..data/token', join(directory, 'token'));
  writeFileSync(join(directory, 'ca.crt'), authority.certificate);
  writeFileSync(join(directory, 'namespace'), 'of-the-pod');
  const { hostname, port } = new URL(url);
  const access = inClusterAccess(hostname, port, directory);
  assert.equal(access.namespace, 'of-the-pod');
  await ask(t, access);
  put('..2', 'second');
  await ask(t, access);
  assert.deepEqual(
    seen.map(({ headers }) => headers.authorization),
    ['Bearer first', 'Bearer second'],
  );
});

test('what cannot be used is refused by name', (t) => {
  const directory = directoryOf(t);
  const cluster = { server: 'https://127.0.0.1:1' };
  const refusal = (parts: Parts) => {
    try {
      kubeconfigAccess(kubeconfigIn(directory, parts));
    } catch (thrown) {
      assert.ok(thrown instanceof MetatrainError && thrown.code === 'REQUEST_INVALID');
      return thrown.message;
    }
    return '';
  };
  assert.match(refusal({ cluster, user: { exec: { command: 'aws' } } }), /got a user with exec; accepted: token/);
  assert.match(
    refusal({ cluster: { server: 'nowhere' }, user: {} }),
    /server: got "nowhere"; accepted: an https address/,
  );
  assert.match(refusal({ cluster, user: { tokenFile: 'absent' } }), /tokenFile: .*absent cannot be read/);
  writeFileSync(join(directory, 'other'), 'kind: Config');
  assert.throws(() => kubeconfigAccess(join(directory, 'other')), /is no kubeconfig: it has no clusters/);
  assert.throws(() => inClusterAccess(undefined, undefined), /runs in no pod .*--kubeconfig FILE/);
});
