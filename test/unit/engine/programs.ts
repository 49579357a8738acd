// Task functions for the engine's tests, written as a user would: an MLP and convolutional classifiers under MAML, first and second order.
import type {
  NamedArrays,
  NamedTensors,
  TaskFunction,
  TaskProgramOptions,
  TensorSpecs,
  TypedArray,
} from '../../../worker/engine/engine.ts';
import { rematerialize } from '../../../worker/engine/tf/rematerialize.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';

export type Loss = (
  params: NamedTensors,
  x: ReturnType<typeof tf.tensor>,
  y: ReturnType<typeof tf.tensor>,
) => ReturnType<typeof tf.tensor>;

export interface MamlOptions {
  readonly loss: Loss;
  readonly order: 'first' | 'second';
  readonly innerSteps: number;
  readonly innerLearningRate: number;
  /** Compute each inner step again for its gradient. Default false. */
  readonly rematerialize?: boolean;
}

/** MAML's task function over task tensors supportX, supportY, queryX, queryY: the query loss and its gradient to every parameter. */
export function maml({ loss, order, innerSteps, innerLearningRate, rematerialize: again }: MamlOptions): TaskFunction {
  return (metaParams, task) => {
    const names = Object.keys(metaParams);
    const adapt = (start: NamedTensors): NamedTensors => {
      let params = start;
      for (let step = 0; step < innerSteps; step++) {
        const update = ([x, y, ...current]: readonly ReturnType<typeof tf.tensor>[]) => {
          const gradients = tf.grads((...tensors) => loss(named(names, tensors), x!, y!))(current);
          return current.map((value, i) => tf.sub(value, tf.mul(gradients[i]!, innerLearningRate)));
        };
        const inputs = [task.supportX!, task.supportY!, ...names.map((name) => params[name]!)];
        params = named(names, again ? rematerialize(update, inputs) : update(inputs));
      }
      return params;
    };
    const start = order === 'first' ? adapt(metaParams) : metaParams;
    const objective = (...tensors: ReturnType<typeof tf.tensor>[]) => {
      const params = order === 'first' ? named(names, tensors) : adapt(named(names, tensors));
      return loss(params, task.queryX!, task.queryY!) as ReturnType<typeof tf.scalar>;
    };
    const { value, grads } = tf.valueAndGrads(objective)(names.map((name) => start[name]!));
    return {
      sum: { loss: value, ...Object.fromEntries(names.map((name, i) => [`gradient.${name}`, grads[i]!])) },
      each: { taskLoss: value },
    };
  };
}

function named(names: readonly string[], tensors: readonly ReturnType<typeof tf.tensor>[]): NamedTensors {
  return Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
}

export const mlpParams: TensorSpecs = {
  w1: { shape: [1, 20], dtype: 'float32' },
  b1: { shape: [20], dtype: 'float32' },
  w2: { shape: [20, 20], dtype: 'float32' },
  b2: { shape: [20], dtype: 'float32' },
  w3: { shape: [20, 1], dtype: 'float32' },
  b3: { shape: [1], dtype: 'float32' },
};

export const mlpTask: TensorSpecs = {
  supportX: { shape: [5, 1], dtype: 'float32' },
  supportY: { shape: [5, 1], dtype: 'float32' },
  queryX: { shape: [6, 1], dtype: 'float32' },
  queryY: { shape: [6, 1], dtype: 'float32' },
};

type Activation = (x: ReturnType<typeof tf.tensor>) => ReturnType<typeof tf.tensor>;

export function mlpLoss(activation: Activation): Loss {
  return (params, x, y) => {
    const first = activation(tf.add(tf.matMul(x as never, params.w1! as never), params.b1!));
    const second = activation(tf.add(tf.matMul(first as never, params.w2! as never), params.b2!));
    const output = tf.add(tf.matMul(second as never, params.w3! as never), params.b3!);
    return tf.mean(tf.square(tf.sub(output, y)));
  };
}

export interface ConvOptions {
  readonly size: number;
  readonly channels: number;
  readonly filters: number;
  readonly layers: number;
  readonly ways: number;
  readonly images: number;
  readonly queries: number;
  readonly downsampling: 'stride' | 'max-pool' | 'overlapping-max-pool' | 'average-pool';
}

export function convParams({ channels, filters, layers, ways }: ConvOptions): TensorSpecs {
  const specs: Record<string, { shape: number[]; dtype: 'float32' }> = {};
  for (let layer = 0; layer < layers; layer++) {
    specs[`filter${layer}`] = { shape: [3, 3, layer === 0 ? channels : filters, filters], dtype: 'float32' };
    specs[`scale${layer}`] = { shape: [filters], dtype: 'float32' };
    specs[`offset${layer}`] = { shape: [filters], dtype: 'float32' };
  }
  return {
    ...specs,
    dense: { shape: [filters, ways], dtype: 'float32' },
    denseBias: { shape: [ways], dtype: 'float32' },
  };
}

export function convTask({ size, channels, images, queries }: ConvOptions): TensorSpecs {
  return {
    supportX: { shape: [images, size, size, channels], dtype: 'float32' },
    supportY: { shape: [images], dtype: 'int32' },
    queryX: { shape: [queries, size, size, channels], dtype: 'float32' },
    queryY: { shape: [queries], dtype: 'int32' },
  };
}

/** conv → batch norm on the batch's statistics → relu (→ pool), the spatial mean, dense, softmax cross-entropy. */
export function convLoss({ layers, ways, downsampling }: ConvOptions): Loss {
  return (params, x, y) => {
    let hidden = x as ReturnType<typeof tf.tensor4d>;
    for (let layer = 0; layer < layers; layer++) {
      const strides = downsampling === 'stride' ? 2 : 1;
      hidden = tf.conv2d(hidden, params[`filter${layer}`] as never, strides, 'same');
      const mean = tf.mean(hidden, [0, 1, 2]);
      const variance = tf.mean(tf.square(tf.sub(hidden, mean)), [0, 1, 2]);
      const normal = tf.div(tf.sub(hidden, mean), tf.sqrt(tf.add(variance, 1e-3)));
      hidden = tf.relu(tf.add(tf.mul(normal, params[`scale${layer}`]!), params[`offset${layer}`]!));
      if (downsampling === 'max-pool') hidden = tf.maxPool(hidden, 2, 2, 'valid');
      if (downsampling === 'overlapping-max-pool') hidden = tf.maxPool(hidden, 3, 2, 'same');
      if (downsampling === 'average-pool') hidden = tf.avgPool(hidden, 2, 2, 'valid');
    }
    const features = tf.mean(hidden, [1, 2]);
    const logits = tf.add(tf.matMul(features as never, params.dense! as never), params.denseBias!);
    const labels = tf.oneHot(y as never, ways);
    return tf.neg(tf.mean(tf.sum(tf.mul(labels, tf.logSoftmax(logits as never)), -1)));
  };
}

/** A repeatable stream of numbers in [−1, 1), so that tests need no random source. */
export function numbers(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 31 - 1;
  };
}

/** Arrays for specs: floats scaled by 1/√(fan-in) around `centre`, int32 as labels below `labels`. */
export function fill(
  specs: TensorSpecs,
  options: { seed: number; count?: number; labels?: number; scale?: number },
): NamedArrays {
  const next = numbers(options.seed);
  const arrays: Record<string, TypedArray> = {};
  for (const [name, { shape, dtype }] of Object.entries(specs)) {
    const size = shape.reduce((a, b) => a * b, options.count ?? 1);
    const fanIn = shape.slice(0, -1).reduce((a, b) => a * b, 1);
    const isParameter = options.count === undefined;
    const scale = isParameter ? Math.sqrt(3 / Math.max(1, fanIn)) : (options.scale ?? 2);
    const centre = name.startsWith('scale') ? 1 : 0;
    const spread = name.startsWith('scale') ? 0.2 : scale;
    if (dtype === 'float32') arrays[name] = Float32Array.from({ length: size }, () => centre + spread * next());
    else arrays[name] = Int32Array.from({ length: size }, (_, i) => i % (options.labels ?? 2));
  }
  return arrays;
}

export function mlpProgram(
  options: Partial<MamlOptions> & { taskCount: number; activation?: Activation },
): TaskProgramOptions {
  const loss = mlpLoss(options.activation ?? tf.relu);
  return {
    name: 'maml mlp',
    taskFunction: maml({ loss, order: 'second', innerSteps: 2, innerLearningRate: 0.05, ...options }),
    metaParams: mlpParams,
    task: mlpTask,
    taskCount: options.taskCount,
  };
}

export function convProgram(
  conv: ConvOptions,
  options: Partial<MamlOptions> & { taskCount: number },
): TaskProgramOptions {
  return {
    name: `maml conv ${conv.downsampling}`,
    taskFunction: maml({ loss: convLoss(conv), order: 'second', innerSteps: 2, innerLearningRate: 0.1, ...options }),
    metaParams: convParams(conv),
    task: convTask(conv),
    taskCount: options.taskCount,
  };
}

/** |a − b| at most `tolerance` times the larger of the two arrays' root mean squares. Returns the worst ratio. */
export function relativeError(a: TypedArray, b: TypedArray): number {
  let worst = 0;
  let squares = 0;
  for (let i = 0; i < a.length; i++) {
    worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    squares += b[i]! * b[i]!;
    if (Number.isNaN(a[i]!) !== Number.isNaN(b[i]!)) return Number.POSITIVE_INFINITY;
  }
  const size = Math.sqrt(squares / a.length);
  return worst === 0 ? 0 : worst / Math.max(size, 1e-6);
}
