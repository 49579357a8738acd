import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import test from 'node:test';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { OpenStreams, sendSignsOfLife } from '../../../../coordinator/rpc/streaming.ts';
import { type Clock, realClock } from '../../../../shared/clock.ts';
import { MetatrainError } from '../../../../shared/errors.ts';
import { silentLogger } from '../../../../shared/log.ts';

/** A client that reads nothing until the test says so. */
class SlowCall extends EventEmitter {
  readonly written: number[] = [];
  isEnded = false;

  write(message: number): boolean {
    this.written.push(message);
    this.emit('written');
    return false;
  }

  end(): void {
    this.isEnded = true;
  }
}

const asCall = (call: SlowCall) => call as unknown as ServerWritableStream<unknown, number>;

test('a stream asks for no more events until the written ones have been read', async () => {
  const call = new SlowCall();
  let asked = 0;
  const pouring = new OpenStreams(silentLogger).pour(asCall(call), async function* () {
    for (; asked < 3; asked += 1) yield asked;
  });
  for (const count of [1, 2, 3]) {
    if (call.written.length < count) await once(call, 'written');
    // Every promise that can settle has.
    await new Promise(setImmediate);
    assert.equal(call.written.length, count);
    assert.equal(asked, count - 1);
    call.emit('drain');
  }
  await pouring;
  assert.ok(call.isEnded);
  assert.equal(call.listenerCount('drain'), 0);
});

test('a stream that waits for its reader ends when the client disconnects or the coordinator closes', async () => {
  for (const [end, code] of [
    [(call: SlowCall) => call.emit('cancelled'), undefined],
    [
      (_: SlowCall, streams: OpenStreams) => streams.close(new MetatrainError('SHUTTING_DOWN', 'closing')),
      'SHUTTING_DOWN',
    ],
  ] as const) {
    const call = new SlowCall();
    const streams = new OpenStreams(silentLogger);
    let told: unknown;
    call.on('error', (error) => {
      told = error.metadata.get('metatrain-code')[0];
    });
    let isOver = false;
    const pouring = streams.pour(asCall(call), async function* (over) {
      while (!over.aborted) yield 1;
      isOver = true;
    });
    await once(call, 'written');
    end(call, streams);
    await pouring;
    assert.ok(isOver);
    assert.equal(told, code);
  }
});

test('an event stream begins with a sign of life and sends one every 15 s while its reader reads', () => {
  const written: unknown[] = [];
  const call = { writableNeedDrain: false, write: (message: unknown) => written.push(message) > 0 };
  let tick = () => {};
  let everyMs = 0;
  let isStopped = false;
  const clock: Clock = {
    ...realClock,
    every(intervalMs, callback) {
      everyMs = intervalMs;
      tick = callback;
      return () => {
        isStopped = true;
      };
    },
  };
  const stop = sendSignsOfLife(call, clock);
  assert.deepEqual(written, [{ sequence: 0 }]);
  tick();
  assert.equal(written.length, 2);
  call.writableNeedDrain = true;
  tick();
  assert.equal(written.length, 2);
  assert.equal(everyMs, 15_000);
  stop();
  assert.ok(isStopped);
});
