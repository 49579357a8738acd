// The checkpoint file against the safetensors format, read here by hand after its description, and against damage.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Checkpoint,
  type CheckpointMetadata,
  decodeCheckpoint,
  encodeCheckpoint,
  namedMetaParams,
} from '../../../shared/checkpoint.ts';
import { hashOfVector } from '../../../shared/tensor-codec.ts';

const layout = {
  tensors: [
    { name: 'dense/kernel', shape: [2, 3] },
    { name: 'dense/bias', shape: [3] },
    { name: 'scale', shape: [] },
  ],
};
const metaParams = Float32Array.from({ length: 10 }, (_, i) => i / 3 - 1);
const slots = {
  firstMoment: metaParams.map((value) => value / 7),
  secondMoment: metaParams.map((value) => value * value),
};
const metadata: CheckpointMetadata = {
  jobId: '0123456789abcdef',
  spec: '{"name":"é \\"quoted\\""}',
  step: 500,
  nextTask: 2 ** 40,
  paramsSha256: hashOfVector(metaParams),
  chainSha256: 'cd'.repeat(32),
  previousSha256: '',
  engineFingerprint: 'engine-1',
  skippedTasks: 3,
};
const checkpoint: Checkpoint = { metadata, layout, metaParams, slots };
const bytes = Buffer.concat(encodeCheckpoint(checkpoint));

/** github.com/huggingface/safetensors, "Format": 8 bytes N, little-endian; N bytes of JSON that begins with `{`; the tensors' bytes. */
function readBySpecification(file: Buffer) {
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<string, Record<string, unknown>>;
  const { __metadata__: texts, ...entries } = header;
  const data = file.subarray(8 + headerBytes);
  const tensors = Object.entries(entries).map(([name, { dtype, shape, data_offsets: offsets }]) => {
    const [begin, end] = offsets as [number, number];
    const values = Array.from({ length: (end - begin) / 4 }, (_, i) => data.readFloatLE(begin + 4 * i));
    return { name, dtype, shape, begin, end, values };
  });
  return { headerBytes, firstCharacter: String.fromCharCode(file[8] ?? 0), texts: texts ?? {}, data, tensors };
}

test('the file is what the safetensors format describes: every tool finds the same tensors', () => {
  const { headerBytes, firstCharacter, texts, data, tensors } = readBySpecification(bytes);
  assert.equal(firstCharacter, '{');
  assert.equal((8 + headerBytes) % 8, 0, 'the data are aligned');
  let end = 0;
  for (const tensor of tensors) {
    assert.equal(tensor.begin, end, 'no hole and no overlap');
    assert.equal(tensor.dtype, 'F32');
    end = tensor.end;
  }
  assert.equal(end, data.byteLength, 'the tensors cover the data');
  for (const text of Object.values(texts)) assert.equal(typeof text, 'string', 'the format allows texts only');
  assert.equal(texts.step, '500');

  const byName = new Map(tensors.map(({ name, shape, values }) => [name, { shape, values }]));
  assert.deepEqual(
    [...byName.keys()].slice(0, 3),
    ['dense/kernel', 'dense/bias', 'scale'],
    "θ under the model's names",
  );
  assert.deepEqual(byName.get('dense/kernel'), { shape: [2, 3], values: [...metaParams.subarray(0, 6)] });
  assert.deepEqual(byName.get('scale'), { shape: [], values: [metaParams[9]] });
  assert.deepEqual(byName.get('optimizer/secondMoment/dense/bias'), {
    shape: [3],
    values: [...slots.secondMoment.subarray(6, 9)],
  });
  assert.equal(tensors.length, 9);
});

test('what was written is what is read, to the bit; NaN, −0 and the smallest numbers too', () => {
  assert.deepEqual(decodeCheckpoint(bytes, 'f'), checkpoint);
  const odd = Float32Array.of(Number.NaN, -0, 1e-45, 3.4e38, Number.NEGATIVE_INFINITY, 0, 1, 2, 3, 4);
  const oddBytes = encodeCheckpoint({
    ...checkpoint,
    metadata: { ...metadata, paramsSha256: hashOfVector(odd) },
    metaParams: odd,
    slots: {},
  });
  const read = decodeCheckpoint(Buffer.concat(oddBytes), 'f');
  assert.deepEqual(Buffer.from(read.metaParams.buffer), Buffer.from(odd.buffer));
  assert.deepEqual(read.slots, {});
});

test('the meta-parameters can be had by name', () => {
  const named = namedMetaParams(decodeCheckpoint(bytes, 'f'));
  assert.deepEqual(Object.keys(named), ['dense/kernel', 'dense/bias', 'scale']);
  assert.deepEqual(named['dense/bias'], metaParams.subarray(6, 9));
});

test('what is read belongs to the reader: the file’s bytes may be used again', () => {
  const copy = Buffer.from(bytes);
  const read = decodeCheckpoint(copy, 'f');
  copy.fill(0);
  assert.deepEqual(read, checkpoint);
});

test('a file that is cut anywhere is refused', () => {
  for (let length = 0; length < bytes.byteLength; length += 1) {
    assert.throws(() => decodeCheckpoint(bytes.subarray(0, length), 'f'), { code: 'CHECKPOINT_CORRUPT' }, `${length}`);
  }
  assert.throws(() => decodeCheckpoint(Buffer.concat([bytes, Buffer.alloc(4)]), 'f'), { code: 'CHECKPOINT_CORRUPT' });
});

test('a meta-parameter that was altered is refused, whichever bit of it', () => {
  const dataStart = 8 + Number(bytes.readBigUInt64LE(0));
  for (let bit = 0; bit < metaParams.byteLength * 8; bit += 1) {
    const altered = Buffer.from(bytes);
    altered[dataStart + (bit >> 3)]! ^= 1 << (bit & 7);
    assert.throws(() => decodeCheckpoint(altered, 'f'), {
      code: 'CHECKPOINT_CORRUPT',
      message: /meta-parameters with/,
    });
  }
});

/** The same data under a header that was changed. */
function withHeader(change: (header: Record<string, Record<string, unknown>>) => void): Buffer {
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<string, Record<string, unknown>>;
  change(header);
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  return Buffer.concat([length, json, bytes.subarray(8 + headerBytes)]);
}

test('a header that lies is refused with what was expected and what was found', () => {
  const lies: readonly (readonly [change: (header: Record<string, Record<string, unknown>>) => void, RegExp])[] = [
    [({ __metadata__: texts }) => delete texts!.format, /expected format metatrain-checkpoint-1, found undefined/],
    [({ __metadata__: texts }) => delete texts!.chainSha256, /expected metadata chainSha256, found nothing/],
    [({ __metadata__: texts }) => Object.assign(texts!, { step: '-1' }), /expected a count in metadata step, found -1/],
    [({ __metadata__: texts }) => Object.assign(texts!, { step: '1.5' }), /expected a count in metadata step/],
    [({ scale }) => Object.assign(scale!, { dtype: 'F64' }), /expected tensor scale as F32/],
    [({ scale }) => Object.assign(scale!, { shape: [2] }), /expected 8 bytes of tensor scale, found 4/],
    [({ scale }) => Object.assign(scale!, { shape: [-1] }), /expected tensor scale as F32 with shape/],
    [({ scale }) => Object.assign(scale!, { data_offsets: [0, 4] }), /expected tensor .* begins at/],
    [(header) => delete header['optimizer/secondMoment/scale'], /found \d+ bytes|a multiple of 3 tensors/],
    [(header) => Object.assign(header, { scale: null }), /expected tensor scale as F32/],
  ];
  for (const [change, message] of lies) {
    assert.throws(() => decodeCheckpoint(withHeader(change), 'f'), { code: 'CHECKPOINT_CORRUPT', message });
  }
  assert.deepEqual(
    decodeCheckpoint(
      withHeader(() => {}),
      'f',
    ),
    checkpoint,
    'the same header without padding is good',
  );
});

test('a file of something else is refused, also one that claims a header larger than the memory', () => {
  const huge = Buffer.alloc(64);
  huge.writeBigUInt64LE(2n ** 62n);
  assert.throws(() => decodeCheckpoint(huge, 'f'), { code: 'CHECKPOINT_CORRUPT', message: /a header of at most/ });
  const text = Buffer.from('\u0010\0\0\0\0\0\0\0this is no JSON!');
  assert.throws(() => decodeCheckpoint(text, 'f'), { code: 'CHECKPOINT_CORRUPT', message: /a safetensors header/ });
  const list = Buffer.from('\u0002\0\0\0\0\0\0\0[]');
  assert.throws(() => decodeCheckpoint(list, 'f'), { code: 'CHECKPOINT_CORRUPT', message: /a safetensors header/ });
});

test('what shards carry stands last, by their numbers, and comes back; a shard that carries nothing is left out', () => {
  const carried = [Float32Array.of(1, 2), undefined, Float32Array.of(3)];
  const file = Buffer.concat(encodeCheckpoint({ ...checkpoint, carried }));
  const { tensors } = readBySpecification(file);
  assert.deepEqual(
    tensors.slice(-2).map(({ name, shape, values }) => [name, shape, values]),
    [
      ['carry/0', [2], [1, 2]],
      ['carry/2', [1], [3]],
    ],
  );
  const decoded = decodeCheckpoint(file, 'memory');
  assert.deepEqual(decoded, { ...checkpoint, carried });
  assert.equal('carried' in decodeCheckpoint(bytes, 'memory'), false);
  const renamed = Buffer.from(file.toString('latin1').replace('"carry/2"', '"carry/x"'), 'latin1');
  assert.throws(() => decodeCheckpoint(renamed, 'memory'), {
    code: 'CHECKPOINT_CORRUPT',
    message: /expected nothing but what shards carry after the rest, found tensor carry\/x/,
  });
});
