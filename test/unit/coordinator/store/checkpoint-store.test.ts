// Checkpoint files on a real disk: visible only when complete, read only against the hash on record.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { CheckpointStore } from '../../../../coordinator/store/checkpoint-store.ts';
import type { CheckpointRecord } from '../../../../coordinator/store/job-record.ts';
import type { Checkpoint } from '../../../../shared/checkpoint.ts';
import { hashOfVector } from '../../../../shared/tensor-codec.ts';

function checkpointAt(step: number, elements = 1_000): Checkpoint {
  const metaParams = Float32Array.from({ length: elements }, (_, i) => i / 3 + step);
  return {
    metadata: {
      jobId: 'job-1',
      spec: '{}',
      step,
      nextTask: step * 8,
      paramsSha256: hashOfVector(metaParams),
      chainSha256: '',
      previousSha256: '',
      engineFingerprint: '',
      skippedTasks: 0,
    },
    layout: { tensors: [{ name: 'w', shape: [elements] }] },
    metaParams,
    slots: { momentum: metaParams.map((value) => -value) },
  };
}

function openStore(t: TestContext): { readonly store: CheckpointStore; readonly directory: string } {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-checkpoints-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return { store: new CheckpointStore(directory), directory: join(directory, 'job-1') };
}

async function write(store: CheckpointStore, checkpoint: Checkpoint): Promise<CheckpointRecord> {
  const { step, paramsSha256 } = checkpoint.metadata;
  return { step, paramsSha256, purpose: 'scheduled', ...(await store.write(checkpoint)) };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  for await (const piece of chunks) pieces.push(piece);
  return pieces;
}

test('a written checkpoint can be read and streamed, and its record has its hash and size', async (t) => {
  const { store, directory } = openStore(t);
  const checkpoint = checkpointAt(20, 400_000);
  const record = await write(store, checkpoint);
  const bytes = readFileSync(store.fileOf('job-1', 20));
  assert.deepEqual([record.bytes, record.sha256], [bytes.byteLength, sha256(bytes)]);
  assert.deepEqual(await store.read('job-1', record), checkpoint);
  const pieces = await collect(store.stream('job-1', record));
  assert.ok(
    pieces.length >= 4 && pieces.every(({ byteLength }) => byteLength <= 1_048_576),
    'in pieces of at most 1 MiB',
  );
  assert.equal(sha256(Buffer.concat(pieces)), record.sha256);
  assert.deepEqual(readdirSync(directory), ['step-000000020.safetensors'], 'nothing is left aside');
});

test('a torn or changed file gives an error and never a θ', async (t) => {
  const { store } = openStore(t);
  const record = await write(store, checkpointAt(1));
  const file = store.fileOf('job-1', 1);
  const good = readFileSync(file);
  const assertRefused = async (message: RegExp) => {
    const error = { code: 'CHECKPOINT_CORRUPT', message };
    await assert.rejects(store.read('job-1', record), error);
    await assert.rejects(collect(store.stream('job-1', record)), error);
  };
  truncateSync(file, good.byteLength - 1);
  await assertRefused(new RegExp(`expected ${record.bytes} bytes, found ${record.bytes - 1} bytes`));
  writeFileSync(file, Buffer.concat([good, Buffer.of(0)]));
  await assertRefused(new RegExp(`found ${record.bytes + 1} bytes`));
  // The optimizer's slots, at the end, are guarded by nothing but the file's hash.
  for (const at of [0, 20, good.byteLength / 2, good.byteLength - 1]) {
    const altered = Buffer.from(good);
    altered[Math.floor(at)]! ^= 1;
    writeFileSync(file, altered);
    await assertRefused(new RegExp(`expected SHA-256 ${record.sha256}, found ${sha256(altered)}`));
  }
  rmSync(file);
  await assertRefused(/expected a file that can be read, found ENOENT/);
  writeFileSync(file, good);
  assert.equal((await store.read('job-1', record)).metadata.step, 1);
});

test('a write that fails leaves the older file whole and nothing beside it', async (t) => {
  const { store, directory } = openStore(t);
  const record = await write(store, checkpointAt(1));
  // A directory in the file's place makes the very last step, the rename, fail.
  mkdirSync(store.fileOf('job-1', 2));
  await assert.rejects(store.write(checkpointAt(2)), {
    code: 'INTERNAL',
    message: /checkpoint .*step-000000002\.safetensors cannot be written: /,
  });
  assert.deepEqual(readdirSync(directory), ['step-000000001.safetensors', 'step-000000002.safetensors']);
  assert.equal((await store.read('job-1', record)).metadata.step, 1);
});

test('after a crash only recorded checkpoints stay, and removing a missing one is no error', async (t) => {
  const { store, directory } = openStore(t);
  const records = [await write(store, checkpointAt(1)), await write(store, checkpointAt(2))];
  writeFileSync(`${store.fileOf('job-1', 3)}.partial`, 'half');
  await write(store, checkpointAt(3));
  await store.removeUnrecorded('job-1', records.slice(1));
  assert.deepEqual(readdirSync(directory), ['step-000000002.safetensors']);
  await store.remove('job-1', 2);
  await store.remove('job-1', 2);
  assert.deepEqual(readdirSync(directory), []);
  await store.removeUnrecorded('job-without-a-folder', []);
});

test('a checkpoint that cannot be opened for a reason that may pass is not called corrupt', async (t) => {
  if (process.platform === 'win32' || process.getuid?.() === 0) return t.skip('root may open every file');
  const { store } = openStore(t);
  const record = await write(store, checkpointAt(1));
  chmodSync(store.fileOf('job-1', 1), 0);
  const error = { code: 'STORAGE_UNAVAILABLE', message: /cannot be read now: EACCES/ };
  await assert.rejects(store.read('job-1', record), error);
  await assert.rejects(collect(store.stream('job-1', record)), error);
});
