// HTTP in a thread of its own: what it does when clients misbehave or it ends, and that it costs the process around it nothing that lasts.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { type Exchange, HttpFront } from '../../../shared/http-front/front.ts';
import type { Asked } from '../../../shared/http-front/protocol.ts';
import { startHttpServer } from '../../../shared/http-server.ts';
import { silentLogger } from '../../../shared/log.ts';
import { Mailbox } from '../../support/mailbox.ts';
import { TestProcess } from '../../support/processes.ts';
import { ask, EventStream, post } from '../console/http-client.ts';

const anywhere = { host: '127.0.0.1', port: 0, tls: undefined, maxBodyBytes: 10, maxConnections: 4 };
const text = [['content-type', 'text/plain']] as const;

test('a body is read on request only, up to one byte beyond the limit, and the client gets the answer', async (t) => {
  const answer = async ({ target }: Asked, exchange: Exchange) => {
    if (target.endsWith('/stranger')) exchange.whole(401, text, 'none of it');
    else exchange.whole(200, text, String((await exchange.body()).byteLength));
  };
  const front = await HttpFront.open({ ...anywhere, answer, log: silentLogger });
  t.after(() => front.close(0));
  const bytesOf = async (body: string) => {
    const answered = await ask(`127.0.0.1:${front.port}`, '/', { method: 'POST', body });
    return answered.body.toString();
  };
  assert.equal(await bytesOf(''), '0');
  assert.equal(await bytesOf('0123456789'), '10');
  assert.equal(await bytesOf('0123456789a'), '11');
  const large = 'x'.repeat(3_000_000);
  assert.equal(await bytesOf(large), '11');
  const unread = await ask(`127.0.0.1:${front.port}`, '/stranger', { method: 'POST', body: large });
  assert.equal(unread.status, 401);
});

test('a client that leaves is reported, and a client that leaves during its body has sent nothing', async (t) => {
  const asked = new Mailbox<Exchange>();
  const answer = async (_: Asked, exchange: Exchange) => asked.put(exchange);
  const front = await HttpFront.open({ ...anywhere, answer, log: silentLogger });
  t.after(() => front.close(0));
  const hasty = connect(front.port, '127.0.0.1');
  hasty.write('POST /half HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab');
  hasty.end();
  const half = await asked.take('the request whose body is not whole');
  assert.equal((await half.body()).byteLength, 0);
  assert.equal(half.over.aborted, true);
  const socket = connect(front.port, '127.0.0.1');
  socket.write('GET /stays HTTP/1.1\r\nHost: x\r\n\r\n');
  const exchange = await asked.take('the request that is whole');
  exchange.begin(text);
  await exchange.write('a piece that is read');
  const over = new Promise((resolve) => exchange.over.addEventListener('abort', resolve));
  socket.destroy();
  await over;
  await exchange.write('what is written then resolves, and goes nowhere');
});

test('a thread that ends is replaced at its address, and open answers end', async (t) => {
  const lines = new Mailbox<string>();
  const log = pino({ level: 'error' }, { write: (line: string) => lines.put(line) });
  let begun: Exchange | undefined;
  const answer = async ({ target }: Asked, exchange: Exchange) => {
    if (target.endsWith('/stream')) {
      begun = exchange;
      exchange.begin(text);
      void exchange.write('.');
    } else exchange.whole(target.endsWith('/teapot') ? 418 : 200, text, 'fine');
  };
  const threadFile = new URL('../../support/fragile-http-thread.js', import.meta.url);
  const front = await HttpFront.open({ ...anywhere, answer, log, threadFile });
  t.after(() => front.close(0));
  const address = `127.0.0.1:${front.port}`;
  const stream = connect(front.port, '127.0.0.1').on('error', () => undefined);
  stream.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => stream.once('data', resolve));
  await assert.rejects(ask(address, '/teapot'));
  assert.match(await lines.take('a line of the log'), /it starts again/);
  assert.equal(begun?.over.aborted, true);
  let again = 0;
  while (again === 0)
    again = await ask(address, '/').then(
      ({ status }) => status,
      () => 0,
    );
  assert.equal(again, 200);
});

test('a TRACE request gets 400', async (t) => {
  const health = { notReady: () => undefined };
  const server = await startHttpServer({ host: '127.0.0.1', port: 0 }, { routes: [], health, log: silentLogger });
  t.after(() => server.close(0));
  const answered = await ask(server.address, '/healthz', { method: 'TRACE' });
  assert.equal(answered.status, 400);
  assert.equal(answered.json().error.code, 'REQUEST_INVALID');
  assert.equal((await ask(server.address, '/healthz', { method: 'HEAD' })).headers['content-length'], '3');
});

test('a Host header cannot change the path of a request', async (t) => {
  const health = { notReady: () => undefined };
  const server = await startHttpServer({ host: '127.0.0.1', port: 0 }, { routes: [], health, log: silentLogger });
  t.after(() => server.close(0));
  const statusOf = async (request: string) => {
    const socket = connect(Number(server.address.split(':').at(-1)), '127.0.0.1');
    socket.write(request);
    let answered = '';
    for await (const chunk of socket) answered += String(chunk);
    return Number(answered.split(' ')[1]);
  };
  for (const host of ['x', 'X.example:7421', '[::1]:7421', '127.0.0.1'])
    assert.equal(await statusOf(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`), 200, host);
  for (const host of ['x/healthz?', 'x#', 'somebody@x', 'x\\y', 'x y', '', ':', 'x:port'])
    assert.equal(await statusOf(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`), 400, host);
  assert.equal(await statusOf('GET /healthz HTTP/1.0\r\n\r\n'), 400);
  // As a proxy is asked.
  assert.equal(await statusOf('GET http://x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), 200);
  assert.equal(await statusOf('GET //healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), 404);
  assert.equal(await statusOf('OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), 400);
});

test('no kind of request transfers a buffer, which would make V8 check every access to one', async (t) => {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-front-'));
  t.after(() => rmSync(stateDirectory, { recursive: true, force: true }));
  const flags = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--state-dir', stateDirectory];
  const coordinator = new TestProcess(t, 'coordinator/main.js', flags, {}, ['--trace-protector-invalidation']);
  // Of others V8 may tell before.
  let ready = '';
  while (!ready.startsWith('{')) ready = await coordinator.line();
  const { http } = JSON.parse(ready) as { http: string };
  for (const path of ['/metrics', '/readyz', '/', '/assets/console/main.js', '/api/v1/jobs', '/nothing'])
    await ask(http, path);
  const { status } = await post(http, '/api/v1/jobs', { spec: 'name: [' });
  assert.equal(status, 400);
  const stream = await EventStream.open(http, '/api/v1/events');
  await stream.next('caught-up');
  await coordinator.kill('SIGTERM');
  assert.deepEqual(
    (await coordinator.restOfLines()).filter((line) => line.includes('ArrayBufferDetaching')),
    [],
  );
});

test('silent connections are closed for new ones, and open answers stay', async (t) => {
  const answer = async ({ target }: Asked, exchange: Exchange) => {
    if (!target.endsWith('/stream')) return exchange.whole(200, text, 'fine');
    exchange.begin(text);
    void exchange.write('.');
  };
  const front = await HttpFront.open({ ...anywhere, answer, log: silentLogger });
  t.after(() => front.close(0));
  const open = () =>
    connect(front.port, '127.0.0.1')
      .on('error', () => undefined)
      .resume();
  const stream = open();
  stream.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => stream.once('data', resolve));
  let streamEnded = false;
  stream.once('close', () => (streamEnded = true));
  const silent = Array.from({ length: 20 }, open);
  await closedOf(silent, 17);
  assert.equal((await ask(`127.0.0.1:${front.port}`, '/')).body.toString(), 'fine');
  assert.equal(streamEnded, false);
  for (const socket of [...silent, stream]) socket.destroy();
});

/** Resolves when so many of the sockets are closed. */
function closedOf(sockets: readonly Socket[], count: number): Promise<void> {
  let closed = 0;
  return new Promise((resolve) => {
    for (const socket of sockets) {
      socket.once('close', () => {
        closed += 1;
        if (closed === count) resolve();
      });
    }
  });
}
