// Small jobs over every algorithm, model and task distribution of a registry, from the variants that each
// part brings (not the whole product of the variants, which grows with every part), and what tests ask of them: meta-gradients, losses and derivatives by differences.

import assert from 'node:assert/strict';
import type { TaskFunction } from '../../../learning/built.ts';
import type { ResolvedJob } from '../../../learning/job.ts';
import { layoutOf } from '../../../learning/job.ts';
import { readJob } from '../../../learning/job-file.ts';
import type { PartKind } from '../../../learning/part.ts';
import { builtIn, type Registry } from '../../../learning/registry.ts';
import { nameFields } from '../../../learning/sections.ts';
import type { Split } from '../../../learning/tasks.ts';
import type { MeasureRows } from '../../../shared/measures.ts';
import { taskRng } from '../../../shared/rng.ts';
import { type ParamsLayout, viewsOf } from '../../../shared/tensor-codec.ts';
import type { Engine, NamedArrays } from '../../../worker/engine/engine.ts';
import { allocateTasks, initialParams } from '../../../worker/learning/arrays.ts';
import { taskIo } from '../../../worker/learning/io.ts';
import { buildJob, evaluatorOf, trainerOf, workContext } from '../../../worker/learning/open.ts';
import { programOptions, sharedInputs } from '../../../worker/learning/programs.ts';

export interface SmallJob {
  /** The names of its parts and their variants. */
  readonly name: string;
  readonly job: ResolvedJob;
}

interface Variant {
  /** Whether it is its part's first. */
  readonly isFirst: boolean;
  readonly title: string;
  readonly section: Readonly<Record<string, unknown>>;
}

function variantsOf(registry: Registry, kind: PartKind): Variant[] {
  return registry.all(kind).flatMap((part) =>
    Object.entries(part.variants).map(([variant, fields], index) => ({
      isFirst: index === 0,
      title: `${part.name} ${variant}`,
      section: { [nameFields[kind]]: part.name, ...fields },
    })),
  );
}

/** The job of these sections, one meta-step of two tasks. */
export const jobOf = (
  task: object,
  model: object,
  algorithm: object,
  registry: Registry = builtIn,
  others: object = {},
): ResolvedJob =>
  readJob(
    JSON.stringify({
      name: 'small',
      seed: 7,
      task,
      model,
      algorithm,
      meta: { iterations: 1, batchSize: 2 },
      evaluation: { tasks: 16, innerSteps: 2 },
      ...others,
    }),
    registry,
  );

const takes = (registry: Registry, kind: 'model' | 'algorithm', { section }: Variant, task: Variant): boolean => {
  const distribution = registry.part('distribution', task.section.distribution as string);
  const part = registry.part(kind, section[nameFields[kind]] as string);
  const facts = distribution.facts(distribution.schema.parse(withoutName(task.section, 'distribution')));
  return part.needs?.(facts, part.schema.parse(withoutName(section, nameFields[kind]))) === undefined;
};

/** Whether the algorithm takes the model. */
const pairs = (registry: Registry, algorithm: Variant, model: Variant, task: Variant): boolean => {
  const distribution = registry.part('distribution', task.section.distribution as string);
  const facts = distribution.facts(distribution.schema.parse(withoutName(task.section, 'distribution')));
  const { schema, parameters } = registry.part('model', model.section.architecture as string);
  const part = registry.part('algorithm', algorithm.section.name as string);
  const ofModel = parameters(schema.parse(withoutName(model.section, 'architecture')), facts);
  return part.needsModel?.(ofModel, part.schema.parse(withoutName(algorithm.section, 'name'))) === undefined;
};

function withoutName({ ...fields }: Variant['section'], name: string): Variant['section'] {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));
}

/** What an algorithm can tell of the tasks, their sets and targets, and what a model can: the kind of input. */
function kindOf(registry: Registry, { section }: Variant): { readonly tasks: string; readonly inputs: string } {
  const { facts, schema } = registry.part('distribution', section.distribution as string);
  const { sets, target, inputKind } = facts(schema.parse(withoutName(section, 'distribution')));
  return { tasks: [...sets, target].join(' '), inputs: inputKind };
}

/** `METATRAIN_TEST_VARIANTS=all`: every variant of one part with the first variant of each other. */
const areAllTried = process.env.METATRAIN_TEST_VARIANTS === 'all';

/**
 * A pass through more layers than this compiles for many seconds under an algorithm with an inner
 * loop, and two steps are chaotic.
 */
const mostLayers = 50;

/**
 * Algorithms × models × task distributions that fit together: where the tasks' kind is new, every
 * variant of an algorithm with the first model, the first variants of algorithms and models, and
 * every variant of a model under the first algorithm. Where such tasks have been tried with another
 * kind of input, which an algorithm cannot tell, each algorithm with the first model and each model
 * under the first algorithm. Algorithms and models cannot tell tasks of a kind that has been tried so
 * from others: these are tried with each model under the first algorithm. Deep models are tried with
 * ProtoNet alone, which has no inner loop.
 */
export function smallJobsOf(registry: Registry): SmallJob[] {
  const tried = new Set<string>();
  const isFirstTime = (kind: string) => !tried.has(kind) && tried.add(kind).has(kind);
  const firstAlgorithm = registry.all('algorithm')[0]!.name;
  const isDeep = ({ section }: Variant) => {
    const part = registry.part('model', section.architecture as string);
    return part.layers(part.schema.parse(withoutName(section, 'architecture'))) > mostLayers;
  };
  return variantsOf(registry, 'distribution').flatMap((task) => {
    const { tasks, inputs } = kindOf(registry, task);
    const [areTasksNew, areInputsNew] = [isFirstTime(tasks), isFirstTime(`${tasks} of ${inputs}`)];
    const models = variantsOf(registry, 'model').filter((model) => takes(registry, 'model', model, task));
    const isWorthwhile = (algorithm: Variant, model: Variant) => {
      if (isDeep(model)) return areInputsNew && algorithm.section.name === 'protonet' && algorithm.isFirst;
      const isUnderFirst = algorithm.section.name === firstAlgorithm;
      if (!areInputsNew) return isUnderFirst && algorithm.isFirst && model.isFirst;
      if (areTasksNew && (model === models[0] || (areAllTried && model.isFirst))) return true;
      const isTypical = model === models[0] || (areTasksNew && model.isFirst);
      return algorithm.isFirst && (isTypical || isUnderFirst || areAllTried);
    };
    return models.flatMap((model) =>
      variantsOf(registry, 'algorithm')
        .filter((algorithm) => isWorthwhile(algorithm, model))
        .filter((algorithm) => takes(registry, 'algorithm', algorithm, task))
        .filter((algorithm) => pairs(registry, algorithm, model, task))
        .map((algorithm) => ({
          name: `${algorithm.title}, ${model.title}, ${task.title}`,
          job: jobOf(task.section, model.section, algorithm.section, registry),
        })),
    );
  });
}

export const smallJobs: readonly SmallJob[] = smallJobsOf(builtIn);

/** A job's parts, opened and built, with θ₀. */
export async function openParts(job: ResolvedJob, dataDirectory: string) {
  const io = taskIo({ seed: 7, dataDirectories: [dataDirectory], usedSplits: ['train', 'test'] });
  return {
    job,
    ...buildJob(job),
    tasks: await job.trained.distribution.open(job.spec.task, io),
    layout: layoutOf(job.parameters),
    metaParams: initialParams(job.parameters, taskRng(7, 'initialize', 0)),
  };
}

export type Parts = Awaited<ReturnType<typeof openParts>>;

/** `taskFunction` on `count` tasks of a split. */
export async function runOnTasks(
  engine: Engine,
  { job, tasks, layout }: Parts,
  taskFunction: TaskFunction,
  metaParams: Float32Array,
  count = 1,
  split: Split = 'train',
) {
  const { stacked, task } = allocateTasks(job.task, count);
  for (let index = 0; index < count; index++) tasks.sample(split, index, task(index));
  const program = await engine.compile(programOptions(job, taskFunction, { name: 'test', taskCount: count }));
  try {
    const { step } = workContext(job, tasks, engine);
    return await program.run(sharedInputs(viewsOf(layout, metaParams), step(0)), stacked);
  } finally {
    await program.dispose();
  }
}

/** The tasks 0 … count − 1 of the training split as one shard: its sum, and its measures by name. */
export async function trainOnTasks(engine: Engine, parts: Parts, metaParams: Float32Array, count = 1) {
  const trainer = trainerOf(workContext(parts.job, parts.tasks, engine), parts);
  try {
    const shard = { metaStep: 0, firstTask: 0, taskCount: count };
    const { metaGradientSum, measures } = await trainer.train(viewsOf(parts.layout, metaParams), shard);
    return { sum: metaGradientSum, each: byName(measures) };
  } finally {
    await trainer.close();
  }
}

/** Measures by name, of the tasks 0 … count − 1 of the test split. */
export async function evaluateOnTasks(engine: Engine, parts: Parts, metaParams: Float32Array, count = 1) {
  const evaluator = evaluatorOf(workContext(parts.job, parts.tasks, engine), parts);
  try {
    const shard = { metaStep: 0, split: 'test', firstTask: 0, taskCount: count } as const;
    return byName((await evaluator.evaluate(viewsOf(parts.layout, metaParams), shard)).measures);
  } finally {
    await evaluator.close();
  }
}

const byName = (measures: readonly MeasureRows[]): Readonly<Record<string, readonly number[]>> =>
  Object.fromEntries(measures.map(({ name, values }) => [name, values]));

/** An engine's meta-gradients and measures of two tasks agree with those of another, in training and evaluation. */
export async function assertSameNumbers(
  { engine, reference, tolerance }: { readonly engine: Engine; readonly reference: Engine; readonly tolerance: number },
  parts: Parts,
): Promise<void> {
  const expected = await trainOnTasks(reference, parts, parts.metaParams, 2);
  const actual = await trainOnTasks(engine, parts, parts.metaParams, 2);
  const error = relativeError(actual.sum, expected.sum);
  assert.ok(error < tolerance, `meta-gradients differ by ${error}`);
  const inTraining = [actual.each, expected.each] as const;
  const inEvaluation = [
    await evaluateOnTasks(engine, parts, parts.metaParams, 2),
    await evaluateOnTasks(reference, parts, parts.metaParams, 2),
  ] as const;
  for (const [got, wanted] of [inTraining, inEvaluation]) {
    assert.deepEqual(Object.keys(got), Object.keys(wanted));
    for (const [measure, values] of Object.entries(wanted)) {
      assert.equal(got[measure]!.length, values.length);
      assert.ok(relativeError(got[measure]!, values) < tolerance, measure);
    }
  }
}

/** 0 where both are zero everywhere. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const error = norm(Array.from(actual).map((value, index) => value - expected[index]!));
  return error === 0 ? 0 : error / norm(expected);
}

/** Whether all of θ keeps its first values, as in a baseline. */
export const learnsNothing = ({ parameters }: ResolvedJob): boolean =>
  parameters.every(({ update }) => update === 'fixed');

/** Named arrays one after another, in layout order. */
export function flat(layout: ParamsLayout, arrays: NamedArrays): Float32Array {
  return Float32Array.from(layout.tensors.flatMap(({ name }) => [...arrays[name]!]));
}

export const norm = (vector: ArrayLike<number>): number => Math.hypot(...Array.from(vector));

export const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, index) => sum + value * b[index]!, 0);

export function along(start: Float32Array, direction: Float32Array, length: number): Float32Array {
  return start.map((value, index) => value + length * direction[index]!);
}

/** Unit vectors: the given one, and `count` of random directions. */
export function directionsFrom(vector: Float32Array, count: number): Float32Array[] {
  const random = Array.from({ length: count }, (_, index) => {
    const rng = taskRng(index, 'test direction', 0);
    return vector.map(() => rng.normal());
  });
  return [vector, ...random].map((direction) => {
    const length = norm(direction);
    return direction.map((value) => value / length);
  });
}
