// Three parts of one's own: an algorithm, a model and a task distribution. `my-parts.ts` is the same with
// types. A plugin is one file, and `metatrain/learning` is the one of the process that loads it.
import {
  after,
  count,
  defineAlgorithm,
  defineDistribution,
  defineModel,
  elementsOf,
  fraction,
  he,
  innerSteps,
  positive,
  supportAndQuery,
  taskRng,
  z,
  zeros,
} from 'metatrain/learning';

// v ← β·v + ∇L_support(φ), φ ← φ − α·v. The meta-gradient is ∇L_query at the adapted φ, as in
// first-order MAML.
export const momentumFomaml = defineAlgorithm({
  name: 'momentum-fomaml',
  title: 'FOMAML with momentum',
  summary: 'first-order MAML whose inner steps carry momentum',
  paper: 'Finn, Abbeel & Levine 2017, §5.2; Polyak 1964',
  schema: z.strictObject({
    innerSteps: innerSteps.default(3),
    innerLearningRate: positive.default(0.01),
    momentum: fraction.default(0.5),
  }),
  variants: { 'two steps': { innerSteps: 2, innerLearningRate: 0.05 } },
  describe: ({ momentum }) => (momentum == null ? 'FOMAML with momentum' : `FOMAML with momentum ${momentum}`),
  needs: (task) => (task.sets.includes('support') ? undefined : 'tasks with a support set'),
  passes: ({ innerSteps }) => innerSteps,
  build({ innerSteps, innerLearningRate, momentum }, kit) {
    const { tf, model, mapParams } = kit;
    function* descend(start, task) {
      const support = kit.supportSet(task);
      let velocity = mapParams(start, (_, value) => tf.zerosLike(value));
      for (let params = start; ; ) {
        const gradients = kit.gradientsOf(params, support);
        const next = mapParams(velocity, (name, value) => tf.add(tf.mul(value, momentum), gradients[name]));
        params = mapParams(params, (name, value) => tf.sub(value, tf.mul(next[name], innerLearningRate)));
        velocity = next;
        yield params;
      }
    }
    return {
      *adapt(theta, task) {
        yield theta;
        yield* descend(theta, task);
      },
      predict: (_theta, state, inputs) => model.predict(state, inputs),
      train(theta, task) {
        const query = kit.querySet(task);
        const adapted = after(innerSteps, descend(theta, task), theta);
        const { loss, predictions, gradients } = kit.differentiate(adapted, (params) => params, query);
        return kit.outputs(gradients, loss, predictions, query.targets);
      },
    };
  },
});

// h ← tanh(W·x + b), then h ← h + V·relu(U·h + c) for each block, then the head.
export const residualMlp = defineModel({
  name: 'residual-mlp',
  title: 'residual mlp',
  summary: 'fully connected blocks that are added to what they read',
  paper: 'He et al. 2016',
  schema: z.strictObject({
    width: z.int().min(1).max(4096).default(40),
    blocks: z.int().min(1).max(16).default(2),
  }),
  variants: { small: { width: 6, blocks: 1 } },
  sizeField: 'width',
  describe: ({ width, blocks }) => (width && blocks ? `residual mlp, ${blocks} × ${width}` : 'residual mlp'),
  parameters({ width, blocks }, task) {
    const layer = (name, inputs, outputs, { part = 'body', initialize = he(inputs) } = {}) => [
      { name: `${name}.weights`, shape: [inputs, outputs], initialize, part },
      { name: `${name}.bias`, shape: [outputs], initialize: zeros, part },
    ];
    const block = (_, index) => [
      ...layer(`block${index + 1}.inner`, width, width),
      // Zero: at first every block passes on what it reads.
      ...layer(`block${index + 1}.outer`, width, width, { initialize: zeros }),
    ];
    return [
      ...layer('input', elementsOf(task.input), width),
      ...Array.from({ length: blocks }, block).flat(),
      ...layer('head', width, task.outputs, { part: 'head' }),
    ];
  },
  isTransductive: () => false,
  layers: ({ blocks }) => 2 * blocks + 2,
  build({ blocks }, { tf, task }) {
    const layer = (params, name, x) => tf.add(tf.matMul(x, params[`${name}.weights`]), params[`${name}.bias`]);
    const features = (params, inputs) => {
      let hidden = tf.tanh(layer(params, 'input', tf.reshape(inputs, [-1, elementsOf(task.input)])));
      for (let index = 1; index <= blocks; index++) {
        const inner = tf.relu(layer(params, `block${index}.inner`, hidden));
        hidden = tf.add(hidden, layer(params, `block${index}.outer`, inner));
      }
      return hidden;
    };
    return { features, predict: (params, inputs) => layer(params, 'head', features(params, inputs)) };
  },
});

// y = A·exp(−λ·x)·cos(ω·x), with A, λ and ω uniform, and x uniform from 0 to 5.
export const dampedOscillations = defineDistribution({
  name: 'damped-oscillations',
  title: 'damped oscillations',
  summary: 'points on y = A·exp(−λ·x)·cos(ω·x), with A, λ and ω uniform',
  paper: '',
  schema: z.strictObject({
    shots: count.default(10),
    queries: count.default(10),
    /** Highest λ. */
    damping: positive.default(1),
    /** Highest ω. */
    frequency: positive.default(4),
  }),
  variants: { few: { shots: 4, queries: 3 } },
  describe: ({ shots, queries }) => ({
    episode: shots ? `${shots} support points` : '',
    queries: queries ? `${queries} query points` : '',
    data: 'damped oscillations',
  }),
  facts: ({ shots, queries }) =>
    supportAndQuery({ target: 'values', inputKind: 'vector', input: [1], outputs: 1, shots, queries }),
  async open({ damping, frequency }, { seed }) {
    return {
      splitDescription: `damped oscillations, λ up to ${damping}, ω up to ${frequency}; every split draws new tasks without end`,
      data: [],
      classes: () => [],
      sample(split, index, { supportInputs, supportTargets, queryInputs, queryTargets }) {
        const rng = taskRng(seed, split, index);
        const amplitude = rng.between(0.5, 3);
        const lambda = rng.between(0, damping);
        const omega = rng.between(0.5, frequency);
        const draw = (inputs, targets) => {
          for (let i = 0; i < inputs.length; i++) {
            const x = rng.between(0, 5);
            inputs[i] = x;
            targets[i] = amplitude * Math.exp(-lambda * x) * Math.cos(omega * x);
          }
        };
        draw(supportInputs, supportTargets);
        draw(queryInputs, queryTargets);
      },
    };
  },
});
