// Gradients with respect to named parameters, on TensorFlow.js's own differentiation. They nest: a
// gradient within a function that is differentiated is differentiated with it.
import type * as tfjs from '@tensorflow/tfjs';
import type { BuiltModel, NamedTensors } from '../built.ts';
import type { EngineTools } from './tools.ts';

export interface Examples {
  /** [examples, …input] */
  readonly inputs: tfjs.Tensor;
  /** [examples, outputs] */
  readonly targets: tfjs.Tensor2D;
  /** In training: the model's masks by name, a row for each example. Default: none. */
  readonly masks?: NamedTensors;
  /** In evaluation: the running statistics that the model normalises with, by name. Default: none. */
  readonly statistics?: NamedTensors;
  /**
   * In training: the running statistics before this meta-step, which move and are not used, by
   * name. Default: none.
   */
  readonly running?: NamedTensors;
}

export interface DifferentiatedLoss {
  readonly loss: tfjs.Scalar;
  readonly predictions: tfjs.Tensor2D;
  /**
   * By name; and the new values of the model's running statistics, which are averaged and have no gradient.
   */
  readonly gradients: NamedTensors;
}

type Predict = (params: NamedTensors, inputs: tfjs.Tensor) => tfjs.Tensor2D;

export interface GradientKit {
  /**
   * What the model predicts from for the examples: the parameters, and the examples' masks and statistics.
   */
  forExamples(params: NamedTensors, examples: Examples): NamedTensors;
  /**
   * A training task's new values of the model's running statistics, after the model has seen the
   * examples; none where it has none.
   */
  runningAfter(params: NamedTensors, examples: Examples): NamedTensors;
  /** The objective's loss of the model with these parameters on the examples. */
  lossOf(params: NamedTensors, examples: Examples): tfjs.Scalar;
  /** ∂ loss / ∂ params on the examples, by name. `others`: parameters that the model needs and that are not differentiated. */
  gradientsOf(params: NamedTensors, examples: Examples, others?: NamedTensors): NamedTensors;
  /** The gradient of any scalar function of named tensors, by name. */
  gradientOf(f: (params: NamedTensors) => tfjs.Scalar, params: NamedTensors): NamedTensors;
  /**
   * Loss on the examples at `adapt(params)`, its gradient with respect to `params` through all that `adapt` does, and the predictions that the
   * loss was made of. These leave the differentiated function beside the loss, with an upstream gradient of zero, so that no second forward
   * pass is needed for the accuracy.
   *
   * @param predict default: the model's.
   */
  differentiate(
    params: NamedTensors,
    adapt: (params: NamedTensors) => NamedTensors,
    examples: Examples,
    predict?: Predict,
  ): DifferentiatedLoss;
  /**
   * `step(params, examples)`, whose intermediate tensors are computed again when it is differentiated, instead of kept until then: the memory of one
   * step instead of all, for one more forward pass of each. The numbers are the same to float32 rounding. The result's names need not be those of
   * `params`.
   */
  withoutKeeping(
    step: (params: NamedTensors, examples: Examples) => NamedTensors,
    params: NamedTensors,
    examples: Examples,
  ): NamedTensors;
  mapParams(params: NamedTensors, change: (name: string, value: tfjs.Tensor) => tfjs.Tensor): NamedTensors;
}

export interface DifferentiatedModel {
  readonly predict: Predict;
  readonly running?: BuiltModel['running'];
  readonly loss: (predictions: tfjs.Tensor2D, targets: tfjs.Tensor2D) => tfjs.Scalar;
}

export function gradientKit({ tf, rematerialize }: EngineTools, model: DifferentiatedModel): GradientKit {
  const gradientOf: GradientKit['gradientOf'] = (f, params) => {
    const names = Object.keys(params);
    const onTensors = (...tensors: tfjs.Tensor[]) => f(zip(names, tensors));
    return zip(names, tf.grads(onTensors)(tensorsOf(names, params)));
  };
  const forExamples: GradientKit['forExamples'] = (params, { masks, statistics }) => ({
    ...params,
    ...masks,
    ...statistics,
  });
  const lossOf: GradientKit['lossOf'] = (params, examples) =>
    model.loss(model.predict(forExamples(params, examples), examples.inputs), examples.targets);
  const runningAfter: GradientKit['runningAfter'] = (params, examples) =>
    (examples.running && model.running?.(forExamples(params, examples), examples.inputs, examples.running)) ?? {};
  return {
    forExamples,
    runningAfter,
    lossOf,
    gradientOf,
    gradientsOf: (params, examples, others = {}) =>
      gradientOf((some) => lossOf({ ...others, ...some }, examples), params),
    differentiate(params, adapt, examples, predict = model.predict) {
      const { inputs, targets } = examples;
      const names = Object.keys(params);
      const elements = targets.size;
      const lossAndPredictions = (...tensors: tfjs.Tensor[]) => {
        const predictions = predict(forExamples(adapt(zip(names, tensors)), examples), inputs);
        const loss = model.loss(predictions, targets);
        return tf.concat([tf.reshape(loss, [1]), tf.reshape(predictions, [elements])]);
      };
      const upstream = tf.concat([tf.ones([1]), tf.zeros([elements])]);
      // the types promise a scalar, but any shape goes when the upstream gradient has it too
      const differentiated = tf.valueAndGrads(
        lossAndPredictions as unknown as (...tensors: tfjs.Tensor[]) => tfjs.Scalar,
      );
      const { value, grads } = differentiated(tensorsOf(names, params), upstream as unknown as tfjs.Scalar);
      return {
        loss: tf.reshape(tf.slice(value as tfjs.Tensor, [0], [1]), []),
        predictions: tf.reshape(tf.slice(value as tfjs.Tensor, [1], [elements]), targets.shape),
        gradients: { ...zip(names, grads), ...(examples.running && runningAfter(adapt(params), examples)) },
      };
    },
    withoutKeeping(step, params, examples) {
      const { inputs, targets } = examples;
      const names = Object.keys(params);
      let resultNames: readonly string[] = [];
      const onTensors = ([inputs, targets, ...tensors]: readonly tfjs.Tensor[]) => {
        const result = step(zip(names, tensors), { ...examples, inputs: inputs!, targets: targets as tfjs.Tensor2D });
        resultNames = Object.keys(result);
        return tensorsOf(resultNames, result);
      };
      const results = rematerialize(onTensors, [inputs, targets, ...tensorsOf(names, params)]);
      return zip(resultNames, results);
    },
    mapParams: (params, change) =>
      Object.fromEntries(Object.entries(params).map(([name, value]) => [name, change(name, value)])),
  };
}

const tensorsOf = (names: readonly string[], params: NamedTensors): tfjs.Tensor[] => names.map((name) => params[name]!);

const zip = (names: readonly string[], tensors: readonly tfjs.Tensor[]): NamedTensors =>
  Object.fromEntries(names.map((name, index) => [name, tensors[index]!]));
