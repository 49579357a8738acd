import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Hono } from 'hono';
import { pino } from 'pino';
import { Refusals } from '../../../coordinator/access/refusals.ts';
import { TokenBook } from '../../../coordinator/access/token-book.ts';
import { Gate } from '../../../coordinator/http/gate.ts';
import { startCoordinator } from '../../../coordinator/main.ts';
import { type Clock, realClock } from '../../../shared/clock.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import { type HttpApp, startHttpServer } from '../../../shared/http-server.ts';
import { silentLogger } from '../../../shared/log.ts';
import { openGate } from './open-gate.ts';

const ready = { notReady: () => undefined };
const anywhere = { host: '127.0.0.1', port: 0 };

function stateDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'metatrain-http-'));
}

test('a coordinator that serves HTTP says that it is alive and ready', async (t) => {
  const directory = stateDirectory();
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const coordinator = await startCoordinator({ stateDirectory: directory, ...anywhere, http: anywhere });
  t.after(() => coordinator.close());
  for (const path of ['/healthz', '/readyz'])
    assert.equal((await fetch(`http://${coordinator.http}${path}`)).status, 200);
  const missing = await fetch(`http://${coordinator.http}/nothing`);
  assert.equal(missing.status, 404);
  assert.deepEqual(await missing.json(), { error: { code: 'NOT_FOUND', message: 'there is no /nothing' } });
  await coordinator.close();
  await assert.rejects(fetch(`http://${coordinator.http}/healthz`));
});

test('a port that another program has is named, and the coordinator frees what it had taken', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const directory = stateDirectory();
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const options = { stateDirectory: directory, ...anywhere };
  await assert.rejects(startCoordinator({ ...options, http: { host: '127.0.0.1', port } }), {
    code: 'ADDRESS_IN_USE',
    message: `cannot serve HTTP on 127.0.0.1:${port}: another program listens there`,
  });
  await (await startCoordinator(options)).close();
});

test('HTTP beyond this machine requires TLS and tokens as gRPC does', async (t) => {
  const directory = stateDirectory();
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  await assert.rejects(
    startCoordinator({ stateDirectory: directory, ...anywhere, http: { host: '0.0.0.0', port: 0 } }),
    { code: 'REQUEST_INVALID', message: /listening on 0\.0\.0\.0/ },
  );
});

test('errors are JSON with their code, and our own mistakes tell nothing', async (t) => {
  const routes = (app: HttpApp) => {
    app.get('/theirs', () => {
      throw new MetatrainError('JOB_UNKNOWN', 'there is no job "x"');
    });
    app.get('/ours', () => {
      throw new Error('a secret of the house');
    });
  };
  const server = await startHttpServer(anywhere, { routes: [routes], health: ready, log: silentLogger });
  t.after(() => server.close(0));
  const theirs = await fetch(`http://${server.address}/theirs`);
  assert.equal(theirs.status, 404);
  assert.deepEqual(await theirs.json(), { error: { code: 'JOB_UNKNOWN', message: 'there is no job "x"' } });
  const ours = await fetch(`http://${server.address}/ours`);
  assert.equal(ours.status, 500);
  assert.doesNotMatch(await ours.text(), /secret/);
});

test('closing ends an answer that never ends', async () => {
  const routes = (app: HttpApp) => {
    app.get('/forever', async (context) => {
      context.env.exchange.begin([]);
      void context.env.exchange.write('.');
      return context.body(null);
    });
  };
  const server = await startHttpServer(anywhere, { routes: [routes], health: ready, log: silentLogger });
  const socket = connect(Number(server.address.split(':')[1]), '127.0.0.1');
  const ended = new Promise((resolve) => socket.once('close', resolve));
  socket.write('GET /forever HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  await server.close(10);
  await ended;
});

test('a gate without tokens admits every caller', async () => {
  const app = new Hono();
  app.get('/', openGate.admits('admin'), (context) => context.text(context.var.visitor.name));
  assert.equal((await app.request('/')).status, 200);
});

test('refused callers are logged with the reason, at most one a second', async (t) => {
  const directory = stateDirectory();
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const tokensFile = join(directory, 'tokens.jsonl');
  writeFileSync(tokensFile, '');
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  let now = 5_000;
  const clock: Clock = { ...realClock, elapsedMs: () => now };
  const gate = new Gate(TokenBook.open(tokensFile, { clock, log }), new Refusals({ clock, log }));
  const routes = (app: HttpApp) => app.get('/jobs', gate.admits('read'), (context) => context.text('inside'));
  const server = await startHttpServer(anywhere, { routes: [routes], health: ready, log });
  t.after(() => server.close(0));
  const ask = async () => {
    const { status } = await fetch(`http://${server.address}/jobs`, { headers: { authorization: 'Bearer mt_wrong' } });
    assert.equal(status, 401);
  };
  for (let i = 0; i < 3; i++) await ask();
  now += 1_000;
  await ask();
  const told = lines
    .filter(({ msg }) => msg === 'a call was refused')
    .map(({ path, peer, reason, sinceLastReport }) => ({ path, peer, reason, sinceLastReport }));
  const refusal = { path: '/jobs', peer: '127.0.0.1', reason: 'this coordinator does not know the token' };
  assert.deepEqual(told, [
    { ...refusal, sinceLastReport: 1 },
    { ...refusal, sinceLastReport: 3 },
  ]);
});
