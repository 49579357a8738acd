// A job that has not ended, with its numbers: θ and what becomes of results, the proof after a restart, the ledger of shards. The runner says
// when; nothing here decides, sends or waits.
import type { ResolvedJob } from '../../learning/job.ts';
import type { SecretDraws } from '../../learning/outer-loop/secret-draws.ts';
import { flattenSlots, readSlots, shardsOfMetaBatch } from '../../learning/outer-loop/span.ts';
import { type AppliedMetaStep, type Carried, type MetaParams, Training } from '../../learning/outer-loop/training.ts';
import { verdictOf } from '../../shared/comparison.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { leadingMeasure } from '../../shared/measures.ts';
import { bytesOfVector, sha256 } from '../../shared/tensor-codec.ts';
import type { AnyLease, Lease } from '../core/state.ts';
import {
  type ChainHead,
  type EvaluationRecord,
  type JobRecord,
  maxNamedTasks,
  maxSkippedShards,
} from '../store/job-record.ts';
import { keptEvaluations } from '../store/thinning.ts';
import { protocolOf } from './job-plan.ts';
import { Progress } from './progress.ts';
import type { ShardLedger } from './shard-ledger.ts';
import { type CheckedResult, type ExpectedResult, expectedOf } from './shard-results.ts';
import type { ComputedSpan } from './span-results.ts';

export interface LiveJob {
  readonly record: JobRecord;
  readonly resolved: ResolvedJob;
  readonly spec: JobSpec;
  readonly expected: ExpectedResult;
  readonly progress: Progress;
  training: Training | undefined;
  /** The best checkpoints, while they are tested together. */
  ensemble: Ensemble | undefined;
  /** Counted, and not adopted yet. */
  span: ComputedSpan | undefined;
  readonly ledger: ShardLedger;
  /** Of a job with `meta.privacy`. */
  readonly draws: SecretDraws | undefined;
  /** Applied before a restart, after the last checkpoint: applied again, it must give the same chain. */
  proof: ChainHead | undefined;
}

export interface Ensemble {
  /** The meta-steps that its members have had. */
  readonly members: readonly number[];
  /** θ of the members one after another, under a version of its own. */
  readonly metaParams: MetaParams;
}

/** A job that has come as far as its training, which its record then says. */
export function liveJob(
  record: JobRecord,
  resolved: ResolvedJob,
  { training, ledger, draws, now }: Pick<LiveJob, 'training' | 'ledger' | 'draws'> & { readonly now: number },
): LiveJob {
  record.steps = training?.metaParams.step ?? 0;
  record.paramsSha256 = training?.metaParams.sha256.toString('hex') ?? '';
  record.skippedTasks = training?.skippedTasks ?? 0;
  const { spec } = resolved;
  const progress = new Progress(spec.meta.iterations, spec.meta.batchSize, now, record.steps);
  const { chainHead } = record;
  const proof = chainHead && chainHead.step > record.steps ? chainHead : undefined;
  return {
    record,
    resolved,
    spec,
    expected: expectedOf(resolved),
    progress,
    training,
    ensemble: undefined,
    span: undefined,
    ledger,
    draws,
    proof,
  };
}

export function trainingOf({ training, record }: LiveJob): Training {
  if (!training) throw new Error(`job ${record.jobId} has no meta-parameters yet`);
  return training;
}

/** Leases of jobs whose result comes with a payload of so many bytes. */
export function countPayloads(
  leases: Iterable<AnyLease>,
  payloadBytes: number,
  jobs: ReadonlyMap<string, Pick<LiveJob, 'expected'>>,
): number {
  let payloads = 0;
  for (const lease of leases) {
    if (lease.kind === 'request') continue;
    const { job, batch, shard } = lease;
    const expected = jobs.get(job.plan.jobId)?.expected;
    if (!expected || batch.work === 'evaluate') continue;
    const elements = payloadBytes / Float32Array.BYTES_PER_ELEMENT;
    const { parameters, sumBytes, spans } = expected;
    const awaited = batch.work === 'span' ? spans?.stateElements : parameters;
    if (batch.work === 'train' ? payloadBytes === sumBytes : elements === awaited) payloads += 1;
    if (batch.work === 'train' && elements > 0 && elements === expected.carryElements(shard.taskCount)) payloads += 1;
  }
  return payloads;
}

/** Takes a shard's result in: as θ₀, into its meta-step's sum, or into its evaluation. */
export function keepResult(job: LiveJob, lease: Lease, result: CheckedResult): void {
  const { record } = job;
  const { fingerprint } = lease.worker;
  record.engineFingerprint ??= fingerprint;
  record.data ??= result.data;
  record.hasMixedFingerprints ||= fingerprint !== record.engineFingerprint;
  switch (result.work) {
    case 'initialize':
      record.splitDescription = result.splitDescription;
      record.isTransductive = result.isTransductive;
      job.training = Training.begin({ ...job.resolved, draws: job.draws }, result.layout, result.metaParams);
      break;
    case 'train':
      keepTrainResult(job, lease, result);
      break;
    case 'span':
      keepSpan(job, lease, result);
      break;
    case 'evaluate':
      trainingOf(job).keepEvaluateResult(lease.shard.index, lease.batch.shards.length, result);
      break;
    default:
      result satisfies never;
  }
}

/** Adds a shard's result to its meta-step, and notes what of it is on record. */
function keepTrainResult(job: LiveJob, lease: Lease, result: Extract<CheckedResult, { work: 'train' }>): void {
  const { batch, shard, paramsVersion } = lease;
  const { index } = shard;
  const shards = batch.shards.length;
  const weight = staleWeightOf(job.resolved, batch.step - paramsVersion);
  trainingOf(job).keepTrainResult(index, shards, result, { metaStep: batch.step, weight });
  job.ledger.add(batch.step, index, shards, result.payloadSha256);
  if (result.nonFiniteTasks.length === 0) return;
  recordSkipped(job, { metaStep: batch.step, shard: index, firstTask: shard.firstTask }, result.nonFiniteTasks);
}

/** What the reduction then adopts, and what of it is on record. */
function keepSpan(job: LiveJob, { batch }: Lease, span: ComputedSpan): void {
  const shards = shardsOfMetaBatch(job.spec);
  job.span = span;
  for (const [i, { shardsSha256, skipped }] of span.steps.entries()) {
    const metaStep = batch.step + i;
    for (const shard of shards.keys()) {
      job.ledger.add(metaStep, shard, shards.length, shardsSha256.subarray(32 * shard, 32 * (shard + 1)));
    }
    for (const { shard, tasks } of skipped) {
      const firstTask = metaStep * job.spec.meta.batchSize + shards[shard]![0];
      recordSkipped(job, { metaStep, shard, firstTask }, tasks);
    }
  }
}

/** The meta-optimizer's state as a payload; undefined where it has none. */
export function optimizerState(job: ResolvedJob, training: Training): Carried | undefined {
  const vector = flattenSlots(job, training.slots);
  return vector.length > 0 ? { vector, sha256: sha256(bytesOfVector(vector)) } : undefined;
}

/** How much a shard counts that was computed with a θ of so many meta-steps before. */
export const staleWeightOf = ({ algorithm }: ResolvedJob, staleness: number): number =>
  algorithm.staleWeight?.(staleness) ?? 1 / (1 + staleness);

/** Applies the meta-step whose shards are all in, and notes on the record where the job is now. */
export function applyMetaStep(job: LiveJob): { readonly applied: AppliedMetaStep; readonly chain: ChainHead } {
  const { record, ledger } = job;
  const training = trainingOf(job);
  const applied = training.applyMetaStep(record.iterations, job.expected.measures.train);
  record.steps = training.metaParams.step;
  record.paramsSha256 = training.metaParams.sha256.toString('hex');
  record.skippedTasks = training.skippedTasks;
  ledger.endStep(record.steps - 1);
  return { applied, chain: { step: record.steps, sha256: training.chain.toString('hex') } };
}

/**
 * Adopts the span that was kept: each of its meta-steps with the chain after it, and on the record
 * where the job is now.
 */
export function adoptSpan(job: LiveJob): readonly { readonly applied: AppliedMetaStep; readonly chain: ChainHead }[] {
  const { record, ledger, span } = job;
  if (!span) throw new Error(`no span of job ${record.jobId} was kept`);
  job.span = undefined;
  const training = trainingOf(job);
  const { step } = training.metaParams;
  const chains = training.adoptSpan(span.metaParams, readSlots(job.resolved, span.optimizer), span.steps);
  record.skippedTasks = training.skippedTasks;
  return span.steps.map(({ applied }, i) => {
    ledger.endStep(step + i);
    return { applied, chain: { step: step + i + 1, sha256: chains[i]!.toString('hex') } };
  });
}

/**
 * Adds what the evaluation's shards sent to the record, and returns it.
 *
 * @throws MetatrainError `RESULT_NOT_FINITE` when every task has diverged.
 */
export function summariseEvaluation(job: LiveJob): EvaluationRecord {
  const { record, resolved, ensemble } = job;
  const { measures, domains } = resolved;
  const summary = trainingOf(job).summariseEvaluation(ensemble ? measures.ensemble : measures.evaluate, domains);
  const { splitDescription, isTransductive: transductive } = record;
  const together = ensemble && { ensemble: ensemble.members };
  const protocol = protocolOf(resolved, { transductive, splitDescription, ...together });
  const evaluation = { step: record.steps, protocol, ...summary };
  record.evaluations = keptEvaluations([...record.evaluations, evaluation]);
  if (!ensemble) rank(record, job.spec, evaluation);
  return evaluation;
}

/** Notes the evaluation where it is one of the best; of equal ones the earlier is. */
function rank(record: JobRecord, { evaluation, published }: JobSpec, { step, measures }: EvaluationRecord): void {
  if (evaluation.ensemble === undefined) return;
  const measure = leadingMeasure(measures, published?.measure);
  const value = measure?.estimates.at(-1)?.mean ?? Number.NaN;
  if (!measure || !Number.isFinite(value)) return;
  const sign = measure.better === 'higher' ? -1 : 1;
  const others = (record.best ?? []).filter((other) => other.step !== step);
  record.best = [...others, { step, value }]
    .sort((a, b) => sign * (a.value - b.value) || a.step - b.step)
    .slice(0, evaluation.ensemble);
}

/**
 * The meta-steps of the best evaluations, in their order.
 *
 * @throws MetatrainError `RESULT_NOT_FINITE` where there is none.
 */
export function membersOf({ best = [] }: JobRecord): number[] {
  if (best.length > 0) return best.map(({ step }) => step).sort((a, b) => a - b);
  throw new MetatrainError('RESULT_NOT_FINITE', 'no evaluation has a finite mean that could choose the checkpoints');
}

/** @param vectors θ of each member. */
export function ensembleOf({ spec }: LiveJob, members: readonly number[], vectors: readonly Float32Array[]): Ensemble {
  const vector = new Float32Array(vectors.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const member of vectors) {
    vector.set(member, offset);
    offset += member.length;
  }
  return { members, metaParams: { step: spec.meta.iterations + 1, vector, sha256: sha256(bytesOfVector(vector)) } };
}

/** Notes how the last evaluation stands beside the published figure, for a job that has succeeded. */
export function recordVerdict(record: JobRecord, spec: JobSpec): void {
  const { state, overrides = [], data = [] } = record;
  const evaluation = record.evaluations.at(-1);
  const verdict = evaluation && verdictOf({ state, spec, overrides, data, evaluation });
  if (verdict) record.verdict = verdict;
}

/**
 * The tasks that a shard's lease names; undefined where they follow each other. Of an empty sample,
 * one that does not count.
 */
export function tasksOf({ draws }: Pick<LiveJob, 'draws'>, { batch, shard }: Lease): readonly number[] | undefined {
  if (batch.work !== 'train') return undefined;
  const sample = draws?.sample(batch.step);
  return sample?.length === 0 ? [0] : sample?.slice(shard.firstTask, shard.firstTask + shard.taskCount);
}

/** Once, also where the meta-step is applied again after a restart. */
function recordSkipped(
  { record, spec }: Pick<LiveJob, 'record' | 'spec'>,
  { metaStep, shard, firstTask }: { readonly metaStep: number; readonly shard: number; readonly firstTask: number },
  offsets: readonly number[],
): void {
  const others = (record.skippedShards ?? []).filter((other) => other.metaStep !== metaStep || other.shard !== shard);
  // Which tasks are in a sample is a secret.
  const named = spec.meta.privacy?.pool === undefined ? offsets.slice(0, maxNamedTasks) : [];
  const tasks = named.map((offset) => firstTask + offset);
  const skipped = { metaStep, shard, count: offsets.length, tasks };
  record.skippedShards = [...others, skipped].slice(-maxSkippedShards);
}

/**
 * Notes the chain of the meta-step just applied. Come back to where the job was before a restart, the chain must be what it was then.
 *
 * @returns that it is, in words; undefined where there is nothing to prove.
 * @throws MetatrainError `CHAIN_BROKEN` when it is not, unless the job lets engines mix or steps overlap and so promises no bytes.
 */
export function proveChain(job: LiveJob, chain: ChainHead): string | undefined {
  const { proof, spec, record } = job;
  const { step, sha256 } = chain;
  if (step > (record.chainHead?.step ?? -1)) record.chainHead = chain;
  if (proof?.step !== step) return undefined;
  job.proof = undefined;
  if (proof.sha256 === sha256) {
    return `meta-step ${step}, applied before the restart, has been applied again to the same bytes`;
  }
  const message =
    `meta-step ${step} was applied before the coordinator's restart with chain ${proof.sha256}, and applying it again gave ${sha256}: ` +
    'a worker, its engine or its data has changed';
  const promisesBytes = !spec.placement.mixed && spec.meta.update.mode === 'sync';
  if (promisesBytes) throw new MetatrainError('CHAIN_BROKEN', message, { details: { step } });
  return message;
}
