// A download becomes a file only when every byte of it is the announced one.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { writeCheckpointFile } from '../../../client/checkpoint-file.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import type { CheckpointChunk__Output } from '../../../shared/gen/metatrain/v1/CheckpointChunk.ts';

const content = Buffer.from('the bytes of a checkpoint');
const announced = {
  step: 20,
  bytes: content.byteLength,
  sha256: createHash('sha256').update(content).digest('hex'),
  paramsSha256: 'ab',
};

type Chunk = Partial<CheckpointChunk__Output> | MetatrainError;

async function* stream(chunks: readonly Chunk[]): AsyncGenerator<CheckpointChunk__Output> {
  for (const chunk of chunks) {
    if (chunk instanceof MetatrainError) throw chunk;
    yield { info: null, offset: 0, data: Buffer.alloc(0), ...chunk } as CheckpointChunk__Output;
  }
}

function inDirectory(t: TestContext): { readonly directory: string; readonly file: string } {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-download-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return { directory, file: join(directory, 'model.safetensors') };
}

const first = { info: announced as never, offset: 0, data: content.subarray(0, 10) };
const second = { offset: 10, data: content.subarray(10) };

test('a whole download replaces the older file and tells what it holds', async (t) => {
  const { directory, file } = inDirectory(t);
  writeFileSync(file, 'an older model');
  assert.deepEqual(await writeCheckpointFile(stream([first, second]), file), announced);
  assert.deepEqual(readFileSync(file), content);
  assert.deepEqual(readdirSync(directory), ['model.safetensors']);
});

const altered = Buffer.from(content.subarray(10));
altered[0] = (altered[0] ?? 0) ^ 1;
const away = new MetatrainError('NOT_READY', 'the coordinator has gone');
const broken: Readonly<Record<string, readonly [chunks: readonly Chunk[], error: { code: string; message: RegExp }]>> =
  {
    'a byte that was altered': [
      [first, { ...second, data: altered }],
      { code: 'CHECKPOINT_CORRUPT', message: /SHA-256/ },
    ],
    'an end that is missing': [[first], { code: 'CHECKPOINT_CORRUPT', message: /10 of 25 bytes arrived/ }],
    'a piece that is missing': [
      [first, { ...second, offset: 11 }],
      { code: 'CHECKPOINT_CORRUPT', message: /for byte 11/ },
    ],
    'more than was announced': [
      [first, second, { offset: 25, data: Buffer.of(0) }],
      { code: 'CHECKPOINT_CORRUPT', message: /more than the announced 25 bytes/ },
    ],
    'nothing at all': [[], { code: 'CHECKPOINT_CORRUPT', message: /nothing arrived/ }],
    'no word of what it holds': [
      [second],
      { code: 'CHECKPOINT_CORRUPT', message: /did not begin with its description/ },
    ],
    'a connection that breaks': [[first, away], { code: 'NOT_READY', message: /has gone/ }],
  };

for (const [what, [chunks, error]] of Object.entries(broken)) {
  test(`${what} leaves the older file as it was, and nothing else`, async (t) => {
    const { directory, file } = inDirectory(t);
    writeFileSync(file, 'an older model');
    await assert.rejects(writeCheckpointFile(stream(chunks), file), error);
    assert.equal(readFileSync(file, 'utf8'), 'an older model');
    assert.deepEqual(readdirSync(directory), ['model.safetensors']);
  });
}

test('a place that cannot be written to is refused before anything is asked for', async (t) => {
  const { directory } = inDirectory(t);
  let asked = false;
  const chunks = async function* () {
    asked = true;
    yield* stream([first, second]);
  };
  await assert.rejects(writeCheckpointFile(chunks(), join(directory, 'no', 'model.safetensors')), {
    code: 'REQUEST_INVALID',
    message: /^cannot write .*model\.safetensors: ENOENT/,
  });
  assert.equal(asked, false);
  await assert.rejects(writeCheckpointFile(stream([first, second]), directory), { code: 'REQUEST_INVALID' });
  assert.deepEqual(readdirSync(directory), []);
});
