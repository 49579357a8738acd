// A test's own algorithm that uses what the built-in ones do not: first-order MAML as a procedure that loops a
// one-step program, a looped adaptation, and inputs of the meta-step. `mistake` makes it break a rule.
import { z } from 'zod';
import type { Contribution, NamedArrays, NamedTensors } from '../../../learning/built.ts';
import { repeated, sumOfTasks } from '../../../learning/kit/contribution.ts';
import { ones, zeros } from '../../../learning/kit/initializers.ts';
import { supportNeeded } from '../../../learning/kit/needs.ts';
import { withoutPrefix, withPrefix } from '../../../learning/kit/prefix.ts';
import { defineAlgorithm } from '../../../learning/part.ts';
import { builtInParts, Registry } from '../../../learning/registry.ts';

const mistakes = [
  'carry',
  'carry not finite',
  'carry too large',
  'name',
  'program',
  'vector',
  'measure',
  'weight',
  'order',
  'not finite',
  'state',
  'inputs',
  'input',
] as const;

export const probe = defineAlgorithm({
  name: 'probe',
  title: 'Probe',
  summary: 'tests procedures',
  paper: '',
  schema: z.strictObject({
    innerSteps: z.int().default(2),
    innerLearningRate: z.number().default(0.1),
    /** Multiply contributions by 1 / (1 + metaStep), which the programs are told. */
    isAnnealed: z.boolean().default(false),
    /** Adds parameters with other roles than the model's. */
    hasRoles: z.boolean().default(false),
    /** A count of meta-steps, by which contributions grow, and a number for each task. */
    carriesState: z.boolean().default(false),
    mistake: z.enum(mistakes).optional(),
  }),
  variants: { plain: {} },
  describe: () => 'a probe',
  needs: supportNeeded,
  passes: () => 1,
  carries: ({ carriesState, mistake }, taskCount) =>
    carriesState
      ? { count: { shape: [] }, losses: { shape: mistake === 'carry too large' ? [2 ** 26] : [taskCount] } }
      : {},
  parameters: ({ hasRoles, mistake }, model) => [
    ...model,
    ...(mistake === 'name' ? [{ ...model[0]! }] : []),
    ...(hasRoles
      ? [
          { name: 'rates', shape: [2], initialize: ones, group: 'rates' },
          { name: 'seen', shape: [], initialize: zeros, update: 'average' as const },
          { name: 'constant', shape: [3], initialize: ones, update: 'fixed' as const },
        ]
      : []),
  ],
  inputs: ({ isAnnealed, mistake }, metaStep, { spec }) => ({
    weight: isAnnealed ? 1 / (1 + metaStep) : 1,
    progress: [metaStep / spec.meta.iterations, ...(mistake === 'input' && metaStep > 0 ? [1] : [])],
    ...(mistake === 'inputs' && metaStep > 0 ? { more: 1 } : {}),
  }),
  build({ innerSteps, innerLearningRate, hasRoles, carriesState, mistake }, kit) {
    const { tf, model, mapParams } = kit;
    const descend = (params: NamedTensors, task: NamedTensors): NamedTensors => {
      const gradients = kit.gradientsOf(params, kit.supportSet(task));
      return mapParams(params, (name, value) => tf.sub(value, tf.mul(gradients[name]!, innerLearningRate)));
    };
    const phi = withPrefix('phi.', Object.fromEntries(kit.modelParameters.map(({ name, shape }) => [name, { shape }])));
    const ofModel = <Item>(theta: Readonly<Record<string, Item>>) =>
      Object.fromEntries(kit.modelParameters.map(({ name }) => [name, theta[name]!]));
    return {
      adapt: {
        start: ofModel,
        next: (_theta, state, task) => ({
          ...descend(state, task),
          ...(mistake === 'state' ? { other: tf.zeros([2]) } : {}),
        }),
      },
      predict: (_theta, state, inputs) => model.predict(state, inputs),
      train: {
        programs: {
          step: {
            inputs: phi,
            compute: (_theta, task) => ({ sum: {}, each: withPrefix('phi.', descend(withoutPrefix('phi.', task), task)) }), // biome-ignore format: one line
          },
          query: {
            inputs: phi,
            compute(_theta, task, step) {
              const query = kit.querySet(task);
              const adapted = withoutPrefix('phi.', task);
              const { loss, predictions, gradients } = kit.differentiate(adapted, (params) => params, query);
              const scaled = mapParams(gradients, (_name, value) => tf.mul(value, step.weight!));
              // the rates pull down by one a task, and the average is that of the support set's targets
              const others = hasRoles ? { rates: tf.ones([2]), seen: tf.mean(kit.supportSet(task).targets) } : {};
              const { each } = kit.outputs({}, loss, predictions, query.targets);
              return {
                sum: {},
                each: { ...withPrefix('gradient.', { ...scaled, ...others }), ...withPrefix('measure.', each) },
              };
            },
          },
        },
        async shard({ taskCount, theta, carried }, run): Promise<Contribution> {
          let state: NamedArrays = withPrefix('phi.', repeated(ofModel(theta), taskCount));
          for (let step = 0; step < innerSteps; step++) state = (await run('step', { tasks: state })).each;
          const { each } = await run(mistake === 'program' ? 'no such' : 'query', { tasks: state });
          const measures = withoutPrefix('measure.', each);
          const made = sumOfTasks({ taskCount, contributions: withoutPrefix('gradient.', each), measures });
          if (carriesState) {
            const [count = 0] = carried?.count ?? [];
            const losses = measures.loss!.map((loss, task) => loss + (carried?.losses?.[task] ?? 0) / 2);
            const grown = mapValues(made.vector, (value) => value * (1 + count) + losses[0]! / 100);
            const next = mistake === 'carry not finite' ? Number.POSITIVE_INFINITY : count + 1;
            return { ...made, vector: grown, carry: mistake === 'carry' ? { losses } : { count: Float32Array.of(next), losses } }; // biome-ignore format: one line
          }
          switch (mistake) {
            case 'vector':
              return { ...made, vector: {} };
            case 'measure':
              return { ...made, measures: {} };
            case 'weight':
              return { ...made, weight: 0 };
            case 'order':
              return { ...made, nonFiniteTasks: [1, 0] };
            case 'not finite':
              return { ...made, weight: 1, vector: mapValues(made.vector, () => Number.NaN) };
            default:
              return made;
          }
        },
      },
    };
  },
});

const mapValues = (arrays: NamedArrays, change: (value: number) => number): NamedArrays =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, array.map(change)]));

export const probeRegistry = new Registry([...builtInParts, probe]);
