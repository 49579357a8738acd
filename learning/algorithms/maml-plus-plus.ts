// MAML++: MAML with what keeps it stable, each a switch of its own (Antoniou, Edwards & Storkey
// 2019, §4, and the authors' code). Multi-step loss: Σᵢ vᵢ·L_query(φᵢ), whose weights move from 1/k
// each to the last step. Derivative-order annealing: meta-steps of first order before those of
// second order. Learned rates: φᵢ₊₁ = φᵢ − αᵢ·∇L_support(φᵢ) with one αᵢ for each tensor and step.
// Per-step batch norm: its scale and shift are meta-learned for each step and not adapted. The
// paper's cosine meta-rate is `meta.schedule`; its batch norm statistics of each step are not kept,
// as its code normalises by the batch. The ensemble of the best checkpoints is `evaluation.ensemble`.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { positive } from '../../shared/job-spec/fields.ts';
import type { NamedTensors, TaskFunction } from '../built.ts';
import type { Parameter } from '../facts.ts';
import { sumOfTasks } from '../kit/contribution.ts';
import { innerSteps } from '../kit/fields.ts';
import type { Examples } from '../kit/gradients.ts';
import { constant } from '../kit/initializers.ts';
import { supportNeeded, supportNeededCel } from '../kit/needs.ts';
import { withoutPrefix, withPrefix } from '../kit/prefix.ts';
import { first } from '../kit/sequence.ts';
import { type CheckedJob, defineAlgorithm } from '../part.ts';

const share = z.number().min(0).max(1);

const schema = z.strictObject({
  innerSteps: innerSteps.default(5),
  /** Of every step and tensor, or the first value of each where they are learned. */
  innerLearningRate: positive.default(0.1),
  /** Share of the job's meta-steps with a multi-step loss; 0: the last step's loss alone. */
  multiStepLoss: share.default(0.1),
  /** Share of the job's meta-steps that are of first order, before those of second order. */
  firstOrder: share.default(0),
  /** Whether a rate for each tensor and inner step is meta-learned. */
  learnedRates: z.boolean().default(true),
  /** Whether each inner step has a scale and shift of batch norm of its own. */
  perStepBatchNorm: z.boolean().default(true),
});

type Spec = z.infer<typeof schema>;

const rateOf = (name: string): string => `rate.${name}`;

const normalizationOf = ({ perStepBatchNorm }: Spec, model: readonly Parameter[]): readonly Parameter[] =>
  perStepBatchNorm ? model.filter(({ isNormalization }) => isNormalization) : [];

/** Meta-steps that a share of the job's comes to. */
const metaStepsOf = (share: number, { spec: { meta } }: CheckedJob): number => Math.round(share * meta.iterations);

/** Of its own, the last step's weight never comes to all: as in the authors' code, `get_per_step_loss_importance_vector`. */
const leastShare = 0.03;

/** v₁ … v_k. */
export function stepWeights(steps: number, metaStep: number, annealed: number): readonly number[] {
  if (metaStep >= annealed) return Array.from({ length: steps }, (_, step) => (step === steps - 1 ? 1 : 0));
  const early = Math.max((1 - metaStep / annealed) / steps, leastShare / steps);
  return Array.from({ length: steps }, (_, step) => (step === steps - 1 ? 1 - (steps - 1) * early : early));
}

export const mamlPlusPlus = defineAlgorithm({
  name: 'maml-plus-plus',
  title: 'MAML++',
  summary: 'MAML with a multi-step loss, annealed order, and rates and batch norm of each inner step',
  paper: 'Antoniou, Edwards & Storkey 2019',
  schema,
  variants: {
    everything: { innerSteps: 2, multiStepLoss: 1 },
    'without batch norm of each step': { innerSteps: 2, multiStepLoss: 0, perStepBatchNorm: false },
  },
  describe: () => 'MAML++',
  needs: supportNeeded,
  needsModel: (parameters, spec) =>
    !spec.perStepBatchNorm || normalizationOf(spec, parameters).length > 0
      ? undefined
      : 'a model with batch norm, for algorithm.perStepBatchNorm true',
  parameters(spec, model) {
    const { innerSteps, innerLearningRate, learnedRates } = spec;
    const normalization = new Set(normalizationOf(spec, model));
    const ofModel = model.map((parameter) =>
      normalization.has(parameter) ? { ...parameter, shape: [innerSteps, ...parameter.shape] } : parameter,
    );
    const rates = model
      .filter((parameter) => !normalization.has(parameter))
      .map(({ name }) => ({
        name: rateOf(name),
        shape: [innerSteps],
        initialize: constant(innerLearningRate),
        group: 'rates',
      }));
    return learnedRates ? [...ofModel, ...rates] : ofModel;
  },
  inputs: ({ innerSteps, multiStepLoss, firstOrder }, metaStep, job) => ({
    stepWeights: stepWeights(innerSteps, metaStep, metaStepsOf(multiStepLoss, job)),
    isFirstOrder: metaStep < metaStepsOf(firstOrder, job) ? 1 : 0,
  }),
  passes: ({ innerSteps, multiStepLoss }) => (multiStepLoss > 0 ? 2 : 1) * innerSteps,
  cel: ({ innerSteps, multiStepLoss, learnedRates, perStepBatchNorm }, { task }) => ({
    needs: supportNeededCel(task),
    needsModel: ({ normalizationTensors = '0' }) => ({
      rule: normalizationTensors === '0' ? `!${perStepBatchNorm}` : 'true',
      message: 'needs a model with batch norm, for algorithm.perStepBatchNorm true',
    }),
    parameters({ body, head, tensors, normalization = '0', normalizationTensors = '0' }) {
      const more = `(${perStepBatchNorm} ? (${innerSteps} - 1) * ${normalization} : 0)`;
      const rated = `(${tensors} - (${perStepBatchNorm} ? ${normalizationTensors} : 0))`;
      return `${body} + ${head} + ${more} + (${learnedRates} ? ${innerSteps} * ${rated} : 0)`;
    },
    check: [
      {
        rule: `${learnedRates} || !has(self.meta.groups) || !('rates' in self.meta.groups)`,
        message:
          "meta.groups: accepted: groups of parameters of the algorithm: ['model'], as algorithm.learnedRates is false",
      },
    ],
    groups: ['model', 'rates'],
    passes: `(${multiStepLoss} > 0.0 ? 2 : 1) * ${innerSteps}`,
  }),
  build(spec, kit) {
    const { tf } = kit;
    const perStep = normalizationOf(spec, kit.modelParameters).map(({ name }) => name);
    const adapted = kit.modelParameters.map(({ name }) => name).filter((name) => !perStep.includes(name));

    /** What is kept for step number `step`, or for the last step after that, of a tensor [innerSteps, …]. */
    const ofStep = (tensor: tfjs.Tensor, step: number): tfjs.Tensor => {
      const [, ...shape] = tensor.shape;
      const row = Math.min(step, spec.innerSteps - 1);
      return tf.reshape(tf.slice(tensor, [row, ...shape.map(() => 0)], [1, ...shape]), shape);
    };
    const normalizationAt = (theta: NamedTensors, step: number) =>
      pick(theta, perStep, (tensor) => ofStep(tensor, step));
    const rateAt = (theta: NamedTensors, name: string, step: number) =>
      spec.learnedRates ? ofStep(theta[rateOf(name)]!, step) : spec.innerLearningRate;

    /** The inner gradient at each step, and the parameters after it. @param given the gradients, as constants. */
    function* steps(theta: NamedTensors, support: Examples, given?: readonly NamedTensors[]) {
      let params = pick(theta, adapted);
      for (let step = 0; ; step++) {
        const normalization = normalizationAt(theta, step);
        const gradients = given?.[step] ?? kit.gradientsOf(params, support, normalization);
        params = kit.mapParams(params, (name, value) =>
          tf.sub(value, tf.mul(gradients[name]!, rateAt(theta, name, step))),
        );
        yield { gradients, params: { ...params, ...normalization } };
      }
    }

    const program = (order: 'first' | 'second', isMultiStep: boolean): TaskFunction => {
      return (theta, task, { stepWeights }) => {
        const [support, query] = [kit.supportSet(task), kit.querySet(task)];
        const taken = (params: NamedTensors, given?: readonly NamedTensors[]) => [
          ...first(spec.innerSteps, steps(params, support, given)),
        ];
        const given = order === 'first' ? taken(theta).map(({ gradients }) => gradients) : undefined;
        const states = (params: NamedTensors) => taken(params, given).map(({ params }) => kit.stateOf(params, support));
        const weighted = (params: NamedTensors) =>
          tf.addN(
            states(params).map((state, step) =>
              tf.mul(kit.lossOf(state, query), tf.reshape(tf.slice(stepWeights!, [step], [1]), [])),
            ),
          ) as tfjs.Scalar;
        const { loss, predictions, gradients } = isMultiStep
          ? {
              loss: weighted(theta),
              predictions: kit.model.predict(kit.forExamples(states(theta).at(-1)!, query), query.inputs),
              gradients: { ...kit.gradientOf(weighted, theta), ...kit.runningAfter(states(theta).at(-1)!, query) },
            }
          : kit.differentiate(theta, (params) => states(params).at(-1)!, query);
        const { each } = kit.outputs({}, loss, predictions, query.targets);
        return { sum: {}, each: { ...withPrefix('gradient.', gradients), ...withPrefix('measure.', each) } };
      };
    };
    const multiStepShare = spec.innerSteps > 1 ? spec.multiStepLoss : 0;
    // only what the job can need, since programs are compiled when a job is opened
    const programs = Object.fromEntries(
      (['first', 'second'] as const)
        .filter((order) => (order === 'first' ? spec.firstOrder > 0 : spec.firstOrder < 1))
        .flatMap((order) =>
          [true, false]
            .filter((isMultiStep) => (isMultiStep ? multiStepShare > 0 : multiStepShare < 1))
            .map((isMultiStep) => [nameOf(order, isMultiStep), { compute: program(order, isMultiStep) }]),
        ),
    );
    return {
      *adapt(theta, task) {
        const support = kit.supportSet(task);
        yield kit.stateOf({ ...pick(theta, adapted), ...normalizationAt(theta, 0) }, support);
        for (const { params } of steps(theta, support)) yield kit.stateOf(params, support);
      },
      predict: (_theta, state, inputs) => kit.model.predict(state, inputs),
      train: {
        programs,
        async shard({ taskCount, step }, run) {
          const isMultiStep = step.stepWeights!.slice(0, -1).some((weight) => weight > 0);
          const order = step.isFirstOrder![0] === 1 ? 'first' : 'second';
          const { each } = await run(nameOf(order, isMultiStep));
          const contributions = withoutPrefix('gradient.', each);
          return sumOfTasks({ taskCount, contributions, measures: withoutPrefix('measure.', each) });
        },
      },
    };
  },
});

const nameOf = (order: 'first' | 'second', isMultiStep: boolean): string =>
  `${order} order${isMultiStep ? ', multi-step' : ''}`;

const pick = (
  all: NamedTensors,
  names: readonly string[],
  change = (tensor: tfjs.Tensor): tfjs.Tensor => tensor,
): NamedTensors => Object.fromEntries(names.map((name) => [name, change(all[name]!)]));
