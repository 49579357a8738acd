// Translates between the proto's messages and the worker's own records; checks what it reads, since proto3 promises no field.
import type { SpanStep } from '../learning/outer-loop/span.ts';
import { MetatrainError } from '../shared/errors.ts';
import { boundText, maxWorkerTextBytes } from '../shared/foreign-text.ts';
import type { ShardLease__Output } from '../shared/gen/metatrain/v1/ShardLease.ts';
import type { ShardResult } from '../shared/gen/metatrain/v1/ShardResult.ts';
import type { SpanStep as SpanStepMessage } from '../shared/gen/metatrain/v1/SpanStep.ts';
import type { WorkerMessage } from '../shared/gen/metatrain/v1/WorkerMessage.ts';
import type { MeasureRows } from '../shared/measures.ts';
import { bytesOfVector, chunksOf, type ParamsLayout, vectorOfBytes } from '../shared/tensor-codec.ts';
import type { RequestWork, ShardOutcome, ShardOutput, ShardWork } from './compute/shard.ts';
import type { Lease } from './session-state.ts';

/** The payload of this name, which came before; throws where it did not come whole. */
export type TakePayload = (payloadSha256: Uint8Array) => Buffer;

/**
 * @param paramsSha256 the hash of the job's θ of a version, undefined when that is not here.
 * @throws MetatrainError `REQUEST_INVALID` naming the field, or what `takePayload` throws.
 */
export function readLease(
  lease: ShardLease__Output,
  paramsSha256: (jobId: string, version: number) => string | undefined,
  takePayload: TakePayload,
): Lease {
  const { leaseId, jobId = '', traceparent } = lease;
  if (!leaseId || !jobId) throw invalid('shard_lease', `lease_id "${leaseId}", job_id "${jobId}"`, 'both');
  const work = readWork(lease, takePayload);
  const { shard, firstTask, taskCount } = lease.train ?? lease.evaluate ?? { shard: 0, firstTask: 0, taskCount: 0 };
  // An evaluation's programs may be given the meta-step; of a training shard the tasks tell which it is.
  const split = lease.evaluate ? `${lease.evaluate.split} after ${lease.evaluate.paramsVersion}` : '';
  // Without θ's hash nothing equals it.
  const params = work.kind === 'initialize' ? '' : (paramsSha256(jobId, work.paramsVersion) ?? `of lease ${leaseId}`);
  const carry = (lease.train?.carrySha256 ?? lease.span?.optimizerSha256)?.toString('hex') ?? '';
  const sample = lease.train?.tasks?.join() ?? '';
  const maxSteps = lease.span?.maxSteps ?? '';
  const workKey = [jobId, work.kind, params, split, firstTask, taskCount, carry, sample, maxSteps].join('/');
  return { leaseId, jobId, work, shard, workKey, traceparent };
}

function readWork(
  { work, train, span, evaluate }: ShardLease__Output,
  takePayload: TakePayload,
): Exclude<ShardWork, RequestWork> {
  switch (work) {
    case 'initialize':
      return { kind: 'initialize' };
    case 'train': {
      const { paramsVersion, metaStep, firstTask, taskCount, tasks = [], carrySha256 } = train!;
      if (tasks.length > 0 && tasks.length !== taskCount)
        throw invalid('tasks', `${tasks.length} tasks`, `${taskCount}, or none`);
      const carry = carrySha256.byteLength > 0 ? { carry: vectorOf(takePayload(carrySha256)) } : {};
      const shard = {
        metaStep,
        firstTask,
        taskCount: atLeastOne(taskCount),
        ...(tasks.length > 0 && { tasks }),
        ...carry,
      };
      return { kind: 'train', paramsVersion, shard };
    }
    case 'span': {
      const { paramsVersion, maxSteps, budgetMs, slots, optimizerSha256, factors } = span!;
      if (maxSteps < 1) throw invalid('max_steps', String(maxSteps), 'at least 1');
      const optimizer = optimizerSha256.byteLength > 0 ? vectorOf(takePayload(optimizerSha256)) : new Float32Array(0);
      return { kind: 'span', paramsVersion, span: { maxSteps, budgetMs, threads: slots, optimizer, factors } };
    }
    case 'evaluate': {
      const { paramsVersion, split, firstTask, taskCount, members } = evaluate!;
      if (split !== 'validation' && split !== 'test') throw invalid('split', `"${split}"`, 'validation or test');
      const tasks = { metaStep: paramsVersion, split, firstTask, taskCount: atLeastOne(taskCount) } as const;
      const shard = members.length > 0 ? { ...tasks, members } : tasks;
      return { kind: 'evaluate', paramsVersion, shard };
    }
    case 'adapt':
    case 'predict':
    case 'encode':
    case undefined:
      throw invalid('work', work ?? 'nothing', 'initialize, train, span or evaluate');
    default:
      return work satisfies never;
  }
}

const vectorOf = (bytes: Buffer): Float32Array =>
  vectorOfBytes(bytes, Math.floor(bytes.byteLength / Float32Array.BYTES_PER_ELEMENT));

function atLeastOne(taskCount: number): number {
  if (taskCount < 1) throw invalid('task_count', String(taskCount), 'at least 1');
  return taskCount;
}

export function invalid(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `shard lease: ${field}: got ${got}; accepted: ${accepted}`, {
    details: { field },
  });
}

/** Whose work a lease is. */
export type Owner = { readonly jobId: string } | { readonly requestId: string };

export const ownerOf = ({ jobId, requestId }: Pick<Lease, 'jobId' | 'requestId'>): Owner =>
  requestId === undefined ? { jobId } : { requestId };

/**
 * The outcome's messages in order: the payload's chunks, then the result that names it.
 *
 * @param presentedAgain computed before, for a lease that was lost.
 */
export function* outcomeMessages(owner: Owner, outcome: ShardOutcome, presentedAgain = false): Iterable<WorkerMessage> {
  const { leaseId } = outcome;
  if (outcome.kind === 'failed') {
    const { message } = outcome.failure;
    const failure = { ...outcome.failure, message: boundText(message, maxWorkerTextBytes) };
    yield { shardFailure: { leaseId, ...owner, ...failure } };
    return;
  }
  const { output, data, computeMs } = outcome;
  const payload = payloadOf(output);
  if (payload && 'payloadSha256' in output) {
    for (const payloadChunk of chunksOf(payload, Buffer.from(output.payloadSha256))) yield { payloadChunk };
  }
  if (output.kind === 'train' && output.result.carry && output.carrySha256) {
    const { result, carrySha256 } = output;
    for (const payloadChunk of chunksOf(bytesOfVector(result.carry!), Buffer.from(carrySha256))) yield { payloadChunk };
  }
  yield { shardResult: { leaseId, ...owner, data: [...data], computeMs, presentedAgain, ...resultOf(output) } };
}

/** What the worker still has, after a new Welcome. */
export function heldMessage(leases: readonly Lease[]): WorkerMessage {
  const results = leases.map(({ jobId, work, shard }) => ({
    jobId,
    work: work.kind,
    paramsVersion: work.kind === 'initialize' ? 0 : work.paramsVersion,
    shard,
  }));
  return { resultsHeld: { results } };
}

/** Bytes of the tensors in the outcome. */
export function payloadBytesOf(outcome: ShardOutcome): number {
  if (outcome.kind !== 'finished') return 0;
  const { output } = outcome;
  const carryBytes = output.kind === 'train' ? (output.result.carry?.byteLength ?? 0) : 0;
  return (payloadOf(output)?.byteLength ?? 0) + carryBytes;
}

function payloadOf(output: ShardOutput): Buffer | undefined {
  switch (output.kind) {
    case 'initialize':
      return bytesOfVector(output.initial.metaParams);
    case 'train': {
      const { buffer, byteOffset, byteLength } = output.payload;
      return Buffer.from(buffer, byteOffset, byteLength);
    }
    case 'span':
      return bytesOfVector(output.end.state);
    case 'evaluate':
      return undefined;
    case 'adapt':
      return bytesOfVector(output.adapted.state);
    case 'predict':
      return bytesOfVector(output.predictions.outputs);
    case 'encode':
      return bytesOfVector(output.encoded.values);
    default:
      return output satisfies never;
  }
}

function resultOf(output: ShardOutput): Pick<ShardResult, ShardOutput['kind']> {
  switch (output.kind) {
    case 'initialize': {
      const { layout, splitDescription, transductive } = output.initial;
      return {
        initialize: {
          layout: layoutMessage(layout),
          payloadSha256: Buffer.from(output.payloadSha256),
          splitDescription,
          transductive,
        },
      };
    }
    case 'train': {
      const { weight, measures, nonFiniteTasks } = output.result;
      return {
        train: {
          payloadSha256: Buffer.from(output.payloadSha256),
          weight,
          measures: measures.map(rowsMessage),
          nonFiniteTasks: [...nonFiniteTasks],
          carrySha256: Buffer.from(output.carrySha256 ?? []),
        },
      };
    }
    case 'span': {
      const { payloadSha256, end } = output;
      return { span: { payloadSha256: Buffer.from(payloadSha256), steps: end.steps.map(stepMessage) } };
    }
    case 'evaluate':
      return { evaluate: { measures: output.result.measures.map(rowsMessage) } };
    case 'adapt': {
      const payloadSha256 = Buffer.from(output.payloadSha256);
      return { adapt: { state: { layout: layoutMessage(output.adapted.layout), payloadSha256 } } };
    }
    case 'predict': {
      const shape = [...output.predictions.shape];
      return { predict: { payloadSha256: Buffer.from(output.payloadSha256), shape } };
    }
    case 'encode': {
      const shape = [...output.encoded.shape];
      return { encode: { payloadSha256: Buffer.from(output.payloadSha256), shape } };
    }
    default:
      return output satisfies never;
  }
}

/** Means in the order of the job's measures, whose names the coordinator knows. */
const stepMessage = ({ paramsSha256, shardsSha256, applied, skipped }: SpanStep): SpanStepMessage => ({
  paramsSha256: Buffer.from(paramsSha256),
  shardsSha256: Buffer.from(shardsSha256),
  measures: applied.measures.map(({ value }) => value),
  metaGradientNorm: applied.metaGradientNorm,
  ...(applied.taskGradients && {
    taskGradientVariance: applied.taskGradients.variance,
    taskGradientCosine: applied.taskGradients.cosine,
  }),
  skipped: skipped.map(({ shard, tasks }) => ({ shard, tasks: [...tasks] })),
});

const layoutMessage = ({ tensors }: ParamsLayout) => ({
  tensors: tensors.map(({ name, shape }) => ({ name, shape: [...shape] })),
});

const rowsMessage = ({ name, values }: MeasureRows) => ({ name, values: [...values] });
