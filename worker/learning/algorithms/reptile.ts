// Reptile, batched: φ from θ by k steps of an inner optimizer on the task's mini-batches; the meta-gradient is θ − φ (Nichol et al. 2018, algorithm 2).
// The paper's meta-step θ ← θ + ε·mean(φ − θ) is therefore plain gradient descent of rate ε. Training sees support and query set together,
// as the authors' `train-shots`; testing adapts on the support set alone. Mini-batches are taken in turn; the sampler's order puts all
// classes into each. The inner optimizer starts anew with each task (the authors' code carries Adam's second moment from task to task),
// since a task's result may depend on θ and the task alone.
import type { ReptileAlgorithmSpec } from '../../../shared/job-spec/algorithm.ts';
import type { NamedTensors } from '../../engine/engine.ts';
import { tf } from '../../engine/tf/tf.ts';
import { after, type BuildAlgorithm, trainOutputs } from './algorithm.ts';
import { gradientsOf, mapParams } from './gradients.ts';
import { type Examples, querySet, supportSet } from './learner.ts';

export const buildReptile: BuildAlgorithm<ReptileAlgorithmSpec> = (spec, learner) => {
  function* descend(metaParams: NamedTensors, examples: Examples): Iterable<NamedTensors> {
    const update = innerOptimizer(spec);
    let params = metaParams;
    for (let step = 0; ; step++) {
      const gradients = gradientsOf(learner, params, miniBatch(examples, step, spec.innerBatchSize));
      params = mapParams(params, (name, value) => update(name, value, gradients[name]!, step));
      yield params;
    }
  }
  return {
    adapt: (metaParams, task) => descend(metaParams, supportSet(task)),
    train(metaParams, task) {
      const query = querySet(task);
      const adapted = after(spec.innerSteps, descend(metaParams, joined(supportSet(task), query)), metaParams);
      const metaGradient = mapParams(metaParams, (name, value) => tf.sub(value, adapted[name]!));
      const predictions = learner.predict(adapted, query.inputs);
      const loss = learner.objective.loss(predictions, query.targets);
      return trainOutputs(learner, metaGradient, loss, predictions, query.targets);
    },
  };
};

type Update = (name: string, value: tf.Tensor, gradient: tf.Tensor, step: number) => tf.Tensor;

function innerOptimizer({ innerOptimizer: optimizer, innerLearningRate }: ReptileAlgorithmSpec): Update {
  switch (optimizer.name) {
    case 'sgd':
      return (_name, value, gradient) => tf.sub(value, tf.mul(gradient, innerLearningRate));
    case 'adam': {
      // Kingma & Ba 2015, algorithm 1
      const { beta1, beta2, epsilon } = optimizer;
      const firstMoment = movingAverage(beta1);
      const secondMoment = movingAverage(beta2);
      return (name, value, gradient, step) => {
        const mean = firstMoment(name, gradient, step);
        const deviation = tf.sqrt(secondMoment(name, tf.square(gradient), step));
        return tf.sub(value, tf.mul(tf.div(mean, tf.add(deviation, epsilon)), innerLearningRate));
      };
    }
    default:
      return optimizer satisfies never;
  }
}

/** mₜ = β·mₜ₋₁ + (1 − β)·x for each name, returned without its bias to zero: mₜ / (1 − βᵗ). */
function movingAverage(beta: number): (name: string, value: tf.Tensor, step: number) => tf.Tensor {
  const averages = new Map<string, tf.Tensor>();
  return (name, value, step) => {
    if (beta === 0) return value;
    const before = averages.get(name);
    const share = tf.mul(value, 1 - beta);
    const average = before ? tf.add(tf.mul(before, beta), share) : share;
    averages.set(name, average);
    return tf.div(average, 1 - beta ** (step + 1));
  };
}

/** The examples number step·size, step·size + 1, … of the task's, round and round; all of them when they are no more than `size`. */
function miniBatch(examples: Examples, step: number, size: number | undefined): Examples {
  const count = examples.targets.shape[0];
  if (size === undefined || size >= count) return examples;
  const begin = (step * size) % count;
  const rest = count - begin;
  return rest >= size
    ? rows(examples, begin, size)
    : joined(rows(examples, begin, rest), rows(examples, 0, size - rest));
}

function rows({ inputs, targets }: Examples, begin: number, size: number): Examples {
  const cut = <T extends tf.Tensor>(x: T): T => {
    const [, ...shape] = x.shape;
    return tf.slice(x, [begin, ...shape.map(() => 0)], [size, ...shape]);
  };
  return { inputs: cut(inputs), targets: cut(targets) };
}

function joined(a: Examples, b: Examples): Examples {
  return { inputs: tf.concat([a.inputs, b.inputs], 0), targets: tf.concat([a.targets, b.targets], 0) };
}
