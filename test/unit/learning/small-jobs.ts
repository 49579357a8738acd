// Small jobs over every algorithm, model and task distribution of the registry, from the variants that each
// part brings, and what tests ask of them: meta-gradients, losses and derivatives by differences.

import type { TaskFunction } from '../../../learning/built.ts';
import type { ResolvedJob } from '../../../learning/job.ts';
import { layoutOf } from '../../../learning/job.ts';
import { readJob } from '../../../learning/job-file.ts';
import type { PartKind } from '../../../learning/part.ts';
import { builtIn, type Registry } from '../../../learning/registry.ts';
import { nameFields } from '../../../learning/schema.ts';
import { taskRng } from '../../../shared/rng.ts';
import { type ParamsLayout, viewsOf } from '../../../shared/tensor-codec.ts';
import type { Engine, NamedArrays } from '../../../worker/engine/engine.ts';
import { allocateTasks, initialParams } from '../../../worker/learning/arrays.ts';
import { taskIo } from '../../../worker/learning/io.ts';
import { buildJob, programOptions } from '../../../worker/learning/open.ts';

export interface SmallJob {
  /** The names of its parts and their variants. */
  readonly name: string;
  readonly job: ResolvedJob;
}

interface Variant {
  readonly title: string;
  readonly section: Readonly<Record<string, unknown>>;
}

function variantsOf(registry: Registry, kind: PartKind): Variant[] {
  return registry.all(kind).flatMap((part) =>
    Object.entries(part.variants).map(([variant, fields]) => ({
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
      evaluation: { tasks: 2, innerSteps: 2 },
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

function withoutName({ ...fields }: Variant['section'], name: string): Variant['section'] {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));
}

/** Every algorithm × model × task distribution that fit together, in every variant. */
export function smallJobsOf(registry: Registry): SmallJob[] {
  return variantsOf(registry, 'distribution').flatMap((task) =>
    variantsOf(registry, 'model')
      .filter((model) => takes(registry, 'model', model, task))
      .flatMap((model) =>
        variantsOf(registry, 'algorithm')
          .filter((algorithm) => takes(registry, 'algorithm', algorithm, task))
          .map((algorithm) => ({
            name: `${algorithm.title}, ${model.title}, ${task.title}`,
            job: jobOf(task.section, model.section, algorithm.section, registry),
          })),
      ),
  );
}

export const smallJobs: readonly SmallJob[] = smallJobsOf(builtIn);

/** A job's parts, opened and built, with θ₀. */
export async function openParts(job: ResolvedJob, dataDirectory: string) {
  const io = taskIo({ seed: 7, dataDirectories: [dataDirectory], evaluationSplit: 'test' });
  return {
    job,
    ...buildJob(job),
    tasks: await job.distribution.open(job.spec.task, io),
    layout: layoutOf(job.parameters),
    metaParams: initialParams(job.parameters, taskRng(7, 'initialize', 0)),
  };
}

export type Parts = Awaited<ReturnType<typeof openParts>>;

/** `taskFunction` on `count` tasks of the training split. */
export async function runOnTasks(
  engine: Engine,
  { job, tasks, layout }: Parts,
  taskFunction: TaskFunction,
  metaParams: Float32Array,
  count = 1,
) {
  const { stacked, task } = allocateTasks(job.task, count);
  for (let index = 0; index < count; index++) tasks.sample('train', index, task(index));
  const program = await engine.compile(programOptions(job, taskFunction, { name: 'test', taskCount: count }));
  try {
    return await program.run(viewsOf(layout, metaParams), stacked);
  } finally {
    await program.dispose();
  }
}

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
