// What a model is to the rest of the worker: named parameters in a fixed order, their first values, and a pure prediction from them.
// A model holds no state: the same function serves θ, every φ on the way, and any order of gradient.
import type { ModelSpec } from '../../../shared/job-spec/model.ts';
import type { TaskShape } from '../../../shared/job-spec/task-shape.ts';
import type { Rng } from '../../../shared/rng.ts';
import { elementsOf, layoutElements, type ParamsLayout } from '../../../shared/tensor-codec.ts';
import type { NamedTensors } from '../../engine/engine.ts';
import type { tf } from '../../engine/tf/tf.ts';
import type { Initializer } from './initializers.ts';

export interface Model {
  readonly parameters: readonly Parameter[];
  /** A prediction for one example depends on the others that are predicted with it, as batch norm on the batch's own statistics makes it. */
  readonly isTransductive: boolean;
  /** @param inputs [examples, …input]. @returns [examples, outputs]: values, or logits. */
  predict(params: NamedTensors, inputs: tf.Tensor): tf.Tensor2D;
}

export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly initialize: Initializer;
}

/** @throws MetatrainError `REQUEST_INVALID` when the model cannot take the task's inputs. */
export type BuildModel<Spec extends ModelSpec> = (spec: Spec, task: TaskShape) => Model;

export function layoutOf({ parameters }: Model): ParamsLayout {
  return { tensors: parameters.map(({ name, shape }) => ({ name, shape })) };
}

/** θ₀, flat in layout order: each parameter in turn, row-major, from one stream. */
export function initialParams(model: Model, rng: Rng): Float32Array {
  const values = new Float32Array(layoutElements(layoutOf(model)));
  let offset = 0;
  for (const { shape, initialize } of model.parameters) {
    const end = offset + elementsOf(shape);
    while (offset < end) values[offset++] = initialize(rng);
  }
  return values;
}
