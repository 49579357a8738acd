// The workloads that are jobs: a training shard as a worker computes it, on numbers instead of a
// data set. Their peers are written in `../peers/torch_jobs.py` and `../peers/jax_jobs.py`.
import { layoutOf } from '../../learning/job.ts';
import { readJob } from '../../learning/job-file.ts';
import { builtIn } from '../../learning/registry.ts';
import type { Tasks } from '../../learning/tasks.ts';
import { taskRng } from '../../shared/rng.ts';
import { elementsOf, viewsOf } from '../../shared/tensor-codec.ts';
import type { Engine, NamedArrays } from '../../worker/engine/engine.ts';
import { initialParams, specsOf } from '../../worker/learning/arrays.ts';
import { buildJob, trainerOf, workContext } from '../../worker/learning/open.ts';
import { shapeSpecs } from '../../worker/learning/programs.ts';
import { numbers, type WorkloadArrays } from './workloads.ts';

export interface JobWorkload {
  readonly name: string;
  readonly model: 'mann' | 'resnet12' | 'in-context';
  /** The whole shard is differentiated once. */
  readonly order: 'second';
  readonly innerSteps: 0;
  /** Tasks of the shard. */
  readonly tasks: number;
  /** Sections of the job file. */
  readonly job: {
    readonly task: Readonly<Record<string, unknown>>;
    readonly model: Readonly<Record<string, unknown>>;
    readonly algorithm: Readonly<Record<string, unknown>>;
  };
}

const whole = { order: 'second', innerSteps: 0 } as const;

/** The sizes of the examples, and ResNet-12 with the paper's widths. */
export const jobWorkloads: readonly JobWorkload[] = [
  {
    ...whole,
    name: 'mann-50-examples',
    model: 'mann',
    tasks: 8,
    job: {
      task: { distribution: 'omniglot', ways: 5, presentations: 10 },
      model: { architecture: 'mlp', hiddenLayers: [64] },
      algorithm: { name: 'mann', units: 128, slots: 64, width: 32, heads: 2 },
    },
  },
  {
    ...whole,
    name: 'resnet12-protonet',
    model: 'resnet12',
    tasks: 1,
    job: {
      task: { distribution: 'cifar-fs', ways: 5, shots: 1, queries: 3 },
      model: { architecture: 'resnet12', widths: [64, 160, 320, 640], dropRate: 0 },
      algorithm: { name: 'protonet' },
    },
  },
  {
    ...whole,
    name: 'in-context-conv4',
    model: 'in-context',
    tasks: 8,
    job: {
      task: { distribution: 'omniglot', ways: 5, shots: 1, queries: 5 },
      model: { architecture: 'conv4', filters: 32, downsampling: 'stride', batchNorm: 'support' },
      algorithm: { name: 'in-context', width: 64, layers: 2, heads: 4 },
    },
  },
];

const seed = 1;

function resolved({ name, tasks, job }: JobWorkload) {
  const meta = { iterations: 1, batchSize: tasks };
  return readJob(JSON.stringify({ name, seed, ...job, meta, placement: { shardSize: tasks } }), builtIn);
}

/** θ₀, inputs in [−1, 1), and classes in turn. */
export function jobArrays(workload: JobWorkload): WorkloadArrays {
  const { parameters, task } = resolved(workload);
  const next = numbers(2);
  const tasks: Record<string, Float32Array> = {};
  for (const [name, { shape }] of Object.entries(task.tensors)) {
    const values = new Float32Array(workload.tasks * elementsOf(shape));
    if (name.endsWith('Targets')) {
      for (let row = 0; row < values.length / task.outputs; row++)
        values[row * task.outputs + (row % task.outputs)] = 1;
    } else
      values.forEach((_, i) => {
        values[i] = next();
      });
    tasks[name] = values;
  }
  return {
    params: viewsOf(layoutOf(parameters), initialParams(parameters, taskRng(seed, 'initialize', 0))),
    paramSpecs: specsOf(parameters),
    tasks,
    taskSpecs: shapeSpecs(task.tensors),
  };
}

/** Computes the shard: the losses' sum, and the gradient's sum by name. */
export function jobShard(workload: JobWorkload, engine: Engine) {
  const job = resolved(workload);
  const { params, tasks } = jobArrays(workload);
  const given: Tasks = {
    data: [],
    splitDescription: '',
    classes: () => [],
    sample(_split, index, task) {
      for (const [name, array] of Object.entries(task)) {
        const values = tasks[name] as Float32Array;
        (array as Float32Array).set(values.subarray(index * array.length, (index + 1) * array.length));
      }
    },
  };
  const context = workContext(job, given, engine);
  const trainer = trainerOf(context, buildJob(job));
  return async (): Promise<{ readonly loss: number; readonly gradient: NamedArrays }> => {
    const shard = { metaStep: 0, firstTask: 0, taskCount: workload.tasks };
    const { metaGradientSum, measures } = await trainer.train(params as Record<string, Float32Array>, shard);
    const losses = measures.find(({ name }) => name === 'loss')!.values.flat();
    return { loss: losses.reduce((a, b) => a + b, 0), gradient: viewsOf(context.layout, metaGradientSum) };
  };
}
