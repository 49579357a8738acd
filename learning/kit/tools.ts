// What the engine lends to the parts.
import type * as tfjs from '@tensorflow/tfjs';

export type Tf = typeof tfjs;

/** The engine's own functions beside TensorFlow.js's. */
export interface EngineTools {
  readonly tf: Tf;
  /**
   * `f` of the inputs, with nothing that it computes on the way kept for the gradient: it is computed again when the gradient is due. `f` must be
   * pure; all float32 tensors that it depends on and that are differentiated must be among the inputs.
   */
  rematerialize(
    f: (inputs: readonly tfjs.Tensor[]) => readonly tfjs.Tensor[],
    inputs: readonly tfjs.Tensor[],
  ): tfjs.Tensor[];
}
