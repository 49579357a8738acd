// Opens a job's program: its task distribution, model, objective and algorithm put together from the spec,
// compiled by an engine, run on typed arrays. Knows nothing of leases, threads or the network.
import type { ProcedureTraining } from '../../learning/built.ts';
import { layoutOf, type ResolvedJob, resolveJob } from '../../learning/job.ts';
import { clippedTask } from '../../learning/kit/clip.ts';
import { evaluateFunction } from '../../learning/kit/evaluate.ts';
import { drawMasks, maskShapes, withRunning } from '../../learning/kit/given.ts';
import { createKit } from '../../learning/kit/kit.ts';
import { layerOutputs } from '../../learning/kit/layers.ts';
import type { EngineTools } from '../../learning/kit/tools.ts';
import { encodeSum } from '../../learning/outer-loop/result-codec.ts';
import type { Registry } from '../../learning/registry.ts';
import { stepInputShapes, stepInputs } from '../../learning/step-inputs.ts';
import { evaluatedSplits, type Tasks } from '../../learning/tasks.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { taskRng } from '../../shared/rng.ts';
import { layoutElements, type ParamsLayout, viewsOf } from '../../shared/tensor-codec.ts';
import type { Engine } from '../engine/engine.ts';
import { rematerialize } from '../engine/tf/rematerialize.ts';
import { tf } from '../engine/tf/tf.ts';
import { allocateTasks, initialParams } from './arrays.ts';
import { openEnsembleEvaluator } from './ensemble.ts';
import { type Evaluator, openEvaluator } from './evaluation.ts';
import { taskIo } from './io.ts';
import type { JobProgram } from './job-program.ts';
import { openTasks } from './tasks.ts';
import { clippingTrainer, procedureTrainer, type Trainer, taskFunctionTrainer, type WorkContext } from './training.ts';

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

/** The kinds of work of a job that an engine compiles programs for. */
export const programWorks = ['train', 'evaluate'] as const;
export type ProgramWork = (typeof programWorks)[number];

export interface OpenedJob extends JobProgram {
  /** Compiles what shards of so many tasks need, which their first shard does otherwise. */
  prepare(work: ProgramWork, taskCount: number): Promise<void>;
}

export const engineTools: EngineTools = { tf, rematerialize };

/** The job's task functions; nothing is opened, nothing is compiled. */
export function buildJob(job: ResolvedJob) {
  const { spec, task, modelParameters, running } = job;
  const parameters = job.parameters.slice(0, job.parameters.length - running.length);
  const { tf } = engineTools;
  const layers = layerOutputs();
  const model = job.model.build(spec.model, { tf, task, layer: layers.layer });
  const objective = job.objective.build(spec.objective, { tf, task });
  const kit = createKit(engineTools, {
    task,
    model,
    objective,
    modelParameters,
    parameters,
    namesLayers: job.model.namesLayers ?? false,
    layers,
  });
  const algorithm = withRunning(job.algorithm.build(spec.algorithm, kit), running);
  const evaluate = evaluateFunction(algorithm, kit, {
    points: job.measures.evaluate[0]!.points.length,
    insight: spec.evaluation.insight,
  });
  const { privacy } = spec.meta;
  const written = typeof algorithm.train === 'function' ? algorithm.train : undefined;
  const train = written && privacy ? clippedTask(tf, written, privacy.taskClipNorm, parameters) : written;
  return {
    kit,
    algorithm,
    /** As single programs. `train` is undefined where a procedure computes it. */
    functions: { train, evaluate },
  };
}

export type BuiltJob = ReturnType<typeof buildJob>;

/** What the kinds of work of a job are computed from. */
export function workContext(job: ResolvedJob, tasks: Tasks, engine: Engine): WorkContext {
  const shapes = stepInputShapes(job);
  const masks = maskShapes(job.masks, job.task);
  return {
    job,
    layout: layoutOf(job.parameters),
    engine,
    draw(split, firstTask, taskCount, numbers) {
      const { stacked, task } = allocateTasks(job.task, taskCount);
      const numberOf = (offset: number) => numbers?.[offset] ?? firstTask + offset;
      for (let offset = 0; offset < taskCount; offset++) tasks.sample(split, numberOf(offset), task(offset));
      if (split !== 'train' || Object.keys(masks).length === 0) return stacked;
      const given = allocateTasks({ tensors: masks }, taskCount);
      for (let offset = 0; offset < taskCount; offset++)
        drawMasks(job.masks, taskRng(job.spec.seed, 'masks', numberOf(offset)), given.task(offset));
      return { ...stacked, ...given.stacked };
    },
    step: (metaStep) => stepInputs(job, shapes, metaStep),
  };
}

export function trainerOf(context: WorkContext, { algorithm: { train }, functions }: BuiltJob): Trainer {
  if (functions.train) return taskFunctionTrainer(context, functions.train);
  const trainer = procedureTrainer(context, train as ProcedureTraining);
  const { privacy } = context.job.spec.meta;
  return privacy ? clippingTrainer(context, trainer, privacy.taskClipNorm) : trainer;
}

export const evaluatorOf = (context: WorkContext, built: BuiltJob): Evaluator => openEvaluator(context, built);

/**
 * Opens what the spec names. Programs are compiled at their first use, for each number of tasks, of which a
 * job has few (whole shards, and the last, smaller one).
 *
 * @throws MetatrainError `REQUEST_INVALID` when the data or the model cannot do what the spec asks for, `DATA_SET_MISSING`, `DATA_CORRUPT`,
 *   `DATA_SET_DIFFERS`.
 */
export async function openJobProgram(spec: JobSpec, dependencies: JobProgramDependencies): Promise<OpenedJob> {
  const { registry, dataDirectories, expectedData = [], engine } = dependencies;
  const job = resolveJob(spec, registry);
  const usedSplits = ['train', ...evaluatedSplits(spec.evaluation)] as const;
  const io = taskIo({ seed: spec.seed, dataDirectories, usedSplits, expectedData });
  const tasks = await openTasks(job, io);
  io.refuseOtherData(tasks.data);
  const built = buildJob(job);
  const context = workContext(job, tasks, engine);
  const { layout } = context;
  const trainer = trainerOf(context, built);
  const evaluator = evaluatorOf(context, built);
  const ensemble = openEnsembleEvaluator(context, built);
  return {
    job,
    data: tasks.data,
    initialize: () => ({
      layout,
      metaParams: initialParams(job.parameters, taskRng(spec.seed, 'initialize', 0)),
      splitDescription: tasks.splitDescription,
      transductive: job.isTransductive,
    }),
    encode: (sum, { firstTask }) =>
      encodeSum(sum, { format: spec.placement.results, layout, seed: spec.seed, firstTask }),
    train: (metaParams, shard) => trainer.train(membersOf(layout, metaParams)[0]!, shard),
    evaluate: (metaParams, shard) =>
      shard.members
        ? ensemble.evaluate(membersOf(layout, metaParams, shard.members.length), shard)
        : evaluator.evaluate(membersOf(layout, metaParams)[0]!, shard),
    prepare: (work, taskCount) => (work === 'train' ? trainer : evaluator).prepare(taskCount),
    async close() {
      await Promise.all([trainer.close(), evaluator.close(), ensemble.close()]);
    },
  };
}

/**
 * θ of each member of an ensemble, one after another in `metaParams`. @param members default: 1,
 * which is no ensemble.
 */
function membersOf(layout: ParamsLayout, metaParams: Float32Array, members = 1) {
  const size = layoutElements(layout);
  if (metaParams.length !== members * size) {
    const message = `the parameters: got ${metaParams.length} numbers; accepted: ${members * size}`;
    throw new MetatrainError('REQUEST_INVALID', message);
  }
  return Array.from({ length: members }, (_, i) => viewsOf(layout, metaParams.subarray(i * size, (i + 1) * size)));
}
