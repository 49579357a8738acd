// The limits on products of a job file's fields. Each field has a limit of its own in the schema; their
// products decide whether an array, a message or the coordinator's memory can hold what the job makes,
// and are refused here, before anything is stored.
import { excerpt } from '../shared/foreign-text.ts';
import type { FieldProblem } from '../shared/job-spec/explain.ts';
import type { JobSpec } from '../shared/job-spec/index.ts';
import { valuesOfTask } from '../shared/measures.ts';
import { formatCount } from '../shared/numbers.ts';
import { elementsOf } from '../shared/tensor-codec.ts';
import { carryProblems } from './carry.ts';
import type { ResolvedJob } from './job.ts';
import { maskShapes } from './kit/given.ts';
import { sumProblems } from './outer-loop/sum-problems.ts';

/**
 * Parameters of a model: 1 GiB of float32, which is the largest payload that coordinator and worker
 * take.
 */
export const maxParameters = 2 ** 28;

/** A layout travels to every worker in one message, beside the job file. */
const maxTensors = 10_000;
const maxTensorNameBytes = 200;
const maxTensorRank = 16;

/** Shards that the coordinator keeps of one job: of all meta-batches under way, or of one evaluation. */
export const maxShards = 16_384;

/** Values of one evaluation, of all measures: the coordinator keeps them until the last shard is in. */
export const maxEvaluationValues = 20_000_000;

/** Values of one evaluation shard: its message takes about 1 MiB. */
export const maxShardValues = 131_072;

/** Numbers in the arrays of one shard's tasks: 1 GiB of float32. */
export const maxShardNumbers = 2 ** 28;

/**
 * Layers of one program: each inner step traces the model once more. Measured with an mlp at second
 * order: a layer makes 30 to 36 operators, and compiling takes about 10 kB of a compute thread's heap
 * and 1 to 2 ms an operator. A program at the limit therefore takes 1.5 GB and some minutes.
 */
export const maxProgramLayers = 4_096;

/** Meta-batches that may be under way at once. */
export const batchesUnderWay = ({ meta: { update } }: JobSpec): number =>
  1 + (update.mode === 'async' ? update.maxStaleness : 0);

/**
 * Tasks of one evaluation shard: `placement.shardSize`, or fewer where the result would not fit into a
 * message.
 */
export function evaluationShardSize({ spec, measures }: Pick<ResolvedJob, 'spec' | 'measures'>): number {
  return Math.min(spec.placement.shardSize, Math.floor(maxShardValues / valuesOfTask(measures.evaluate)));
}

/** Every product that exceeds its limit, each under the field that most likely is to change. */
export function excesses(job: ResolvedJob): FieldProblem[] {
  const { spec, algorithm, measures } = job;
  const { innerSteps } = spec.evaluation;
  const evaluationPasses =
    (algorithm.evaluationPasses?.(spec.algorithm, spec.evaluation) ??
      Math.max(1, measures.evaluate[0]!.points.length - 1)) + (spec.evaluation.insight ? 2 : 0);
  return [
    modelExcess(job),
    layoutExcess(job),
    programExcess('algorithm.innerSteps', spec.algorithm.innerSteps, algorithm.passes(spec.algorithm), job),
    programExcess('evaluation.innerSteps', innerSteps, evaluationPasses, job),
    shardExcess(job),
    batchExcess(spec),
    ...evaluationExcesses(job),
    ensembleExcess(job),
    ...groupProblems(job),
    ...carryProblems(job),
    ...sumProblems(job, maxShards),
  ].flatMap((problem) => problem ?? []);
}

function modelExcess({ parameterCount, model, spec }: ResolvedJob): FieldProblem | undefined {
  if (parameterCount <= maxParameters) return undefined;
  const { sizeField } = model;
  return {
    field: `model.${sizeField}`,
    got: `${JSON.stringify(spec.model[sizeField])}, a model of ${formatCount(parameterCount)} parameters`,
    accepted: `at most ${formatCount(maxParameters)} parameters`,
  };
}

/** The parameters of an ensemble's members travel as one payload. */
function ensembleExcess({ parameterCount, spec: { evaluation } }: ResolvedJob): FieldProblem | undefined {
  const { ensemble = 1 } = evaluation;
  if (ensemble * parameterCount <= maxParameters) return undefined;
  const most = Math.floor(maxParameters / parameterCount);
  if (most < 1) return undefined;
  return {
    field: 'evaluation.ensemble',
    got: `${ensemble} models of ${formatCount(parameterCount)} parameters`,
    accepted:
      most > 1
        ? `at most ${most}, ${formatCount(maxParameters)} parameters in all`
        : 'nothing, with a model of this size',
  };
}

/** What a part's own parameters may be called, and how many there are. */
function layoutExcess({ parameters, modelParameters, model, algorithm }: ResolvedJob): FieldProblem | undefined {
  const names = parameters.map(({ name }) => name);
  const odd = parameters.find(
    ({ name, shape }, i) =>
      !/^[\w./-]+$/.test(name) ||
      /^(step\.|carry\/|optimizer\/)/.test(name) ||
      name === '__metadata__' ||
      Buffer.byteLength(name) > maxTensorNameBytes ||
      shape.length > maxTensorRank ||
      names.indexOf(name) < i,
  );
  const isModels = parameters === modelParameters;
  const field = isModels ? 'model.architecture' : 'algorithm.name';
  const part = isModels ? model.name : algorithm.name;
  if (odd) {
    const accepted = `unique names of letters, digits, ".", "/", "-" and "_", not "step.…", "carry/…" or "optimizer/…", of at most ${maxTensorNameBytes} bytes, and at most ${maxTensorRank} dimensions`;
    return { field, got: `${part}, with a parameter "${excerpt(odd.name, 80)}" of ${odd.shape.length} dimensions`, accepted }; // biome-ignore format: one line
  }
  if (parameters.length >= 1 && parameters.length <= maxTensors) return undefined;
  return { field, got: `${part}, with ${parameters.length} parameters`, accepted: `1 to ${formatCount(maxTensors)} named parameters` }; // biome-ignore format: one line
}

function programExcess(
  field: string,
  got: unknown,
  passes: number,
  { model, spec }: ResolvedJob,
): FieldProblem | undefined {
  const layers = model.layers(spec.model);
  if (passes * layers <= maxProgramLayers) return undefined;
  return {
    field,
    got: `${got} with ${model.name}, which counts as ${layers} layers, a program of ${formatCount(passes * layers)} layers`,
    accepted: `at most ${Math.floor(maxProgramLayers / layers)} with this model: programs have at most ${formatCount(maxProgramLayers)} layers`,
  };
}

/** Settings of groups that no parameter is in. */
function groupProblems({ spec, parameters }: ResolvedJob): readonly FieldProblem[] {
  const known = [...new Set(parameters.map(({ group = 'model' }) => group))];
  return Object.keys(spec.meta.groups ?? {})
    .filter((name) => !known.includes(name))
    .map((name) => ({ field: `meta.groups.${excerpt(name, 40)}`, got: 'a group without parameters', accepted: known.join(' | ') })); // biome-ignore format: one line
}

function shardExcess({ task, masks, spec: { placement } }: ResolvedJob): FieldProblem | undefined {
  const shapes = Object.values({ ...task.tensors, ...maskShapes(masks, task) });
  const taskNumbers = shapes.reduce((sum, { shape }) => sum + elementsOf(shape), 0);
  const numbers = taskNumbers * placement.shardSize;
  if (numbers <= maxShardNumbers) return undefined;
  return {
    field: 'task.shots',
    got: `${task.shots} with task.queries ${task.queries} and placement.shardSize ${placement.shardSize}, shards of ${formatCount(numbers)} numbers`,
    accepted: `at most ${formatCount(maxShardNumbers)} numbers`,
  };
}

function batchExcess(spec: JobSpec): FieldProblem | undefined {
  const { batchSize } = spec.meta;
  const { shardSize } = spec.placement;
  const batches = batchesUnderWay(spec);
  const mostShards = Math.floor(maxShards / batches);
  const shards = Math.ceil(batchSize / shardSize);
  if (shards <= mostShards) return undefined;
  return {
    field: 'placement.shardSize',
    got: `${shardSize}, which cuts a meta-batch of ${formatCount(batchSize)} tasks into ${formatCount(shards)} shards`,
    accepted:
      `at least ${formatCount(Math.ceil(batchSize / mostShards))}: at most ${formatCount(mostShards)} shards` +
      `${batches > 1 ? ` with meta.update.maxStaleness ${batches - 1}` : ''}`,
  };
}

function evaluationExcesses(job: ResolvedJob): readonly (FieldProblem | undefined)[] {
  const { spec, measures } = job;
  const { tasks } = spec.evaluation;
  const ofTask = valuesOfTask(measures.evaluate);
  if (tasks * ofTask > maxEvaluationValues) {
    return [
      {
        field: 'evaluation.tasks',
        got: `${formatCount(tasks)} with ${formatCount(ofTask)} measured values each, ${formatCount(tasks * ofTask)} in all`,
        accepted: `at most ${formatCount(maxEvaluationValues)} values, which is ${formatCount(Math.floor(maxEvaluationValues / ofTask))} tasks`,
      },
    ];
  }
  const shardSize = evaluationShardSize(job);
  const shards = Math.ceil(tasks / shardSize);
  if (shards <= maxShards) return [];
  return [
    {
      field: 'evaluation.tasks',
      got: `${formatCount(tasks)} with placement.shardSize ${spec.placement.shardSize}, ${formatCount(shards)} shards`,
      accepted: `at most ${formatCount(maxShards)} shards, which is ${formatCount(maxShards * shardSize)} tasks`,
    },
  ];
}
