// Orders as messages of the worker's stream. θ is encoded once per version, piece by piece as it is needed, and the same bytes go to every
// worker; everything else is small.

import type { Carried, MetaParams } from '../../learning/outer-loop/training.ts';
import type { CoordinatorMessage } from '../../shared/gen/metatrain/v1/CoordinatorMessage.ts';
import type { ShardLease } from '../../shared/gen/metatrain/v1/ShardLease.ts';
import { bytesOfVector, chunksOf } from '../../shared/tensor-codec.ts';
import { WorkerService } from '../../shared/wire.ts';
import type { LeaseOrder } from '../workers/worker-link.ts';
import type { MessageSequence, OutgoingMessage } from './outbox.ts';

const { Connect } = WorkerService.service;

/** The service as registered: an encoded message passes as it is. */
export const workerServiceDefinition: typeof WorkerService.service = {
  Connect: { ...Connect, responseSerialize: (message) => (Buffer.isBuffer(message) ? message : encode(message)) },
};

export const encode = (message: CoordinatorMessage): Buffer => Connect.responseSerialize(message);

/** The first byte of a CoordinatorMessage that holds a batch (field 10), and of each message in the batch (field 1): both length-delimited. */
const [batchTag, messageTag] = [(10 << 3) | 2, (1 << 3) | 2];

/** A batch of the messages, encoded. Those that are encoded already, such as θ's chunks, are copied and not encoded again. */
export function packMessages(messages: readonly OutgoingMessage[]): Buffer {
  const parts: Buffer[] = [];
  let bytes = 0;
  for (const message of messages) {
    const encoded = Buffer.isBuffer(message) ? message : encode(message);
    const head = lengthDelimited(messageTag, encoded.byteLength);
    parts.push(head, encoded);
    bytes += head.byteLength + encoded.byteLength;
  }
  return Buffer.concat([lengthDelimited(batchTag, bytes), ...parts]);
}

/** A field's tag and its length as a base-128 varint. */
function lengthDelimited(tag: number, length: number): Buffer {
  const head = [tag];
  let rest = length;
  for (; rest > 127; rest >>>= 7) head.push((rest & 127) | 128);
  head.push(rest);
  return Buffer.from(head);
}

const noBytes = Buffer.alloc(0);

/** @param traceparent empty: the lease is not traced. */
export function leaseMessage(
  { lease, tasks = [], deadlineMs, evaluationSplit, carried, span }: LeaseOrder,
  traceparent: string,
): CoordinatorMessage {
  const { leaseId, attempt, job, batch, shard, paramsVersion } = lease;
  const { jobId } = job.plan;
  const { index, firstTask, taskCount } = shard;
  const shardLease: ShardLease = { leaseId, jobId, attempt, deadlineMs, traceparent };
  switch (batch.work) {
    case 'initialize':
      shardLease.initialize = {};
      break;
    case 'train':
      shardLease.train = {
        paramsVersion,
        shard: index,
        firstTask,
        taskCount,
        tasks: [...tasks],
        metaStep: batch.step,
        carrySha256: carried?.sha256 ?? noBytes,
      };
      break;
    case 'span':
      shardLease.span = {
        paramsVersion,
        maxSteps: batch.steps,
        budgetMs: span?.budgetMs ?? 0,
        slots: lease.slots,
        optimizerSha256: span?.optimizer?.sha256 ?? noBytes,
        factors: [...(span?.factors ?? [])],
      };
      break;
    case 'evaluate':
      shardLease.evaluate = {
        paramsVersion,
        shard: index,
        firstTask,
        taskCount,
        split: evaluationSplit,
        members: [...(batch.members ?? [])],
      };
      break;
    default:
      return batch.work satisfies never;
  }
  return { shardLease };
}

/**
 * The chunks of what a shard carries, or of a meta-optimizer's state. The lease that names it comes
 * after them.
 */
export const carryMessages = ({ vector, sha256 }: Carried): Buffer[] =>
  chunksOf(bytesOfVector(vector), sha256).map((payloadChunk) => encode({ payloadChunk }));

/** Encoded, since it may be large: the outbox then knows its size. */
export function jobOpenedMessage(
  jobId: string,
  { spec, layout, data }: Pick<LeaseOrder, 'spec' | 'layout' | 'data'>,
): Buffer {
  const tensors = layout?.tensors.map(({ name, shape }) => ({ name, shape: [...shape] }));
  return encode({ jobOpened: { jobId, spec, layout: tensors ? { tensors } : null, data: [...data] } });
}

/** θ's chunks and, last, its announcement: all or nothing of it is sent. */
export function paramsMessages(job: NamedJob, metaParams: MetaParams): MessageSequence {
  let newest = newestEncoded.get(job);
  if (newest?.metaParams !== metaParams) {
    newest = { metaParams, messages: announced(job.plan.jobId, metaParams) };
    newestEncoded.set(job, newest);
  }
  return newest.messages;
}

/** The one object of a job as long as it lives. */
type NamedJob = Readonly<{ plan: Readonly<{ jobId: string }> }>;

interface EncodedParams {
  readonly metaParams: MetaParams;
  readonly messages: MessageSequence;
}

/** By job, which lives long. By θ it would be kept: a collection of the young generation takes every value of a WeakMap for alive, its key dead or not. */
const newestEncoded = new WeakMap<NamedJob, EncodedParams>();

const announced = (jobId: string, { step, vector, sha256 }: MetaParams): MessageSequence =>
  encodeLazily([
    ...chunksOf(bytesOfVector(vector), sha256).map((payloadChunk) => ({ payloadChunk })),
    { paramsAnnounced: { jobId, paramsVersion: step, payloadSha256: sha256 } },
  ]);

/** Each message is encoded when it is first needed, and once. */
export function encodeLazily(messages: readonly CoordinatorMessage[]): MessageSequence {
  const buffers = new Array<OutgoingMessage | undefined>(messages.length);
  return {
    length: messages.length,
    at(index) {
      const message = messages[index];
      if (message) buffers[index] ??= encode(message);
      return buffers[index];
    },
  };
}
