// A job's task functions as an engine compiles them: with θ, the meta-step's inputs and the task's tensors
// described, one program for each number of tasks.
import type { TaskFunction, TensorShapes } from '../../learning/built.ts';
import type { ResolvedJob } from '../../learning/job.ts';
import { withoutPrefix, withPrefix } from '../../learning/kit/prefix.ts';
import { stepInputShapes } from '../../learning/step-inputs.ts';
import type { NamedArrays, TaskProgram, TaskProgramOptions, TensorSpecs } from '../engine/engine.ts';
import { specsOf } from './arrays.ts';

/** Of the meta-step's inputs among a program's shared inputs. No parameter's name begins with it. */
const stepPrefix = 'step.';

export interface ProgramRequest extends Pick<TaskProgramOptions, 'name' | 'taskCount'> {
  /** The task's tensors. Default: the distribution's. */
  readonly task?: TensorSpecs;
  /** Task tensors beside the distribution's, or instead of those with an equal name. Default: none. */
  readonly inputs?: TensorSpecs;
}

/** What an engine compiles of a task function of the job. */
export function programOptions(
  job: ResolvedJob,
  taskFunction: TaskFunction,
  { name, taskCount, task = shapeSpecs(job.task.tensors), inputs = {} }: ProgramRequest,
): TaskProgramOptions {
  const theta = specsOf(job.parameters);
  const step = withPrefix(stepPrefix, specsOf(stepInputShapes(job)));
  return {
    name,
    taskFunction: (shared, task) => {
      const params = Object.fromEntries(Object.keys(theta).map((name) => [name, shared[name]!]));
      return taskFunction(params, task, withoutPrefix(stepPrefix, shared));
    },
    taskCount,
    metaParams: { ...theta, ...step },
    task: { ...task, ...inputs },
  };
}

/** θ and a meta-step's inputs as a program's shared inputs. */
export const sharedInputs = (theta: NamedArrays, step: NamedArrays): NamedArrays => ({
  ...theta,
  ...withPrefix(stepPrefix, step),
});

export const shapeSpecs = (shapes: TensorShapes): TensorSpecs =>
  specsOf(Object.entries(shapes).map(([name, { shape }]) => ({ name, shape })));

export interface ProgramsByTaskCount {
  get(taskCount: number): Promise<TaskProgram>;
  /** May be called twice. */
  close(): Promise<void>;
}

/** Programs by their number of tasks, each compiled once; one that failed is tried again. */
export function programsByTaskCount(compile: (taskCount: number) => Promise<TaskProgram>): ProgramsByTaskCount {
  const programs = new Map<number, Promise<TaskProgram>>();
  return {
    get(taskCount) {
      let program = programs.get(taskCount);
      if (program === undefined) {
        program = compile(taskCount);
        programs.set(taskCount, program);
        program.catch(() => programs.delete(taskCount));
      }
      return program;
    },
    async close() {
      const compiled = await Promise.allSettled(programs.values());
      programs.clear();
      for (const result of compiled) if (result.status === 'fulfilled') await result.value.dispose();
    },
  };
}
