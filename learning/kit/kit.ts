// What parts are built with: `tf` itself, and the functions on it that most parts need. Made once a job,
// on the worker, by the one place that has an engine.
import type * as tfjs from '@tensorflow/tfjs';
import type { BuiltModel, BuiltObjective, NamedTensors, TaskOutputs } from '../built.ts';
import type { Parameter, TaskFacts } from '../facts.ts';
import { givenOf } from './given.ts';
import { type Examples, type GradientKit, gradientKit } from './gradients.ts';
import type { LayerOutputs } from './layers.ts';
import type { EngineTools, Tf } from './tools.ts';

export interface ModelKit extends Pick<LayerOutputs, 'layer'> {
  readonly tf: Tf;
  readonly task: TaskFacts;
}

export interface ObjectiveKit {
  readonly tf: Tf;
  readonly task: TaskFacts;
}

/** What an algorithm is built with: the model and the objective of its job, and gradients of them. */
export interface Kit extends GradientKit {
  readonly tf: Tf;
  readonly task: TaskFacts;
  readonly model: BuiltModel;
  readonly objective: BuiltObjective;
  /**
   * The model's parameters, and all of θ: the same unless the algorithm changes them. Running
   * statistics are in neither: see `kit/given.ts`.
   */
  readonly modelParameters: readonly Parameter[];
  readonly parameters: readonly Parameter[];
  /** Whether the model names its layers, and so has `outputsOfLayers`. */
  readonly namesLayers: boolean;
  /** What the layers of the model compute for the inputs, by name: [examples, …]. */
  outputsOfLayers(state: NamedTensors, inputs: tfjs.Tensor): NamedTensors;
  supportSet(task: NamedTensors): Examples;
  querySet(task: NamedTensors): Examples;
  /** The examples of a sequence, in order. */
  streamOf(task: NamedTensors): Examples;
  /** What `model.predict` takes to predict for the task: the parameters, and what the model needs of the support set (`model.statistics`). */
  stateOf(params: NamedTensors, support: Examples): NamedTensors;
  /** Every measure of the objective, by name: scalars. */
  measure(predictions: tfjs.Tensor2D, targets: tfjs.Tensor2D): NamedTensors;
  /** What several models predict together: the objective's `average`. */
  average(predictions: readonly tfjs.Tensor2D[]): tfjs.Tensor2D;
  /** A task's outputs, with the measures of predictions whose loss is known already. */
  outputs(
    contribution: NamedTensors,
    loss: tfjs.Scalar,
    predictions: tfjs.Tensor2D,
    targets: tfjs.Tensor2D,
  ): TaskOutputs;
}

export interface KitParts {
  readonly task: TaskFacts;
  readonly model: BuiltModel;
  readonly objective: BuiltObjective;
  readonly modelParameters: readonly Parameter[];
  readonly parameters: readonly Parameter[];
  readonly namesLayers: boolean;
  /** That the model was built with. */
  readonly layers: LayerOutputs;
}

export function createKit(tools: EngineTools, { layers, ...parts }: KitParts): Kit {
  const { model, objective } = parts;
  const gradients = gradientKit(tools, {
    predict: model.predict,
    ...(model.running && { running: model.running }),
    loss: objective.loss,
  });
  const measured = (loss: tfjs.Scalar, predictions: tfjs.Tensor2D, targets: tfjs.Tensor2D): NamedTensors => ({
    loss,
    ...Object.fromEntries(
      Object.entries(objective.others).map(([name, measure]) => [name, measure(predictions, targets)]),
    ),
  });
  return {
    ...parts,
    ...gradients,
    tf: tools.tf,
    outputsOfLayers: (state, inputs) => layers.during(() => model.predict(state, inputs)),
    supportSet: (task) => ({
      inputs: task.supportInputs!,
      targets: task.supportTargets as tfjs.Tensor2D,
      ...givenOf(task, 'support'),
    }),
    querySet: (task) => ({
      inputs: task.queryInputs!,
      targets: task.queryTargets as tfjs.Tensor2D,
      ...givenOf(task, 'query'),
    }),
    streamOf: (task) => ({ inputs: task.streamInputs!, targets: task.streamTargets as tfjs.Tensor2D }),
    stateOf: (params, support) => ({
      ...params,
      ...model.statistics?.(gradients.forExamples(params, support), support.inputs),
    }),
    measure: (predictions, targets) => measured(objective.loss(predictions, targets), predictions, targets),
    average: (predictions) => objective.average?.(predictions) ?? meanOf(tools.tf, predictions),
    outputs: (contribution, loss, predictions, targets) => ({
      sum: contribution,
      each: measured(loss, predictions, targets),
    }),
  };
}

const meanOf = (tf: Tf, predictions: readonly tfjs.Tensor2D[]): tfjs.Tensor2D =>
  tf.div(tf.addN([...predictions]), predictions.length);
