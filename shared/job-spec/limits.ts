// The limits on products of a job file's fields. Each field has a limit of its own in the schema; their
// products decide whether an array, a message or the coordinator's memory can hold what the job makes,
// and are refused here, before anything is stored.
import { valuesOfTask } from '../measures.ts';
import { formatCount } from '../numbers.ts';
import type { AlgorithmSpec } from './algorithm.ts';
import type { FieldProblem } from './explain.ts';
import { measuresOf } from './measures.ts';
import type { MetaSpec } from './meta.ts';
import type { ModelSpec } from './model.ts';
import { parameterCount } from './parameter-count.ts';
import type { TaskSpec } from './task.ts';
import { taskShapeOf } from './task-shape.ts';

/** What of a job file decides how large the job is. */
export interface SizedSpec {
  readonly task: TaskSpec & { readonly queries: number };
  readonly model: ModelSpec;
  readonly algorithm: AlgorithmSpec;
  readonly meta: MetaSpec;
  readonly evaluation: { readonly tasks: number; readonly innerSteps: number };
  readonly placement: { readonly shardSize: number };
}

/**
 * Parameters of a model: 1 GiB of float32, which is the largest payload that coordinator and worker
 * take.
 */
export const maxParameters = 2 ** 28;

/** Tasks of a shard: their measures travel in one message, of 0.5 MiB a measure. */
export const maxShardTasks = 65_536;

/** Shards that the coordinator keeps of one job: of all meta-batches under way, or of one evaluation. */
export const maxShards = 16_384;

/** Values of one evaluation, of all measures: the coordinator keeps them until the last shard is in. */
export const maxEvaluationValues = 20_000_000;

/** Values of one evaluation shard: its message takes about 1 MiB. */
const maxShardValues = 131_072;

/** Numbers in the arrays of one shard's tasks: 1 GiB of float32. */
const maxShardNumbers = 2 ** 28;

/**
 * Layers of one program: each inner step traces the model once more. Measured with an mlp at second
 * order: a layer makes 30 to 36 operators, and compiling takes about 10 kB of a compute thread's heap
 * and 1 to 2 ms an operator. A program at the limit therefore takes 1.5 GB and some minutes.
 */
export const maxProgramLayers = 4_096;

/**
 * Layers that one pass through the model traces. A pass through conv4 makes as many operators as 26
 * layers of an mlp.
 */
const layersOf = (model: ModelSpec): number => (model.architecture === 'mlp' ? model.hiddenLayers.length + 1 : 26);

/** Meta-batches that may be under way at once. */
export const batchesUnderWay = ({ meta: { update } }: SizedSpec): number =>
  1 + (update.mode === 'async' ? update.maxStaleness : 0);

/**
 * Tasks of one evaluation shard: `placement.shardSize`, or fewer where the result would not fit into a
 * message.
 */
export function evaluationShardSize(spec: SizedSpec): number {
  return Math.min(spec.placement.shardSize, Math.floor(maxShardValues / valuesOfTask(measuresOf(spec).evaluate)));
}

/** Every product that exceeds its limit, each under the field that most likely is to change. */
export function excesses(spec: SizedSpec): FieldProblem[] {
  return [
    modelExcess(spec),
    programExcess('algorithm.innerSteps', spec.algorithm, spec),
    programExcess('evaluation.innerSteps', spec.evaluation, spec),
    shardExcess(spec),
    batchExcess(spec),
    ...evaluationExcesses(spec),
  ].flatMap((problem) => problem ?? []);
}

function modelExcess({ model, task }: SizedSpec): FieldProblem | undefined {
  const parameters = parameterCount(model, taskShapeOf(task));
  if (parameters <= maxParameters) return undefined;
  const [field, got] =
    model.architecture === 'mlp'
      ? ['model.hiddenLayers', JSON.stringify(model.hiddenLayers)]
      : ['model.filters', String(model.filters)];
  return {
    field,
    got: `${got}, a model of ${formatCount(parameters)} parameters`,
    accepted: `at most ${formatCount(maxParameters)} parameters`,
  };
}

function programExcess(
  field: string,
  { innerSteps }: { readonly innerSteps: number },
  { model }: SizedSpec,
): FieldProblem | undefined {
  const layers = layersOf(model);
  if (innerSteps * layers <= maxProgramLayers) return undefined;
  const what = model.architecture === 'mlp' ? `an mlp of ${layers} layers` : `conv4, which counts as ${layers} layers`;
  return {
    field,
    got: `${innerSteps} with ${what}, a program of ${formatCount(innerSteps * layers)} layers`,
    accepted: `at most ${Math.floor(maxProgramLayers / layers)} with this model: programs have at most ${formatCount(maxProgramLayers)} layers`,
  };
}

function shardExcess({ task, placement }: SizedSpec): FieldProblem | undefined {
  const { input, outputs, supportExamples, queryExamples } = taskShapeOf(task);
  const exampleNumbers = input.reduce((product, size) => product * size, 1) + outputs;
  const numbers = (supportExamples + queryExamples) * exampleNumbers * placement.shardSize;
  if (numbers <= maxShardNumbers) return undefined;
  return {
    field: 'task.shots',
    got: `${task.shots} with task.queries ${task.queries} and placement.shardSize ${placement.shardSize}, shards of ${formatCount(numbers)} numbers`,
    accepted: `at most ${formatCount(maxShardNumbers)} numbers`,
  };
}

function batchExcess(spec: SizedSpec): FieldProblem | undefined {
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

function evaluationExcesses(spec: SizedSpec): readonly (FieldProblem | undefined)[] {
  const { tasks } = spec.evaluation;
  const ofTask = valuesOfTask(measuresOf(spec).evaluate);
  if (tasks * ofTask > maxEvaluationValues) {
    return [
      {
        field: 'evaluation.tasks',
        got: `${formatCount(tasks)} with ${formatCount(ofTask)} measured values each, ${formatCount(tasks * ofTask)} in all`,
        accepted: `at most ${formatCount(maxEvaluationValues)} values, which is ${formatCount(Math.floor(maxEvaluationValues / ofTask))} tasks`,
      },
    ];
  }
  const shardSize = evaluationShardSize(spec);
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
