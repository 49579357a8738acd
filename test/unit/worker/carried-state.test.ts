// What a shard carries, on the worker's side of the stream: read with its lease, part of the work's
// key, sent with the result.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { ShardLease__Output } from '../../../shared/gen/metatrain/v1/ShardLease.ts';
import { bytesOfVector, PayloadAssembler, sha256 } from '../../../shared/tensor-codec.ts';
import type { ShardOutcome } from '../../../worker/compute/shard.ts';
import { outcomeMessages, payloadBytesOf, readLease } from '../../../worker/session-messages.ts';

const carried = Float32Array.of(1, 2, 3);

const leaseWith = (carrySha256: Buffer, taskCount = 2) =>
  ({
    leaseId: 'l',
    jobId: 'j',
    traceparent: '',
    work: 'train',
    train: { paramsVersion: 3, metaStep: 3, shard: 1, firstTask: 6, taskCount, carrySha256 },
  }) as unknown as ShardLease__Output;

const read = (lease: ShardLease__Output, payload: Float32Array = carried) =>
  readLease(
    lease,
    () => 'θ',
    () => bytesOfVector(payload),
  );

test('a lease names what its shard carries, and work with another is other work', () => {
  const name = sha256(bytesOfVector(carried));
  const { work, workKey } = read(leaseWith(name));
  assert.ok(work.kind === 'train');
  assert.deepEqual(work.shard, { metaStep: 3, firstTask: 6, taskCount: 2, carry: carried });
  assert.equal(read(leaseWith(name)).workKey, workKey);
  const other = Float32Array.of(1, 2, 4);
  assert.notEqual(read(leaseWith(sha256(bytesOfVector(other))), other).workKey, workKey);
  const without = readLease(
    leaseWith(Buffer.alloc(0)),
    () => 'θ',
    () => assert.fail('nothing is taken'),
  );
  assert.notEqual(without.workKey, workKey);
  assert.ok(without.work.kind === 'train' && !('carry' in without.work.shard));
});

test('a result comes after the payload of what it carries, and names it', () => {
  const vector = Float32Array.of(5, 6);
  const [payloadSha256, carrySha256] = [sha256(bytesOfVector(vector)), sha256(bytesOfVector(carried))];
  const result = { weight: 2, measures: [], nonFiniteTasks: [], carry: carried };
  const output = { kind: 'train', result, payload: bytesOfVector(vector), payloadSha256, carrySha256 } as const;
  const outcome: ShardOutcome = { kind: 'finished', leaseId: 'l', output, data: [], computeMs: 1, engineMs: 1 };
  const inbox = new PayloadAssembler({ payloadBytes: 100, payloads: 2 });
  let named: Uint8Array | string | undefined;
  for (const { payloadChunk, shardResult } of outcomeMessages({ jobId: 'j' }, outcome)) {
    assert.equal(named, undefined, 'the result is last');
    if (payloadChunk) inbox.add(payloadChunk as never);
    named = shardResult?.train?.carrySha256;
  }
  assert.deepEqual(inbox.take(named as Uint8Array), bytesOfVector(carried));
  assert.deepEqual(inbox.take(payloadSha256), bytesOfVector(vector));
  assert.equal(payloadBytesOf(outcome), 4 * 5);
});
