// CAVIA: only a small context is adapted. φ₀ = 0 for every task, φᵢ₊₁ = φᵢ − α·∇_φ L_support(θ,
// φᵢ); θ, shared by all tasks, is meta-learned by ∇_θ L_query(θ, φ_k), through the steps (Zintgraf,
// Shiarlis, Kurin, Hofmann & Whiteson 2019, equations 4 and 5). The context moves named vectors b
// of the model: b ← b + φ·W_b, with W_b in θ. Of the first layer's bias this is the context as
// further inputs (§3.1: W·[x; φ] + b); of the scale and shift of a batch norm it is FiLM (§3.2,
// which modulates the third convolution).
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { positive } from '../../shared/job-spec/fields.ts';
import { elementsOf } from '../../shared/tensor-codec.ts';
import type { NamedTensors } from '../built.ts';
import { bodyOf, type Parameter } from '../facts.ts';
import { innerSteps } from '../kit/fields.ts';
import type { Examples } from '../kit/gradients.ts';
import { xavierUniform } from '../kit/initializers.ts';
import { supportNeeded } from '../kit/needs.ts';
import { after } from '../kit/sequence.ts';
import { defineAlgorithm } from '../part.ts';

const schema = z.strictObject({
  /** Numbers in the context. */
  contextSize: z.int().min(1).max(4096).default(5),
  innerSteps: innerSteps.default(1),
  innerLearningRate: positive.default(1),
  /** The vectors of the model that the context moves, by name. Default: all vectors before the head. */
  modulates: z.array(z.string().min(1).max(200)).min(1).max(1000).optional(),
});

const weightsOf = (name: string): string => `context.${name}`;

const vectorsOf = (model: readonly Parameter[]) => bodyOf(model).filter(({ shape }) => shape.length === 1);

/** The vectors that the context moves, in the model's order. */
function modulated({ modulates }: z.infer<typeof schema>, model: readonly Parameter[]): readonly Parameter[] {
  if (modulates === undefined) return vectorsOf(model);
  return model.filter(({ name }) => modulates.includes(name));
}

export const cavia = defineAlgorithm({
  name: 'cavia',
  title: 'CAVIA',
  summary: 'adapts only a small context, which starts at zero in every task and moves biases or scales of the model',
  paper: 'Zintgraf, Shiarlis, Kurin, Hofmann & Whiteson 2019',
  schema,
  variants: { 'two steps': { contextSize: 3, innerSteps: 2, innerLearningRate: 0.3 } },
  describe: ({ contextSize }) => (contextSize ? `CAVIA of ${contextSize} context parameters` : 'CAVIA'),
  needs: supportNeeded,
  needsModel(parameters, { modulates }) {
    const vectors = vectorsOf(parameters).map(({ name }) => name);
    if (vectors.length === 0) return 'a model with biases, scales or shifts before its head';
    const unknown = modulates?.find((name) => !vectors.includes(name));
    if (unknown === undefined) return undefined;
    return `a model with the vector ${unknown} of algorithm.modulates; this one has ${vectors.join(', ')}`;
  },
  parameters: (spec, model) => [
    ...model,
    ...modulated(spec, model).map(({ name, shape }) => ({
      name: weightsOf(name),
      shape: [spec.contextSize, ...shape],
      initialize: xavierUniform(spec.contextSize, elementsOf(shape)),
    })),
  ],
  passes: ({ innerSteps }) => innerSteps,
  build(spec, kit) {
    const { tf } = kit;
    const moved = modulated(spec, kit.modelParameters).map(({ name }) => name);
    const modelAt = (theta: NamedTensors, context: tfjs.Tensor): NamedTensors => {
      const own = Object.fromEntries(kit.modelParameters.map(({ name }) => [name, theta[name]!]));
      const shifted = moved.map((name) => {
        const by = tf.matMul(context as tfjs.Tensor2D, theta[weightsOf(name)] as tfjs.Tensor2D);
        return [name, tf.add(own[name]!, tf.reshape(by, [-1]))];
      });
      return { ...own, ...Object.fromEntries(shifted) };
    };
    /** φ₀, φ₁, … [1, contextSize] */
    function* contexts(theta: NamedTensors, support: Examples): Iterable<tfjs.Tensor> {
      let context: tfjs.Tensor = tf.zeros([1, spec.contextSize]);
      for (;;) {
        yield context;
        const loss = (at: NamedTensors) => kit.lossOf(modelAt(theta, at.context!), support);
        const { context: gradient } = kit.gradientOf(loss, { context });
        context = tf.sub(context, tf.mul(gradient!, spec.innerLearningRate));
      }
    }
    const stateAt = (theta: NamedTensors, context: tfjs.Tensor, support: Examples) =>
      kit.stateOf(modelAt(theta, context), support);
    return {
      *adapt(theta, task) {
        const support = kit.supportSet(task);
        for (const context of contexts(theta, support)) yield stateAt(theta, context, support);
      },
      predict: (_theta, state, inputs) => kit.model.predict(state, inputs),
      train(theta, task) {
        const [support, query] = [kit.supportSet(task), kit.querySet(task)];
        const adapted = (params: NamedTensors) => {
          const start = tf.zeros([1, spec.contextSize]);
          return stateAt(params, after(spec.innerSteps + 1, contexts(params, support), start), support);
        };
        const { loss, predictions, gradients } = kit.differentiate(theta, adapted, query);
        return kit.outputs(gradients, loss, predictions, query.targets);
      },
    };
  },
});
