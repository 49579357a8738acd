// The workloads of the engine's benchmark that are task programs: MAML on the sinusoid MLP and on two
// few-shot classifiers. The peers in `../peers` compute them from equal arrays, and their results
// are compared before anything is timed.
import type {
  NamedArrays,
  NamedTensors,
  TaskProgramOptions,
  TensorSpecs,
  TypedArray,
} from '../../worker/engine/engine.ts';
import { tf } from '../../worker/engine/tf/tf.ts';

type Tensor = ReturnType<typeof tf.tensor>;

export interface Workload {
  readonly name: string;
  readonly model: 'mlp' | 'conv4' | 'strided-conv4';
  readonly order: 'first' | 'second';
  readonly innerSteps: number;
  readonly innerLearningRate: number;
  /** Tasks in one run. */
  readonly tasks: number;
  readonly ways: number;
  readonly supportSize: number;
  readonly querySize: number;
}

const sinusoid = {
  model: 'mlp',
  order: 'second',
  innerLearningRate: 0.01,
  tasks: 25,
  ways: 1,
  supportSize: 10,
  querySize: 10,
} as const;
const fewShot = {
  model: 'conv4',
  innerSteps: 5,
  innerLearningRate: 0.1,
  ways: 5,
  supportSize: 5,
  querySize: 75,
} as const;

/** What the engine and its peers compute a workload from. Task arrays are stacked. */
export interface WorkloadArrays {
  readonly params: NamedArrays;
  readonly paramSpecs: TensorSpecs;
  readonly tasks: NamedArrays;
  readonly taskSpecs: TensorSpecs;
}

export const workloads: readonly Workload[] = [
  { ...sinusoid, name: 'sinusoid-1-step', innerSteps: 1 },
  { ...sinusoid, name: 'sinusoid-5-steps', innerSteps: 5 },
  { ...fewShot, name: 'conv4-second-order', order: 'second', tasks: 4 },
  { ...fewShot, name: 'conv4-first-order', order: 'first', tasks: 4 },
  {
    name: 'strided-conv4-20-way',
    model: 'strided-conv4',
    order: 'second',
    innerSteps: 5,
    innerLearningRate: 0.1,
    tasks: 4,
    ways: 20,
    supportSize: 20,
    querySize: 20,
  },
];

export function paramSpecs({ model, ways }: Workload): TensorSpecs {
  const float = (shape: number[]) => ({ shape, dtype: 'float32' as const });
  if (model === 'mlp') {
    return {
      w1: float([1, 40]),
      b1: float([40]),
      w2: float([40, 40]),
      b2: float([40]),
      w3: float([40, 1]),
      b3: float([1]),
    };
  }
  const specs: Record<string, ReturnType<typeof float>> = {};
  for (let layer = 0; layer < 4; layer++) {
    specs[`filter${layer}`] = float([3, 3, layer === 0 ? 1 : 64, 64]);
    specs[`scale${layer}`] = float([64]);
    specs[`offset${layer}`] = float([64]);
  }
  return { ...specs, dense: float([64, ways]), denseBias: float([ways]) };
}

export function taskSpecs({ model, supportSize, querySize }: Workload): TensorSpecs {
  const x = (size: number) => ({ shape: model === 'mlp' ? [size, 1] : [size, 28, 28, 1], dtype: 'float32' as const });
  const y = (size: number) => (model === 'mlp' ? x(size) : { shape: [size], dtype: 'int32' as const });
  return { supportX: x(supportSize), supportY: y(supportSize), queryX: x(querySize), queryY: y(querySize) };
}

function mlpLoss(params: NamedTensors, x: Tensor, y: Tensor): Tensor {
  const dense = (input: Tensor, layer: number) =>
    tf.add(tf.matMul(input as never, params[`w${layer}`] as never), params[`b${layer}`]!);
  return tf.mean(tf.squaredDifference(dense(tf.relu(dense(tf.relu(dense(x, 1)), 2)), 3), y));
}

/**
 * Four 3 × 3 convolutions of 64 filters with batch norm and relu, each halved by max pooling or by
 * its stride; spatial mean, dense layer, cross-entropy.
 */
function convLoss(workload: Workload): (params: NamedTensors, x: Tensor, y: Tensor) => Tensor {
  const isStrided = workload.model === 'strided-conv4';
  return (params, x, y) => {
    let hidden = x as ReturnType<typeof tf.tensor4d>;
    for (let layer = 0; layer < 4; layer++) {
      hidden = tf.conv2d(hidden, params[`filter${layer}`] as never, isStrided ? 2 : 1, 'same');
      const mean = tf.mean(hidden, [0, 1, 2]);
      const centred = tf.sub(hidden, mean);
      const variance = tf.mean(tf.square(centred), [0, 1, 2]);
      const normal = tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5)));
      hidden = tf.add(tf.mul(normal, params[`scale${layer}`]!), params[`offset${layer}`]!);
      if (!isStrided) hidden = tf.maxPool(hidden, 2, 2, 'valid');
      hidden = tf.relu(hidden);
    }
    const logits = tf.add(tf.matMul(tf.mean(hidden, [1, 2]) as never, params.dense as never), params.denseBias!);
    return tf.neg(tf.mean(tf.sum(tf.mul(tf.oneHot(y as never, workload.ways), tf.logSoftmax(logits as never)), -1)));
  };
}

/**
 * MAML (Finn et al. 2017, equation 1): the query loss after adaptation, and its second-order
 * gradient through the inner loop.
 */
export function program(workload: Workload, tasks = workload.tasks): TaskProgramOptions {
  const loss = workload.model === 'mlp' ? mlpLoss : convLoss(workload);
  const names = Object.keys(paramSpecs(workload));
  const named = (tensors: readonly Tensor[]): NamedTensors =>
    Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
  const list = (params: NamedTensors) => names.map((name) => params[name]!);
  const adapt = (start: NamedTensors, task: NamedTensors): NamedTensors => {
    let params = start;
    for (let step = 0; step < workload.innerSteps; step++) {
      const gradients = tf.grads((...tensors) => loss(named(tensors), task.supportX!, task.supportY!))(list(params));
      params = named(list(params).map((param, i) => tf.sub(param, tf.mul(gradients[i]!, workload.innerLearningRate))));
    }
    return params;
  };
  return {
    name: workload.name,
    metaParams: paramSpecs(workload),
    task: taskSpecs(workload),
    taskCount: tasks,
    taskFunction: (metaParams, task) => {
      const isSecond = workload.order === 'second';
      const start = isSecond ? metaParams : adapt(metaParams, task);
      const { value, grads } = tf.valueAndGrads((...tensors) => {
        const params = isSecond ? adapt(named(tensors), task) : named(tensors);
        return loss(params, task.queryX!, task.queryY!) as never;
      })(list(start));
      return { sum: { loss: value, ...named(grads) }, each: {} };
    },
  };
}

/** Numbers in [−1, 1) from a seed (xorshift). The peers get them in files. */
export function numbers(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state = (state ^ (state << 13)) >>> 0;
    state = (state ^ (state >>> 17)) >>> 0;
    state = (state ^ (state << 5)) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** He-scaled weights, zero biases, unit scales. */
export function paramArrays(workload: Workload): NamedArrays {
  const next = numbers(1);
  const arrays: Record<string, TypedArray> = {};
  for (const [name, { shape }] of Object.entries(paramSpecs(workload))) {
    const fanIn = shape.slice(0, -1).reduce((a, b) => a * b, 1);
    const isVector = shape.length === 1;
    const value = name.startsWith('scale') ? () => 1 : isVector ? () => 0 : () => next() * Math.sqrt(6 / fanIn);
    arrays[name] = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, value);
  }
  return arrays;
}

export function taskArrays(workload: Workload, tasks = workload.tasks): NamedArrays {
  const next = numbers(2);
  const arrays: Record<string, TypedArray> = {};
  for (const [name, { shape, dtype }] of Object.entries(taskSpecs(workload))) {
    const length = shape.reduce((a, b) => a * b, tasks);
    if (dtype === 'int32') arrays[name] = Int32Array.from({ length }, (_, i) => i % workload.ways);
    else arrays[name] = Float32Array.from({ length }, () => next() * (workload.model === 'mlp' ? 5 : 1));
  }
  return arrays;
}

export const arraysOf = (workload: Workload): WorkloadArrays => ({
  params: paramArrays(workload),
  paramSpecs: paramSpecs(workload),
  tasks: taskArrays(workload),
  taskSpecs: taskSpecs(workload),
});
