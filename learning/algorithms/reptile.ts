// Reptile, batched: φ from θ by k steps of an inner optimizer on the task's mini-batches; the meta-gradient
// is θ − φ (Nichol et al. 2018, algorithm 2). The paper's meta-step θ ← θ + ε·mean(φ − θ) is therefore plain
// gradient descent of rate ε. Training sees support and query set together, as the authors' `train-shots`;
// testing adapts on the support set alone. Mini-batches are taken in turn; the sampler's order puts all
// classes into each. The inner optimizer starts anew with each task (the authors' code carries Adam's
// second moment from task to task), since a task's result may depend on θ and the task alone.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { positive } from '../../shared/job-spec/fields.ts';
import type { NamedTensors } from '../built.ts';
import { innerSteps } from '../kit/fields.ts';
import type { Examples } from '../kit/gradients.ts';
import { descend } from '../kit/inner-loop.ts';
import { innerOptimizerField, innerUpdate } from '../kit/inner-optimizer.ts';
import type { Kit } from '../kit/kit.ts';
import { supportNeeded, supportNeededCel } from '../kit/needs.ts';
import { after } from '../kit/sequence.ts';
import { defineAlgorithm } from '../part.ts';

const schema = z.strictObject({
  /** Inner steps in training, on the support and query sets together. */
  innerSteps: innerSteps.default(5),
  innerLearningRate: positive.default(0.02),
  /** Examples of one inner step, taken in turn from the task; absent means all. */
  innerBatchSize: z.int().min(1).optional(),
  innerOptimizer: innerOptimizerField({ beta1: 0 }),
});

export const reptile = defineAlgorithm({
  name: 'reptile',
  title: 'Reptile',
  summary: 'moves the start towards what plain training on each task arrives at, without second derivatives',
  paper: 'Nichol, Achiam & Schulman 2018',
  schema,
  variants: {
    'all examples': { innerSteps: 2, innerLearningRate: 0.1 },
    'mini-batches in turn': { innerSteps: 3, innerLearningRate: 0.1, innerBatchSize: 3 },
  },
  describe: () => 'Reptile',
  needs: supportNeeded,
  check({ innerBatchSize }, { task }) {
    const examples = task.supportExamples + task.queryExamples;
    if (innerBatchSize === undefined || innerBatchSize <= examples) return [];
    const accepted = `at most the task's ${examples} examples`;
    return [{ field: 'algorithm.innerBatchSize', got: String(innerBatchSize), accepted }];
  },
  passes: ({ innerSteps }) => innerSteps,
  cel: ({ innerBatchSize, innerSteps }, { task }) => ({
    needs: supportNeededCel(task),
    check: [
      {
        rule: `!has(${innerBatchSize}) || ${innerBatchSize} <= ${task.supportExamples} + ${task.queryExamples}`,
        message: "algorithm.innerBatchSize: accepted: at most the task's examples, of support and query set together",
      },
    ],
    passes: innerSteps,
  }),
  // θ − φ is a way towards the task's solutions, not a local slope: it is averaged as it is, as in elastic
  // averaging (Zhang, Choromanska & LeCun 2015).
  staleWeight: () => 1,
  build(spec, kit) {
    const { tf, model, mapParams } = kit;
    const batches = miniBatches(kit);
    const update = innerUpdate(tf, spec.innerOptimizer, { isDifferentiated: false });
    const steps = (start: NamedTensors, examples: Examples) =>
      descend(kit, { update, rate: () => spec.innerLearningRate }, start, (step) =>
        batches.take(examples, step, spec.innerBatchSize),
      );
    return {
      *adapt(theta, task) {
        const support = kit.supportSet(task);
        yield kit.stateOf(theta, support);
        for (const params of steps(theta, support)) yield kit.stateOf(params, support);
      },
      predict: (_theta, state, inputs) => model.predict(state, inputs),
      train(theta, task) {
        const [support, query] = [kit.supportSet(task), kit.querySet(task)];
        const adapted = after(spec.innerSteps, steps(theta, batches.joined(support, query)), theta);
        const metaGradient = mapParams(theta, (name, value) => tf.sub(value, adapted[name]!));
        const state = kit.stateOf(adapted, support);
        const predictions = model.predict(kit.forExamples(state, query), query.inputs);
        const loss = kit.objective.loss(predictions, query.targets);
        const contribution = { ...metaGradient, ...kit.runningAfter(state, query) };
        return kit.outputs(contribution, loss, predictions, query.targets);
      },
    };
  },
});

function miniBatches({ tf, mapParams }: Kit) {
  const rows = ({ inputs, targets, masks = {}, ...others }: Examples, begin: number, size: number): Examples => {
    const cut = <T extends tfjs.Tensor>(x: T): T => {
      const [, ...shape] = x.shape;
      return tf.slice(x, [begin, ...shape.map(() => 0)], [size, ...shape]);
    };
    return { ...others, inputs: cut(inputs), targets: cut(targets), masks: mapParams(masks, (_, mask) => cut(mask)) };
  };
  const joined = (a: Examples, b: Examples): Examples => ({
    ...a,
    inputs: tf.concat([a.inputs, b.inputs], 0),
    targets: tf.concat([a.targets, b.targets], 0),
    masks: mapParams(a.masks ?? {}, (name, mask) => tf.concat([mask, b.masks![name]!], 0)),
  });
  return {
    joined,
    /** The examples number step·size, step·size + 1, … of the task's, round and round; all of them when they are no more than `size`. */
    take(examples: Examples, step: number, size: number | undefined): Examples {
      const count = examples.targets.shape[0];
      if (size === undefined || size >= count) return examples;
      const begin = (step * size) % count;
      const rest = count - begin;
      return rest >= size
        ? rows(examples, begin, size)
        : joined(rows(examples, begin, rest), rows(examples, 0, size - rest));
    },
  };
}
