// Vectors on the wire: layout, bytes, hash and chunks, and every chunk that must be refused.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { MetatrainError } from '../../../shared/errors.ts';
import {
  bytesOfVector,
  chunksOf,
  hashOfVector,
  layoutElements,
  type ParamsLayout,
  PayloadAssembler,
  type PayloadChunk,
  sha256,
  vectorOfBytes,
  viewsOf,
} from '../../../shared/tensor-codec.ts';
import { maxChunkBytes } from '../../../shared/wire.ts';

const layout: ParamsLayout = {
  tensors: [
    { name: 'weights', shape: [2, 3] },
    { name: 'scale', shape: [] },
    { name: 'none', shape: [0, 4] },
    { name: 'bias', shape: [3] },
  ],
};

const roomy = { payloadBytes: 8 * maxChunkBytes, payloads: 4 };

/** A payload of `size` bytes that differ from place to place. */
const payloadOf = (size: number, salt = 0): Buffer => {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i += 997) bytes[i] = (i / 997 + salt) % 256;
  if (size > 0) bytes[0] = salt;
  return bytes;
};

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof MetatrainError, String(error));
    assert.equal(error.code, 'REQUEST_INVALID');
    return error.message;
  }
  assert.fail('nothing was thrown');
}

test('a layout counts a scalar as one element and views each tensor in place', () => {
  assert.equal(layoutElements(layout), 10);
  const vector = Float32Array.from({ length: 10 }, (_, i) => i);
  const views = viewsOf(layout, vector);
  assert.deepEqual(
    Object.entries(views).map(([name, view]) => [name, [...view]]),
    [
      ['weights', [0, 1, 2, 3, 4, 5]],
      ['scale', [6]],
      ['none', []],
      ['bias', [7, 8, 9]],
    ],
  );
  views.bias![0] = 70;
  assert.equal(vector[7], 70);
});

test('a vector travels as float32, little-endian', () => {
  assert.equal(bytesOfVector(Float32Array.of(1, -2.5)).toString('hex'), '0000803f000020c0');
});

test('any vector comes back bit for bit from an unaligned view, NaN and negative zero with it', () => {
  fc.assert(
    fc.property(fc.float32Array({ maxLength: 300 }), fc.nat(7), (vector, shift) => {
      const wire = Buffer.alloc(vector.byteLength + 8);
      wire.set(bytesOfVector(vector), shift);
      const back = vectorOfBytes(wire.subarray(shift, shift + vector.byteLength), vector.length);
      assert.ok(bytesOfVector(back).equals(bytesOfVector(vector)));
      assert.equal(hashOfVector(back), hashOfVector(vector));
    }),
    { seed: 1 },
  );
});

test('a decoded vector is a copy: later changes of the wire buffer do not reach it', () => {
  const wire = Buffer.from(bytesOfVector(Float32Array.of(1, 2)));
  const vector = vectorOfBytes(wire, 2);
  wire.fill(0);
  assert.deepEqual([...vector], [1, 2]);
});

test('bytes of another length than the layout says are refused with both lengths', () => {
  assert.equal(
    refusal(() => vectorOfBytes(Buffer.alloc(7), 2)),
    'payload: got 7 bytes; accepted: 8 (2 float32)',
  );
  refusal(() => vectorOfBytes(Buffer.alloc(12), 2));
});

test('the hash of a vector is the SHA-256 of its little-endian bytes', () => {
  const expected = createHash('sha256').update(Buffer.from('0000803f', 'hex')).digest('hex');
  assert.equal(hashOfVector(Float32Array.of(1)), expected);
});

test('a payload is cut at every mebibyte, in order, without copying, and an empty one is one empty chunk', () => {
  for (const [bytes, expected] of [
    [0, [0]],
    [1, [1]],
    [maxChunkBytes, [maxChunkBytes]],
    [maxChunkBytes + 1, [maxChunkBytes, 1]],
    [3 * maxChunkBytes, [maxChunkBytes, maxChunkBytes, maxChunkBytes]],
  ] as const) {
    const payload = payloadOf(bytes);
    const chunks = chunksOf(payload);
    assert.deepEqual(
      chunks.map(({ data }) => data.byteLength),
      expected,
    );
    let offset = 0;
    for (const chunk of chunks) {
      assert.equal(chunk.offset, offset);
      assert.equal(chunk.payloadBytes, bytes);
      assert.ok(chunk.payloadSha256.equals(sha256(payload)));
      assert.equal(chunk.data.buffer, payload.buffer);
      offset += chunk.data.byteLength;
    }
  }
});

test('payloads whose chunks interleave in any way arrive whole', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 3 * maxChunkBytes }), { minLength: 1, maxLength: 4 }),
      fc.infiniteStream(fc.nat()),
      (sizes, choices) => {
        const payloads = sizes.map((size, i) => payloadOf(size, i + 1));
        const queues = payloads.map((payload) => chunksOf(payload));
        const assembler = new PayloadAssembler(roomy);
        for (;;) {
          const waiting = queues.filter((queue) => queue.length > 0);
          if (waiting.length === 0) break;
          const queue = waiting[choices.next().value % waiting.length]!;
          assembler.add(queue.shift()!);
        }
        for (const payload of new Map(payloads.map((bytes) => [sha256(bytes).toString('hex'), bytes])).values()) {
          assert.ok(assembler.take(sha256(payload))?.equals(payload));
        }
      },
    ),
    { seed: 1, numRuns: 12 },
  );
});

test('a payload is taken once, and only when all of it is there', () => {
  const payload = payloadOf(2 * maxChunkBytes);
  const [first, second] = chunksOf(payload) as [PayloadChunk, PayloadChunk];
  const assembler = new PayloadAssembler(roomy);
  assert.equal(assembler.take(first.payloadSha256), undefined);
  assembler.add(first);
  assert.equal(assembler.take(first.payloadSha256), undefined);
  assembler.add(second);
  assert.ok(assembler.take(first.payloadSha256)?.equals(payload));
  assert.equal(assembler.take(first.payloadSha256), undefined);
});

test('the same payload sent twice at once, chunk by chunk in turns, can be taken twice, as two copies', () => {
  const bytes = Buffer.alloc(2 * maxChunkBytes + 5, 3);
  const assembler = new PayloadAssembler({ payloadBytes: bytes.byteLength, payloads: 1 });
  for (const chunk of chunksOf(bytes)) {
    assembler.add(chunk);
    assembler.add(chunk);
  }
  const [first, second] = [assembler.take(sha256(bytes)), assembler.take(sha256(bytes))];
  assert.deepEqual(first, bytes);
  assert.deepEqual(second, bytes);
  assert.notEqual(first?.buffer, second?.buffer);
  assert.equal(assembler.take(sha256(bytes)), undefined);
});

test('a payload that begins again from its first byte arrives whole', () => {
  const payload = payloadOf(2 * maxChunkBytes);
  const chunks = chunksOf(payload);
  const assembler = new PayloadAssembler(roomy);
  assembler.add(chunks[0]!);
  for (const chunk of chunks) assembler.add(chunk);
  assert.ok(assembler.take(sha256(payload))?.equals(payload));
});

test('a chunk that does not continue its payload is refused, and the payload is forgotten', () => {
  const payload = payloadOf(3 * maxChunkBytes);
  const [first, second, third] = chunksOf(payload) as [PayloadChunk, PayloadChunk, PayloadChunk];
  const assembler = new PayloadAssembler(roomy);
  assert.match(
    refusal(() => assembler.add(second)),
    /^payload chunk: offset: got 1048576 \+ 1048576 of 3145728; accepted: 0 next, of 3145728$/,
  );
  assembler.add(first);
  refusal(() => assembler.add(third));
  refusal(() => assembler.add(second));
  assert.equal(assembler.take(first.payloadSha256), undefined);
});

test('a chunk that reaches beyond its payload, or gives it another size, is refused', () => {
  const payload = payloadOf(10);
  const [chunk] = chunksOf(payload) as [PayloadChunk];
  const assembler = new PayloadAssembler(roomy);
  refusal(() => assembler.add({ ...chunk, payloadBytes: 9 }));
  assembler.add({ ...chunk, data: chunk.data.subarray(0, 4) });
  refusal(() => assembler.add({ ...chunk, offset: 4, payloadBytes: 11, data: chunk.data.subarray(4) }));
});

test('a payload whose bytes have another hash than its name is refused with both', () => {
  const payload = payloadOf(100);
  const [chunk] = chunksOf(payload) as [PayloadChunk];
  const damaged = Buffer.from(payload);
  damaged[50]! ^= 1;
  const assembler = new PayloadAssembler(roomy);
  const message = refusal(() => assembler.add({ ...chunk, data: damaged }));
  assert.ok(message.includes(sha256(payload).toString('hex')) && message.includes(sha256(damaged).toString('hex')));
  assert.equal(assembler.take(chunk.payloadSha256), undefined);
});

test('a name of another length than 32 bytes, and a chunk above one mebibyte, are refused', () => {
  const [chunk] = chunksOf(payloadOf(8)) as [PayloadChunk];
  const assembler = new PayloadAssembler(roomy);
  assert.match(
    refusal(() => assembler.add({ ...chunk, payloadSha256: Buffer.alloc(31) })),
    /payload_sha256: got 31 bytes; accepted: 32 bytes/,
  );
  const large = Buffer.alloc(maxChunkBytes + 1);
  assert.match(
    refusal(() =>
      assembler.add({ payloadSha256: sha256(large), payloadBytes: large.byteLength, offset: 0, data: large }),
    ),
    /data: got 1048577 bytes; accepted: at most 1048576/,
  );
});

test('a payload above the limit is refused by what its first chunk says, before any memory is set aside', () => {
  const assembler = new PayloadAssembler({ payloadBytes: 100, payloads: 1 });
  const chunk = { payloadSha256: Buffer.alloc(32), offset: 0, data: Buffer.alloc(1) };
  for (const payloadBytes of [101, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY]) {
    assert.match(
      refusal(() => assembler.add({ ...chunk, payloadBytes })),
      /accepted: at most 100/,
    );
  }
});

test('one payload too many is refused, and there is room again once one was taken', () => {
  const assembler = new PayloadAssembler({ payloadBytes: 100, payloads: 2 });
  const [one, two, three] = [1, 2, 3].map((salt) => chunksOf(payloadOf(10, salt))[0]!) as [
    PayloadChunk,
    PayloadChunk,
    PayloadChunk,
  ];
  assembler.add(one);
  assembler.add(two);
  assert.match(
    refusal(() => assembler.add(three)),
    /at most 2 at once/,
  );
  assembler.take(one.payloadSha256);
  assembler.add(three);
  assert.ok(assembler.take(three.payloadSha256));
});
