// Computes training shards: by one program whose outputs are summed over the tasks, or by an algorithm's
// procedure over several programs. A sum that it returns is always finite.
import type { Contribution, ProcedureTraining, ProgramCall, TaskFunction } from '../../learning/built.ts';
import { carryLayout } from '../../learning/carry.ts';
import type { ResolvedJob } from '../../learning/job.ts';
import { clipVector } from '../../learning/kit/clip.ts';
import { maskShapes } from '../../learning/kit/given.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { MeasureHead, MeasureRows } from '../../shared/measures.ts';
import { taskRng } from '../../shared/rng.ts';
import { elementsOf, layoutElements, type ParamsLayout, viewsOf } from '../../shared/tensor-codec.ts';
import type { Engine, NamedArrays, TaskProgramOptions } from '../engine/engine.ts';
import type { TrainShard, TrainShardResult } from './job-program.ts';
import { programOptions, programsByTaskCount, shapeSpecs, sharedInputs } from './programs.ts';

type Floats = Readonly<Record<string, Float32Array>>;

/** What the kinds of work are computed from. */
export interface WorkContext {
  readonly job: ResolvedJob;
  readonly layout: ParamsLayout;
  readonly engine: Engine;
  /** Stacked tensors of tasks of the split, from `firstTask` on, or of the tasks of these numbers. */
  draw(split: 'train' | 'validation' | 'test', firstTask: number, taskCount: number, tasks?: readonly number[]): Floats;
  /** The algorithm's inputs of a meta-step. */
  step(metaStep: number): Floats;
}

export interface Trainer {
  train(theta: Floats, shard: TrainShard): Promise<TrainShardResult>;
  /** Compiles what shards of so many tasks need. */
  prepare(taskCount: number): Promise<void>;
  close(): Promise<void>;
}

const programName = ({ spec }: ResolvedJob, ...words: readonly string[]): string =>
  [spec.algorithm.name, spec.model.architecture, ...words].join(' ');

/** One program, its sum over the tasks. */
export function taskFunctionTrainer(context: WorkContext, taskFunction: TaskFunction): Trainer {
  const { job, layout, engine, draw, step } = context;
  const masks = shapeSpecs(maskShapes(job.masks, job.task));
  const programs = programsByTaskCount((taskCount) =>
    engine.compile(programOptions(job, taskFunction, { name: programName(job, 'train'), taskCount, inputs: masks })),
  );
  if (carryLayout(job, 1).tensors.length > 0) throw mistake(job, 'it carries state; accepted: a procedure as `train`');
  const isFiniteTask = finiteTasks(job);
  const { shardSize } = job.spec.placement;
  return {
    async train(theta, { metaStep, firstTask, taskCount, tasks }) {
      const shared = sharedInputs(theta, step(metaStep));
      const run = async (offset: number, count: number) => {
        const program = await programs.get(count);
        const drawn = draw('train', firstTask + offset, count, tasks?.slice(offset, offset + count));
        const { sum, each } = await program.run(shared, drawn);
        return { vector: flatten(job, layout, sum), rows: rowsOf(job.measures.train, each) };
      };
      // The last shard of a sample may have any size: a program for each would be compiled again and again.
      const isOdd = tasks !== undefined && taskCount < shardSize;
      const whole = isOdd ? undefined : await run(0, taskCount);
      const offsets = Array.from({ length: taskCount }, (_, offset) => offset);
      if (whole && isAllFinite(whole.vector) && offsets.every((offset) => isFiniteTask(whole.rows, offset))) {
        return { metaGradientSum: whole.vector, weight: taskCount, measures: whole.rows, nonFiniteTasks: [] };
      }
      const measured: MeasureRows[][] = [];
      const single = async (offset: number) => {
        const { vector, rows: alone } = await run(offset, 1);
        measured.push(alone);
        return { vector, isMeasured: (!whole || isFiniteTask(whole.rows, offset)) && isFiniteTask(alone, 0) };
      };
      const { metaGradientSum, nonFiniteTasks } = await sumOfFinite(layout, taskCount, single);
      const measures = whole?.rows ?? joinedRows(job.measures.train, measured);
      return { metaGradientSum, weight: taskCount - nonFiniteTasks.length, measures, nonFiniteTasks };
    },
    prepare: async (taskCount) => void (await programs.get(taskCount)),
    close: programs.close,
  };
}

/** An algorithm's procedure over its programs. */
export function procedureTrainer(context: WorkContext, { programs, shard: procedure }: ProcedureTraining): Trainer {
  const { job, layout, engine, draw, step } = context;
  const compiled = Object.fromEntries(
    Object.entries(programs).map(([name, { compute, inputs = {} }]) => {
      const options = (taskCount: number): TaskProgramOptions =>
        programOptions(job, compute, {
          name: programName(job, 'train', name),
          taskCount,
          inputs: shapeSpecs({ ...maskShapes(job.masks, job.task), ...inputs }),
        });
      return [name, { inputs, byTaskCount: programsByTaskCount((taskCount) => engine.compile(options(taskCount))) }];
    }),
  );
  const isFiniteTask = finiteTasks(job);
  return {
    async train(theta, { metaStep, firstTask, taskCount, tasks: drawn, carry }) {
      const [tasks, inputs] = [draw('train', firstTask, taskCount, drawn), step(metaStep)];
      const run = async (name: string, call: ProgramCall = {}) => {
        if (!Object.hasOwn(compiled, name)) {
          const known = Object.keys(compiled).join(', ');
          throw mistake(job, `its procedure ran the program "${name}"; accepted: ${known}`);
        }
        const program = await compiled[name]!.byTaskCount.get(call.taskCount ?? taskCount);
        const shared = sharedInputs({ ...theta, ...call.theta }, { ...inputs, ...call.step });
        const { sum, each } = await program.run(shared, { ...tasks, ...call.tasks });
        return { sum: sum as Floats, each: each as Floats };
      };
      const rng = (purpose: string, offset: number) =>
        taskRng(job.spec.seed, `procedure ${purpose}`, drawn?.[offset] ?? firstTask + offset);
      const carriedLayout = carryLayout(job, taskCount);
      const carried = carry && viewsOf(carriedLayout, carry);
      const shard = { metaStep, firstTask, taskCount, theta, tasks, step: inputs, carried, rng };
      const made = await procedure(shard, run);
      const { weight, nonFiniteTasks = [] } = made;
      const vector = checkedVector(job, layout, made);
      const rows = rowsOf(job.measures.train, checkedMeasures(job, made, taskCount));
      checkCounts(job, made, taskCount);
      const next = checkedCarry(job, carriedLayout, made);
      const leftOut = new Set(nonFiniteTasks);
      const counted = rows[0]!.values.flatMap((_, offset) => (leftOut.has(offset) ? [] : [offset]));
      const isSound = isAllFinite(vector) && (!next || isAllFinite(next));
      if (isSound && counted.every((offset) => isFiniteTask(rows, offset))) {
        return { metaGradientSum: vector, weight, measures: rows, nonFiniteTasks, ...(next && { carry: next }) };
      }
      // The worker cannot tell what a procedure's tasks have added: none of them counts.
      const all = Array.from({ length: taskCount }, (_, offset) => offset);
      return { metaGradientSum: vector.fill(0), weight: 0, measures: rows, nonFiniteTasks: all };
    },
    async prepare(taskCount) {
      for (const { byTaskCount } of Object.values(compiled)) await byTaskCount.get(taskCount);
    },
    async close() {
      for (const { byTaskCount } of Object.values(compiled)) await byTaskCount.close();
    },
  };
}

/**
 * A trainer whose tasks are each computed alone and clipped before they are added, in task order: what a
 * procedure adds up itself cannot be clipped afterwards.
 */
export function clippingTrainer({ job, layout }: WorkContext, inner: Trainer, norm: number): Trainer {
  return {
    ...inner,
    async train(theta, { metaStep, firstTask, taskCount, tasks }) {
      const measured: (readonly MeasureRows[])[] = [];
      const single = async (offset: number) => {
        const ofTask = {
          metaStep,
          firstTask: firstTask + offset,
          taskCount: 1,
          ...(tasks && { tasks: [tasks[offset]!] }),
        };
        const { metaGradientSum, weight, measures, nonFiniteTasks } = await inner.train(theta, ofTask);
        if (weight > 1)
          throw mistake(job, `its procedure gave a task the weight ${weight}; accepted: 1 with meta.privacy`);
        measured.push(measures);
        const vector = metaGradientSum.slice();
        clipVector(vector, norm);
        return { vector, isMeasured: nonFiniteTasks.length === 0 };
      };
      const { metaGradientSum, nonFiniteTasks } = await sumOfFinite(layout, taskCount, single);
      const measures = joinedRows(job.measures.train, measured);
      return { metaGradientSum, weight: taskCount - nonFiniteTasks.length, measures, nonFiniteTasks };
    },
    prepare: () => inner.prepare(1),
  };
}

/** The rows of shards of one task each, as those of one shard. */
const joinedRows = (heads: readonly MeasureHead[], shards: readonly (readonly MeasureRows[])[]): MeasureRows[] =>
  heads.map(({ name }, i) => ({ name, values: shards.flatMap((rows) => rows[i]!.values) }));

function checkedVector(job: ResolvedJob, layout: ParamsLayout, { vector }: Contribution): Float32Array {
  for (const { name, shape, update } of job.parameters) {
    const array = vector[name];
    if (array === undefined && update === 'fixed') continue;
    const size = elementsOf(shape);
    if (array?.length === size) continue;
    const got = array ? `${array.length} numbers` : 'nothing';
    throw mistake(job, `its procedure returned ${got} for the parameter ${name}; accepted: ${size} numbers`);
  }
  return flatten(job, layout, vector);
}

/** Undefined where the algorithm carries nothing. */
function checkedCarry(job: ResolvedJob, layout: ParamsLayout, { carry = {} }: Contribution): Float32Array | undefined {
  const names = Object.keys(carry);
  const known = layout.tensors.map(({ name }) => name);
  const wrong = [...known, ...names].find(
    (name) =>
      !known.includes(name) ||
      carry[name]?.length !== elementsOf(layout.tensors.find((tensor) => tensor.name === name)!.shape),
  );
  if (wrong !== undefined) {
    const at = layout.tensors.find(({ name }) => name === wrong);
    const got = carry[wrong] ? `${carry[wrong]!.length} numbers` : 'nothing';
    const accepted = at ? `${elementsOf(at.shape)} numbers` : 'nothing, since it carries no such tensor';
    throw mistake(job, `its procedure carries ${got} in ${wrong}; accepted: ${accepted}`);
  }
  if (known.length === 0) return undefined;
  const vector = new Float32Array(layoutElements(layout));
  for (const [name, view] of Object.entries(viewsOf(layout, vector))) view.set(carry[name]!);
  return vector;
}

function checkedMeasures(job: ResolvedJob, { measures }: Contribution, taskCount: number): Floats {
  for (const { name } of job.measures.train) {
    const count = measures[name]?.length ?? 0;
    if (count === taskCount) continue;
    throw mistake(job, `its procedure returned ${count} values of the measure ${name}; accepted: ${taskCount}, one a task`); // biome-ignore format: one line
  }
  return measures;
}

function checkCounts(job: ResolvedJob, { weight, nonFiniteTasks = [] }: Contribution, taskCount: number): void {
  const isSorted = nonFiniteTasks.every((task, i) => task < taskCount && task > (nonFiniteTasks[i - 1] ?? -1));
  if (!isSorted) {
    const got = nonFiniteTasks.slice(0, 20).join(', ');
    throw mistake(job, `its procedure left out the tasks ${got}; accepted: ascending offsets below ${taskCount}`);
  }
  const isNone = nonFiniteTasks.length === taskCount;
  if (isNone ? weight === 0 : weight > 0 && Number.isFinite(weight)) return;
  throw mistake(job, `its procedure returned the weight ${weight}; accepted: ${isNone ? '0, since no task counts' : 'a finite number above 0'}`); // biome-ignore format: one line
}

/** The part's own mistake: every worker would meet it. */
const mistake = ({ algorithm }: ResolvedJob, what: string) =>
  new MetatrainError('REQUEST_INVALID', `algorithm ${algorithm.name}: ${what}`);

/** What a program kept for every task, as the job's measures. */
export const rowsOf = (heads: readonly MeasureHead[], each: NamedArrays): MeasureRows[] =>
  heads.map(({ name }) => ({ name, values: [...each[name]!] }));

/** Whether a task's values may enter a mean. A measure without a range may be infinite or NaN, and then its task has diverged. */
function finiteTasks({ measures }: ResolvedJob): (rows: readonly MeasureRows[], offset: number) => boolean {
  const withoutRange = new Set(measures.train.flatMap(({ name, range }) => (range ? [] : [name])));
  return (rows, offset) => rows.every(({ name, values }) => !withoutRange.has(name) || Number.isFinite(values[offset]));
}

/**
 * A task is left out when its meta-gradient or a measure is not finite, or when adding it takes the sum
 * out of float32's range: the sum stays finite.
 */
async function sumOfFinite(
  layout: ParamsLayout,
  taskCount: number,
  single: (offset: number) => Promise<{ readonly vector: Float32Array; readonly isMeasured: boolean }>,
): Promise<Pick<TrainShardResult, 'metaGradientSum' | 'nonFiniteTasks'>> {
  let metaGradientSum: Float32Array = new Float32Array(layoutElements(layout));
  const nonFiniteTasks: number[] = [];
  for (let offset = 0; offset < taskCount; offset++) {
    const { vector, isMeasured } = await single(offset);
    const sum = metaGradientSum.map((value, index) => value + vector[index]!);
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

/** Zero where a fixed parameter has no contribution. */
function flatten({ parameters }: ResolvedJob, layout: ParamsLayout, tensors: NamedArrays): Float32Array {
  const vector = new Float32Array(layoutElements(layout));
  const views = viewsOf(layout, vector);
  for (const { name, update } of parameters) if (update !== 'fixed') views[name]!.set(tensors[name]!);
  return vector;
}
