// Sinusoid regression: y = A·sin(x − φ) with A, φ and x uniform (Finn et al. 2017, §5.1). Tasks are drawn without end, so the splits differ in
// their random streams alone and share no task but by chance of 2⁻⁶⁴.
import type { SinusoidTaskSpec } from '../../../shared/job-spec/task.ts';
import { taskShapeOf } from '../../../shared/job-spec/task-shape.ts';
import { taskRng } from '../../../shared/rng.ts';
import type { OpenDistribution } from './distribution.ts';

export const openSinusoid: OpenDistribution<SinusoidTaskSpec> = async (spec, { seed }) => {
  const { amplitude, phase, input } = spec;
  const range = (bounds: readonly [number, number]) =>
    `[${bounds.map((bound) => Number(bound.toPrecision(6))).join(', ')}]`;
  return {
    shape: taskShapeOf(spec),
    splitDescription:
      `sinusoids y = A·sin(x − φ), A in ${range(amplitude)}, φ in ${range(phase)}, x in ${range(input)}; ` +
      'every split draws new tasks without end',
    data: [],
    classes: () => [],
    sample(split, index, task) {
      const rng = taskRng(seed, split, index);
      const a = rng.between(...amplitude);
      const phi = rng.between(...phase);
      const draw = (inputs: Float32Array, targets: Float32Array) => {
        for (let i = 0; i < inputs.length; i++) {
          const x = rng.between(...input);
          inputs[i] = x;
          targets[i] = a * Math.sin(x - phi);
        }
      };
      draw(task.supportInputs, task.supportTargets);
      draw(task.queryInputs, task.queryTargets);
    },
  };
};
