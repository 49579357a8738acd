// Checks what a worker sent of a span against its lease and the job file: how many meta-steps, θ
// and the meta-optimizer's state whole and finite, the hash of θ as the last of those that the
// chain is linked from, and what is told of each meta-step. What follows from the job file alone,
// such as learning rates, is not taken from the worker.
import type { ResolvedJob } from '../../learning/job.ts';
import { type SpanStep, shardsOfMetaBatch, spanLimit, stateElements } from '../../learning/outer-loop/span.ts';
import type { SpanStep__Output } from '../../shared/gen/metatrain/v1/SpanStep.ts';
import { scheduleFactor } from '../../shared/learning-rate.ts';
import { bytesOfVector, sha256, vectorOfBytes } from '../../shared/tensor-codec.ts';
import type { Batch } from '../core/state.ts';
import { checkNonFiniteTasks, mustBeFinite, refused, type TakenPayload } from './result-checks.ts';

/** What a span has led to. */
export interface ComputedSpan {
  readonly metaParams: Float32Array;
  /** The meta-optimizer's state. */
  readonly optimizer: Float32Array;
  readonly steps: readonly SpanStep[];
}

/** What the job file says of a span's result. */
export interface ExpectedSpan {
  readonly job: ResolvedJob;
  /** Numbers of θ and the meta-optimizer's state. */
  readonly stateElements: number;
}

/** Undefined where the job cannot have spans. */
export const expectedSpanOf = (job: ResolvedJob): ExpectedSpan | undefined =>
  'maxSteps' in spanLimit(job) ? { job, stateElements: stateElements(job) } : undefined;

type Shards = ReturnType<typeof shardsOfMetaBatch>;

const hashBytes = 32;

/** @throws MetatrainError `REQUEST_INVALID` or `RESULT_NOT_FINITE` */
export function checkSpan(
  { step, steps: maxSteps }: Batch,
  messages: readonly SpanStep__Output[],
  { bytes, release }: TakenPayload,
  { job, stateElements }: ExpectedSpan,
): ComputedSpan {
  try {
    const count = messages.length;
    if (count < 1 || count > maxSteps) throw refused('span.steps', `${count} meta-steps`, `1 to ${maxSteps}`);
    const shards = shardsOfMetaBatch(job.spec);
    const steps = messages.map((message, i) => checkStep(message, step + i, job, shards));
    const state = vectorOfBytes(bytes, stateElements);
    mustBeFinite(state, 'the meta-parameters and the state of the meta-optimizer');
    const metaParams = state.slice(0, job.parameterCount);
    const named = steps.at(-1)!.paramsSha256;
    if (!sha256(bytesOfVector(metaParams)).equals(named)) {
      throw refused('span.steps.params_sha256', 'another hash at the end', 'the hash of the meta-parameters');
    }
    return { metaParams, optimizer: state.subarray(job.parameterCount), steps };
  } finally {
    release();
  }
}

function checkStep(message: SpanStep__Output, metaStep: number, job: ResolvedJob, shards: Shards): SpanStep {
  const { meta } = job.spec;
  const heads = job.measures.train;
  const { paramsSha256, shardsSha256, measures, metaGradientNorm } = message;
  const { taskGradientVariance: variance, taskGradientCosine: cosine } = message;
  for (const [field, got, accepted] of [
    ['params_sha256', paramsSha256.byteLength, hashBytes],
    ['shards_sha256', shardsSha256.byteLength, hashBytes * shards.length],
    ['measures', measures.length, heads.length],
  ] as const) {
    if (got !== accepted) throw refused(`span.steps.${field}`, String(got), String(accepted));
  }
  const numbers = [...measures, metaGradientNorm, variance ?? 0, cosine ?? 0];
  const wrong = numbers.find((value) => !Number.isFinite(value));
  if (wrong !== undefined) throw refused('span.steps', String(wrong), 'finite numbers');
  const skipped = checkSkipped(message.skipped, shards, meta.onNonFinite);
  return {
    paramsSha256,
    shardsSha256,
    applied: {
      measures: heads.map(({ name, unit = '' }, i) => ({ name, unit, value: measures[i]! })),
      metaGradientNorm,
      taskGradients: variance !== undefined && cosine !== undefined ? { variance, cosine } : undefined,
      learningRate: meta.optimizer.learningRate * scheduleFactor(meta.schedule, metaStep, meta.iterations),
      skippedTasks: skipped.reduce((sum, { tasks }) => sum + tasks.length, 0),
    },
    skipped,
  };
}

/** A shard at most once, in order. */
function checkSkipped(
  skipped: SpanStep__Output['skipped'],
  shards: Shards,
  onNonFinite: 'fail' | 'skip',
): SpanStep['skipped'] {
  if (skipped.length > 0 && onNonFinite === 'fail') {
    throw refused('span.steps.skipped', `${skipped.length} shards`, 'none with meta.onNonFinite: fail');
  }
  for (const [i, { shard, tasks }] of skipped.entries()) {
    const range = shards[shard];
    if (!range || shard <= (skipped[i - 1]?.shard ?? -1)) {
      throw refused('span.steps.skipped.shard', String(shard), `ascending, below ${shards.length}`);
    }
    checkNonFiniteTasks(tasks, range[1]);
  }
  return skipped;
}
