// Matching networks, CAVIA, MAML++, the in-context transformer and the baselines against second
// implementations, written out by hand in float64: predictions by the papers' formulas, and
// meta-gradients as difference quotients.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { stepWeights } from '../../../learning/algorithms/maml-plus-plus.ts';
import type { NamedArrays } from '../../../learning/built.ts';
import type { ResolvedJob } from '../../../learning/job.ts';
import { layoutOf } from '../../../learning/job.ts';
import { builtInParts, Registry } from '../../../learning/registry.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { buildJob, evaluatorOf, trainerOf, workContext } from '../../../worker/learning/open.ts';
import { jobOf, relativeError } from './small-jobs.ts';
import { derivative, gradient, hidden, loss, type Net, numbers, query, start, support, taskOf } from './two-units.ts'; // biome-ignore format: one line

/** Float32 over two steps and their derivatives. */
const tolerance = 1e-5;

const registry = new Registry([...builtInParts, numbers]);
const sinusoid = { distribution: 'sinusoid', shots: support.length, queries: query.length };
const twoUnits = { architecture: 'mlp', hiddenLayers: [2] };

/** Three classes of numbers, two support examples and one query each. */
const classes = [
  { support: [0.5, 0.7], query: [0.4] },
  { support: [1.5, 1.1], query: [1] },
  { support: [2.4, 2.2], query: [1.6] },
] as const;
const oneHot = (perClass: number) =>
  Float32Array.from(classes.flatMap((_, k) => Array(perClass).fill([0, 1, 2].map((j) => (j === k ? 1 : 0)))).flat());
const ofNumbers: NamedArrays = {
  supportInputs: Float32Array.from(classes.flatMap(({ support }) => support)),
  supportTargets: oneHot(2),
  queryInputs: Float32Array.from(classes.flatMap(({ query }) => query)),
  queryTargets: oneHot(1),
};

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Of one example's logits. */
const crossEntropy = (logits: readonly number[], k: number): number =>
  Math.log(sum(logits.map((logit) => Math.exp(logit)))) - logits[k]!;

describe('further algorithms agree with what is written out by hand', () => {
  const engines: Engine[] = [];
  before(async () => {
    for (const engine of ['compiled', 'eager'] as const) engines.push(await createEngine({ engine, device: 'cpu' }));
  });
  after(async () => {
    for (const engine of engines) await engine.close();
  });

  /** A job's programs on one engine, fed with this task alone. */
  function opened(engine: Engine, job: ResolvedJob, theta: readonly number[], task: NamedArrays) {
    const context = { ...workContext(job, undefined as never, engine), draw: () => task };
    const built = buildJob(job);
    const params = viewsOf(layoutOf(job.parameters), Float32Array.from(theta));
    return {
      async contribution(metaStep: number) {
        const trainer = trainerOf(context, built);
        const { metaGradientSum } = await trainer.train(params, { metaStep, firstTask: 0, taskCount: 1 });
        await trainer.close();
        return metaGradientSum;
      },
      async measures() {
        const evaluator = evaluatorOf(context, built);
        const shard = { metaStep: 0, split: 'test', firstTask: 0, taskCount: 1 } as const;
        const { measures } = await evaluator.evaluate(params, shard);
        await evaluator.close();
        return Object.fromEntries(measures.map(({ name, values }) => [name, values]));
      },
    };
  }

  async function assertContribution(
    job: ResolvedJob,
    theta: readonly number[],
    { task, metaStep = 0 }: { readonly task: NamedArrays; readonly metaStep?: number },
    expected: readonly number[],
  ): Promise<void> {
    for (const engine of engines) {
      const actual = await opened(engine, job, theta, task).contribution(metaStep);
      const error = relativeError(actual, expected);
      assert.ok(error < tolerance, `${engine.fingerprint}: got ${actual.join(', ')}; expected ${expected.join(', ')}`);
    }
  }

  it('Matching Networks: attention by the cosine, and −log of the attention on the own class', async () => {
    const cosine = (a: readonly number[], b: readonly number[]) =>
      sum(a.map((x, i) => x * b[i]!)) / (Math.hypot(...a) * Math.hypot(...b));
    const queryLoss = (net: Net) =>
      sum(
        classes.map(({ query }, own) => {
          const f = hidden(net, query[0]);
          const attention = classes.map(({ support }) =>
            sum(support.map((x) => Math.exp(3 * cosine(f, hidden(net, x))))),
          );
          return -Math.log(attention[own]! / sum(attention));
        }),
      ) / classes.length;
    const job = jobOf({ distribution: 'numbers' }, twoUnits, { name: 'matching', sharpness: 3 }, registry);
    const body = start.slice(0, 4);
    await assertContribution(job, body, { task: ofNumbers }, derivative(queryLoss, body));
  });

  it('CAVIA: a context that starts at 0 and moves the biases of the first layer, adapted alone', async () => {
    const weights = [
      [0.4, -0.2],
      [0.1, 0.3],
      [-0.5, 0.2],
    ];
    const theta = [...start, ...weights.flat()];
    const queryLoss = (all: readonly number[]) => {
      const rows = [0, 1, 2].map((m) => [all[7 + 2 * m]!, all[8 + 2 * m]!] as const);
      const at = (context: readonly number[]): Net =>
        all
          .slice(0, 7)
          .map((value, i) => (i === 2 || i === 3 ? value + sum(context.map((c, m) => c * rows[m]![i - 2]!)) : value));
      let context = [0, 0, 0];
      for (let step = 0; step < 2; step++) {
        const slope = gradient(at(context), support);
        context = context.map((c, m) => c - 0.3 * (slope[2]! * rows[m]![0] + slope[3]! * rows[m]![1]));
      }
      return loss(at(context), query);
    };
    const algorithm = { name: 'cavia', contextSize: 3, innerSteps: 2, innerLearningRate: 0.3 };
    const job = jobOf(sinusoid, twoUnits, algorithm);
    assert.deepEqual(job.parameters.at(-1)!.name, 'context.layer1.bias');
    await assertContribution(job, theta, { task: taskOf(support, query) }, derivative(queryLoss, theta));
  });

  it('CAVIA names the vectors that a model has when the job asks for another', () => {
    const algorithm = { name: 'cavia', modulates: ['layer1.weights'] };
    assert.throws(() => jobOf(sinusoid, twoUnits, algorithm), /this one has layer1\.bias/);
  });

  describe('MAML++', () => {
    /** Which rate each of the net's numbers has: w, c, v, b. */
    const tensorOf = [0, 0, 1, 1, 2, 2, 3];
    const rates = [
      [0.1, 0.05],
      [0.2, -0.02],
      [0.15, 0.1],
      [0.08, 0.12],
    ];
    const theta = [...start, ...rates.flat()];
    const rate = (all: readonly number[], i: number, step: number) => all[7 + 2 * tensorOf[i]! + step]!;
    /** Σ vᵢ·L_query(φᵢ). @param given inner gradients, as constants. */
    const weighted = (all: readonly number[], weights: readonly number[], given?: readonly (readonly number[])[]) => {
      let params: Net = all.slice(0, 7);
      return sum(
        weights.map((weight, step) => {
          const slope = given?.[step] ?? gradient(params, support);
          params = params.map((value, i) => value - rate(all, i, step) * slope[i]!);
          return weight * loss(params, query);
        }),
      );
    };
    const section = { name: 'maml-plus-plus', innerSteps: 2, perStepBatchNorm: false };
    const task = taskOf(support, query);
    const ofSteps = (iterations: number, algorithm: object) =>
      jobOf(sinusoid, twoUnits, { ...section, ...algorithm }, registry, { meta: { iterations, batchSize: 2 } });

    it('weighs the losses after each step, less and less those before the last', async () => {
      const job = ofSteps(10, { multiStepLoss: 0.5 });
      for (const [metaStep, weights] of [
        [0, [0.5, 0.5]],
        [1, [0.4, 0.6]],
        [5, [0, 1]],
        [9, [0, 1]],
      ] as const) {
        await assertContribution(
          job,
          theta,
          { task, metaStep },
          derivative((all) => weighted(all, weights), theta),
        );
      }
    });

    it('begins with the first order, whose inner gradients are constants, and goes on with the second', async () => {
      const job = ofSteps(10, { multiStepLoss: 0.2, firstOrder: 0.5 });
      const first = gradient(start, support);
      const second = gradient(
        start.map((value, i) => value - rate(theta, i, 0) * first[i]!),
        support,
      );
      for (const [metaStep, weights] of [
        [0, [0.5, 0.5]],
        [4, [0, 1]],
      ] as const) {
        const expected = derivative((all) => weighted(all, weights, [first, second]), theta);
        await assertContribution(job, theta, { task, metaStep }, expected);
      }
      const expected = derivative((all) => weighted(all, [0, 1]), theta);
      await assertContribution(job, theta, { task, metaStep: 5 }, expected);
    });

    it('without any of its switches is MAML', async () => {
      const job = ofSteps(1, { multiStepLoss: 0, learnedRates: false, innerLearningRate: 0.1 });
      const maml = jobOf(sinusoid, twoUnits, { name: 'maml', innerSteps: 2, innerLearningRate: 0.1 });
      for (const engine of engines) {
        const [actual, expected] = await Promise.all(
          [job, maml].map((job) => opened(engine, job, start, task).contribution(0)),
        );
        assert.ok(relativeError(actual!, expected!) < tolerance);
      }
    });

    it("the weights are those of the authors' code: at least 3 % of the even share, and 1 together", () => {
      assert.deepEqual(stepWeights(4, 0, 100), [0.25, 0.25, 0.25, 0.25]);
      const late = stepWeights(4, 99, 100);
      assert.deepEqual(late.slice(0, 3), [0.0075, 0.0075, 0.0075]);
      assert.ok(Math.abs(sum(late) - 1) < 1e-12);
      assert.deepEqual(stepWeights(4, 100, 100), [0, 0, 0, 1]);
    });

    it('has a scale and shift of batch norm for each inner step, and no rate for them', () => {
      const images = { distribution: 'omniglot', dataSet: 'small', ways: 2, shots: 1, queries: 1 };
      const model = { architecture: 'conv4', filters: 3, downsampling: 'stride' };
      const { parameters } = jobOf(images, model, { name: 'maml-plus-plus', innerSteps: 4 });
      const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
      assert.deepEqual(shapes.get('conv1.scale'), [4, 3]);
      assert.deepEqual(shapes.get('conv4.shift'), [4, 3]);
      assert.deepEqual(shapes.get('rate.conv1.filters'), [4]);
      assert.equal(shapes.has('rate.conv1.scale'), false);
      assert.throws(() => jobOf(sinusoid, twoUnits, { name: 'maml-plus-plus' }), /a model with batch norm/);
    });
  });

  it('the in-context transformer gives the predictions of one that is written out by hand', async () => {
    const algorithm = { name: 'in-context', width: 4, layers: 2, heads: 2 };
    const job = jobOf(sinusoid, twoUnits, algorithm);
    const count = sum(job.parameters.map(({ shape }) => shape.reduce((a, b) => a * b, 1)));
    const theta = Array.from({ length: count }, (_, i) => (i < 4 ? start[i]! : 0.7 * Math.sin(1.3 * i + 0.5)));
    const expected = byHand(job, theta, { width: 4, layers: 2, heads: 2 });
    for (const engine of engines) {
      const [value] = (await opened(engine, job, theta, taskOf(support, query)).measures()).loss!;
      assert.ok(Math.abs(value! - expected) < 1e-4 * Math.abs(expected), `got ${value}; expected ${expected}`);
      const shuffled = taskOf([support[2]!, support[0]!, support[1]!], query);
      const [same] = (await opened(engine, job, theta, shuffled).measures()).loss!;
      assert.ok(Math.abs(same! - value!) < 1e-5 * Math.abs(value!), 'the order of the support set does not matter');
    }
  });

  it('the nearest neighbour is the support example with the smallest distance', async () => {
    const job = jobOf({ distribution: 'numbers' }, twoUnits, { name: 'nearest-neighbour' }, registry);
    const logits = classes.map(({ query: [x] }) =>
      classes.map(({ support }) => Math.max(...support.map((s) => -((x - s) ** 2)))),
    );
    const expected = sum(logits.map(crossEntropy)) / classes.length;
    for (const engine of engines) {
      const built = opened(engine, job, Array(job.parameterCount).fill(0.1), ofNumbers);
      const measures = await built.measures();
      // 0.4 is next to 0.5, and 1 to 1.1; 1.6, of the third class, is next to 1.5, of the second
      assert.ok(Math.abs(measures.accuracy![0]! - 2 / 3) < 1e-6);
      assert.ok(Math.abs(measures.loss![0]! - expected) < 1e-5);
      assert.ok((await built.contribution(0)).every((value) => value === 0));
    }
  });

  it('training from scratch takes the plain gradient steps that MAML takes from the same start', async () => {
    const evaluation = { evaluation: { tasks: 2, innerSteps: 4 } };
    const [scratch, maml] = ['from-scratch', 'maml'].map((name) =>
      jobOf(sinusoid, twoUnits, { name, innerLearningRate: 0.1 }, registry, evaluation),
    );
    for (const engine of engines) {
      const task = taskOf(support, query);
      const actual = (await opened(engine, scratch!, start, task).measures()).loss!;
      const expected = (await opened(engine, maml!, start, task).measures()).loss!;
      assert.equal(actual.length, 5);
      assert.ok(relativeError(actual, expected) < tolerance);
    }
  });

  it('a baseline is refused more meta-steps than one', () => {
    for (const name of ['nearest-neighbour', 'from-scratch']) {
      const open = () =>
        jobOf({ distribution: 'numbers' }, twoUnits, { name }, registry, { meta: { iterations: 2, batchSize: 2 } });
      assert.throws(open, (error) => {
        assert.ok(error instanceof MetatrainError);
        assert.match(error.message, /meta\.iterations: got 2; accepted: 1, as nothing is learned/);
        return true;
      });
    }
  });
});

type Matrix = readonly (readonly number[])[];

/** The query set's mean squared error of the transformer, in float64. */
function byHand(
  job: ResolvedJob,
  theta: readonly number[],
  { width, layers, heads }: { readonly width: number; readonly layers: number; readonly heads: number },
): number {
  const values = new Map<string, readonly number[]>();
  let offset = 0;
  for (const { name, shape } of job.parameters) {
    const size = shape.reduce((a, b) => a * b, 1);
    values.set(name, theta.slice(offset, offset + size).map(Math.fround));
    offset += size;
  }
  const vector = (name: string) => values.get(name)!;
  const times = (x: readonly number[], name: string): number[] => {
    const weights = vector(name);
    const outputs = weights.length / x.length;
    return Array.from({ length: outputs }, (_, j) => sum(x.map((value, i) => value * weights[i * outputs + j]!)));
  };
  const plus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value + b[i]!);
  const norm = (x: readonly number[], name: string) => {
    const mean = sum(x as number[]) / width;
    const variance = sum(x.map((value) => (value - mean) ** 2)) / width;
    return x.map(
      (value, i) =>
        ((value - mean) / Math.sqrt(variance + 1e-5)) * vector(`${name}.scale`)[i]! + vector(`${name}.shift`)[i]!,
    );
  };
  const net = [...vector('layer1.weights'), ...vector('layer1.bias')];
  const token = ([x]: readonly [number, number]) => times(hidden(net, x), 'token.features');
  let tokens: Matrix = support.map((point) => plus(token(point), times([point[1]], 'token.targets')));
  let queries: Matrix = query.map((point) => plus(token(point), vector('token.query')));
  const size = width / heads;
  for (let layer = 0; layer < layers; layer++) {
    const of = (name: string) => `transformer.${layer}.${name}`;
    const normed = tokens.map((x) => norm(x, of('attention')));
    const [keys, memory] = ['key', 'value'].map((name) => normed.map((x) => times(x, of(name))));
    const next = (x: readonly number[]) => {
      const q = times(norm(x, of('attention')), of('query'));
      const mixed = Array.from({ length: width }, (_, i) => {
        const own = (a: readonly number[]) => a.slice(Math.floor(i / size) * size, (Math.floor(i / size) + 1) * size);
        const weights = keys!.map((key) =>
          Math.exp(sum(own(q).map((value, at) => value * own(key)[at]!)) / Math.sqrt(size)),
        );
        return sum(weights.map((weight, at) => weight * memory![at]![i]!)) / sum(weights);
      });
      const attended = plus(x, times(mixed, of('out')));
      const inner = plus(times(norm(attended, of('network')), of('in.weights')), vector(of('in.bias')));
      const active = inner.map((value) => Math.max(0, value));
      return plus(attended, plus(times(active, of('out.weights')), vector(of('out.bias'))));
    };
    queries = queries.map(next);
    tokens = tokens.map(next);
  }
  const errors = queries.map((x, i) => {
    const [predicted] = plus(times(norm(x, 'prediction'), 'prediction.weights'), vector('prediction.bias'));
    return (predicted! - query[i]![1]) ** 2;
  });
  return sum(errors) / errors.length;
}
