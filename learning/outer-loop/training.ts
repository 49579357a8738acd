// The numbers of one running job: θ, the meta-optimizer's slots, and the batch whose results are coming in. It obeys the core's orders
// (begin, keep, reduce) and decides nothing. Invariants: θ is finite; a θ once published is never written to again; the chain names every
// θ since the first: chainₙ = SHA-256(chainₙ₋₁ ‖ SHA-256(θₙ)).

import { MetatrainError } from '../../shared/errors.ts';
import { scheduleFactor } from '../../shared/learning-rate.ts';
import type { MeasureHead, MeasureRows, MeasureValue } from '../../shared/measures.ts';
import { PassingMap } from '../../shared/passing.ts';
import { bytesOfVector, layoutElements, type ParamsLayout, sha256 } from '../../shared/tensor-codec.ts';
import type { EvaluatedDomains, ResolvedJob } from '../job.ts';
import { type EvaluationSummary, summariseDomains, summariseMeasures } from './evaluation-summary.ts';
import { isFiniteVector, MetaGradientSum, type ShardSums } from './meta-gradient.ts';
import { RobustMean } from './robust-mean.ts';
import { clipByGroup, gradientNorm, hasOnlyGradients, type Stretch, stretchesOf, updateByRole } from './roles.ts';
import type { SecretDraws } from './secret-draws.ts';
import { type ShardNorm, spreadOfTaskGradients, type TaskGradientSpread } from './task-gradients.ts';

/** One vector of the meta-optimizer's state, as long as θ, such as `firstMoment`. */
export type OptimizerSlots = Readonly<Record<string, Float32Array>>;

/** What of a job the outer loop needs. */
export type OuterLoop = Pick<ResolvedJob, 'spec' | 'optimizer' | 'parameters'> & {
  /** Of a job with `meta.privacy`, which cannot be trained without. */
  readonly draws?: SecretDraws | undefined;
};

/** θ after `step` meta-steps, in memory and by name. */
export interface MetaParams {
  readonly step: number;
  readonly vector: Float32Array;
  /** SHA-256 of its bytes, raw. */
  readonly sha256: Buffer;
}

/** What a shard carries from one meta-step to the next, and its name. */
export interface Carried {
  readonly vector: Float32Array;
  /** SHA-256 of its bytes, raw. */
  readonly sha256: Buffer;
}

export interface TrainShardSum {
  readonly metaGradientSum: Float32Array;
  /** Called when `metaGradientSum` is in the sum and not needed any more. */
  readonly release?: () => void;
  /** Of `metaGradientSum`. Absent: not measured, and so the spread of the task gradients is not known either. */
  readonly squaredNorm?: number;
  readonly taskCount: number;
  /** What the sum counts for; 0 where no task is in it. */
  readonly weight: number;
  /** One value a task. */
  readonly measures: readonly MeasureRows[];
  readonly nonFiniteTasks: readonly number[];
  /** Absent: the shard keeps what it had. */
  readonly carried?: Carried;
}

/** What is left of a shard's result when its gradients are in the sum. */
type TrainShardFacts = Omit<TrainShardSum, 'metaGradientSum' | 'release'>;

/** `staleWeight`: what the shard's contribution was multiplied with. */
type KeptFacts = TrainShardFacts & { readonly staleWeight: number };

export interface EvaluateShardRows {
  readonly measures: readonly MeasureRows[];
}

export interface AppliedMetaStep {
  /** Means over the counted tasks; finite. */
  readonly measures: readonly MeasureValue[];
  /** Before clipping. */
  readonly metaGradientNorm: number;
  /**
   * Undefined where it cannot be told: one shard, stale ones, another aggregation than the mean, or
   * shards that were not measured.
   */
  readonly taskGradients: TaskGradientSpread | undefined;
  readonly learningRate: number;
  readonly skippedTasks: number;
}

/** A meta-step that was applied in another place. */
export interface StepElsewhere {
  /** Of θ after it, 32 bytes. */
  readonly paramsSha256: Uint8Array;
  readonly applied: AppliedMetaStep;
}

/** Everything that a checkpoint keeps, safe to read while training goes on. */
export interface TrainingSnapshot {
  readonly layout: ParamsLayout;
  readonly metaParams: MetaParams;
  readonly slots: OptimizerSlots;
  readonly chain: Buffer;
  readonly skippedTasks: number;
  /** By shard; absent where nothing is carried. */
  readonly carried?: readonly (Carried | undefined)[];
}

const noChain = Buffer.alloc(32);

/**
 * Share of a meta-batch's tasks that may be left out; beyond it the meta-step fails, since its mean
 * would say little of the distribution.
 */
const maxLeftOutShare = 0.5;

interface TrainBatch {
  readonly array: Float64Array;
  readonly sum: ShardSums;
  readonly results: (KeptFacts | undefined)[];
  /** Every gradient so far has the full weight. */
  isFresh: boolean;
}

export class Training {
  readonly layout: ParamsLayout;
  readonly #job: OuterLoop;
  readonly #stretches: readonly Stretch[];
  #metaParams: MetaParams;
  #slots: OptimizerSlots;
  #chain: Buffer;
  #skippedTasks: number;
  #carried: readonly (Carried | undefined)[];
  /** Used again by every meta-step: a large array a step would keep the garbage collector busy. Undefined while a batch has it. */
  #sum: Float64Array | undefined;
  /** By the meta-step that they update; more than one only in async mode. */
  readonly #trainBatches = new PassingMap<number, TrainBatch>();
  #evaluation: (EvaluateShardRows | undefined)[] | undefined;

  private constructor(job: OuterLoop, snapshot: TrainingSnapshot) {
    if (job.spec.meta.privacy && !job.draws) throw new Error('a job with meta.privacy needs its secret draws');
    this.#job = job;
    this.layout = snapshot.layout;
    this.#stretches = stretchesOf(snapshot.layout, job.parameters, job.spec.meta);
    this.#metaParams = snapshot.metaParams;
    this.#slots = snapshot.slots;
    this.#chain = snapshot.chain;
    this.#skippedTasks = snapshot.skippedTasks;
    this.#carried = snapshot.carried ?? [];
    this.#sum = new Float64Array(snapshot.metaParams.vector.length);
  }

  /** A job's start. The caller has checked that θ₀ is finite and fits the layout. */
  static begin(job: OuterLoop, layout: ParamsLayout, vector: Float32Array): Training {
    const metaParams = { step: 0, vector, sha256: sha256(bytesOfVector(vector)) };
    const names = job.optimizer.slots(job.spec.meta.optimizer);
    const slots = Object.fromEntries(names.map((name) => [name, new Float32Array(vector.length)]));
    return new Training(job, {
      layout,
      metaParams,
      slots,
      chain: linkChain(noChain, metaParams.sha256),
      skippedTasks: 0,
    });
  }

  /** Goes on from a checkpoint; takes the snapshot's arrays over. */
  static restore(job: OuterLoop, snapshot: TrainingSnapshot): Training {
    return new Training(job, snapshot);
  }

  /**
   * Takes over what a span has led to; `slots` become its own. The caller has checked that all is
   * finite and fits.
   *
   * @returns the chain after each of its meta-steps.
   */
  adoptSpan(vector: Float32Array, slots: OptimizerSlots, steps: readonly StepElsewhere[]): readonly Buffer[] {
    const last = steps.at(-1);
    if (!last) throw new Error('a span has a meta-step');
    const { step } = this.#metaParams;
    this.#metaParams = { step: step + steps.length, vector, sha256: Buffer.from(last.paramsSha256) };
    this.#slots = slots;
    return steps.map(({ paramsSha256, applied }) => {
      this.#chain = linkChain(this.#chain, paramsSha256);
      this.#skippedTasks += applied.skippedTasks;
      return this.#chain;
    });
  }

  /** The meta-optimizer's state; not to be changed. */
  get slots(): OptimizerSlots {
    return this.#slots;
  }

  get elements(): number {
    return layoutElements(this.layout);
  }

  get metaParams(): MetaParams {
    return this.#metaParams;
  }

  get skippedTasks(): number {
    return this.#skippedTasks;
  }

  /** What the shard of this number starts the next meta-step from. */
  carriedBy(shard: number): Carried | undefined {
    return this.#carried[shard];
  }

  get chain(): Buffer {
    return this.#chain;
  }

  /** Copies what training will change; θ itself is never changed and not copied. */
  snapshot(): TrainingSnapshot {
    return {
      layout: this.layout,
      metaParams: this.#metaParams,
      slots: Object.fromEntries(Object.entries(this.#slots).map(([name, slot]) => [name, slot.slice()])),
      chain: this.#chain,
      skippedTasks: this.#skippedTasks,
      ...(this.#carried.some((carried) => carried) && { carried: this.#carried }),
    };
  }

  /**
   * @param stale in async mode: the meta-step that the shard belongs to, which may be a later one than the present, and the weight of its
   *   gradients.
   */
  keepTrainResult(
    shard: number,
    shards: number,
    result: TrainShardSum,
    stale: { readonly metaStep: number; readonly weight: number } = { metaStep: this.#metaParams.step, weight: 1 },
  ): void {
    const { metaStep, weight } = stale;
    let batch = this.#trainBatches.get(metaStep);
    if (!batch) {
      const array = this.#sum ?? new Float64Array(this.#metaParams.vector.length);
      this.#sum = undefined;
      batch = { array, sum: this.#openSums(array, shards), results: new Array(shards), isFresh: true };
      this.#trainBatches.set(metaStep, batch);
    }
    const { metaGradientSum, release, ...facts } = result;
    batch.sum.add(shard, metaGradientSum, { weight, counted: facts.weight, release });
    batch.results[shard] = { ...facts, staleWeight: weight };
    if (weight !== 1) batch.isFresh = false;
  }

  #openSums(array: Float64Array, shards: number): ShardSums {
    const { aggregation } = this.#job.spec.meta;
    return aggregation.name === 'mean'
      ? new MetaGradientSum(array, shards)
      : new RobustMean(array, shards, aggregation);
  }

  keepEvaluateResult(shard: number, shards: number, result: EvaluateShardRows): void {
    this.#evaluation ??= new Array(shards);
    this.#evaluation[shard] = result;
  }

  /**
   * θ ← θ − update(Σ meta-gradients / Σ weights) over the counted tasks, or of what
   * `meta.aggregation` makes of the shards; of parameters with another role, what their role says.
   *
   * @param heads the measures of every result that was kept.
   * @param factor what the schedule multiplies every learning rate with. Default: as the job file says.
   * @throws MetatrainError `RESULT_NOT_FINITE` when more than half of the meta-batch is left out,
   *   or when the new θ would not be finite; θ is then unchanged.
   */
  applyMetaStep(
    iterations: number,
    heads: readonly MeasureHead[],
    factor: number = scheduleFactor(this.#job.spec.meta.schedule, this.#metaParams.step, iterations),
  ): AppliedMetaStep {
    const batch = this.#trainBatches.get(this.#metaParams.step);
    if (!batch) throw new Error('no result of this meta-step was kept');
    this.#trainBatches.delete(this.#metaParams.step);
    // Free for the next batch, which is begun only after this function has returned.
    this.#sum = batch.array;
    const results = batch.results.map((result) => {
      if (!result) throw new Error('a shard of this meta-step is missing');
      return result;
    });
    const { meta } = this.#job.spec;
    const { step, vector } = this.#metaParams;
    const tasks = sumOf(results, ({ taskCount }) => taskCount);
    const skipped = sumOf(results, ({ nonFiniteTasks }) => nonFiniteTasks.length);
    if (skipped > maxLeftOutShare * tasks) throw tooManyLeftOut(step, skipped, tasks);

    const learningRate = meta.optimizer.learningRate * factor;
    const weight = sumOf(results, (result) => result.weight);
    const { draws } = this.#job;
    const { mean, norm: normOfAll } = batch.sum.mean(draws ? 1 : weight);
    draws?.perturb(mean, this.#stretches, step);
    const isGradient = hasOnlyGradients(this.#stretches) && !draws;
    const norm = isGradient ? normOfAll : gradientNorm(mean, this.#stretches);
    clipByGroup(mean, this.#stretches, norm, meta);
    const updated = updateByRole(this.#stretches, {
      optimizer: this.#job.optimizer,
      meta,
      metaParams: vector,
      mean,
      averageFactor: weight / sumOf(results, (result) => result.weight * result.staleWeight),
      slots: this.#slots,
      learningRate,
      scheduleFactor: factor,
      step,
    });
    if (!isFiniteVector(updated)) {
      throw new MetatrainError(
        'RESULT_NOT_FINITE',
        `meta-step ${step} would make the meta-parameters infinite or NaN (meta-gradient norm ${norm}, learning rate ` +
          `${learningRate}); a smaller meta.optimizer.learningRate or meta.clipNorm may help`,
      );
    }
    this.#metaParams = { step: step + 1, vector: updated, sha256: sha256(bytesOfVector(updated)) };
    this.#chain = linkChain(this.#chain, this.#metaParams.sha256);
    this.#skippedTasks += skipped;
    if (results.some(({ carried }) => carried)) {
      this.#carried = results.map(({ carried }, shard) => carried ?? this.#carried[shard]);
    }
    return {
      measures: meansOf(results, heads),
      metaGradientNorm: norm,
      taskGradients:
        batch.isFresh && isGradient && meta.aggregation.name === 'mean' ? spreadOf(results, norm * weight) : undefined,
      learningRate,
      skippedTasks: skipped,
    };
  }

  /**
   * @param heads the measures of every result that was kept.
   * @param domains told apart in measures of their own. Default: the tasks are of one.
   * @throws MetatrainError `RESULT_NOT_FINITE` when every task has diverged: there is nothing to tell.
   */
  summariseEvaluation(
    heads: readonly MeasureHead[],
    domains?: EvaluatedDomains,
  ): Pick<EvaluationSummary, 'measures' | 'divergedTasks'> {
    const shards = (this.#evaluation ?? []).map((rows) => {
      if (!rows) throw new Error('a shard of this evaluation is missing');
      return rows.measures;
    });
    this.#evaluation = undefined;
    if (shards.length === 0) throw new Error('no result of this evaluation was kept');
    const { measures, divergedTasks, tasks } = summariseMeasures(shards, heads);
    if (divergedTasks === tasks) throw allDiverged(this.#metaParams.step, tasks, heads);
    return { measures: domains ? [...measures, ...summariseDomains(shards, heads, domains)] : measures, divergedTasks };
  }
}

/** Each measure's mean over the tasks that are in the sum. */
function meansOf(results: readonly TrainShardFacts[], heads: readonly MeasureHead[]): MeasureValue[] {
  return heads.map(({ name, unit = '' }, index) => ({
    name,
    unit,
    value: meanOf(results.flatMap((result) => countedOf(result, result.measures[index]!.values))),
  }));
}

/** The values of the tasks whose meta-gradients are in the sum. */
function countedOf({ nonFiniteTasks }: TrainShardFacts, values: readonly number[]): readonly number[] {
  if (nonFiniteTasks.length === 0) return values;
  const leftOut = new Set(nonFiniteTasks);
  return values.filter((_, offset) => !leftOut.has(offset));
}

function allDiverged(step: number, tasks: number, heads: readonly MeasureHead[]): MetatrainError {
  const [{ name = 'measure', axis = '' } = {}] = heads;
  return new MetatrainError(
    'RESULT_NOT_FINITE',
    `all ${tasks} tasks of the evaluation after ${step} meta-steps diverged: none has a finite ${name}${axis && ` at every ${axis}`}; ` +
      'a smaller algorithm.innerLearningRate or fewer evaluation.innerSteps may help',
  );
}

const tooManyLeftOut = (step: number, leftOut: number, tasks: number) =>
  new MetatrainError(
    'RESULT_NOT_FINITE',
    `${leftOut} of the ${tasks} tasks of meta-step ${step} have no finite meta-gradient and loss; meta.onNonFinite: skip may leave out ` +
      'at most half of a meta-step; a smaller algorithm.innerLearningRate may help',
  );

function spreadOf(results: readonly TrainShardFacts[], normOfSum: number) {
  const shards: ShardNorm[] = [];
  for (const { taskCount, nonFiniteTasks, squaredNorm, weight } of results) {
    const tasks = taskCount - nonFiniteTasks.length;
    // A sum that counts for something else than its tasks is no sum of task gradients.
    if (squaredNorm === undefined || weight !== tasks) return undefined;
    shards.push({ tasks, squaredNorm });
  }
  return spreadOfTaskGradients(shards, normOfSum ** 2);
}

const linkChain = (chain: Buffer, paramsSha256: Uint8Array): Buffer => sha256(Buffer.concat([chain, paramsSha256]));

const sumOf = <T>(items: readonly T[], term: (item: T) => number): number =>
  items.reduce((sum, item) => sum + term(item), 0);

const meanOf = (values: readonly number[]): number =>
  values.length > 0 ? sumOf(values, (value) => value) / values.length : Number.NaN;
