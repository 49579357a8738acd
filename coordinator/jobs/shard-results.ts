// Checks what a worker sent against its lease and the job file: kind, counts, length, hash, range, and
// finite. What passes here may enter a sum; what does not is a failed attempt, with the reason for the
// worker and the job. Made with other data than the job's, a result is refused before anything of it is
// looked at.
import { carryElements } from '../../learning/carry.ts';
import { type JobMeasures, layoutOf, type ResolvedJob } from '../../learning/job.ts';
import { decodeSum, encodedBytes, type ResultFormat } from '../../learning/outer-loop/result-codec.ts';
import type { Carried, EvaluateShardRows, TrainShardSum } from '../../learning/outer-loop/training.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { boundText } from '../../shared/foreign-text.ts';
import type { ShardResult__Output } from '../../shared/gen/metatrain/v1/ShardResult.ts';
import type { MeasureHead, MeasureRows } from '../../shared/measures.ts';
import { refuseOtherData } from '../../shared/other-data.ts';
import { type ParamsLayout, vectorOfBytes, vectorOverBytes } from '../../shared/tensor-codec.ts';
import type { Lease } from '../core/state.ts';
import { checkNonFiniteTasks, mustBeFinite, refused, type TakenPayload } from './result-checks.ts';
import { type ComputedSpan, checkSpan, type ExpectedSpan, expectedSpanOf } from './span-results.ts';

/** `data`: what the tasks were drawn from. */
export type CheckedResult = { readonly data: readonly DataIdentity[] } & (
  | {
      readonly work: 'initialize';
      readonly layout: ParamsLayout;
      readonly metaParams: Float32Array;
      readonly splitDescription: string;
      readonly isTransductive: boolean;
    }
  | ({
      readonly work: 'train';
      /** Of the sum as it was sent. */
      readonly payloadSha256: Uint8Array;
      readonly payloadBytes: number;
    } & TrainShardSum)
  | ({ readonly work: 'span' } & ComputedSpan)
  | ({ readonly work: 'evaluate' } & EvaluateShardRows)
);

export interface ArrivedResult {
  readonly checked: CheckedResult;
  /** In the worker's compute thread. */
  readonly computeMs: number;
}

/** Finds a payload by its SHA-256 and forgets it; throws when it never came whole, with the reason. */
export type TakePayload = (payloadSha256: Uint8Array) => TakenPayload;

const maxFloat32 = (2 - 2 ** -23) * 2 ** 127;
/** UTF-8 bytes; it stands in every evaluation's protocol. */
const maxSplitDescriptionBytes = 1_024;
const maxDataSets = 16;

/** What the job file says of every result. */
export interface ExpectedResult {
  readonly parameters: number;
  readonly layout: ParamsLayout;
  readonly measures: JobMeasures;
  /** How a shard's sum is sent. */
  readonly format: ResultFormat;
  /** Bytes of a shard's sum as it is sent. */
  readonly sumBytes: number;
  /** Largest norm of one task's contribution; undefined: any. */
  readonly taskClipNorm?: number | undefined;
  /** Numbers that a shard of so many tasks carries into its next meta-step. */
  carryElements(taskCount: number): number;
  /** Absent or undefined: the job has no spans. */
  readonly spans?: ExpectedSpan | undefined;
}

export function expectedOf(job: ResolvedJob): ExpectedResult {
  const layout = layoutOf(job.parameters);
  const format = job.spec.placement.results;
  return {
    parameters: job.parameterCount,
    layout,
    measures: job.measures,
    format,
    sumBytes: encodedBytes({ format, layout }),
    taskClipNorm: job.spec.meta.privacy?.taskClipNorm,
    carryElements: (taskCount) => carryElements(job, taskCount),
    spans: expectedSpanOf(job),
  };
}

/**
 * @param expectedData what the job keeps to; undefined before its first result.
 * @throws MetatrainError `REQUEST_INVALID`, `RESULT_NOT_FINITE` or `DATA_SET_DIFFERS`
 */
export function checkResult(
  lease: Lease,
  message: ShardResult__Output,
  takePayload: TakePayload,
  expected: ExpectedResult,
  expectedData: readonly DataIdentity[] | undefined,
): CheckedResult {
  const { jobId } = lease.job.plan;
  if (message.jobId !== jobId) throw refused('job_id', message.jobId ?? 'none', jobId);
  const data = checkData(message.data);
  if (expectedData) refuseOtherData(expectedData, data);
  return checkOutput(lease, message, takePayload, expected, data);
}

function checkData(data: ShardResult__Output['data']): DataIdentity[] {
  if (data.length > maxDataSets) throw refused('data', `${data.length} data sets`, `at most ${maxDataSets}`);
  return data.map(({ name, part, sha256 }) => {
    // a part may be the path of a user's own file in a data directory
    const isNamed = /^[\w.-]{1,64}$/.test(name) && /^[\p{L}\p{M}\p{N}_./ -]{1,200}$/u.test(part);
    if (!isNamed || !/^[0-9a-f]{64}$/.test(sha256)) {
      throw refused(
        'data',
        'a data set without name, part or hash',
        'a word of at most 64 characters, a path of at most 200, 64 hex digits',
      );
    }
    return { name, part, sha256 };
  });
}

function checkOutput(
  lease: Lease,
  message: ShardResult__Output,
  takePayload: TakePayload,
  expected: ExpectedResult,
  data: readonly DataIdentity[],
): CheckedResult {
  const { batch, shard } = lease;
  if (message.result !== batch.work) throw refused('result', message.result ?? 'nothing', batch.work);
  switch (message.result) {
    case 'initialize': {
      const { layout, payloadSha256, splitDescription, transductive } = message.initialize ?? {};
      checkLayout(layout?.tensors ?? [], expected.layout);
      const { bytes } = takePayload(payloadSha256 ?? Buffer.alloc(0));
      const metaParams = vectorOverBytes(bytes, expected.parameters);
      mustBeFinite(metaParams, 'the first meta-parameters');
      return {
        data,
        work: 'initialize',
        layout: expected.layout,
        metaParams,
        splitDescription: boundText(splitDescription ?? '', maxSplitDescriptionBytes),
        isTransductive: transductive ?? false,
      };
    }
    case 'train': {
      const { payloadSha256, weight, measures, nonFiniteTasks, carrySha256 } = message.train!;
      checkNonFiniteTasks(nonFiniteTasks, shard.taskCount);
      checkWeight(weight, shard.taskCount - nonFiniteTasks.length);
      checkMeasures(measures, expected.measures.train, shard.taskCount, nonFiniteTasks);
      const { bytes, release } = takePayload(payloadSha256);
      const payloadBytes = bytes.byteLength;
      const metaGradientSum = decodeSum(bytes, expected);
      const squaredNorm = mustBeFinite(metaGradientSum, 'the meta-gradient sum');
      checkNorm(squaredNorm, shard.taskCount - nonFiniteTasks.length, expected.taskClipNorm);
      const carried = checkCarry(carrySha256, expected.carryElements(shard.taskCount), weight, takePayload);
      return {
        data,
        work: 'train',
        payloadSha256,
        payloadBytes,
        metaGradientSum,
        release,
        squaredNorm,
        taskCount: shard.taskCount,
        weight,
        measures,
        nonFiniteTasks,
        ...(carried && { carried }),
      };
    }
    case 'span': {
      const { payloadSha256, steps } = message.span!;
      if (!expected.spans) throw new Error('a job without spans has leased one');
      return { data, work: 'span', ...checkSpan(batch, steps, takePayload(payloadSha256), expected.spans) };
    }
    case 'evaluate': {
      const { measures } = message.evaluate!;
      const { evaluate, ensemble } = expected.measures;
      checkMeasures(measures, batch.members ? ensemble : evaluate, shard.taskCount, 'all');
      return { data, work: 'evaluate', measures };
    }
    default:
      return message.result satisfies never;
  }
}

/** The worker's parts make the very parameters that the job file's make here, in the same order. */
function checkLayout(got: ParamsLayout['tensors'], { tensors }: ParamsLayout): void {
  const wrong = tensors.findIndex(({ name, shape }, i) => {
    const other = got[i];
    return name !== other?.name || shape.length !== other.shape.length || shape.some((n, d) => n !== other.shape[d]);
  });
  const at = wrong < 0 && got.length > tensors.length ? tensors.length : wrong;
  if (at < 0) return;
  const text = (tensor: ParamsLayout['tensors'][number] | undefined) =>
    tensor ? `${tensor.name} [${tensor.shape.join(', ')}]` : 'nothing';
  throw refused(`layout.tensors[${at}]`, text(got[at]), `${text(tensors[at])}, as the job file has it`);
}

/** Undefined where nothing is carried, and where no task counts: the shard then keeps what it had. */
function checkCarry(name: Uint8Array, elements: number, weight: number, takePayload: TakePayload): Carried | undefined {
  const isSent = name.byteLength > 0;
  if (!isSent && (elements === 0 || weight === 0)) return undefined;
  if (isSent !== elements > 0) {
    throw refused('carry_sha256', isSent ? 'a payload' : 'nothing', isSent ? 'nothing' : `a payload of ${4 * elements} bytes`); // biome-ignore format: one line
  }
  const { bytes, release } = takePayload(name);
  try {
    const vector = vectorOfBytes(bytes, elements);
    mustBeFinite(vector, 'what the shard carries');
    return { vector, sha256: Buffer.from(name) };
  } finally {
    release();
  }
}

/** A sum that is longer was not clipped task by task. */
function checkNorm(squaredNorm: number, tasks: number, taskClipNorm = Number.POSITIVE_INFINITY): void {
  const longest = tasks * taskClipNorm;
  if (tasks === 0 || Math.sqrt(squaredNorm) <= longest) return;
  throw refused(
    'payload',
    `a sum of norm ${Math.sqrt(squaredNorm)}`,
    `at most ${longest}: ${tasks} tasks, each clipped to norm ${taskClipNorm}`,
  );
}

/** Of a shard of which no task counts, nothing does; of any other, something. */
function checkWeight(weight: number, countedTasks: number): void {
  const isPossible = countedTasks === 0 ? weight === 0 : weight > 0 && weight <= maxFloat32;
  if (isPossible) return;
  throw refused('weight', String(weight), countedTasks === 0 ? '0, since no task counts' : 'a finite number above 0');
}

/** @param diverged tasks that may have values that are not finite. */
function checkMeasures(
  measures: readonly MeasureRows[],
  heads: readonly MeasureHead[],
  taskCount: number,
  diverged: readonly number[] | 'all',
): void {
  const names = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name).join(', ') || 'none';
  const areKnown = measures.length === heads.length && heads.every(({ name }, i) => name === measures[i]?.name);
  if (!areKnown) throw refused('measures', names(measures), names(heads));
  for (const [i, head] of heads.entries()) checkRows(head, measures[i]!.values, taskCount, diverged);
}

/** Values are computed in float32. One that is not finite says that its task diverged, unless the measure has a range. */
function checkRows(
  { name, points, range }: MeasureHead,
  values: readonly number[],
  taskCount: number,
  diverged: readonly number[] | 'all',
): void {
  const field = `measures.${name}`;
  const count = taskCount * points.length;
  if (values.length !== count) throw refused(field, `${values.length} values`, String(count));
  if (range) {
    const [low, high] = range;
    const wrong = values.findIndex((value) => !(value >= low && value <= high));
    if (wrong >= 0) throw refused(field, `${values[wrong]} at ${wrong}`, `${low} to ${high}`);
    return;
  }
  const mayDiverge = diverged === 'all' ? undefined : new Set(diverged);
  const wrong = values.findIndex((value, i) =>
    Number.isFinite(value)
      ? Math.abs(value) > maxFloat32
      : mayDiverge && !mayDiverge.has(Math.floor(i / points.length)),
  );
  if (wrong < 0) return;
  const accepted = Number.isFinite(values[wrong]) ? 'float32 values' : 'finite values, except of non_finite_tasks';
  throw refused(field, `${values[wrong]} at ${wrong}`, accepted);
}

/** Bytes of the tensors in the result. */
export function payloadBytesOf(result: CheckedResult): number {
  switch (result.work) {
    case 'initialize':
      return result.metaParams.byteLength;
    case 'train':
      return result.payloadBytes + (result.carried?.vector.byteLength ?? 0);
    case 'span':
      return Float32Array.BYTES_PER_ELEMENT * (result.metaParams.length + result.optimizer.length);
    case 'evaluate':
      return 0;
    default:
      return result satisfies never;
  }
}
