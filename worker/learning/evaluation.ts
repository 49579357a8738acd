// Computes evaluation shards: by one program over all points of the algorithm's axis, or, where the
// adaptation is a loop, by one program for its start and one for a step. Sequences are read example
// by example.
import type { BuiltAlgorithm, LoopedAdaptation, TaskFunction } from '../../learning/built.ts';
import {
  isLooped,
  type LoopedEvaluation,
  loopedEvaluation,
  statesAmong,
  streamEvaluation,
  wantedAmong,
} from '../../learning/kit/evaluate.ts';
import type { Kit } from '../../learning/kit/kit.ts';
import { examplesOf } from '../../learning/kit/stream.ts';
import type { MeasureHead } from '../../shared/measures.ts';
import type { NamedArrays } from '../engine/engine.ts';
import type { EvaluateShard, EvaluateShardResult } from './job-program.ts';
import { checkState, interleaved, nameOf, pointwise, stateSpecs } from './pointwise.ts';
import { programOptions, programsByTaskCount, shapeSpecs, sharedInputs } from './programs.ts';
import { rowsOf, type WorkContext } from './training.ts';

export interface EvaluatedJob {
  readonly algorithm: BuiltAlgorithm;
  readonly kit: Kit;
  /** As a single program; not used where the adaptation is a loop. */
  readonly functions: { readonly evaluate: TaskFunction };
}

export interface Evaluator {
  evaluate(theta: NamedArrays, shard: EvaluateShard): Promise<EvaluateShardResult>;
  /** Compiles what shards of so many tasks need. */
  prepare(taskCount: number): Promise<void>;
  close(): Promise<void>;
}

export function openEvaluator(context: WorkContext, { algorithm, kit, functions }: EvaluatedJob): Evaluator {
  const { adapt } = algorithm;
  if (isLooped(adapt)) {
    const isStream = context.job.task.sets.includes('stream');
    if (isStream) return streamEvaluator(context, adapt, algorithm, kit);
    return loopedEvaluator(context, loopedEvaluation(adapt, algorithm, kit));
  }
  const { job, engine, draw, step } = context;
  const programs = programsByTaskCount((taskCount) =>
    engine.compile(programOptions(job, functions.evaluate, { name: nameOf(context), taskCount })),
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

function loopedEvaluator(context: WorkContext, evaluation: LoopedEvaluation): Evaluator {
  const { job, engine, draw, step } = context;
  const { insight } = job.spec.evaluation;
  const points = pointwise(context, evaluation, nameOf(context));
  const ofLayers = programsByTaskCount(async (taskCount) => {
    const inputs = await points.stateSpecs(taskCount);
    const options = { name: nameOf(context, 'insight'), taskCount, inputs };
    return engine.compile(programOptions(job, evaluation.insight, options));
  });
  return {
    async evaluate(theta, { metaStep, split, firstTask, taskCount }) {
      const shared = sharedInputs(theta, step(metaStep));
      const tasks = draw(split, firstTask, taskCount);
      const { columns, state } = await points.run(shared, tasks, taskCount);
      const ofLast = { ...columns.at(-1) };
      if (insight)
        Object.assign(ofLast, (await (await ofLayers.get(taskCount)).run(shared, { ...tasks, ...state })).each);
      return {
        measures: job.measures.evaluate.map((head) => rowsAlong(job.measures.evaluate[0]!, head, columns, ofLast)),
      };
    },
    async prepare(taskCount) {
      await points.prepare(taskCount);
      if (insight) await ofLayers.get(taskCount);
    },
    async close() {
      await points.close();
      await ofLayers.close();
    },
  };
}

/** What has an axis of its own is measured at the last state. */
function rowsAlong(
  along: MeasureHead,
  { name, axis }: MeasureHead,
  columns: readonly NamedArrays[],
  ofLast: NamedArrays,
) {
  return {
    name,
    values:
      axis === along.axis
        ? [
            ...interleaved(
              columns.map((at) => at[name]!),
              1,
            ),
          ]
        : [...ofLast[name]!],
  };
}

/**
 * Reads sequences example by example; a task's value at a presentation is the mean over the
 * examples that were shown as their class's first, second, ….
 */
function streamEvaluator(
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
        measured.push(wantedAmong(each));
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

/**
 * How often the class of each example was shown before, task by task. @param targets one-hot,
 * [taskCount, length, classes].
 */
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
