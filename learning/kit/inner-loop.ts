// Adaptation by gradient steps on some of the parameters, the others held, and the meta-gradient of the
// query loss after it: what MAML and its relatives share. φ₀ = θ, φᵢ₊₁ = φᵢ − α·∇L_support(φᵢ). To second
// order the meta-gradient goes through the steps; to first order it is that at their end.
import type * as tfjs from '@tensorflow/tfjs';
import { z } from 'zod';
import { positive } from '../../shared/job-spec/fields.ts';
import type { BuiltAlgorithm, NamedTensors } from '../built.ts';
import type { Parameter } from '../facts.ts';
import { innerSteps } from './fields.ts';
import type { Examples } from './gradients.ts';
import { type InnerUpdate, innerOptimizerField, innerUpdate } from './inner-optimizer.ts';
import type { Kit } from './kit.ts';
import { after } from './sequence.ts';

/** The fields of an algorithm that adapts by gradient steps. */
export const innerLoopFields = {
  /** `first`: every inner gradient is a constant to the meta-gradient. */
  order: z.enum(['first', 'second']).default('second'),
  innerSteps: innerSteps.default(1),
  innerLearningRate: positive.default(0.01),
  innerOptimizer: innerOptimizerField({ beta1: 0.9 }),
};

export type InnerLoopSpec = z.infer<z.ZodObject<typeof innerLoopFields>>;

export interface Descent {
  /** The parameters that steps change. Default: the model's. */
  readonly adapted?: readonly Parameter[];
  readonly update: InnerUpdate;
  /** Of the named parameter; `params` has all of θ. */
  rate(name: string, params: NamedTensors): number | tfjs.Tensor;
  /** Compute each step again for its gradient instead of keeping it. */
  readonly rematerialize?: boolean;
}

/** The parameters after 1, 2, … steps from `start`, each on the examples that `examplesOf` gives for it. */
export function* descend(
  kit: Kit,
  { adapted = kit.modelParameters, update, rate, rematerialize = false }: Descent,
  start: NamedTensors,
  examplesOf: (step: number) => Examples,
): Iterable<NamedTensors> {
  const names = adapted.map(({ name }) => name);
  const isAdapted = new Set(names);
  const held = Object.keys(start).filter((name) => !isAdapted.has(name));
  let params = start;
  let slots: NamedTensors = {};
  for (let step = 0; ; step++) {
    const advance = (all: NamedTensors, examples: Examples): NamedTensors => {
      const gradients = kit.gradientsOf(pick(all, names), examples, pick(all, held));
      const next: Record<string, tfjs.Tensor> = {};
      for (const name of names) {
        const [value, gradient] = [all[name]!, gradients[name]!];
        const updated = update({ name, value, gradient, rate: rate(name, all), slots: all, step });
        Object.assign(next, { [name]: updated.value }, updated.slots);
      }
      return next;
    };
    const all = { ...params, ...slots };
    const next = rematerialize ? kit.withoutKeeping(advance, all, examplesOf(step)) : advance(all, examplesOf(step));
    params = { ...params, ...pick(next, names) };
    slots = pick(next, Object.keys(next).filter((name) => !isAdapted.has(name))); // biome-ignore format: one line
    yield params;
  }
}

export interface InnerLoop extends Omit<Descent, 'update' | 'rate'>, Omit<InnerLoopSpec, 'innerLearningRate'> {
  readonly rate: Descent['rate'];
}

/**
 * The algorithm whose adaptation is `innerSteps` such steps on the support set, and whose contribution is the
 * gradient of the query loss after them, of all of θ.
 */
export function gradientAdaptation(kit: Kit, loop: InnerLoop): BuiltAlgorithm {
  const update = innerUpdate(kit.tf, loop.innerOptimizer, { isDifferentiated: true });
  const steps = (start: NamedTensors, support: Examples) => descend(kit, { ...loop, update }, start, () => support);
  return {
    *adapt(theta, task) {
      const support = kit.supportSet(task);
      yield kit.stateOf(theta, support);
      for (const params of steps(theta, support)) yield kit.stateOf(params, support);
    },
    predict: (_theta, state, inputs) => kit.model.predict(state, inputs),
    train(theta, task) {
      const [support, query] = [kit.supportSet(task), kit.querySet(task)];
      const adapted = (params: NamedTensors) => after(loop.innerSteps, steps(params, support), params);
      const state = (params: NamedTensors) => kit.stateOf(params, support);
      const { loss, predictions, gradients } =
        loop.order === 'second'
          ? kit.differentiate(theta, (params) => state(adapted(params)), query)
          : kit.differentiate(adapted(theta), state, query);
      return kit.outputs(gradients, loss, predictions, query.targets);
    },
  };
}

/** As `gradientAdaptation`, from a section of the job file. */
export const adaptationOf = (
  kit: Kit,
  { innerLearningRate, ...loop }: InnerLoopSpec & Pick<Descent, 'adapted' | 'rematerialize'>,
): BuiltAlgorithm => gradientAdaptation(kit, { ...loop, rate: () => innerLearningRate });

const pick = (all: NamedTensors, names: readonly string[]): NamedTensors =>
  Object.fromEntries(names.map((name) => [name, all[name]!]));
