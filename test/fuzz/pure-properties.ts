// What is read from strangers without a network: job files, checkpoints, payload chunks. Anything is taken or refused in the one allowed way.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseJobSpec } from '../../learning/job-file.ts';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../../shared/checkpoint.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { chunksOf, hashOfVector, PayloadAssembler, sha256 } from '../../shared/tensor-codec.ts';
import { jobFiles } from './arbitraries.ts';

export type Property = (cases: number, seed: number) => Promise<void>;

/** The value, or undefined when it was refused with this code. */
function attempt<T>(code: string, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    assert.ok(error instanceof MetatrainError, `refused otherwise than with a MetatrainError: ${error}`);
    assert.equal(error.code, code);
    return undefined;
  }
}

export const jobFileProperty: Property = async (cases, seed) => {
  fc.assert(
    fc.property(jobFiles, (text) => {
      const spec = attempt('REQUEST_INVALID', () => parseJobSpec(text));
      if (spec) assert.deepEqual(parseJobSpec(JSON.stringify(spec)), spec);
    }),
    { numRuns: cases, seed },
  );
};

const vector = Float32Array.from({ length: 17 }, (_, i) => i / 3);

const checkpoint: Checkpoint = {
  metadata: {
    jobId: 'job',
    spec: '{}',
    step: 12,
    nextTask: 300,
    paramsSha256: hashOfVector(vector),
    chainSha256: 'c'.repeat(64),
    previousSha256: '',
    engineFingerprint: 'engine',
    skippedTasks: 0,
  },
  layout: {
    tensors: [
      { name: 'weights', shape: [3, 4] },
      { name: 'bias', shape: [5] },
    ],
  },
  metaParams: vector,
  slots: { m: vector.slice(), v: vector.slice() },
};

/** Bytes that were changed, cut, doubled or put somewhere else. */
const damages = fc.array(
  fc.record({
    kind: fc.constantFrom('flip', 'cut', 'insert', 'repeat', 'length'),
    at: fc.nat(2_000),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  }),
  { minLength: 1, maxLength: 4 },
);

function damage(bytes: Buffer, { kind, at, bytes: other }: { kind: string; at: number; bytes: Uint8Array }): Buffer {
  const position = at % (bytes.byteLength + 1);
  const [head, tail] = [bytes.subarray(0, position), bytes.subarray(position)];
  switch (kind) {
    case 'flip':
      return Buffer.concat([head, other, tail.subarray(other.byteLength)]);
    case 'cut':
      return Buffer.from(head);
    case 'insert':
      return Buffer.concat([head, other, tail]);
    case 'repeat':
      return Buffer.concat([head, tail, tail]);
    default:
      // The header's length.
      return Buffer.concat([Buffer.from(other), bytes.subarray(other.byteLength)]);
  }
}

export const checkpointProperty: Property = async (cases, seed) => {
  const good = Buffer.concat(encodeCheckpoint(checkpoint));
  fc.assert(
    fc.property(fc.oneof({ arbitrary: damages, weight: 4 }, fc.uint8Array({ maxLength: 300 })), (input) => {
      const bytes = input instanceof Uint8Array ? Buffer.from(input) : input.reduce(damage, good);
      const read = attempt('CHECKPOINT_CORRUPT', () => decodeCheckpoint(bytes, 'fuzz'));
      // Whatever else was changed, θ is the one that its metadata name.
      if (read) assert.equal(hashOfVector(read.metaParams), read.metadata.paramsSha256);
    }),
    { numRuns: cases, seed },
  );
};

const limits = { payloadBytes: 4_096, payloads: 3 };

/** Chunks of a few payloads, whole, torn, doubled, out of order, lying about their size or their name. */
const chunkStories = fc.array(
  fc.record({
    payload: fc.nat(4),
    piece: fc.nat(3),
    lie: fc.constantFrom('none', 'none', 'none', 'offset', 'size', 'name', 'data', 'short name'),
    number: fc.oneof(fc.nat(8_192), fc.constantFrom(2 ** 32, 2 ** 53 - 1)),
    take: fc.boolean(),
  }),
  { maxLength: 30 },
);

const payloads = Array.from({ length: 5 }, (_, i) => Buffer.alloc(40 + i * 300, i + 1));

export const chunkProperty: Property = async (cases, seed) => {
  fc.assert(
    fc.property(chunkStories, (story) => {
      const assembler = new PayloadAssembler(limits);
      for (const { payload, piece, lie, number, take } of story) {
        const bytes = payloads[payload]!;
        const pieceBytes = Math.ceil(bytes.byteLength / 4);
        const name = sha256(lie === 'name' ? Buffer.from('another') : bytes);
        const data = bytes.subarray(piece * pieceBytes, (piece + 1) * pieceBytes);
        attempt('REQUEST_INVALID', () =>
          assembler.add({
            payloadSha256: lie === 'short name' ? name.subarray(0, 7) : name,
            payloadBytes: lie === 'size' ? number : bytes.byteLength,
            offset: lie === 'offset' ? number : piece * pieceBytes,
            data: lie === 'data' ? Buffer.alloc(data.byteLength, 255) : data,
          }),
        );
        const taken = take ? assembler.take(name) : undefined;
        if (taken) assert.deepEqual(sha256(taken), name, 'what is taken has the bytes that its name says');
      }
      // However it was mistreated, it still takes a good payload once there is room.
      for (const bytes of payloads) assembler.take(sha256(bytes));
      const fresh = new PayloadAssembler(limits);
      for (const chunk of chunksOf(payloads[1]!)) fresh.add(chunk);
      assert.deepEqual(fresh.take(sha256(payloads[1]!)), payloads[1]);
    }),
    { numRuns: cases, seed },
  );
};
