// What the core and an evaluation's protocol take from a job's spec.
import type { ResolvedJob } from '../../learning/job.ts';
import { evaluationShardSize } from '../../learning/limits.ts';
import type { SecretDraws } from '../../learning/outer-loop/secret-draws.ts';
import { spanLimit } from '../../learning/outer-loop/span.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import type { JobPlan } from '../core/state.ts';
import type { EvaluationRecord, JobRecord } from '../store/job-record.ts';

const ranks = { low: 0, normal: 1, high: 2 } as const;
/** Engine and device in one word, as the core compares them. */
export const engineKey = (engine: string, device: string): string => `${engine}/${device}`;

/** @param draws of a job with `meta.privacy`. */
export function planOf(jobId: string, job: ResolvedJob, draws?: SecretDraws): JobPlan {
  const { meta, evaluation, checkpoint, placement } = job.spec;
  const limit = spanLimit(job);
  return {
    jobId,
    iterations: meta.iterations,
    batchSize: meta.batchSize,
    shardSize: placement.shardSize,
    // A meta-step without a task has one that does not count, since a batch has at least one shard.
    ...(draws &&
      meta.privacy?.pool !== undefined && { sampleSize: (step: number) => Math.max(1, draws.sample(step)!.length) }),
    evaluation: {
      every: evaluation.every,
      tasks: evaluation.tasks,
      shardSize: evaluationShardSize(job),
      hasEnsemble: evaluation.ensemble !== undefined,
    },
    checkpointEvery: checkpoint.every,
    engine: engineKey(placement.engine, placement.device),
    isMixed: placement.mixed,
    plugins: job.plugins,
    onNonFinite: meta.onNonFinite,
    priority: ranks[placement.priority],
    maxStaleness: meta.update.mode === 'async' ? meta.update.maxStaleness : 0,
    spans: { mode: placement.spans, ...limit },
  };
}

/** Where a job stands after a restart, as the core is told. */
export function standingOf(record: JobRecord, job: ResolvedJob, draws?: SecretDraws) {
  return {
    plan: planOf(record.jobId, job, draws),
    step: record.steps,
    hasStarted: record.startedAt !== undefined,
    isPaused: record.state === 'paused' && !record.waitsForRoom,
    fingerprint: record.engineFingerprint,
    evaluatedSteps: record.evaluations.flatMap(({ step, protocol }) => (protocol.ensemble ? [] : [step])),
    hasEnsemble: record.evaluations.some(({ protocol }) => protocol.ensemble),
    hasFinalCheckpoint: record.checkpoints.some(({ purpose }) => purpose === 'final'),
  };
}

export function protocolOf(
  { spec, task, evaluated }: ResolvedJob,
  measured: Pick<EvaluationRecord['protocol'], 'transductive' | 'splitDescription' | 'ensemble'>,
): EvaluationRecord['protocol'] {
  return {
    distribution: evaluated.section.distribution,
    split: splitOf(spec, measured.ensemble !== undefined),
    tasks: spec.evaluation.tasks,
    ways: task.ways ?? 0,
    shots: task.shots,
    queries: task.queries,
    ...measured,
  };
}

/** An ensemble is tested on other tasks than those that its members were chosen by. */
export const splitOf = ({ evaluation }: JobSpec, isEnsemble: boolean): EvaluationRecord['protocol']['split'] =>
  isEnsemble ? 'test' : evaluation.split;
