// Which connections are closed when there are too many, or when they say nothing.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import test from 'node:test';
import type { Clock } from '../../../shared/clock.ts';
import { ConnectionLimit, type ConnectionLimits, maxOpenFiles, peerOf } from '../../../shared/connection-limit.ts';

class FakeSocket extends EventEmitter {
  readonly remoteAddress = '10.0.0.1';
  readonly remotePort: number;
  isOpen = true;

  constructor(remotePort: number) {
    super();
    this.remotePort = remotePort;
  }

  destroy(): void {
    this.isOpen = false;
    this.emit('close');
  }
}

function setUp(limits: ConnectionLimits) {
  let elapsedMs = 0;
  let sweep = () => {};
  const clock: Clock = {
    now: () => 0,
    elapsedMs: () => elapsedMs,
    after: () => () => undefined,
    every: (_, callback) => {
      sweep = callback;
      return () => undefined;
    },
  };
  const closed: string[] = [];
  const limit = new ConnectionLimit(limits, clock, (peer, reason) => closed.push(`${peer}: ${reason}`));
  const sockets: FakeSocket[] = [];
  const connect = (port: number) => {
    const socket = new FakeSocket(port);
    sockets.push(socket);
    limit.add(socket as unknown as Socket);
    return socket;
  };
  const wait = (ms: number) => {
    elapsedMs += ms;
    sweep();
  };
  const open = () => sockets.filter(({ isOpen }) => isOpen).map(({ remotePort }) => remotePort);
  const trust = (port: number) => limit.trust(`10.0.0.1:${port}`);
  const distrust = (port: number) => limit.distrust(`10.0.0.1:${port}`);
  return { connect, trust, distrust, wait, open, closed };
}

test('of too many strangers the oldest makes room, and trusted connections stay', () => {
  const { connect, trust, open, closed } = setUp({ connections: 5, strangers: 2 });
  connect(1);
  trust(1);
  for (const port of [2, 3, 4, 5]) connect(port);
  assert.deepEqual(open(), [1, 4, 5]);
  assert.deepEqual(
    closed,
    [2, 3].map((port) => `10.0.0.1:${port}: 5 connections, 2 of them without a call that was let in, are the limit`),
  );
});

test('beyond the limit of all a newcomer takes a stranger’s room, and where there is none it is refused', () => {
  const { connect, trust, open, closed } = setUp({ connections: 3, strangers: 3 });
  for (const port of [1, 2, 3]) connect(port);
  trust(1);
  connect(4);
  assert.deepEqual(open(), [1, 3, 4]);
  for (const port of [3, 4]) trust(port);
  connect(5);
  assert.deepEqual(open(), [1, 3, 4]);
  assert.equal(closed.at(-1), '10.0.0.1:5: 3 connections are open, the limit');
});

test('a connection that is closed by its own end makes room, whether it was trusted or not', () => {
  const { connect, trust, open } = setUp({ connections: 2, strangers: 2 });
  const [first, second] = [connect(1), connect(2)];
  trust(1);
  first.destroy();
  second.destroy();
  connect(3);
  connect(4);
  assert.deepEqual(open(), [3, 4]);
});

test('a stranger is closed after its time, and connections that are trusted or have no limit stay', () => {
  const timed = setUp({ connections: 9, strangers: 9, strangerMs: 10_000 });
  timed.connect(1);
  timed.trust(1);
  timed.connect(2);
  timed.wait(6_000);
  timed.connect(3);
  timed.wait(5_000);
  assert.deepEqual([timed.open(), timed.closed], [[1, 3], ['10.0.0.1:2: no call was let in within 10 s']]);
  timed.distrust(1);
  timed.wait(1_000);
  assert.deepEqual(timed.open(), [3], 'a stranger’s again, and long there');
  const untimed = setUp({ connections: 9, strangers: 9 });
  untimed.connect(1);
  untimed.wait(1e9);
  assert.deepEqual(untimed.open(), [1]);
});

test('a peer is named as gRPC names it, and the limit of open files is a number', () => {
  assert.equal(peerOf({ remoteAddress: '::1', remotePort: 7 }), '::1:7');
  assert.ok(maxOpenFiles() > 0);
});
