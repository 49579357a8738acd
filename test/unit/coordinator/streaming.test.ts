import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import test from 'node:test';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { OpenStreams } from '../../../coordinator/rpc/streaming.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import { silentLogger } from '../../../shared/log.ts';

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

test('nothing is asked for while what was written has not been read, however much there is', async () => {
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

test('a stream whose client is gone, or whose coordinator closes, ends while it waits to be read', async () => {
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
