// One payload that cannot be taken is refused alone, with its reason; only what belongs to no payload
// is a breach of the protocol.
import assert from 'node:assert/strict';
import test from 'node:test';
import { MetatrainError } from '../../../shared/errors.ts';
import { PayloadInbox } from '../../../shared/payload-inbox.ts';
import { chunksOf, type PayloadMemory, sha256 } from '../../../shared/tensor-codec.ts';
import { maxChunkBytes } from '../../../shared/wire.ts';

const limits = { payloadBytes: 4 * maxChunkBytes, payloads: 2 };
const payloadOf = (bytes: number, fill: number): Buffer => Buffer.alloc(bytes, fill);

function send(inbox: PayloadInbox, payload: Buffer): void {
  for (const chunk of chunksOf(payload)) inbox.add(chunk);
}

test('a payload with a wrong hash is refused when it is asked for, and the others arrive', () => {
  const inbox = new PayloadInbox(limits);
  const [good, other] = [payloadOf(100, 1), payloadOf(100, 2)];
  const [chunk] = chunksOf(other);
  inbox.add({ ...chunk!, data: good });
  send(inbox, good);
  assert.throws(() => inbox.take(sha256(other)), { code: 'REQUEST_INVALID', message: /the hash of the bytes$/ });
  assert.deepEqual(inbox.take(sha256(good)), good);
});

test('of a payload that was refused the other chunks are dropped; from its first byte on it may be tried again', () => {
  let isFull = true;
  const memory: PayloadMemory = {
    allocate(bytes) {
      if (isFull) throw new MetatrainError('OUT_OF_MEMORY', 'full');
      return Buffer.alloc(bytes);
    },
    release: () => undefined,
  };
  const inbox = new PayloadInbox(limits, memory);
  const payload = payloadOf(3 * maxChunkBytes, 3);
  const [first, second, third] = chunksOf(payload);
  inbox.add(first!);
  isFull = false;
  inbox.add(second!);
  inbox.add(third!);
  assert.throws(() => inbox.take(sha256(payload)), { code: 'OUT_OF_MEMORY', message: 'full' });
  send(inbox, payload);
  assert.deepEqual(inbox.take(sha256(payload)), payload);
});

test('what was never sent is told as such', () => {
  assert.throws(() => new PayloadInbox(limits).take(sha256(payloadOf(1, 1))), {
    code: 'REQUEST_INVALID',
    message: 'payload: payload_sha256: got a payload that was not sent; accepted: one whose chunks came before',
  });
});

test('a chunk without a hash for a name, or above the size of a chunk, is a breach', () => {
  const inbox = new PayloadInbox(limits);
  const [chunk] = chunksOf(payloadOf(8, 1));
  assert.throws(() => inbox.add({ ...chunk!, payloadSha256: Buffer.alloc(31) }), { code: 'REQUEST_INVALID' });
  assert.throws(() => inbox.add({ ...chunk!, data: Buffer.alloc(maxChunkBytes + 1) }), { code: 'REQUEST_INVALID' });
});

test('memory is told how many payloads of the size are held, and gets back what is dropped', () => {
  const asked: (readonly [bytes: number, held: number])[] = [];
  const released: number[] = [];
  const memory: PayloadMemory = {
    allocate(bytes, held) {
      asked.push([bytes, held]);
      return Buffer.alloc(bytes);
    },
    release: ({ byteLength }) => released.push(byteLength),
  };
  const inbox = new PayloadInbox({ ...limits, payloads: 4 }, memory);
  for (const payload of [payloadOf(10, 1), payloadOf(10, 2), payloadOf(11, 3)]) send(inbox, payload);
  inbox.add({ ...chunksOf(payloadOf(12, 4))[0]!, data: Buffer.alloc(1) });
  assert.deepEqual(asked, [
    [10, 0],
    [10, 1],
    [11, 0],
    [12, 0],
  ]);
  inbox.take(sha256(payloadOf(10, 1)));
  inbox.drop(sha256(payloadOf(10, 2)));
  assert.deepEqual(released, [10], "what is taken is its taker's");
  inbox.close();
  assert.deepEqual(released, [10, 11, 12]);
});
