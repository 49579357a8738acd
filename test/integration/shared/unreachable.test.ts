// Why nobody answers: each reason with its own sentence and remedy, found at real sockets.
// test/integration/security/tls.test.ts has the certificates of a real coordinator.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttp2, createSecureServer } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, type TestContext } from 'node:test';
import { type CertificateAndKey, certifyClient, certifyServer, makeAuthority } from '../../../client/certificates.ts';
import { type ConnectionOptions, connectionTo } from '../../../shared/connection.ts';
import { whyUnreachable } from '../../../shared/unreachable.ts';

const directory = mkdtempSync(join(tmpdir(), 'metatrain-unreachable-'));
const today = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + 86_400_000) };
const yesterday = { notBefore: new Date(Date.now() - 172_800_000), notAfter: new Date(Date.now() - 86_400_000) };
const tomorrow = { notBefore: new Date(Date.now() + 86_400_000), notAfter: new Date(Date.now() + 172_800_000) };

let authority: CertificateAndKey;
let server: CertificateAndKey;
const file = (name: string) => join(directory, name);

before(async () => {
  authority = await makeAuthority('ours', today);
  server = await certifyServer(authority, ['127.0.0.1'], today);
  const [other, client, stranger] = await Promise.all([
    makeAuthority('ours', today),
    certifyClient(authority, today),
    makeAuthority('theirs', today).then((theirs) => certifyClient(theirs, today)),
  ]);
  writeFileSync(file('ca.pem'), authority.certificate);
  writeFileSync(file('other-ca.pem'), other.certificate);
  for (const [name, pair] of Object.entries({ client, stranger })) {
    writeFileSync(file(`${name}.pem`), pair.certificate);
    writeFileSync(file(`${name}-key.pem`), pair.key);
  }
});
after(() => rmSync(directory, { recursive: true, force: true }));

async function listen(context: TestContext, listening: Pick<Server, 'listen' | 'address' | 'close'>): Promise<string> {
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  context.after(() => new Promise((resolve) => listening.close(resolve)));
  return `127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

const secure = ({ certificate, key }: CertificateAndKey, more: object = {}) =>
  createSecureServer({ cert: certificate, key, ...more });

const trusting = (name: string): ConnectionOptions => ({ tlsCa: file(name) });
const why = (address: string, options: ConnectionOptions = {}) => connectionTo(address, options).whyUnreachable();

async function freeAddress(): Promise<string> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return `127.0.0.1:${port}`;
}

test('a gRPC server gives no reason, with and without TLS', async (context) => {
  assert.equal(await why(await listen(context, createHttp2())), undefined);
  assert.equal(await why(await listen(context, secure(server)), trusting('ca.pem')), undefined);
});

test('a port without a server, and an unknown host', async () => {
  const address = await freeAddress();
  for (const options of [{}, trusting('ca.pem')]) {
    assert.equal(
      await why(address, options),
      `nothing listens at ${address}; start a coordinator with \`metatrain up\`, or name another with --coordinator HOST:PORT`,
    );
  }
  // Where there is no name server either, the sentence says that.
  assert.match((await why('no-such-host.invalid:7420')) ?? '', /^(there is no host|the name) no-such-host\.invalid/);
});

test('TLS on one side only', async (context) => {
  const withTls = await listen(context, secure(server));
  assert.match((await why(withTls)) ?? '', /^the coordinator at \S+ speaks TLS; give --tls-ca FILE/);
  const without = await listen(context, createHttp2());
  assert.match(
    (await why(without, trusting('ca.pem'))) ?? '',
    /^the coordinator at \S+ speaks no TLS; leave out --tls-ca/,
  );
});

test('certificates: of another authority, expired, not good yet, for another host', async (context) => {
  const cases = [
    [server, 'other-ca.pem', /^no authority of --tls-ca signed the certificate of \S+; /],
    [await certifyServer(authority, ['127.0.0.1'], yesterday), 'ca.pem', /has expired \(it was good until .*GMT\); /],
    [await certifyServer(authority, ['127.0.0.1'], tomorrow), 'ca.pem', /is not good before .*GMT; check the clocks/],
    [await certifyServer(authority, ['elsewhere.example'], today), 'ca.pem', /does not name 127\.0\.0\.1; /],
  ] as const;
  for (const [pair, ca, sentence] of cases) {
    assert.match((await why(await listen(context, secure(pair)), trusting(ca))) ?? '', sentence);
  }
});

test('a missing client certificate, and a rejected one', async (context) => {
  const asking = { ca: authority.certificate, requestCert: true, rejectUnauthorized: true };
  const address = await listen(context, secure(server, asking));
  const shown = (name: string) => ({ tlsCert: file(`${name}.pem`), tlsKey: file(`${name}-key.pem`) });
  assert.match((await why(address, trusting('ca.pem'))) ?? '', /asks for a client certificate; give --tls-cert/);
  assert.match(
    (await why(address, { ...trusting('ca.pem'), ...shown('stranger') })) ?? '',
    /does not accept this client certificate; /,
  );
  assert.equal(await why(address, { ...trusting('ca.pem'), ...shown('client') }), undefined);
});

test("another program's port, such as that of the console", async (context) => {
  const address = await listen(context, createHttp());
  for (const options of [{}, trusting('ca.pem')]) {
    assert.match((await why(address, options)) ?? '', /^what listens at \S+ is no gRPC server; give the port of/);
  }
});

test('a used proxy is named, with the way to avoid it', async () => {
  const proxy = { address: 'proxy.example:3128', variable: 'http_proxy' };
  assert.equal(
    await whyUnreachable({ address: 'cluster.example:7420', proxy, tls: undefined }),
    'no coordinator answers at cluster.example:7420 through the proxy proxy.example:3128 (http_proxy); ' +
      'NO_PROXY=cluster.example connects without it',
  );
});

test('a file that is missing, a folder or not PEM is named with its flag', () => {
  const refused = (options: ConnectionOptions, message: RegExp) =>
    assert.throws(() => connectionTo('127.0.0.1:7420', options), { code: 'REQUEST_INVALID', message });
  refused({ tlsCa: file('none.pem') }, /^--tls-ca: .*none\.pem is not there; /);
  refused({ tlsCa: directory }, /^--tls-ca: .* is a folder; /);
  refused({ tlsCa: file('client-key.pem'), tlsCert: file('no.pem'), tlsKey: file('client-key.pem') }, /^--tls-cert: /);
  refused({ tokenFile: file('none') }, /^--token-file: .*none is not there; /);
});
