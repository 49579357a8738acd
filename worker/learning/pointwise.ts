// Goes along an adaptation that is a loop, point by point: by one program for its start and one for a step,
// which are called in turn. What is wanted of each state is the programs' business.
import type { LoopedEvaluation } from '../../learning/kit/evaluate.ts';
import { statesAmong, wantedAmong } from '../../learning/kit/evaluate.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { NamedArrays, TensorSpecs } from '../engine/engine.ts';
import { programOptions, programsByTaskCount } from './programs.ts';
import type { WorkContext } from './training.ts';

/** Of an evaluation's program. */
export const nameOf = ({ job }: WorkContext, ...words: readonly string[]): string =>
  [job.spec.algorithm.name, job.spec.model.architecture, 'evaluate', ...words].join(' ');

/** How many the algorithm's axis has. */
export const pointsOf = ({ job }: WorkContext): number => job.measures.evaluate[0]!.points.length;

/**
 * Of each point's array of all tasks, `size` numbers a task: one array, task by task and in it
 * point by point.
 */
export function interleaved(columns: readonly ArrayLike<number>[], size: number): Float32Array {
  const tasks = columns[0]!.length / size;
  const all = new Float32Array(columns.length * columns[0]!.length);
  let at = 0;
  for (let task = 0; task < tasks; task++) {
    for (const column of columns) {
      for (let i = 0; i < size; i++) all[at++] = column[task * size + i]!;
    }
  }
  return all;
}

export interface Pointwise {
  /** What is wanted of each state, point by point, and the last state with its prefix. */
  run(
    shared: NamedArrays,
    tasks: NamedArrays,
    taskCount: number,
  ): Promise<{ columns: NamedArrays[]; state: NamedArrays }>;
  /** Of one task's state, with its prefix. */
  stateSpecs(taskCount: number): Promise<TensorSpecs>;
  prepare(taskCount: number): Promise<void>;
  close(): Promise<void>;
}

/** Goes along an adaptation that is a loop, by one program for its start and one for a step. */
export function pointwise(context: WorkContext, { start, next }: LoopedEvaluation, name: string): Pointwise {
  const { job, engine } = context;
  const points = pointsOf(context);
  const first = programsByTaskCount((taskCount) =>
    engine.compile(programOptions(job, start, { name: `${name} start`, taskCount })),
  );
  const specsOfState = async (taskCount: number) => stateSpecs((await first.get(taskCount)).outputs.each);
  const later = programsByTaskCount(async (taskCount) => {
    const inputs = await specsOfState(taskCount);
    const program = await engine.compile(programOptions(job, next, { name: `${name} step`, taskCount, inputs }));
    checkState(job.algorithm.name, inputs, stateSpecs(program.outputs.each));
    return program;
  });
  return {
    async run(shared, tasks, taskCount) {
      const columns: NamedArrays[] = [];
      let { each } = await (await first.get(taskCount)).run(shared, tasks);
      columns.push(wantedAmong(each));
      while (columns.length < points) {
        ({ each } = await (await later.get(taskCount)).run(shared, { ...tasks, ...statesAmong(each) }));
        columns.push(wantedAmong(each));
      }
      return { columns, state: statesAmong(each) };
    },
    stateSpecs: specsOfState,
    async prepare(taskCount) {
      await first.get(taskCount);
      if (points > 1) await later.get(taskCount);
    },
    async close() {
      await first.close();
      await later.close();
    },
  };
}

/** The states' specs of one task: a program's outputs have the tasks as their first axis. */
export const stateSpecs = (each: TensorSpecs): TensorSpecs =>
  Object.fromEntries(
    Object.entries(statesAmong(each)).map(([name, { shape, dtype }]) => [name, { shape: shape.slice(1), dtype }]),
  );

/**
 * @throws MetatrainError `REQUEST_INVALID` for a step whose state has other names or shapes than the first.
 */
export function checkState(algorithm: string, start: TensorSpecs, next: TensorSpecs): void {
  const text = (specs: TensorSpecs) =>
    Object.entries(specs)
      .map(([name, { shape, dtype }]) => `${name} ${dtype} [${shape.join(', ')}]`)
      .sort()
      .join(', ');
  if (text(start) === text(next)) return;
  throw new MetatrainError(
    'REQUEST_INVALID',
    `algorithm ${algorithm}: a step of its adaptation returns ${text(next) || 'no state'}; accepted: ${text(start) || 'no state'}, as it starts with`,
  );
}
