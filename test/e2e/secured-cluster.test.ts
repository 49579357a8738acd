// A whole cluster as processes, with mutual TLS and tokens, everything that can log logging all it has: the job ends, and no secret is
// anywhere in what was printed. Also what the commands say of a secret in the wrong place.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hashOfSecret, newSecret } from '../../shared/tokens.ts';
import { sinusoidSpec } from '../support/job-specs.ts';
import { TestProcess } from '../support/processes.ts';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const tracing = { GRPC_TRACE: 'all', GRPC_VERBOSITY: 'DEBUG' };

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One command to its end. */
function metatrain(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(dist, 'client', 'cli', 'main.js'), ...args],
      { env: { ...process.env, ...environment }, timeout: 120_000, maxBuffer: 2 ** 28 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-secured-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test('a job runs over mutual TLS with tokens, and with every log and trace on no secret is printed', async (t) => {
  const directory = temporaryDirectory(t);
  const file = (name: string) => join(directory, name);
  const printed: string[] = [];
  const run = async (args: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
    const ran = await metatrain(args, environment);
    printed.push(ran.stdout, ran.stderr);
    return ran;
  };
  const made = await run(['certs', '--out', directory, '--host', 'localhost', '127.0.0.1', '--json']);
  const certificates = JSON.parse(made.stdout);
  for (const [name, roles] of [
    ['alice', 'submit,read'],
    ['pool', 'worker'],
  ] as const) {
    const files = ['--tokens', file('tokens.jsonl'), '--token-file', file(`${name}.token`)];
    const { code, stderr } = await run(['token', 'create', '--name', name, '--roles', roles, ...files]);
    assert.equal(code, 0, stderr);
    assert.equal(statSync(file(`${name}.token`)).mode & 0o777, 0o600);
  }
  const secretOf = (name: string) => readFileSync(file(`${name}.token`), 'utf8').trim();

  const coordinator = new TestProcess(
    t,
    'coordinator/main.js',
    [
      ...['--listen', 'localhost:0', '--state-dir', file('state'), '--log-level', 'trace'],
      ...['--tls-cert', certificates.coordinatorCert, '--tls-key', certificates.coordinatorKey],
      ...['--tls-client-ca', certificates.ca, '--tokens', file('tokens.jsonl')],
    ],
    tracing,
  );
  const { address } = await coordinator.ready<{ address: string }>();
  const reach = {
    // The address of the machine itself, and not its name: TLS has its own rules for addresses.
    METATRAIN_COORDINATOR: address.replace('localhost', '127.0.0.1'),
    METATRAIN_TLS_CA: certificates.ca,
    METATRAIN_TLS_CERT: certificates.clientCert,
    METATRAIN_TLS_KEY: certificates.clientKey,
  };
  const worker = new TestProcess(t, 'worker/main.js', ['--slots', '1', '--log-level', 'trace'], {
    ...tracing,
    ...reach,
    METATRAIN_TOKEN: secretOf('pool'),
  });
  await worker.ready();
  writeFileSync(file('job.yaml'), sinusoidSpec('secured', { meta: { iterations: 3, batchSize: 4 } }));
  const ran = await run(['submit', file('job.yaml'), '--watch', '--json'], {
    ...tracing,
    ...reach,
    METATRAIN_TOKEN_FILE: file('alice.token'),
  });
  assert.equal(ran.code, 0, ran.stderr.slice(-2_000));
  assert.doesNotMatch(`${ran.stderr}${worker.stderr}`, /DeprecationWarning/);
  assert.equal(JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '').state, 'SUCCEEDED');

  const stranger = newSecret();
  const unknown = await run(['workers'], { ...tracing, ...reach, METATRAIN_TOKEN: stranger });
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /error: this coordinator does not know the token/);
  const refused = new TestProcess(t, 'worker/main.js', ['--slots', '1'], { ...reach, METATRAIN_TOKEN: stranger });
  assert.equal((await refused.exited).code, 1);
  assert.match(refused.stderr, /refused by the coordinator: this coordinator does not know the token/);
  const missing = await run(['workers'], reach);
  assert.match(missing.stderr, /error: this coordinator asks for a token: --token-file FILE or METATRAIN_TOKEN/);
  const misplaced = await run(['jobs'], { ...reach, METATRAIN_TOKEN: secretOf('pool') });
  assert.match(misplaced.stderr, /ListJobs asks for the role read or admin; the token of pool has: worker/);

  // A secret in the place of its hash: the line is refused, not repeated.
  appendFileSync(file('tokens.jsonl'), `{"name":"carol","roles":["read"],"sha256":"${secretOf('alice')}"}\n`);
  appendFileSync(file('tokens.jsonl'), `${secretOf('pool')}\n`);
  coordinator.signal('SIGHUP');
  await run(['workers'], { ...reach, METATRAIN_TOKEN_FILE: file('alice.token') });

  worker.signal('SIGTERM');
  await worker.exited;
  coordinator.signal('SIGTERM');
  await coordinator.exited;
  printed.push(coordinator.stderr, worker.stderr, refused.stderr);
  const all = printed.join('\n');
  assert.match(all, /authorization.{1,20}\[secret\]/, 'the traces hold the header, made unreadable');
  assert.match(coordinator.stderr, /line 3: sha256: got something else; accepted: 64 lower-case/);
  for (const secret of [secretOf('alice'), secretOf('pool'), stranger]) {
    const at = all.indexOf(secret.slice(3, 20));
    assert.equal(at, -1, `a secret was printed: …${all.slice(Math.max(0, at - 200), at)}…`);
  }
});

test('metatrain token create prints a secret once, and a line with its hash alone', async () => {
  const { stdout } = await metatrain(['token', 'create', '--name', 'bob', '--roles', 'read,submit', '--json']);
  const { secret, entry } = JSON.parse(stdout);
  assert.match(secret, /^mt_[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(entry, { name: 'bob', roles: ['read', 'submit'], sha256: hashOfSecret(secret) });
});

test("what is wrong with a token's flags is told, and nothing of a secret with it", async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'token');
  const secret = newSecret();
  writeFileSync(file, `export METATRAIN_TOKEN=${secret}\n`);
  const create = ['token', 'create', '--name', 'x', '--roles', 'read'];
  for (const [args, environment, code, message] of [
    [['workers', '--token-file', file], {}, 1, /--token-file .*token: got something else; accepted: one secret/],
    [['workers'], { METATRAIN_TOKEN: `${secret}x` }, 1, /METATRAIN_TOKEN: got something else; accepted: one secret/],
    [['workers', '--token-file', join(directory, 'none')], {}, 1, /--token-file: .*none is not there; /],
    [
      ['workers', '--coordinator', 'cluster.example:7420'],
      { METATRAIN_TOKEN: secret },
      1,
      /a token would travel to cluster\.example:7420 unencrypted.*--tls-ca FILE.*--insecure/,
    ],
    [['workers', '--tls-cert', file], {}, 1, /--tls-cert and --tls-key go together/],
    [['workers', '--tls-cert', file, '--tls-key', file], {}, 1, /--tls-cert needs --tls-ca/],
    [['workers', '--tls-ca', file], {}, 1, /--tls-ca: .* is no PEM file/],
    [[...create, '--expires', 'yesterday'], {}, 2, /--expires.*90m, 12h, 30d or a time in the future/],
    [['token', 'create', '--name', 'x', '--roles', 'root'], {}, 2, /some of submit, read, predict, worker, admin/],
    [['token', 'create', '--name', '../x', '--roles', 'read'], {}, 1, /--name: got "\.\.\/x"; accepted: letters/],
    [[...create, '--tokens', file], {}, 1, /line 1: got no JSON; accepted: the line that/],
    [[...create, '--token-file', file], {}, 1, /cannot write .*EEXIST/],
    [['certs', '--out', file], {}, 1, /cannot make certificates in .*EEXIST/],
    [['certs', '--out', directory, '--host', 'a/b'], {}, 2, /a DNS name or an IP address, without a port/],
  ] as const) {
    const ran = await metatrain(args, environment);
    assert.equal(ran.code, code, `${args.join(' ')}: ${ran.stderr}`);
    assert.match(ran.stderr, message);
    assert.ok(!`${ran.stdout}${ran.stderr}`.includes(secret.slice(3, 20)), args.join(' '));
  }
});

test('a local run needs neither TLS, tokens nor a proxy, whatever the variables for another cluster say', async (t) => {
  const directory = temporaryDirectory(t);
  const job = join(directory, 'job.yaml');
  writeFileSync(job, sinusoidSpec('local', { meta: { iterations: 2, batchSize: 2 } }));
  const { code, stdout, stderr } = await metatrain(
    ['run', job, '--workers', '1', '--slots', '1', '--no-output', '--json'],
    {
      METATRAIN_TOKENS: join(directory, 'none'),
      METATRAIN_TOKEN: newSecret(),
      METATRAIN_TOKEN_FILE: join(directory, 'none'),
      METATRAIN_TLS_CA: join(directory, 'none'),
      METATRAIN_TLS_CERT: join(directory, 'none'),
      METATRAIN_TLS_KEY: join(directory, 'none'),
      METATRAIN_TLS_CLIENT_CA: join(directory, 'none'),
      // Nothing listens on port 9.
      grpc_proxy: 'http://127.0.0.1:9',
      https_proxy: 'http://127.0.0.1:9',
      http_proxy: 'http://127.0.0.1:9',
    },
  );
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout.trim().split('\n').at(-1) ?? '').state, 'SUCCEEDED');
});
