// Small jobs over every algorithm, model and task distribution, and what tests ask of them: meta-gradients, losses and derivatives by
// differences. A name that the job file knows and these lists do not fails to compile.
import type { AlgorithmSpec } from '../../../shared/job-spec/algorithm.ts';
import { conv4Model, type ModelSpec } from '../../../shared/job-spec/model.ts';
import type { TaskSpec } from '../../../shared/job-spec/task.ts';
import { taskRng } from '../../../shared/rng.ts';
import { type ParamsLayout, viewsOf } from '../../../shared/tensor-codec.ts';
import type { Engine, NamedArrays, TaskFunction, TensorSpecs } from '../../../worker/engine/engine.ts';
import { learnerOf } from '../../../worker/learning/algorithms/learner.ts';
import { buildAlgorithm } from '../../../worker/learning/algorithms/registry.ts';
import { initialParams, layoutOf } from '../../../worker/learning/models/model.ts';
import { buildModel } from '../../../worker/learning/models/registry.ts';
import { allocateTasks, taskTensors } from '../../../worker/learning/tasks/distribution.ts';
import { openDistribution } from '../../../worker/learning/tasks/registry.ts';

type Variants<Spec, Key extends keyof Spec> = {
  readonly [Name in Spec[Key] & string]: Readonly<Record<string, Extract<Spec, Record<Key, Name>>>>;
};

export const algorithmVariants: Variants<AlgorithmSpec, 'name'> = {
  maml: {
    'second order': { name: 'maml', order: 'second', innerSteps: 2, innerLearningRate: 0.1, rematerialize: false },
    'second order, rematerialized': {
      name: 'maml',
      order: 'second',
      innerSteps: 2,
      innerLearningRate: 0.1,
      rematerialize: true,
    },
    'first order': { name: 'maml', order: 'first', innerSteps: 2, innerLearningRate: 0.1, rematerialize: false },
  },
  reptile: {
    'all examples': { name: 'reptile', innerSteps: 2, innerLearningRate: 0.1, innerOptimizer: { name: 'sgd' } },
    'mini-batches in turn': {
      name: 'reptile',
      innerSteps: 3,
      innerLearningRate: 0.1,
      innerBatchSize: 3,
      innerOptimizer: { name: 'sgd' },
    },
  },
};

export const modelVariants: Variants<ModelSpec, 'architecture'> = {
  mlp: {
    relu: { architecture: 'mlp', hiddenLayers: [8, 8], activation: 'relu', initialization: 'he' },
    tanh: { architecture: 'mlp', hiddenLayers: [6], activation: 'tanh', initialization: 'he' },
    sigmoid: { architecture: 'mlp', hiddenLayers: [6], activation: 'sigmoid', initialization: 'he' },
  },
  conv4: {
    stride: conv4Model.parse({ architecture: 'conv4', filters: 3, downsampling: 'stride' }),
    'max-pool': conv4Model.parse({ architecture: 'conv4', filters: 3, downsampling: 'max-pool' }),
    'as in the code of MAML': conv4Model.parse({
      architecture: 'conv4',
      filters: 3,
      downsampling: 'stride',
      batchNormScale: false,
      headInitialization: 'normal',
    }),
  },
};

export type FullTaskSpec = TaskSpec & { readonly queries: number };

export const taskVariants: { readonly [Name in TaskSpec['distribution']]: FullTaskSpec } = {
  sinusoid: {
    distribution: 'sinusoid',
    shots: 4,
    queries: 3,
    amplitude: [0.1, 5],
    phase: [0, Math.PI],
    input: [-5, 5],
  },
  omniglot: { distribution: 'omniglot', ways: 3, shots: 1, queries: 2, dataSet: 'small', rotations: true },
};

export interface SmallJobSpec {
  readonly task: FullTaskSpec;
  readonly model: ModelSpec;
  readonly algorithm: AlgorithmSpec;
}

/** What the schema allows together: conv4 takes images. */
export const fitsTogether = ({ task, model }: Pick<SmallJobSpec, 'task' | 'model'>): boolean =>
  !(task.distribution === 'sinusoid' && model.architecture === 'conv4');

export interface SmallJob extends SmallJobSpec {
  readonly name: string;
}

/** Every algorithm × model × task distribution that fit together. */
export const smallJobs: readonly SmallJob[] = Object.values(taskVariants).flatMap((task) =>
  Object.values(modelVariants).flatMap((models) =>
    Object.entries(models)
      .filter(([, model]) => fitsTogether({ task, model }))
      .flatMap(([modelName, model]) =>
        Object.values(algorithmVariants).flatMap((algorithms) =>
          Object.entries(algorithms).map(([algorithmName, algorithm]) => ({
            name: `${algorithm.name}, ${algorithmName}, ${model.architecture} ${modelName}, ${task.distribution}`,
            task,
            model,
            algorithm,
          })),
        ),
      ),
  ),
);

/** The parts of a job, opened from the registries, with θ₀. */
export async function openParts(
  { task, model: modelSpec, algorithm: algorithmSpec }: SmallJobSpec,
  dataDirectory: string,
) {
  const distribution = await openDistribution(task, {
    seed: 7,
    dataDirectories: [dataDirectory],
    evaluationSplit: 'test',
  });
  const model = buildModel(modelSpec, distribution.shape);
  const learner = learnerOf(model, distribution.shape);
  const layout = layoutOf(model);
  return {
    distribution,
    model,
    learner,
    layout,
    algorithm: buildAlgorithm(algorithmSpec, learner),
    metaParams: initialParams(model, taskRng(7, 'initialize', 0)),
    paramSpecs: specsOf(layout),
  };
}

export type Parts = Awaited<ReturnType<typeof openParts>>;

export function specsOf(layout: ParamsLayout): TensorSpecs {
  return Object.fromEntries(layout.tensors.map(({ name, shape }) => [name, { shape, dtype: 'float32' as const }]));
}

/** `taskFunction` on `count` tasks of the training split. */
export async function runOnTasks(
  engine: Engine,
  parts: Parts,
  taskFunction: TaskFunction,
  metaParams: Float32Array,
  count = 1,
) {
  const { stacked, task } = allocateTasks(parts.distribution.shape, count);
  for (let index = 0; index < count; index++) parts.distribution.sample('train', index, task(index));
  const program = await engine.compile({
    name: 'test',
    taskFunction,
    metaParams: parts.paramSpecs,
    task: taskTensors(parts.distribution.shape),
    taskCount: count,
  });
  try {
    return await program.run(viewsOf(parts.layout, metaParams), stacked);
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
