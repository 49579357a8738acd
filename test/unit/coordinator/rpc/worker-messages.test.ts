// Orders as messages: what they say, and that V8 gives those of one kind one hidden class. A clone with something added (`{ ...common, train }`) gets a
// class of its own from about the tenth on, which the old generation fills with and every access misses.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Batch, Job, Lease, Shard, WorkKind } from '../../../../coordinator/core/state.ts';
import { carryMessages, leaseMessage, paramsMessages } from '../../../../coordinator/rpc/worker-messages.ts';
import type { ShardLease } from '../../../../shared/gen/metatrain/v1/ShardLease.ts';
import { bytesOfVector, PayloadAssembler, sha256 } from '../../../../shared/tensor-codec.ts';
import { WorkerService } from '../../../../shared/wire.ts';

setFlagsFromString('--allow-natives-syntax');
const haveSameClass: (a: unknown, b: unknown) => boolean = runInNewContext('(a, b) => %HaveSameMap(a, b)');

const job = { plan: { jobId: 'job-1' } } as Job;

function order(number: number, work: WorkKind) {
  const batch = { work, step: number } as Batch;
  const shard = { index: 1, firstTask: 4, taskCount: 3 } as Shard;
  const lease = { leaseId: `lease-${number}`, attempt: 2, job, batch, shard, paramsVersion: number } as Lease;
  const params = { layout: undefined, metaParams: undefined };
  return { lease, deadlineMs: 5_000 + number, spec: '', data: [], evaluationSplit: 'validation' as const, ...params };
}

const slice = { paramsVersion: 7, shard: 1, firstTask: 4, taskCount: 3 };
const works = [
  ['initialize', {}],
  ['train', { ...slice, tasks: [], metaStep: 7, carrySha256: Buffer.alloc(0) }],
  ['evaluate', { ...slice, split: 'validation', members: [] }],
] as const;

for (const [work, said] of works) {
  test(`a lease of ${work} work says all that the worker needs, in objects of one class`, () => {
    const shardLease: ShardLease = leaseMessage(order(7, work), 'trace').shardLease ?? {};
    const head = { leaseId: 'lease-7', jobId: 'job-1', attempt: 2, deadlineMs: 5_007, traceparent: 'trace' };
    const expected: ShardLease = { ...head, [work]: said };
    assert.deepEqual(shardLease, expected);
    for (let number = 8; number < 108; number++) {
      const other: ShardLease = leaseMessage(order(number, work), '').shardLease ?? {};
      assert.ok(haveSameClass(shardLease, other), `lease ${number}`);
      assert.ok(haveSameClass(shardLease[work], other[work]), `lease ${number}`);
    }
  });
}

test('what a shard carries goes before its lease, and the lease names it', () => {
  const vector = Float32Array.from({ length: 300_000 }, (_, i) => i);
  const carried = { vector, sha256: sha256(bytesOfVector(vector)) };
  const { shardLease } = leaseMessage({ ...order(7, 'train'), carried }, '');
  assert.deepEqual(shardLease?.train?.carrySha256, carried.sha256);
  const assembler = new PayloadAssembler({ payloadBytes: 2 ** 24, payloads: 1 });
  const chunks = carryMessages(carried).map(
    (bytes) => WorkerService.service.Connect.responseDeserialize(bytes).payloadChunk!,
  );
  assert.equal(chunks.length, 2, 'more than 1 MiB');
  for (const chunk of chunks) assembler.add(chunk);
  assert.deepEqual(assembler.take(carried.sha256), bytesOfVector(vector));
});

test('the check of classes can fail', () => {
  assert.ok(haveSameClass({ a: 1 }, { a: 2 }));
  assert.ok(!haveSameClass({ a: 1 }, { b: 1 }));
});

test('θ is encoded once a version, also when an older one is asked for in between', () => {
  const version = (step: number) => {
    const vector = Float32Array.of(step, 2, 3);
    return { step, vector, sha256: sha256(new Uint8Array(vector.buffer)) };
  };
  const [first, second] = [version(1), version(2)];
  const messages = paramsMessages(job, first);
  assert.equal(paramsMessages(job, first), messages);
  assert.equal(messages.at(0), paramsMessages(job, first).at(0));
  assert.notEqual(paramsMessages(job, second), messages);
  assert.deepEqual(paramsMessages(job, first).at(0), messages.at(0));
  assert.equal(messages.length, 2);
});
