// Computes evaluation shards: by one program over all points of the algorithm's axis, or, where the
// adaptation is a loop, by one program for its start and one for a step. Sequences are read example by example.
import type { BuiltAlgorithm, LoopedAdaptation, TaskFunction } from '../../learning/built.ts';
import { loopedEvaluation, measuresAmong, statesAmong, streamEvaluation } from '../../learning/kit/evaluate.ts';
import type { Kit } from '../../learning/kit/kit.ts';
import { examplesOf } from '../../learning/kit/stream.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { NamedArrays, TensorSpecs } from '../engine/engine.ts';
import type { EvaluateShard, EvaluateShardResult } from './job-program.ts';
import { programOptions, programsByTaskCount, shapeSpecs, sharedInputs } from './programs.ts';
import { rowsOf, type WorkContext } from './training.ts';

export interface Evaluator {
  evaluate(theta: NamedArrays, shard: EvaluateShard): Promise<EvaluateShardResult>;
  /** Compiles what shards of so many tasks need. */
  prepare(taskCount: number): Promise<void>;
  close(): Promise<void>;
}

export function tracedEvaluator({ job, engine, draw, step }: WorkContext, taskFunction: TaskFunction): Evaluator {
  const name = `${job.spec.algorithm.name} ${job.spec.model.architecture} evaluate`;
  const programs = programsByTaskCount((taskCount) =>
    engine.compile(programOptions(job, taskFunction, { name, taskCount })),
  );
  return {
    async evaluate(theta, { metaStep, split, firstTask, taskCount }) {
      const program = await programs.get(taskCount);
      const { each } = await program.run(sharedInputs(theta, step(metaStep)), draw(split, firstTask, taskCount));
      return { measures: rowsOf(job.measures.evaluate, each) };
    },
    prepare: async (taskCount) => void (await programs.get(taskCount)),
    close: programs.close,
  };
}

export function loopedEvaluator(
  { job, engine, draw, step }: WorkContext,
  adapt: LoopedAdaptation,
  algorithm: BuiltAlgorithm,
  kit: Kit,
): Evaluator {
  const { start, next, insight } = loopedEvaluation(adapt, algorithm, kit);
  const name = `${job.spec.algorithm.name} ${job.spec.model.architecture} evaluate`;
  const first = programsByTaskCount((taskCount) =>
    engine.compile(programOptions(job, start, { name: `${name} start`, taskCount })),
  );
  const later = programsByTaskCount(async (taskCount) => {
    const inputs = stateSpecs((await first.get(taskCount)).outputs.each);
    const program = await engine.compile(programOptions(job, next, { name: `${name} step`, taskCount, inputs }));
    checkState(job.algorithm.name, inputs, stateSpecs(program.outputs.each));
    return program;
  });
  const ofLayers = programsByTaskCount(async (taskCount) => {
    const inputs = stateSpecs((await first.get(taskCount)).outputs.each);
    return engine.compile(programOptions(job, insight, { name: `${name} insight`, taskCount, inputs }));
  });
  const heads = job.measures.evaluate;
  const points = heads[0]!.points.length;
  return {
    async evaluate(theta, { metaStep, split, firstTask, taskCount }) {
      const shared = sharedInputs(theta, step(metaStep));
      const tasks = draw(split, firstTask, taskCount);
      const columns: NamedArrays[] = [];
      let { each } = await (await first.get(taskCount)).run(shared, tasks);
      columns.push(measuresAmong(each));
      while (columns.length < points) {
        ({ each } = await (await later.get(taskCount)).run(shared, { ...tasks, ...statesAmong(each) }));
        columns.push(measuresAmong(each));
      }
      const ofLast = { ...columns.at(-1) };
      if (job.spec.evaluation.insight) {
        const program = await ofLayers.get(taskCount);
        Object.assign(ofLast, (await program.run(shared, { ...tasks, ...statesAmong(each) })).each);
      }
      const measures = heads.map(({ name, axis }) => {
        // what has an axis of its own is measured at the last state
        if (axis !== heads[0]!.axis) return { name, values: [...ofLast[name]!] };
        const ofTask = (task: number) => columns.map((at) => at[name]![task]!);
        return { name, values: Array.from({ length: taskCount }, (_, task) => ofTask(task)).flat() };
      });
      return { measures };
    },
    async prepare(taskCount) {
      await first.get(taskCount);
      if (points > 1) await later.get(taskCount);
      if (job.spec.evaluation.insight) await ofLayers.get(taskCount);
    },
    async close() {
      await first.close();
      await later.close();
      await ofLayers.close();
    },
  };
}

/**
 * Reads sequences example by example; a task's value at a presentation is the mean over the examples that were shown as their
 * class's first, second, ….
 */
export function streamEvaluator(
  { job, engine, draw, step }: WorkContext,
  adapt: LoopedAdaptation,
  algorithm: BuiltAlgorithm,
  kit: Kit,
): Evaluator {
  const { start, next } = streamEvaluation(adapt, algorithm, kit);
  const name = `${job.spec.algorithm.name} ${job.spec.model.architecture} evaluate`;
  const { supportExamples: length, input, outputs } = job.task;
  const example = shapeSpecs({ streamInputs: { shape: [1, ...input] }, streamTargets: { shape: [1, outputs] } });
  const first = programsByTaskCount((taskCount) =>
    engine.compile(programOptions(job, start, { name: `${name} start`, taskCount, inputs: example })),
  );
  const later = programsByTaskCount(async (taskCount) => {
    const states = stateSpecs((await first.get(taskCount)).outputs.each);
    const inputs = { ...example, ...states };
    const program = await engine.compile(programOptions(job, next, { name: `${name} example`, taskCount, inputs }));
    checkState(job.algorithm.name, states, stateSpecs(program.outputs.each));
    return program;
  });
  const heads = job.measures.evaluate;
  return {
    async evaluate(theta, { metaStep, split, firstTask, taskCount }) {
      const shared = sharedInputs(theta, step(metaStep));
      const tasks = draw(split, firstTask, taskCount);
      const examples = (begin: number) => examplesOf(tasks, { begin, count: 1, length, taskCount });
      const program = await later.get(taskCount);
      let { each } = await (await first.get(taskCount)).run(shared, examples(0));
      const measured: NamedArrays[] = [];
      for (let at = 0; at < length; at++) {
        ({ each } = await program.run(shared, { ...examples(at), ...statesAmong(each) }));
        measured.push(measuresAmong(each));
      }
      const presentations = presentationsOf(tasks.streamTargets!, { length, taskCount });
      const measures = heads.map(({ name, points }) => {
        const values = new Array<number>(taskCount * points.length).fill(0);
        for (const [place, { task, presentation }] of presentations.entries())
          values[task * points.length + presentation]! += measured[place % length]![name]![task]! / outputs;
        return { name, values };
      });
      return { measures };
    },
    async prepare(taskCount) {
      await later.get(taskCount);
    },
    async close() {
      await first.close();
      await later.close();
    },
  };
}

/** How often the class of each example was shown before, task by task. @param targets one-hot, [taskCount, length, classes]. */
function presentationsOf(
  targets: Float32Array,
  { length, taskCount }: { readonly length: number; readonly taskCount: number },
): readonly { readonly task: number; readonly presentation: number }[] {
  const classes = targets.length / (taskCount * length);
  return Array.from({ length: taskCount }, (_, task) => {
    const shown = new Array<number>(classes).fill(0);
    return Array.from({ length }, (_, at) => {
      const from = (task * length + at) * classes;
      const own = targets.subarray(from, from + classes).indexOf(1);
      return { task, presentation: shown[own]!++ };
    });
  }).flat();
}

/** The states' specs of one task: a program's outputs have the tasks as their first axis. */
const stateSpecs = (each: TensorSpecs): TensorSpecs =>
  Object.fromEntries(
    Object.entries(statesAmong(each)).map(([name, { shape, dtype }]) => [name, { shape: shape.slice(1), dtype }]),
  );

function checkState(algorithm: string, start: TensorSpecs, next: TensorSpecs): void {
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
