// The outbox against a stream whose fullness the test decides.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkerMessage } from '../../../shared/gen/metatrain/v1/WorkerMessage.ts';
import { maxBatchBytes } from '../../../shared/wire.ts';
import { Outbox } from '../../../worker/session-outbox.ts';
import { rowMessages } from '../../support/measures.ts';

class FakeStream {
  readonly written: string[] = [];
  isFull = false;
  isEnded = false;
  #onDrain: (() => void) | undefined;

  write(message: WorkerMessage): boolean {
    this.written.push((message.batch?.messages ?? [message]).map(nameOf).join(' + '));
    return !this.isFull;
  }

  once(_event: 'drain', listener: () => void): void {
    this.#onDrain = listener;
  }

  end(): void {
    this.isEnded = true;
  }

  drain(): void {
    this.#onDrain?.();
  }
}

const nameOf = ({ heartbeat, payloadChunk, shardResult }: WorkerMessage): string => {
  if (heartbeat) return `heartbeat ${heartbeat.sequence}`;
  return payloadChunk ? `chunk ${payloadChunk.offset}` : `result ${shardResult?.leaseId}`;
};

const heartbeat = (sequence: number): WorkerMessage => ({ heartbeat: { sequence } });
/** Too large to share a message with anything. */
function* chunks(from: number, count: number, data = Buffer.alloc(maxBatchBytes + 1)): Iterable<WorkerMessage> {
  for (let offset = from; offset < from + count; offset += 1) yield { payloadChunk: { offset, data } };
}

test('what is ready together travels as one message while it is small', () => {
  const stream = new FakeStream();
  const outbox = new Outbox(stream);
  outbox.send([...chunks(0, 2, Buffer.alloc(100)), { shardResult: { leaseId: 'a' } }]);
  outbox.send([...chunks(0, 1), { shardResult: { leaseId: 'b' } }]);
  outbox.send(chunks(0, 3, Buffer.alloc(maxBatchBytes / 2)));
  assert.deepEqual(stream.written, [
    'chunk 0 + chunk 1 + result a',
    'chunk 0',
    'result b',
    'chunk 0 + chunk 1',
    'chunk 2',
  ]);
});

test('results with many numbers and failures with long messages do not share a message beyond its size', () => {
  const stream = new FakeStream();
  const losses = Array.from({ length: maxBatchBytes / 16 }, () => 1);
  const result = (leaseId: string, work: object) => ({ shardResult: { leaseId, ...work } });
  const failure = { shardFailure: { message: 'x'.repeat(maxBatchBytes / 3) } };
  new Outbox(stream).send([
    ...[result('a', { evaluate: { measures: rowMessages(losses, losses) } }), result('b', {})],
    ...[result('c', { train: { measures: rowMessages(losses, losses) } }), result('d', {}), failure],
  ]);
  assert.deepEqual(stream.written, ['result a', 'result b', 'result c', 'result d', 'result undefined']);
});

test('a heartbeat overtakes the chunks that wait for a full socket', () => {
  const stream = new FakeStream();
  const outbox = new Outbox(stream);
  stream.isFull = true;
  outbox.send(chunks(0, 3));
  outbox.sendUrgent(heartbeat(1));
  assert.deepEqual(stream.written, ['chunk 0']);
  stream.drain();
  stream.drain();
  stream.isFull = false;
  stream.drain();
  assert.deepEqual(stream.written, ['chunk 0', 'heartbeat 1', 'chunk 1', 'chunk 2']);
});

test('outcomes keep their order and are not mixed', () => {
  const stream = new FakeStream();
  const outbox = new Outbox(stream);
  stream.isFull = true;
  outbox.send(chunks(0, 2));
  outbox.send(chunks(10, 2));
  for (let turn = 0; turn < 3; turn += 1) stream.drain();
  assert.deepEqual(stream.written, ['chunk 0', 'chunk 1', 'chunk 10', 'chunk 11']);
});

test('the stream is ended once everything is written, not before', () => {
  const stream = new FakeStream();
  const outbox = new Outbox(stream);
  stream.isFull = true;
  outbox.send(chunks(0, 2));
  outbox.end();
  assert.equal(stream.isEnded, false);
  stream.isFull = false;
  stream.drain();
  assert.deepEqual(stream.written, ['chunk 0', 'chunk 1']);
  assert.equal(stream.isEnded, true);
});

test('nothing is written after the outbox is closed', () => {
  const stream = new FakeStream();
  const outbox = new Outbox(stream);
  stream.isFull = true;
  outbox.send(chunks(0, 5));
  outbox.close();
  stream.isFull = false;
  stream.drain();
  outbox.sendUrgent(heartbeat(1));
  assert.deepEqual(stream.written, ['chunk 0']);
});
