// What the layers of a model compute, by name. A model hands each layer's output through `layer`,
// which returns it as it is; only while somebody asks are outputs kept. Predicting costs nothing
// more, and a model is written once.
import type * as tfjs from '@tensorflow/tfjs';
import type { NamedTensors } from '../built.ts';

export interface LayerOutputs {
  /**
   * @param name of the layer: what stands before the first `.` of its parameters' names.
   * @param output [examples, …]
   * @returns the output.
   */
  layer<Output extends tfjs.Tensor>(name: string, output: Output): Output;
  /** The outputs of the layers that `run` goes through, by name. */
  during(run: () => unknown): NamedTensors;
}

export function layerOutputs(): LayerOutputs {
  let kept: Record<string, tfjs.Tensor> | undefined;
  return {
    layer(name, output) {
      if (kept) kept[name] = output;
      return output;
    },
    during(run) {
      const outputs: Record<string, tfjs.Tensor> = {};
      kept = outputs;
      try {
        run();
      } finally {
        kept = undefined;
      }
      return outputs;
    },
  };
}
