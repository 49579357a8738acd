// What a part of meta-learning is: an algorithm, a model, a task distribution, an objective or a
// meta-optimizer, in one file with its schema, its checks, its words, and how it is built. The built-in
// parts and those of a user's plugin are the same to everything else. A part knows neither network nor
// engine: `tf` comes in through the kit, and the coordinator loads every part without an engine.
import type { z } from 'zod';
import type { DataSet } from '../shared/data-sets.ts';
import type { FieldProblem } from '../shared/job-spec/explain.ts';
import type { JobSpec } from '../shared/job-spec/index.ts';
import type { MeasureHead } from '../shared/measures.ts';
import type { BuiltAlgorithm, BuiltModel, BuiltObjective, TensorShapes } from './built.ts';
import type { AlgorithmCel, CelFields, CelJob, DistributionCel, ModelCel, ObjectiveCel, OptimizerCel } from './cel.ts';
import type { Parameter, TaskFacts } from './facts.ts';
import type { Masks } from './kit/given.ts';
import type { Kit, ModelKit, ObjectiveKit } from './kit/kit.ts';
import type { InputEncoder, Split, TaskIo, Tasks } from './tasks.ts';

export const partKinds = ['distribution', 'model', 'algorithm', 'objective', 'optimizer'] as const;
export type PartKind = (typeof partKinds)[number];

/** The fields that a part adds to its section of the job file; its name is added by the registry. */
export type PartSchema = z.ZodObject;
/** A section as it is after the check, every default filled in. */
export type SpecOf<Schema extends PartSchema> = z.infer<Schema>;
/** Some fields of a section, as a published protocol states them. `null`: the source has no such thing. */
export type StatedSpec<Schema extends PartSchema> = {
  readonly [Field in keyof SpecOf<Schema>]?: SpecOf<Schema>[Field] | null;
};

/** What every part has. */
export interface PartHead<Schema extends PartSchema> {
  /** As in the job file: lower-case words joined by "-". */
  readonly name: string;
  /** As people call it, such as `MAML`. */
  readonly title: string;
  /** What it does, in a sentence without a full stop. */
  readonly summary: string;
  /** Authors, year and section; empty where there is nothing to cite. */
  readonly paper: string;
  /** The fields besides the name. A check that needs several fields, or other sections, goes into `check`. */
  readonly schema: Schema;
  /** Small sections by name, for the conformance tests: each is tried with all that it fits. */
  readonly variants: Readonly<Record<string, z.input<Schema>>>;
  /** Fills in defaults that follow from other fields. */
  complete?(spec: SpecOf<Schema>): SpecOf<Schema>;
  /**
   * What the job file asks for and the part cannot do. Fields are named from the job file's root, such
   * as `algorithm.innerSteps`.
   */
  check?(spec: SpecOf<Schema>, job: CheckedJob): readonly FieldProblem[];
}

/** What a check may look at: the whole job file, and the facts that follow from it. */
export interface CheckedJob {
  readonly spec: JobSpec;
  readonly task: TaskFacts;
}

/** What the check of a distribution may look at. */
export interface CheckedTasks extends CheckedJob {
  /** The splits that its tasks are drawn from; see `TaskIo`. */
  readonly usedSplits: readonly Split[];
}

/** A measure before it has an axis: the objective says which there are, the algorithm along what. */
export type MeasureKind = Omit<MeasureHead, 'axis' | 'points'>;

/** Which tasks a part takes. */
interface Choosy<Schema extends PartSchema> {
  /** @returns what it needs, in words such as `images of at least 16 × 16`; undefined where it takes the tasks. Default: it takes all. */
  needs?(task: TaskFacts, spec: SpecOf<Schema>): string | undefined;
}

export interface AlgorithmPart<Schema extends PartSchema = PartSchema> extends PartHead<Schema>, Choosy<Schema> {
  /** As `needs`, of the model: words such as `a model with a head`. Default: it takes all. */
  needsModel?(parameters: readonly Parameter[], spec: SpecOf<Schema>): string | undefined;
  /** How the method is called on a protocol card, such as `second-order MAML`. */
  describe(spec: StatedSpec<Schema>): string;
  /** What is meta-learned: the model's parameters, changed, left out or added to. Default: the model's. */
  parameters?(spec: SpecOf<Schema>, model: readonly Parameter[], task: TaskFacts): readonly Parameter[];
  /**
   * Along what an evaluation measures, one point for each state that `adapt` yields. Default: inner
   * steps, from 0 to `evaluation.innerSteps`. Sequences are measured along the presentations of a class.
   */
  axis?(spec: SpecOf<Schema>, evaluation: JobSpec['evaluation']): Axis;
  /**
   * What a shard of so many tasks carries from one meta-step to the next, where `train` is a procedure: at most
   * 256 MiB for all shards, and not with `meta.update.mode: async`. Default: nothing.
   */
  carries?(spec: SpecOf<Schema>, taskCount: number, job: CheckedJob): TensorShapes;
  /**
   * Small inputs of the programs that are functions of the meta-step alone, such as an annealed weight: each
   * a number or a list, float32. Names and lengths are the same at every step, 0 to `meta.iterations`.
   */
  inputs?(spec: SpecOf<Schema>, metaStep: number, job: CheckedJob): StepInputs;
  /** Passes through the model that one training program traces, for the limit on programs: of a procedure, its largest program. */
  passes(spec: SpecOf<Schema>): number;
  /** As `passes`, of an evaluation's program. Default: one for each point of the axis. A looped adaptation has one pass. */
  evaluationPasses?(spec: SpecOf<Schema>, evaluation: JobSpec['evaluation']): number;
  /** Whether predictions for one query example use the others whatever the model does. Default: no. */
  isTransductive?(spec: SpecOf<Schema>): boolean;
  /**
   * Weight of a contribution that is `staleness` meta-steps old (`meta.update.mode: async`). Default:
   * 1 / (1 + staleness), staleness-aware SGD (Zhang, Gupta, Lian & Liu 2016, equation 6).
   */
  staleWeight?(staleness: number): number;
  /** What `needs`, `check` and the sizes are in CEL. Default: the coordinator alone checks them. */
  cel?(fields: CelFields<SpecOf<Schema>>, job: CelJob): AlgorithmCel;
  build(spec: SpecOf<Schema>, kit: Kit): BuiltAlgorithm;
}

/** What a meta-step gives the programs, by name: scalars and vectors. */
export type StepInputs = Readonly<Record<string, number | readonly number[]>>;

/** Along what an evaluation measures, such as inner steps; see `MeasureHead`. */
export type Axis = Pick<MeasureHead, 'axis' | 'points'>;

export interface ModelPart<Schema extends PartSchema = PartSchema> extends PartHead<Schema>, Choosy<Schema> {
  describe(spec: StatedSpec<Schema>): string;
  /**
   * In the order in which their first values are drawn: it is part of every result. One whose
   * `update` is `average` is a running statistic: no algorithm sees it, and it comes last in θ.
   */
  parameters(spec: SpecOf<Schema>, task: TaskFacts): readonly Parameter[];
  /**
   * What a training task's examples are multiplied with inside the model, drawn from the task's
   * stream: `predict` finds the masks among its parameters, [examples, …shape]. In evaluation and
   * predictions there are none. Default: none.
   */
  masks?(spec: SpecOf<Schema>, task: TaskFacts): Masks;
  /** Whether a prediction for one example depends on those beside it, as batch norm on the batch's own statistics makes it. */
  isTransductive(spec: SpecOf<Schema>): boolean;
  /** What one pass traces, in layers of an mlp: the unit of the limit on programs. */
  layers(spec: SpecOf<Schema>): number;
  /**
   * Whether `build` hands the output of every layer through `kit.layer`, in every pass. The layers
   * are those of `layersOf`: what stands before the first `.` of parameters' names. Default: no,
   * and `evaluation.insight` then measures no similarity of outputs.
   */
  readonly namesLayers?: boolean;
  /** The field that makes the model large, for the message when it is too large, such as `filters`. */
  readonly sizeField: keyof SpecOf<Schema> & string;
  /** The model in PyTorch, for `metatrain export`. Default: there is none. */
  pytorch?(spec: SpecOf<Schema>, task: TaskFacts): PytorchModel;
  /** See `AlgorithmPart.cel`. */
  cel?(fields: CelFields<SpecOf<Schema>>, job: CelJob): ModelCel;
  build(spec: SpecOf<Schema>, kit: ModelKit): BuiltModel;
}

/**
 * Statements of a `torch.nn.Module`. Images come as [examples, channels, height, width]. A parameter
 * `NAME.weights` or `NAME.filters` is that of the module `self.NAME`, transposed; batch norm's
 * `NAME.scale` and `NAME.shift` are those of `self.NAME_norm`. A "." inside of NAME is "_".
 */
export interface PytorchModel {
  /** Of `__init__`: the layers without the head. */
  readonly layers: readonly string[];
  /** Of `features(self, x)`: from the inputs to what the head takes. */
  readonly features: readonly string[];
  /** The layer that is the head, such as `self.linear`. */
  readonly head: { readonly name: string; readonly layer: string };
  /** Batch norm's statistics. Default: it has none. */
  readonly statistics?: 'batch' | 'support' | 'running';
}

/** A task distribution's words on a protocol card; empty where the field is not stated. */
export interface TaskWords {
  /** Such as `5-way 1-shot`. */
  readonly episode: string;
  /** Such as `15 queries a class`. */
  readonly queries: string;
  readonly data: string;
}

/** The distributions that tasks are drawn from, and which of them a task is of. */
export interface Domains {
  /** Unique. */
  readonly names: readonly string[];
  /** The domain of task number `index` of a split, as its place among the names. */
  of(seed: number, split: Split, index: number): number;
}

export interface DistributionPart<Schema extends PartSchema = PartSchema> extends PartHead<Schema> {
  describe(spec: StatedSpec<Schema>): TaskWords;
  /** The data sets that its tasks are drawn from, for `metatrain datasets`. Default: none. */
  readonly dataSets?: readonly DataSet[];
  /** Of a mixture: its domains. Default: there is but one. */
  domains?(spec: SpecOf<Schema>): Domains;
  /** See `PartHead.check`. */
  check?(spec: SpecOf<Schema>, job: CheckedTasks): readonly FieldProblem[];
  /** What its tasks look like, from the job file alone. */
  facts(spec: SpecOf<Schema>): TaskFacts;
  /** See `AlgorithmPart.cel`. */
  cel?(fields: CelFields<SpecOf<Schema>>, job: Omit<CelJob, 'task'>): DistributionCel;
  /**
   * Reads what it needs. Called on the worker.
   *
   * @throws MetatrainError `REQUEST_INVALID`, `DATA_SET_MISSING` or `DATA_CORRUPT` when the data cannot give the tasks that the spec asks for,
   *   `DATA_SET_DIFFERS` when it is not the data that the job began with (`io.refuseOtherData`, before anything is said about the spec).
   */
  open(spec: SpecOf<Schema>, io: TaskIo): Promise<Tasks>;
  /**
   * How an image file, or a sentence, becomes an input of its tasks, for models in use. Called on
   * the worker. Default: inputs come as numbers.
   *
   * @throws MetatrainError as `open` does.
   */
  encoder?(spec: SpecOf<Schema>, io: TaskIo): Promise<InputEncoder>;
}

export interface ObjectivePart<Schema extends PartSchema = PartSchema> extends PartHead<Schema>, Choosy<Schema> {
  /** What it measures of a task's predictions, the loss first. */
  measures(spec: SpecOf<Schema>, task: TaskFacts): readonly MeasureKind[];
  /** See `AlgorithmPart.cel`. */
  cel?(fields: CelFields<SpecOf<Schema>>, job: CelJob): ObjectiveCel;
  build(spec: SpecOf<Schema>, kit: ObjectiveKit): BuiltObjective;
}

/** One step of a meta-optimizer: of all of θ, or of consecutive parameters that share a learning rate. */
export interface MetaUpdate {
  readonly metaParams: Float32Array;
  /** The mean meta-gradient after clipping. */
  readonly metaGradient: Float64Array;
  /** Vectors as long as `metaParams`, by name; advanced in place. */
  readonly slots: Readonly<Record<string, Float32Array>>;
  readonly learningRate: number;
  /** Meta-steps applied before this one, t − 1 in the papers. */
  readonly step: number;
}

export interface OptimizerPart<Schema extends PartSchema = PartSchema> extends PartHead<Schema> {
  /** See `AlgorithmPart.cel`. */
  cel?(fields: CelFields<SpecOf<Schema>>, job: CelJob): OptimizerCel;
  /** Names of the vectors of state that it keeps, all zero at first. */
  slots(spec: SpecOf<Schema>): readonly string[];
  /** @returns θ after the step, freshly owned; the old θ may still be on its way to workers and is not touched. */
  update(spec: SpecOf<Schema>, update: MetaUpdate): Float32Array;
}

export interface PartsByKind {
  readonly distribution: DistributionPart;
  readonly model: ModelPart;
  readonly algorithm: AlgorithmPart;
  readonly objective: ObjectivePart;
  readonly optimizer: OptimizerPart;
}

/** A part with its kind: what a registry takes. */
export type AnyPart = {
  readonly [Kind in PartKind]: { readonly kind: Kind } & PartsByKind[Kind];
}[PartKind];

export type DefinedPart<Kind extends PartKind> = { readonly kind: Kind } & PartsByKind[Kind];

/** Marks what a define function made. Registered by name: a plugin may bring a copy of this module. */
const definedMark: unique symbol = Symbol.for('metatrain.part') as never;

/** Whether a define function made it. What it holds is not checked: see `plugin.ts`. */
export const isDefined = (value: unknown): value is AnyPart =>
  typeof value === 'object' && value !== null && definedMark in value;

const define =
  <Kind extends PartKind>(kind: Kind) =>
  (part: object) => {
    const defined = { ...part, kind };
    Object.defineProperty(defined, definedMark, { value: true });
    return Object.freeze(defined) as unknown as DefinedPart<Kind>;
  };

/** A meta-learning algorithm: how a task's contribution to θ is computed, and how a task is adapted to. */
export const defineAlgorithm = define('algorithm') as <Schema extends PartSchema>(
  part: AlgorithmPart<Schema>,
) => DefinedPart<'algorithm'>;

/** A model: named parameters and a pure prediction from them. */
export const defineModel = define('model') as <Schema extends PartSchema>(
  part: ModelPart<Schema>,
) => DefinedPart<'model'>;

/** A task distribution: where tasks come from. */
export const defineDistribution = define('distribution') as <Schema extends PartSchema>(
  part: DistributionPart<Schema>,
) => DefinedPart<'distribution'>;

/** An objective: a loss, and what else is measured of predictions. */
export const defineObjective = define('objective') as <Schema extends PartSchema>(
  part: ObjectivePart<Schema>,
) => DefinedPart<'objective'>;

/** A meta-optimizer: from the mean meta-gradient to the new θ. */
export const defineOptimizer = define('optimizer') as <Schema extends PartSchema>(
  part: OptimizerPart<Schema>,
) => DefinedPart<'optimizer'>;
