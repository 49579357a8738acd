// A span: several meta-steps of a job computed in one place, one after another, with the same sums
// and the same updates as anywhere. It goes on until its meta-steps are all there or it is told
// that time is over, and never reports trouble: it ends before the meta-step that it cannot apply.
// Which meta-steps are computed in spans, and how long a span is, changes no byte.
import { MetatrainError } from '../../shared/errors.ts';
import { scheduleFactor } from '../../shared/learning-rate.ts';
import { carryLayout } from '../carry.ts';
import { layoutOf, type ResolvedJob } from '../job.ts';
import { type OptimizerSlots, type StepElsewhere, Training, type TrainShardSum } from './training.ts';

/** Bytes of what a span tells of its meta-steps, in one message. */
const maxFactBytes = 512 * 1_024;
/** Of one meta-step: the hash of θ, its norms, and what the message adds. */
const stepBytes = 96;
const hashBytes = 32;
/**
 * Of θ and the meta-optimizer's state, which travel with every span. Larger models are shared: a
 * meta-step of theirs takes long.
 */
const maxStateBytes = 64 * 2 ** 20;
/** Of the sums of one meta-step's shards, which a worker holds together. */
const maxSumsBytes = 256 * 2 ** 20;

/** What a span starts from. */
export interface SpanStart {
  /** θ's version, and the first meta-step. */
  readonly step: number;
  readonly metaParams: Float32Array;
  /** The meta-optimizer's state, see `flattenSlots`. Not changed. */
  readonly optimizer: Float32Array;
  readonly maxSteps: number;
  /**
   * What the schedule multiplies the learning rates with, one a meta-step: computed by the
   * coordinator, since a cosine may round otherwise elsewhere. Empty: 1.
   */
  readonly factors: readonly number[];
}

export interface SkippedTasks {
  readonly shard: number;
  /** Offsets from the shard's first task. */
  readonly tasks: readonly number[];
}

/** One meta-step of a span. */
export interface SpanStep extends StepElsewhere {
  /** Of each shard's sum, 32 bytes a shard, in shard order. */
  readonly shardsSha256: Uint8Array;
  readonly skipped: readonly SkippedTasks[];
}

export interface SpanEnd {
  /** θ after the last meta-step, then the meta-optimizer's state. */
  readonly state: Float32Array;
  /** At least one. */
  readonly steps: readonly SpanStep[];
}

/** A shard's sum, and the SHA-256 of its bytes. */
export type HashedShardSum = TrainShardSum & { readonly sha256: Uint8Array };

export interface SpanTools {
  /** Of a meta-step: every shard's sum with this θ, in shard order. */
  shardsOf(metaStep: number, metaParams: Float32Array): Promise<readonly HashedShardSum[]>;
  /** Asked after every meta-step. */
  isOver(): boolean;
}

/** What of a job its spans need. */
export type SpannedJob = Pick<
  ResolvedJob,
  'spec' | 'algorithm' | 'task' | 'optimizer' | 'parameters' | 'parameterCount' | 'measures'
>;

/** The shards of every meta-batch: offset of the first task, and number of tasks. */
export function shardsOfMetaBatch({ meta, placement }: ResolvedJob['spec']): readonly (readonly [number, number])[] {
  const shards: [number, number][] = [];
  for (let offset = 0; offset < meta.batchSize; offset += placement.shardSize) {
    shards.push([offset, Math.min(placement.shardSize, meta.batchSize - offset)]);
  }
  return shards;
}

/** Most meta-steps of one span, or why the job cannot have any. */
export function spanLimit(job: SpannedJob): { readonly maxSteps: number } | { readonly because: string } {
  const { spec, parameterCount, measures } = job;
  const { meta, placement } = spec;
  if (meta.update.mode !== 'sync') return { because: `meta.update.mode: ${meta.update.mode}` };
  // The secret of the noise stays with the coordinator.
  if (meta.privacy) return { because: 'meta.privacy' };
  // One worker could outvote the others.
  if (meta.aggregation.name !== 'mean') return { because: `meta.aggregation.name: ${meta.aggregation.name}` };
  // Its sums are rounded as they are sent.
  if (placement.results !== 'float32') return { because: `placement.results: ${placement.results}` };
  if (carryLayout(job, 1).tensors.length > 0)
    return { because: `algorithm.name: ${job.algorithm.name}, which carries state` };
  const stateBytes = 4 * parameterCount * (1 + job.optimizer.slots(meta.optimizer).length);
  if (stateBytes > maxStateBytes) return { because: `a state of ${stateBytes} bytes, θ and the meta-optimizer's` };
  const shards = shardsOfMetaBatch(spec).length;
  const sumsBytes = 4 * parameterCount * shards;
  if (sumsBytes > maxSumsBytes)
    return { because: `sums of ${sumsBytes} bytes, of the ${shards} shards of a meta-step` };
  const bytes = stepBytes + hashBytes * shards + 8 * measures.train.length;
  const maxSteps = Math.floor(maxFactBytes / bytes);
  return maxSteps > 0 ? { maxSteps } : { because: `${shards} shards a meta-step` };
}

/** The meta-optimizer's vectors, one after another in its own order. */
export function flattenSlots({ optimizer, spec }: SpannedJob, slots: OptimizerSlots): Float32Array {
  const vectors = optimizer.slots(spec.meta.optimizer).map((name) => slots[name]!);
  const flat = new Float32Array(vectors.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const vector of vectors) {
    flat.set(vector, offset);
    offset += vector.length;
  }
  return flat;
}

/** Copies, since a meta-optimizer changes them. */
export function readSlots(
  { optimizer, spec, parameterCount: elements }: SpannedJob,
  flat: Float32Array,
): OptimizerSlots {
  const names = optimizer.slots(spec.meta.optimizer);
  return Object.fromEntries(names.map((name, i) => [name, flat.slice(i * elements, (i + 1) * elements)]));
}

/** Numbers of θ and the meta-optimizer's state. */
export const stateElements = ({ optimizer, spec, parameterCount }: SpannedJob): number =>
  parameterCount * (1 + optimizer.slots(spec.meta.optimizer).length);

/** The schedule's factors of meta-steps from `step` on; empty where all are 1. */
export function factorsOf({ meta }: ResolvedJob['spec'], step: number, steps: number): number[] {
  if (meta.schedule.name === 'constant') return [];
  return Array.from({ length: steps }, (_, i) => scheduleFactor(meta.schedule, step + i, meta.iterations));
}

/**
 * @throws MetatrainError `RESULT_NOT_FINITE` where the first meta-step cannot be applied; what
 *   `shardsOf` throws at the first meta-step.
 */
export async function computeSpan(job: SpannedJob, start: SpanStart, tools: SpanTools): Promise<SpanEnd> {
  const { step, metaParams, optimizer, maxSteps, factors } = start;
  // The hash of θ, its chain and what was left out before are known where the span came from.
  const training = Training.restore(job, {
    layout: layoutOf(job.parameters),
    metaParams: { step, vector: metaParams, sha256: Buffer.alloc(hashBytes) },
    slots: readSlots(job, optimizer),
    chain: Buffer.alloc(hashBytes),
    skippedTasks: 0,
  });
  const steps: SpanStep[] = [];
  while (steps.length < maxSteps) {
    try {
      steps.push(await nextStep(job, training, tools, factors[steps.length] ?? 1));
    } catch (thrown) {
      if (steps.length === 0) throw thrown;
      // A meta-optimizer that could not finish has changed its state: the meta-steps before are
      // computed again, without it.
      return computeSpan(job, { ...start, maxSteps: steps.length }, { ...tools, isOver: () => false });
    }
    if (tools.isOver()) break;
  }
  const { metaParams: last, slots } = training.snapshot();
  const state = new Float32Array(stateElements(job));
  state.set(last.vector);
  state.set(flattenSlots(job, slots), last.vector.length);
  return { state, steps };
}

async function nextStep(job: SpannedJob, training: Training, tools: SpanTools, factor: number): Promise<SpanStep> {
  const { step, vector } = training.metaParams;
  const shards = await tools.shardsOf(step, vector);
  const skipped = shards.flatMap(({ nonFiniteTasks }, shard) =>
    nonFiniteTasks.length > 0 ? [{ shard, tasks: nonFiniteTasks }] : [],
  );
  if (skipped.length > 0 && job.spec.meta.onNonFinite === 'fail') {
    throw new MetatrainError('RESULT_NOT_FINITE', `meta-step ${step} has tasks whose meta-gradients are not finite`);
  }
  const shardsSha256 = new Uint8Array(hashBytes * shards.length);
  for (const [shard, sum] of shards.entries()) {
    shardsSha256.set(sum.sha256, hashBytes * shard);
    training.keepTrainResult(shard, shards.length, sum);
  }
  const applied = training.applyMetaStep(job.spec.meta.iterations, job.measures.train, factor);
  return { paramsSha256: training.metaParams.sha256, shardsSha256, applied, skipped };
}
