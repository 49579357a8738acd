// Computes the evaluation of an ensemble: its members predict one after another, each along its own
// adaptation, by the programs of an evaluation of one θ; a last program measures what they predict
// together.
import type { BuiltAlgorithm, LoopedAdaptation } from '../../learning/built.ts';
import {
  ensembleFunction,
  isLooped,
  loopedEvaluation,
  memberPrefix,
  predictFunction,
} from '../../learning/kit/evaluate.ts';
import type { Kit } from '../../learning/kit/kit.ts';
import { withPrefix } from '../../learning/kit/prefix.ts';
import type { NamedArrays } from '../engine/engine.ts';
import type { EvaluatedJob } from './evaluation.ts';
import type { EvaluateShard, EvaluateShardResult } from './job-program.ts';
import { interleaved, nameOf, pointsOf, pointwise } from './pointwise.ts';
import { type ProgramsByTaskCount, programOptions, programsByTaskCount, sharedInputs } from './programs.ts';
import { rowsOf, type WorkContext } from './training.ts';

export interface EnsembleEvaluator {
  /** @param members θ of each. */
  evaluate(members: readonly NamedArrays[], shard: EvaluateShard): Promise<EvaluateShardResult>;
  close(): Promise<void>;
}

interface Predictor {
  /** What one member predicts at every point, by name: [tasks, points, examples, outputs]. */
  predict(shared: NamedArrays, tasks: NamedArrays, taskCount: number): Promise<NamedArrays>;
  close(): Promise<void>;
}

function predictorOf(context: WorkContext, algorithm: BuiltAlgorithm, kit: Kit): Predictor {
  const { job, engine } = context;
  const { adapt } = algorithm;
  const name = nameOf(context, 'member');
  if (isLooped(adapt)) return loopedPredictor(context, adapt, algorithm, kit);
  const predict = predictFunction(algorithm, kit, pointsOf(context));
  const programs = programsByTaskCount((taskCount) =>
    engine.compile(programOptions(job, predict, { name, taskCount })),
  );
  return {
    predict: async (shared, tasks, taskCount) => (await (await programs.get(taskCount)).run(shared, tasks)).each,
    close: programs.close,
  };
}

function loopedPredictor(
  context: WorkContext,
  adapt: LoopedAdaptation,
  algorithm: BuiltAlgorithm,
  kit: Kit,
): Predictor {
  const points = pointwise(context, loopedEvaluation(adapt, algorithm, kit, 'predictions'), nameOf(context, 'member'));
  return {
    async predict(shared, tasks, taskCount) {
      const { columns } = await points.run(shared, tasks, taskCount);
      const names = Object.keys(columns[0]!);
      const all = (name: string) => columns.map((at) => at[name]!);
      return Object.fromEntries(names.map((name) => [name, interleaved(all(name), all(name)[0]!.length / taskCount)]));
    },
    close: points.close,
  };
}

/** Programs are compiled at the first shard: a job has one evaluation of an ensemble, at its end. */
export function openEnsembleEvaluator(context: WorkContext, { algorithm, kit }: EvaluatedJob): EnsembleEvaluator {
  const { job, engine, draw, step } = context;
  const { task, measures } = job;
  const points = pointsOf(context);
  const predictor = predictorOf(context, algorithm, kit);
  const byMembers = new Map<number, ProgramsByTaskCount>();
  const together = (members: number): ProgramsByTaskCount => {
    const shapeOf = (examples: number) =>
      ({ shape: [members, points, examples, task.outputs], dtype: 'float32' }) as const;
    const [outside] = task.tensors.outsideInputs?.shape ?? [];
    const predicted = { query: shapeOf(task.queryExamples), ...(outside && { outside: shapeOf(outside) }) };
    const inputs = withPrefix(memberPrefix, predicted);
    const compute = ensembleFunction(kit, { members, points });
    const name = nameOf(context, 'ensemble');
    return programsByTaskCount((taskCount) =>
      engine.compile(programOptions(job, compute, { name, taskCount, inputs })),
    );
  };
  return {
    async evaluate(members, { members: metaSteps = [], split, firstTask, taskCount }) {
      const tasks = draw(split, firstTask, taskCount);
      const predicted: NamedArrays[] = [];
      for (const [index, theta] of members.entries()) {
        const shared = sharedInputs(theta, step(metaSteps[index]!));
        const made = await predictor.predict(shared, tasks, taskCount);
        // an engine may use its outputs' memory again
        predicted.push(Object.fromEntries(Object.entries(made).map(([name, values]) => [name, values.slice()])));
      }
      const stacked = Object.keys(predicted[0]!).map((name) => {
        const all = predicted.map((of) => of[name]!);
        return [name, interleaved(all, all[0]!.length / taskCount)] as const;
      });
      const programs = byMembers.get(members.length) ?? together(members.length);
      byMembers.set(members.length, programs);
      const shared = sharedInputs(members[0]!, step(metaSteps[0]!));
      const inputs = { ...tasks, ...withPrefix(memberPrefix, Object.fromEntries(stacked)) };
      const { each } = await (await programs.get(taskCount)).run(shared, inputs);
      return { measures: rowsOf(measures.ensemble, each) };
    },
    async close() {
      await predictor.close();
      for (const programs of byMembers.values()) await programs.close();
    },
  };
}
