// MAML's relatives against a second implementation: a network of two relu units written out by hand in float64,
// its inner loop by the papers' update rules, and the meta-gradient as a difference quotient of the query loss.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ResolvedJob } from '../../../learning/job.ts';
import { layoutOf } from '../../../learning/job.ts';
import { builtInParts, Registry } from '../../../learning/registry.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine, NamedArrays } from '../../../worker/engine/engine.ts';
import { buildJob } from '../../../worker/learning/open.ts';
import { programOptions } from '../../../worker/learning/programs.ts';
import { flat, jobOf, relativeError } from './small-jobs.ts';
import {
  body,
  derivative,
  everything,
  gradient,
  halfDead,
  head,
  hidden,
  loss,
  type Net,
  numbers,
  type Points,
  query,
  start,
  support,
  taskOf,
} from './two-units.ts';

interface Loop {
  readonly adapted: readonly number[];
  readonly steps: number;
  readonly rate: (index: number) => number;
  readonly adam?: { readonly beta1: number; readonly beta2: number; readonly epsilon: number };
}

function adapt(net: Net, { adapted, steps, rate, adam }: Loop): Net {
  let [params, m, v] = [net, net.map(() => 0), net.map(() => 0)];
  for (let step = 1; step <= steps; step++) {
    const g = gradient(params, support);
    const direction = (i: number) => {
      if (!adam) return g[i]!;
      const [mean, square] = [m[i]! / (1 - adam.beta1 ** step), v[i]! / (1 - adam.beta2 ** step)];
      return square > 0 ? mean / (Math.sqrt(square) + adam.epsilon) : 0;
    };
    if (adam) {
      m = m.map((value, i) => adam.beta1 * value + (1 - adam.beta1) * g[i]!);
      v = v.map((value, i) => adam.beta2 * value + (1 - adam.beta2) * g[i]! ** 2);
    }
    params = params.map((value, i) => (adapted.includes(i) ? value - rate(i) * direction(i) : value));
  }
  return params;
}

/** Float32 over two steps and their derivatives. */
const tolerance = 1e-5;

describe("MAML's relatives agree with an inner loop written out by hand", () => {
  const engines: Engine[] = [];
  before(async () => {
    for (const engine of ['compiled', 'eager'] as const) engines.push(await createEngine({ engine, device: 'cpu' }));
  });
  after(async () => {
    for (const engine of engines) await engine.close();
  });

  /** The task's contribution on one engine, in layout order. */
  async function contribution(engine: Engine, job: ResolvedJob, theta: Float32Array, task: NamedArrays) {
    const { train } = buildJob(job).functions;
    const program = await engine.compile(programOptions(job, train!, { name: 'family', taskCount: 1 }));
    const layout = layoutOf(job.parameters);
    try {
      return flat(layout, (await program.run(viewsOf(layout, theta), task)).sum);
    } finally {
      await program.dispose();
    }
  }

  async function assertMetaGradient(algorithm: object, theta: readonly number[], expected: readonly number[]) {
    const task = { distribution: 'sinusoid', shots: support.length, queries: query.length };
    const job = jobOf(task, { architecture: 'mlp', hiddenLayers: [2] }, algorithm);
    for (const engine of engines) {
      const actual = await contribution(engine, job, Float32Array.from(theta), taskOf(support, query));
      assert.ok(actual.every(Number.isFinite), actual.join(', '));
      const error = relativeError(actual, expected);
      assert.ok(error < tolerance, `${engine.fingerprint}: got ${actual.join(', ')}; expected ${expected.join(', ')}`);
    }
  }

  for (const [name, adapted] of [
    ['anil', head],
    ['boil', body],
    ['maml', everything],
  ] as const) {
    const loop = { adapted, steps: 2, rate: () => 0.1 };
    const section = { name, innerSteps: 2, innerLearningRate: 0.1 };
    it(`${name} of second order`, async () => {
      const expected = derivative((net) => loss(adapt(net, loop), query), start);
      await assertMetaGradient(section, start, expected);
    });

    it(`${name} of first order`, async () => {
      await assertMetaGradient({ ...section, order: 'first' }, start, gradient(adapt(start, loop), query));
    });

    it(`${name} with Adam, of a network with a dead unit`, async () => {
      const adam = { beta1: 0.8, beta2: 0.9, epsilon: 0.05 };
      const expected = derivative((net) => loss(adapt(net, { ...loop, adam }), query), halfDead);
      assert.ok(expected[1] === 0 && expected[3] === 0 && expected[0] !== 0);
      await assertMetaGradient({ ...section, innerOptimizer: { name: 'adam', ...adam } }, halfDead, expected);
    });
  }

  it('Adam takes no step where every gradient is exactly 0, and has no slope of 1 / ε there', async () => {
    // ŷ = 1 everywhere is what the support set asks for, so no inner gradient is anything but 0; their derivatives are not
    const fitted: Net = [1, 0.5, 0.5, 0.25, 0, 0, 1];
    const flatSupport: Points = support.map(([x]) => [x, 1]);
    const task = { distribution: 'sinusoid', shots: support.length, queries: query.length };
    const algorithm = { name: 'maml', innerSteps: 2, innerOptimizer: { name: 'adam' } };
    const job = jobOf(task, { architecture: 'mlp', hiddenLayers: [2] }, algorithm);
    const expected = gradient(fitted, query);
    for (const engine of engines) {
      const actual = await contribution(engine, job, Float32Array.from(fitted), taskOf(flatSupport, query));
      assert.ok(relativeError(actual, expected) < tolerance, `got ${actual.join(', ')}`);
    }
  });

  it('Meta-SGD, with rates of every size and sign', async () => {
    const rates = [0.1, 0.05, -0.02, 0.2, 0.15, 0.01, 0.08];
    const theta = [...start, ...rates];
    const queryLoss = (all: readonly number[]) =>
      loss(adapt(all.slice(0, 7), { adapted: everything, steps: 2, rate: (i) => all[7 + i]! }), query);
    await assertMetaGradient({ name: 'meta-sgd', innerSteps: 2 }, theta, derivative(queryLoss, theta));
  });

  it('Meta-SGD begins with the rate of the job file everywhere, in a group of its own', () => {
    const section = { name: 'meta-sgd', innerLearningRate: 0.25 };
    const { parameters } = jobOf({ distribution: 'sinusoid' }, { architecture: 'mlp' }, section);
    const rates = parameters.filter(({ group }) => group === 'rates');
    assert.deepEqual(
      rates.map(({ name }) => name),
      ['layer1', 'layer2', 'layer3'].flatMap((layer) => [`rate.${layer}.weights`, `rate.${layer}.bias`]),
    );
    for (const { initialize } of rates) assert.equal(initialize(undefined as never), 0.25);
  });

  it('ProtoNet: the cross-entropy of −‖f(x) − c‖², c the mean features of a class', async () => {
    // body as above without a head; the classes' points are plain numbers
    const classes = [
      { support: [0.5, 0.7], query: [0.4] },
      { support: [1.5, 1.1], query: [1] },
      { support: [2.4, 2.2], query: [2.6] },
    ];
    const oneHot = (perClass: number) =>
      Float32Array.from(
        classes.flatMap((_, k) => Array(perClass).fill([0, 1, 2].map((j) => (j === k ? 1 : 0)))).flat(),
      );
    const theta = start.slice(0, 4);
    const queryLoss = (net: Net) => {
      const prototypes = classes.map(({ support }) => {
        const features = support.map((x) => hidden(net, x));
        return [0, 1].map((j) => features.reduce((sum, f) => sum + f[j]!, 0) / features.length);
      });
      const losses = classes.map(({ query }, k) => {
        const f = hidden(net, query[0]!);
        const logits = prototypes.map((c) => -((f[0]! - c[0]!) ** 2) - (f[1]! - c[1]!) ** 2);
        return Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - logits[k]!;
      });
      return losses.reduce((a, b) => a + b) / losses.length;
    };
    const job = jobOf(
      { distribution: 'numbers' },
      { architecture: 'mlp', hiddenLayers: [2] },
      { name: 'protonet' },
      new Registry([...builtInParts, numbers]),
    );
    assert.deepEqual(
      job.parameters.map(({ name }) => name),
      ['layer1.weights', 'layer1.bias'],
    );
    assert.deepEqual(job.measures.evaluate[0]!.points, [''], 'one point, and no axis');
    const task = {
      supportInputs: Float32Array.from(classes.flatMap(({ support }) => support)),
      supportTargets: oneHot(2),
      queryInputs: Float32Array.from(classes.flatMap(({ query }) => query)),
      queryTargets: oneHot(1),
    };
    for (const engine of engines) {
      const actual = await contribution(engine, job, Float32Array.from(theta), task);
      assert.ok(relativeError(actual, derivative(queryLoss, theta)) < tolerance, `got ${actual.join(', ')}`);
    }
  });
});
