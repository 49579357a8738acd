// What the flags about NATS accept, and what is said of what they do not: before anything is connected, and without repeating a secret.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { Command } from 'commander';
import { addNatsFlags, type NatsFlags, natsOptionsOf } from '../../../../coordinator/event-bus/config.ts';
import { type NatsOptions, openEventBus } from '../../../../coordinator/event-bus/open.ts';
import { JobStore } from '../../../../coordinator/store/job-store.ts';
import { realClock } from '../../../../shared/clock.ts';
import { silentLogger } from '../../../../shared/log.ts';

for (const name of Object.keys(process.env)) if (name.startsWith('METATRAIN_')) delete process.env[name];

/** What the coordinator would be told, or what is said of the flags. */
function parsed(...args: string[]): NatsOptions | undefined | string {
  const command = addNatsFlags(new Command().exitOverride().configureOutput({ writeErr: () => {} }));
  try {
    command.parse(args, { from: 'user' });
    return natsOptionsOf(command.opts<NatsFlags>(), command);
  } catch (error) {
    return (error as Error).message;
  }
}

function optionsOf(...args: string[]): NatsOptions {
  const options = parsed(...args);
  assert.ok(typeof options === 'object', String(options));
  return options;
}

test('servers have a scheme and a port; limits have units and defaults', () => {
  assert.equal(parsed(), undefined);
  const { servers, stream } = optionsOf('--nats', 'nats-1, tls://nats-2:4333,[::1]:4222');
  assert.deepEqual(servers, ['nats://nats-1:4222', 'tls://nats-2:4333', 'nats://[::1]:4222']);
  const day = 86_400_000;
  assert.deepEqual(stream, { name: 'METATRAIN', maxAgeMs: 30 * day, maxBytes: 2 ** 30, maxMessages: 5_000_000 });
  const limits = ['--nats-max-age', '36h', '--nats-max-bytes', '512MiB', '--nats-max-messages', '7'];
  assert.deepEqual(optionsOf('--nats', 'a', '--nats-stream', 'OURS', ...limits).stream, {
    name: 'OURS',
    maxAgeMs: 1.5 * day,
    maxBytes: 2 ** 29,
    maxMessages: 7,
  });
});

test('a refusal states the accepted values', () => {
  for (const [args, expected] of [
    [['--nats', 'http://a'], /'http:\/\/a' is invalid\. Accepted: nats:\/\/HOST:PORT or tls:\/\/HOST:PORT/],
    [['--nats', 'a:99999'], /Accepted: nats:\/\/HOST:PORT/],
    [['--nats', 'a', '--nats-stream', 'a.b'], /Accepted: 1 to 128 letters, digits, - and _/],
    [['--nats', 'a', '--nats-max-age', '30'], /Accepted: a whole number of s, m, h or d, at least 1m/],
    [['--nats', 'a', '--nats-max-age', '30s'], /at least 1m/],
    [['--nats', 'a', '--nats-max-bytes', '1GB'], /Accepted: a whole number of KiB, MiB, GiB or TiB/],
    [['--nats', 'a', '--nats-max-messages', '0'], /Accepted: a whole number, at least 1/],
    [['--nats', 'a', '--nats-tls-cert', 'c'], /--nats-tls-cert and --nats-tls-key go together/],
    [['--nats', 'a', '--nats-user', 'u'], /--nats-user goes with --nats-password-file or METATRAIN_NATS_PASSWORD/],
    [['--nats', 'a', '--nats-password-file', 'f'], /--nats-user goes with/],
    [
      ['--nats', 'a', '--nats-credentials', 'c', '--nats-token-file', 't'],
      /credentials, a user or a token, one of them/,
    ],
  ] as const) {
    assert.match(String(parsed(...args)), expected, args.join(' '));
  }
});

test('an address with credentials is refused without repeating them', () => {
  const said = String(parsed('--nats', 'nats://trainer:s3cret@nats-1'));
  assert.match(said, /--nats takes an address without credentials/);
  assert.doesNotMatch(said, /s3cret/);
});

test('a password and a token may stand in the environment', (t) => {
  t.after(() => {
    delete process.env.METATRAIN_NATS_PASSWORD;
    delete process.env.METATRAIN_NATS_TOKEN;
  });
  process.env.METATRAIN_NATS_PASSWORD = 'p';
  assert.deepEqual(optionsOf('--nats', 'a', '--nats-user', 'u').password, 'p');
  delete process.env.METATRAIN_NATS_PASSWORD;
  process.env.METATRAIN_NATS_TOKEN = 't';
  assert.deepEqual(optionsOf('--nats', 'a').token, 't');
});

async function place(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  const store = await JobStore.open(join(directory, 'jobs.lmdb'));
  t.after(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });
  const open = (options: Partial<NatsOptions>, isInsecure = false) =>
    openEventBus(
      { ...optionsOf('--nats', 'nats://127.0.0.1:1'), ...options },
      { events: store.log, clock: realClock, log: silentLogger, isInsecure },
    );
  return { open, file: (name: string) => join(directory, name) };
}

test('a file that is missing, empty or not PEM fails the start, with its name', async (t) => {
  const { open, file } = await place(t);
  writeFileSync(file('empty'), '\n');
  for (const [options, expected] of [
    [{ credentialsFile: file('none') }, /^--nats-credentials: .*none is not there; /],
    [{ tokenFile: file('empty') }, /^--nats-token-file: .*empty is empty$/],
    [{ user: 'u', passwordFile: file('none') }, /^--nats-password-file: .*none is not there; /],
    [{ tls: { ca: file('empty') } }, /^--nats-tls-ca: .*empty is no PEM file/],
  ] as const) {
    assert.throws(() => open(options), { code: 'REQUEST_INVALID', message: expected });
  }
});

test('a password or a token for NATS is sent unencrypted to this machine only, unless told so', async (t) => {
  const { open } = await place(t);
  const servers = ['nats://nats.invalid:4222'];
  const token = { servers, token: 's3cret' };
  assert.throws(() => open(token), {
    code: 'REQUEST_INVALID',
    message: /^--nats: a token would travel to nats:\/\/nats\.invalid:4222 unencrypted/,
  });
  assert.throws(() => open({ servers, user: 'u', password: 's3cret' }), /a password would travel/);
  for (const opened of [
    open(token, true),
    open({ servers }),
    open({ token: 's3cret' }),
    open({ ...token, servers: ['tls://nats.invalid:4222'] }),
  ]) {
    await opened.close(0);
  }
});
