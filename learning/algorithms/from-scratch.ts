// A baseline without meta-learning. Each task trains the whole model from a random start on its support set
// alone: φ₀ = θ, φᵢ₊₁ = φᵢ − α·∇L_support(φᵢ), for as many steps as the evaluation asks for. θ
// keeps its first random values, so the job has one meta-step. All tasks of a job begin at the same
// random start: the interval of an evaluation is that of the tasks, and jobs of several seeds show
// what the start contributes.
import { z } from 'zod';
import { positive } from '../../shared/job-spec/fields.ts';
import type { NamedTensors } from '../built.ts';
import { supportNeeded, supportNeededCel } from '../kit/needs.ts';
import { kept, oneMetaStep, oneMetaStepCel } from '../kit/untrained.ts';
import { defineAlgorithm } from '../part.ts';

export const fromScratch = defineAlgorithm({
  name: 'from-scratch',
  title: 'training from scratch',
  summary: 'a baseline without meta-learning: each task trains the model from a random start',
  paper: '',
  schema: z.strictObject({ innerLearningRate: positive.default(0.1) }),
  variants: { 'from scratch': { innerLearningRate: 0.1 } },
  describe: () => 'training from scratch',
  needs: supportNeeded,
  check: (_spec, job) => oneMetaStep(job),
  parameters: (_spec, model) => kept(model),
  passes: () => 1,
  evaluationPasses: () => 1,
  cel: (_fields, { task }) => ({
    needs: supportNeededCel(task),
    check: [oneMetaStepCel],
    parameters: ({ body, head }) => `${body} + ${head}`,
    passes: '1',
    evaluationPasses: '1',
  }),
  build({ innerLearningRate }, kit) {
    const { tf, model, mapParams } = kit;
    const parametersOf = (state: NamedTensors): NamedTensors =>
      Object.fromEntries(kit.modelParameters.map(({ name }) => [name, state[name]!]));
    return {
      adapt: {
        start: (theta, task) => kit.stateOf(theta, kit.supportSet(task)),
        next(_theta, state, task) {
          const support = kit.supportSet(task);
          const params = parametersOf(state);
          const gradients = kit.gradientsOf(params, support);
          const stepped = mapParams(params, (name, value) =>
            tf.sub(value, tf.mul(gradients[name]!, innerLearningRate)),
          );
          return kit.stateOf(stepped, support);
        },
      },
      predict: (_theta, state, inputs) => model.predict(state, inputs),
      train(theta, task) {
        const query = kit.querySet(task);
        const predictions = model.predict(kit.stateOf(theta, kit.supportSet(task)), query.inputs);
        return { sum: {}, each: kit.measure(predictions, query.targets) };
      },
    };
  },
});
