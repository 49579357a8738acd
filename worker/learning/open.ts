// Opens a job's program: its task distribution, model, objective and algorithm put together from the spec,
// compiled by an engine, run on typed arrays. Knows nothing of leases, threads or the network. A
// meta-gradient sum that it returns is always finite.

import type { TaskFunction } from '../../learning/built.ts';
import { layoutOf, type ResolvedJob, resolveJob } from '../../learning/job.ts';
import { evaluateFunction } from '../../learning/kit/evaluate.ts';
import { createKit } from '../../learning/kit/kit.ts';
import type { EngineTools } from '../../learning/kit/tools.ts';
import type { Registry } from '../../learning/registry.ts';
import type { Split, Tasks } from '../../learning/tasks.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import type { MeasureHead, MeasureRows } from '../../shared/measures.ts';
import { taskRng } from '../../shared/rng.ts';
import { layoutElements, type ParamsLayout, viewsOf } from '../../shared/tensor-codec.ts';
import type { Engine, NamedArrays, TaskProgram, TaskProgramOptions } from '../engine/engine.ts';
import { rematerialize } from '../engine/tf/rematerialize.ts';
import { tf } from '../engine/tf/tf.ts';
import { allocateTasks, initialParams, specsOf } from './arrays.ts';
import { taskIo } from './io.ts';
import type { JobProgram, TrainShardResult } from './job-program.ts';

export interface JobProgramDependencies {
  /** The parts that the spec may name. */
  readonly registry: Registry;
  /** Searched for data sets, in order. */
  readonly dataDirectories: readonly string[];
  /** Other data than this is refused. Default, or empty: any will do. */
  readonly expectedData?: readonly DataIdentity[];
  /** Stays the caller's: closing the job program does not close it. */
  readonly engine: Engine;
}

/** The kinds of work of a job that an engine compiles a program for. */
export const programWorks = ['train', 'evaluate'] as const;
export type ProgramWork = (typeof programWorks)[number];

export interface JobParts {
  readonly job: ResolvedJob;
  readonly tasks: Tasks;
  readonly layout: ParamsLayout;
  readonly functions: Readonly<Record<ProgramWork, TaskFunction>>;
  /** What an engine compiles for shards of so many tasks. */
  program(work: ProgramWork, taskCount: number): TaskProgramOptions;
}

export const engineTools: EngineTools = { tf, rematerialize };

/** The job's task functions; nothing is opened, nothing is compiled. */
export function buildJob(job: ResolvedJob) {
  const { spec, task, modelParameters, parameters } = job;
  const { tf } = engineTools;
  const model = job.model.build(spec.model, { tf, task });
  const objective = job.objective.build(spec.objective, { tf, task });
  const kit = createKit(engineTools, { task, model, objective, modelParameters, parameters });
  const algorithm = job.algorithm.build(spec.algorithm, kit);
  const evaluate = evaluateFunction(algorithm, kit, job.measures.evaluate[0]!.points.length);
  return { kit, algorithm, functions: { train: algorithm.train, evaluate } };
}

/**
 * The spec's task distribution, model, objective and algorithm, opened and put together; nothing is
 * compiled.
 *
 * @throws MetatrainError as `openJobProgram` does.
 */
export async function openJobParts(
  spec: JobSpec,
  { registry, dataDirectories, expectedData = [] }: Omit<JobProgramDependencies, 'engine'>,
): Promise<JobParts> {
  const job = resolveJob(spec, registry);
  const io = taskIo({ seed: spec.seed, dataDirectories, evaluationSplit: spec.evaluation.split, expectedData });
  const tasks = await job.distribution.open(spec.task, io);
  io.refuseOtherData(tasks.data);
  const { functions } = buildJob(job);
  const layout = layoutOf(job.parameters);
  return {
    job,
    tasks,
    layout,
    functions,
    program: (work, taskCount) => {
      const name = `${spec.algorithm.name} ${spec.model.architecture} ${work}`;
      return programOptions(job, functions[work], { name, taskCount });
    },
  };
}

/** What an engine compiles of a task function of the job. */
export function programOptions(
  { parameters, task }: ResolvedJob,
  taskFunction: TaskFunction,
  { name, taskCount }: Pick<TaskProgramOptions, 'name' | 'taskCount'>,
): TaskProgramOptions {
  return {
    name,
    taskFunction: (theta, tensors) => taskFunction(theta, tensors, {}),
    taskCount,
    metaParams: specsOf(parameters),
    task: specsOf(Object.entries(task.tensors).map(([name, { shape }]) => ({ name, shape }))),
  };
}

/**
 * Opens what the spec names. Programs are compiled at their first use: one for each kind of work and number
 * of tasks, of which a job has few (whole shards, and the last, smaller one).
 *
 * @throws MetatrainError `REQUEST_INVALID` when the data or the model cannot do what the spec asks for, `DATA_SET_MISSING`, `DATA_CORRUPT`,
 *   `DATA_SET_DIFFERS`.
 */
export async function openJobProgram(spec: JobSpec, { engine, ...where }: JobProgramDependencies): Promise<JobProgram> {
  const { job, tasks, layout, program } = await openJobParts(spec, where);
  const compile = (work: ProgramWork) => programsByTaskCount((taskCount) => engine.compile(program(work, taskCount)));
  const training = compile('train');
  const evaluation = compile('evaluate');
  const draw = (split: Split, firstTask: number, taskCount: number): NamedArrays => {
    const { stacked, task } = allocateTasks(job.task, taskCount);
    for (let offset = 0; offset < taskCount; offset++) tasks.sample(split, firstTask + offset, task(offset));
    return stacked;
  };

  const { measures } = job;
  const withoutRange = new Set(measures.train.flatMap(({ name, range }) => (range ? [] : [name])));
  /** Whether the task's values may enter a mean. One without a range may be infinite or NaN, and then its task has diverged. */
  const isFiniteTask = (rows: readonly MeasureRows[], offset: number) =>
    rows.every(({ name, values }) => !withoutRange.has(name) || Number.isFinite(values[offset]));

  const runTrain = async (params: NamedArrays, firstTask: number, taskCount: number) => {
    const program = await training.get(taskCount);
    const { sum, each } = await program.run(params, draw('train', firstTask, taskCount));
    return { metaGradient: flatten(layout, sum), rows: rowsOf(measures.train, each) };
  };

  return {
    data: tasks.data,
    initialize: () => ({
      layout,
      metaParams: initialParams(job.parameters, taskRng(spec.seed, 'initialize', 0)),
      splitDescription: tasks.splitDescription,
      transductive: job.isTransductive,
    }),
    async train(metaParams, { firstTask, taskCount }) {
      const params = viewsOf(layout, metaParams);
      const { metaGradient, rows } = await runTrain(params, firstTask, taskCount);
      const offsets = Array.from({ length: taskCount }, (_, offset) => offset);
      if (isAllFinite(metaGradient) && offsets.every((offset) => isFiniteTask(rows, offset))) {
        return { metaGradientSum: metaGradient, weight: taskCount, measures: rows, nonFiniteTasks: [] };
      }
      const single = async (offset: number) => {
        const { metaGradient, rows: alone } = await runTrain(params, firstTask + offset, 1);
        return { metaGradient, isMeasured: isFiniteTask(rows, offset) && isFiniteTask(alone, 0) };
      };
      const { metaGradientSum, nonFiniteTasks } = await sumOfFinite(layout, taskCount, single);
      return { metaGradientSum, weight: taskCount - nonFiniteTasks.length, measures: rows, nonFiniteTasks };
    },
    async evaluate(metaParams, { split, firstTask, taskCount }) {
      const program = await evaluation.get(taskCount);
      const { each } = await program.run(viewsOf(layout, metaParams), draw(split, firstTask, taskCount));
      return { measures: rowsOf(measures.evaluate, each) };
    },
    async close() {
      await Promise.all([training.close(), evaluation.close()]);
    },
  };
}

/** What a program kept for every task, as the job's measures. */
const rowsOf = (heads: readonly MeasureHead[], each: NamedArrays): MeasureRows[] =>
  heads.map(({ name }) => ({ name, values: [...each[name]!] }));

/**
 * A task is left out when its meta-gradient or a measure is not finite, or when adding it takes the sum
 * out of float32's range: the sum stays finite.
 */
async function sumOfFinite(
  layout: ParamsLayout,
  taskCount: number,
  single: (offset: number) => Promise<{ readonly metaGradient: Float32Array; readonly isMeasured: boolean }>,
): Promise<Pick<TrainShardResult, 'metaGradientSum' | 'nonFiniteTasks'>> {
  let metaGradientSum: Float32Array = new Float32Array(layoutElements(layout));
  const nonFiniteTasks: number[] = [];
  for (let offset = 0; offset < taskCount; offset++) {
    const { metaGradient, isMeasured } = await single(offset);
    const sum = metaGradientSum.map((value, index) => value + metaGradient[index]!);
    if (isMeasured && isAllFinite(sum)) metaGradientSum = sum;
    else nonFiniteTasks.push(offset);
  }
  return { metaGradientSum, nonFiniteTasks };
}

function isAllFinite(values: Float32Array): boolean {
  // x · 0 is 0 for a finite x and NaN otherwise: a tenth of the time of a call for each value
  let zero = 0;
  for (let i = 0; i < values.length; i++) zero += values[i]! * 0;
  return zero === 0;
}

function flatten(layout: ParamsLayout, tensors: NamedArrays): Float32Array {
  const vector = new Float32Array(layoutElements(layout));
  for (const [name, view] of Object.entries(viewsOf(layout, vector))) view.set(tensors[name]!);
  return vector;
}

/** Programs by their number of tasks, each compiled once; one that failed is tried again. */
function programsByTaskCount(compile: (taskCount: number) => Promise<TaskProgram>) {
  const programs = new Map<number, Promise<TaskProgram>>();
  return {
    get(taskCount: number): Promise<TaskProgram> {
      let program = programs.get(taskCount);
      if (program === undefined) {
        program = compile(taskCount);
        programs.set(taskCount, program);
        program.catch(() => programs.delete(taskCount));
      }
      return program;
    },
    async close(): Promise<void> {
      const compiled = await Promise.allSettled(programs.values());
      programs.clear();
      for (const result of compiled) if (result.status === 'fulfilled') await result.value.dispose();
    },
  };
}
