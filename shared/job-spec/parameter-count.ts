// How many parameters θ has, from the job file alone. The worker's models define the layout itself; a
// test compares the two.
import type { ModelSpec } from './model.ts';
import type { TaskShape } from './task-shape.ts';

type Count<Spec> = (model: Spec, task: TaskShape) => number;

const counts: {
  readonly [Name in ModelSpec['architecture']]: Count<Extract<ModelSpec, { architecture: Name }>>;
} = {
  mlp({ hiddenLayers }, { input, outputs }) {
    const widths = [sizeOf(input), ...hiddenLayers, outputs];
    return widths.slice(1).reduce((sum, width, layer) => sum + (widths[layer]! + 1) * width, 0);
  },
  conv4({ filters, downsampling, batchNormScale }, { input, outputs }) {
    const [height, width, channels] = input as [number, number, number];
    const inputs = [channels, filters, filters, filters];
    const normed = batchNormScale ? 2 : 1;
    const blocks = inputs.reduce((sum, channelsIn) => sum + (9 * channelsIn + normed) * filters, 0);
    const features = downsampling === 'max-pool' ? (height >> 4) * (width >> 4) * filters : filters;
    return blocks + (features + 1) * outputs;
  },
};

/** Exact as long as it is a safe integer, which every model of the schema is. */
export function parameterCount(model: ModelSpec, task: TaskShape): number {
  return (counts[model.architecture] as Count<ModelSpec>)(model, task);
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
