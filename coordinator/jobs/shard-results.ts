// Checks what a worker sent against its lease and the job file: kind, counts, length, hash, range, and
// finite. What passes here may enter a sum; what does not is a failed attempt, with the reason for the
// worker and the job. Made with other data than the job's, a result is refused before anything of it is
// looked at.
import type { DataIdentity } from '../../shared/data-identity.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { boundText, excerpt } from '../../shared/foreign-text.ts';
import type { ShardResult__Output } from '../../shared/gen/metatrain/v1/ShardResult.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { parameterCount } from '../../shared/job-spec/parameter-count.ts';
import { isClassification } from '../../shared/job-spec/task.ts';
import { taskShapeOf } from '../../shared/job-spec/task-shape.ts';
import { refuseOtherData } from '../../shared/other-data.ts';
import { layoutElements, type ParamsLayout, vectorOverBytes } from '../../shared/tensor-codec.ts';
import { squaredNorm } from '../aggregation/meta-gradient.ts';
import type { EvaluateShardRows, TrainShardSum } from '../aggregation/training.ts';
import type { Lease } from '../core/state.ts';

/** `data`: what the tasks were drawn from. */
export type CheckedResult = { readonly data: readonly DataIdentity[] } & (
  | {
      readonly work: 'initialize';
      readonly layout: ParamsLayout;
      readonly metaParams: Float32Array;
      readonly splitDescription: string;
      readonly isTransductive: boolean;
    }
  | ({ readonly work: 'train'; readonly payloadSha256: Uint8Array } & TrainShardSum)
  | ({ readonly work: 'evaluate' } & EvaluateShardRows)
);

export interface ArrivedResult {
  readonly checked: CheckedResult;
  /** In the worker's compute thread. */
  readonly computeMs: number;
}

export interface TakenPayload {
  readonly bytes: Buffer;
  /** Gives the memory back, for the next payload: the bytes must not be looked at again. */
  release(): void;
}

/** Finds a payload by its SHA-256 and forgets it; throws when it never came whole, with the reason. */
export type TakePayload = (payloadSha256: Uint8Array) => TakenPayload;

/** A layout travels to every worker in one message, beside the job file. */
const maxTensors = 10_000;
const maxTensorNameBytes = 200;
const maxTensorRank = 16;
/** Characters of what a worker sent that its refusal repeats. */
const maxGotLength = 200;
const maxFloat32 = (2 - 2 ** -23) * 2 ** 127;
/** UTF-8 bytes; it stands in every evaluation's protocol. */
const maxSplitDescriptionBytes = 1_024;
const maxDataSets = 16;

/** What the job file says of every result. */
export interface ExpectedResult {
  readonly parameters: number;
  readonly isClassification: boolean;
  /** `evaluation.innerSteps`. */
  readonly innerSteps: number;
}

export const expectedOf = ({ model, task, evaluation }: JobSpec): ExpectedResult => ({
  parameters: parameterCount(model, taskShapeOf(task)),
  isClassification: isClassification(task),
  innerSteps: evaluation.innerSteps,
});

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
  if (message.jobId !== jobId) throw refused('job_id', message.jobId, jobId);
  const data = checkData(message.data);
  if (expectedData) refuseOtherData(expectedData, data);
  return checkOutput(lease, message, takePayload, expected, data);
}

function checkData(data: ShardResult__Output['data']): DataIdentity[] {
  if (data.length > maxDataSets) throw refused('data', `${data.length} data sets`, `at most ${maxDataSets}`);
  return data.map(({ name, part, sha256 }) => {
    const isNamed = [name, part].every((word) => /^[\w.-]{1,64}$/.test(word));
    if (!isNamed || !/^[0-9a-f]{64}$/.test(sha256)) {
      throw refused('data', 'a data set without name, part or hash', 'words of at most 64 characters, 64 hex digits');
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
      const checked = checkLayout(layout?.tensors ?? [], expected.parameters);
      const { bytes } = takePayload(payloadSha256 ?? Buffer.alloc(0));
      const metaParams = vectorOverBytes(bytes, expected.parameters);
      mustBeFinite(metaParams, 'the first meta-parameters');
      return {
        data,
        work: 'initialize',
        layout: checked,
        metaParams,
        splitDescription: boundText(splitDescription ?? '', maxSplitDescriptionBytes),
        isTransductive: transductive ?? false,
      };
    }
    case 'train': {
      const { payloadSha256, queryLoss, queryAccuracy, nonFiniteTasks } = message.train!;
      checkNonFiniteTasks(nonFiniteTasks, shard.taskCount);
      checkLosses('query_loss', queryLoss, shard.taskCount, nonFiniteTasks);
      checkAccuracies('query_accuracy', queryAccuracy, expected.isClassification ? shard.taskCount : 0);
      const { bytes, release } = takePayload(payloadSha256);
      const metaGradientSum = vectorOverBytes(bytes, expected.parameters);
      const squaredNorm = mustBeFinite(metaGradientSum, 'the meta-gradient sum');
      return {
        data,
        work: 'train',
        payloadSha256,
        metaGradientSum,
        release,
        squaredNorm,
        queryLoss,
        queryAccuracy,
        nonFiniteTasks,
      };
    }
    case 'evaluate': {
      const { lossByInnerStep, accuracyByInnerStep, innerSteps } = message.evaluate!;
      if (innerSteps !== expected.innerSteps) {
        throw refused('inner_steps', String(innerSteps), `${expected.innerSteps}, as evaluation.innerSteps says`);
      }
      const rows = shard.taskCount * (innerSteps + 1);
      checkLosses('loss_by_inner_step', lossByInnerStep, rows, 'all');
      checkAccuracies('accuracy_by_inner_step', accuracyByInnerStep, expected.isClassification ? rows : 0);
      return { data, work: 'evaluate', lossByInnerStep, accuracyByInnerStep, innerSteps };
    }
    default:
      return message.result satisfies never;
  }
}

function checkLayout(
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
  parameters: number,
): ParamsLayout {
  if (tensors.length < 1 || tensors.length > maxTensors) {
    throw refused('layout', `${tensors.length} tensors`, `1 to ${maxTensors}`);
  }
  const names = new Set(tensors.map(({ name }) => name));
  if (names.size < tensors.length || names.has('') || names.has('__metadata__')) {
    throw refused('layout', 'names that are empty, reserved or not unique', 'a name of its own for every tensor');
  }
  const isLong = tensors.some(
    ({ name, shape }) => Buffer.byteLength(name) > maxTensorNameBytes || shape.length > maxTensorRank,
  );
  if (isLong) {
    throw refused(
      'layout',
      'a long name or shape',
      `names of ${maxTensorNameBytes} bytes, ${maxTensorRank} dimensions`,
    );
  }
  const layout = { tensors: tensors.map(({ name, shape }) => ({ name, shape: [...shape] })) };
  const elements = layoutElements(layout);
  if (elements !== parameters) {
    throw refused('layout', `${elements} parameters`, `${parameters}, which the model of the job file has`);
  }
  return layout;
}

/** @returns the vector's squared norm, which the check has come by. */
function mustBeFinite(vector: Float32Array, what: string): number {
  const squares = squaredNorm(vector);
  if (Number.isFinite(squares)) return squares;
  throw new MetatrainError('RESULT_NOT_FINITE', `${what} that the worker sent holds a NaN or an infinity`);
}

function checkCount(field: string, count: number, accepted: number): void {
  if (count !== accepted) throw refused(field, `${count} values`, String(accepted));
}

function checkNonFiniteTasks(tasks: readonly number[], taskCount: number): void {
  const isSorted = tasks.every((task, i) => task < taskCount && task > (tasks[i - 1] ?? -1));
  if (!isSorted)
    throw refused('non_finite_tasks', tasks.slice(0, 20).join(', '), `ascending offsets below ${taskCount}`);
}

/**
 * Losses are computed in float32. One that is not finite says that its task diverged.
 *
 * @param diverged positions that may hold such a loss.
 */
function checkLosses(
  field: string,
  losses: readonly number[],
  count: number,
  diverged: readonly number[] | 'all',
): void {
  checkCount(field, losses.length, count);
  const mayDiverge = diverged === 'all' ? undefined : new Set(diverged);
  const wrong = losses.findIndex((loss, i) =>
    Number.isFinite(loss) ? Math.abs(loss) > maxFloat32 : mayDiverge && !mayDiverge.has(i),
  );
  if (wrong < 0) return;
  const accepted = Number.isFinite(losses[wrong]) ? 'float32 values' : 'finite values, except of non_finite_tasks';
  throw refused(field, `${losses[wrong]} at ${wrong}`, accepted);
}

function checkAccuracies(field: string, accuracies: readonly number[], count: number): void {
  checkCount(field, accuracies.length, count);
  const wrong = accuracies.findIndex((accuracy) => !(accuracy >= 0 && accuracy <= 1));
  if (wrong >= 0) throw refused(field, `${accuracies[wrong]} at ${wrong}`, '0 to 1');
}

function refused(field: string, got: string, accepted: string): MetatrainError {
  const message = `shard result: ${field}: got ${excerpt(got, maxGotLength)}; accepted: ${accepted}`;
  return new MetatrainError('REQUEST_INVALID', message);
}

/** Bytes of the tensors in the result. */
export function payloadBytesOf(result: CheckedResult): number {
  switch (result.work) {
    case 'initialize':
      return result.metaParams.byteLength;
    case 'train':
      return result.metaGradientSum.byteLength;
    case 'evaluate':
      return 0;
    default:
      return result satisfies never;
  }
}
