// Sequences: how they are drawn, and that the learners that read them (MANN, the LSTM) give the
// numbers of a second implementation, written out from the papers' equations in float64: losses by
// presentation, and meta-gradients as difference quotients through the whole sequence, which
// training computes in pieces.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import type { NamedArrays } from '../../../learning/built.ts';
import { streamOf } from '../../../learning/facts.ts';
import { layoutOf, type ResolvedJob } from '../../../learning/job.ts';
import { drawEpisode } from '../../../learning/kit/episode.ts';
import { examplesOfPiece } from '../../../learning/kit/stream.ts';
import { defineDistribution } from '../../../learning/part.ts';
import { builtInParts, Registry } from '../../../learning/registry.ts';
import { taskRng } from '../../../shared/rng.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { buildJob, evaluatorOf, trainerOf, workContext } from '../../../worker/learning/open.ts';
import { dot, lstm, parametersOf, plus, sigmoid, type Vector } from './by-hand.ts';
import { smallFixture } from './omniglot-fixture.ts';
import { evaluateOnTasks, jobOf, openParts, relativeError } from './small-jobs.ts';
import { derivative } from './two-units.ts';

/** Float32 over twelve examples. */
const tolerance = 2e-5;

const [ways, presentations] = [3, 4];

/** Numbers of three classes; the test fills in the task. */
const numberSequences = defineDistribution({
  name: 'number-sequences',
  title: 'sequences of numbers',
  summary: 'for a test',
  paper: '',
  schema: z.strictObject({}),
  variants: {},
  describe: () => ({ episode: '', queries: '', data: '' }),
  facts: () => streamOf({ target: 'classes', inputKind: 'vector', input: [1], outputs: ways, ways }, presentations),
  open: () => Promise.reject(new Error('not opened')),
});
const registry = new Registry([...builtInParts, numberSequences]);

const labels = [0, 1, 0, 2, 2, 1, 0, 1, 2, 0, 1, 2] as const;
const inputs = [0.3, -0.8, 0.5, 1.4, 1.1, -0.4, 0.2, -1, 1.6, 0.1, -0.6, 1.2] as const;
const task: NamedArrays = {
  streamInputs: Float32Array.from(inputs),
  streamTargets: Float32Array.from(labels.flatMap((label) => [0, 1, 2].map((k) => (k === label ? 1 : 0)))),
};

const crossEntropy = (logits: Vector, k: number): number =>
  Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - logits[k]!;
const oneHot = (k: number | undefined): Vector => [0, 1, 2].map((j) => (j === k ? 1 : 0));

type Reader = (job: ResolvedJob, theta: Vector) => readonly Vector[];

/** The logits of each example. */
const recurrentByHand: Reader = (job, theta) => {
  const { vector, times } = parametersOf(job, theta);
  const units = job.spec.algorithm.units as number;
  let [cell, hidden]: readonly Vector[] = [Array(units).fill(0), Array(units).fill(0)] as const;
  return inputs.map((x, t) => {
    const input = times([x, ...oneHot(labels[t - 1])], 'reader.input');
    ({ cell, hidden } = lstm(plus(input, times(hidden!, 'reader.hidden'), vector('reader.bias')), cell!));
    return plus(times(hidden, 'prediction.weights'), vector('prediction.bias'));
  });
};

const mannByHand: Reader = (job, theta) => {
  const { vector, times } = parametersOf(job, theta);
  const { units, slots, width, heads, usageDecay, sharpness } = job.spec.algorithm as Record<string, number>;
  const range = (length: number) => Array.from({ length }, (_, i) => i);
  let cell: Vector = Array(units).fill(0);
  let hidden: Vector = Array(units).fill(0);
  let read: Vector = Array(heads! * width!).fill(0);
  let memory: readonly Vector[] = range(slots!).map(() => Array(width!).fill(0));
  let readWeights: readonly Vector[] = range(heads!).map(() => Array(slots!).fill(0));
  let usage: Vector = Array(slots!).fill(0);
  return inputs.map((x, t) => {
    const input = times([x, ...oneHot(labels[t - 1])], 'controller.input');
    const sums = plus(
      input,
      times(hidden, 'controller.hidden'),
      times(read, 'controller.read'),
      vector('controller.bias'),
    );
    ({ cell, hidden } = lstm(sums, cell));
    const key = plus(times(hidden, 'key.weights'), vector('key.bias')).map(Math.tanh);
    const keys = range(heads!).map((head) => key.slice(head * width!, (head + 1) * width!));
    const order = range(slots!).sort((a, b) => usage[a]! - usage[b]! || a - b);
    const gate = sigmoid(vector('write.gate')[0]!);
    const written = range(heads!).map((head) =>
      range(slots!).map((i) => gate * readWeights[head]![i]! + (1 - gate) * (order[head] === i ? 1 : 0)),
    );
    memory = memory.map((row, i) =>
      row.map((value, at) => {
        const kept = order[0] === i ? 0 : value;
        return range(heads!).reduce((sum, head) => sum + written[head]![i]! * keys[head]![at]!, kept);
      }),
    );
    readWeights = keys.map((key) => {
      const weights = memory.map((row) => {
        const lengths = Math.hypot(...key) * Math.hypot(...row);
        return Math.exp(sharpness! * (lengths > 0 ? dot(key, row) / lengths : 0));
      });
      const total = weights.reduce((a, b) => a + b, 0);
      return weights.map((weight) => weight / total);
    });
    read = readWeights.flatMap((weights) =>
      range(width!).map((at) =>
        dot(
          weights,
          memory.map((row) => row[at]!),
        ),
      ),
    );
    usage = usage.map(
      (value, i) =>
        usageDecay! * value +
        dot(
          [...readWeights, ...written].map((w) => w[i]!),
          Array(2 * heads!).fill(1),
        ),
    );
    return plus(times([...hidden, ...read], 'prediction.weights'), vector('prediction.bias'));
  });
};

const learners: readonly { readonly title: string; readonly algorithm: object; readonly byHand: Reader }[] = [
  { title: 'the LSTM', algorithm: { name: 'recurrent', units: 3 }, byHand: recurrentByHand },
  {
    title: 'MANN',
    algorithm: { name: 'mann', units: 3, slots: 5, width: 2, heads: 2, usageDecay: 0.9, sharpness: 2 },
    byHand: mannByHand,
  },
];

describe('learners that read sequences agree with what is written out by hand', () => {
  const engines: Engine[] = [];
  before(async () => {
    for (const engine of ['compiled', 'eager'] as const) engines.push(await createEngine({ engine, device: 'cpu' }));
  });
  after(async () => {
    for (const engine of engines) await engine.close();
  });

  for (const { title, algorithm, byHand } of learners) {
    const job = jobOf(
      { distribution: 'number-sequences' },
      { architecture: 'mlp', hiddenLayers: [] },
      algorithm,
      registry,
    );
    const theta = Array.from({ length: job.parameterCount }, (_, i) => Math.fround(0.8 * Math.sin(1.7 * i + 0.4)));
    const params = viewsOf(layoutOf(job.parameters), Float32Array.from(theta));
    const context = (engine: Engine) => ({ ...workContext(job, undefined as never, engine), draw: () => task });

    it(`${title}: losses and accuracies by presentation`, async () => {
      const logits = byHand(job, theta);
      const shown = [0, 0, 0];
      const places = labels.map((label) => shown[label]!++);
      const meanAt = (value: (example: number) => number): number[] =>
        Array.from({ length: presentations }, (_, place) =>
          labels.reduce<number>((sum, _, t) => sum + (places[t] === place ? value(t) / ways : 0), 0),
        );
      const losses = meanAt((t) => crossEntropy(logits[t]!, labels[t]!));
      const accuracies = meanAt((t) => Number(Math.max(...logits[t]!) === logits[t]![labels[t]!]));
      for (const engine of engines) {
        const evaluator = evaluatorOf(context(engine), buildJob(job));
        const shard = { metaStep: 0, split: 'test', firstTask: 0, taskCount: 1 } as const;
        const { measures } = await evaluator.evaluate(params, shard);
        await evaluator.close();
        const [loss, accuracy] = measures.map(({ values }) => values);
        assert.ok(relativeError(loss!, losses) < tolerance, `${engine.fingerprint}: ${loss}; expected ${losses}`);
        assert.ok(relativeError(accuracy!, accuracies) < tolerance, `got ${accuracy}; expected ${accuracies}`);
      }
    });

    it(`${title}: the meta-gradient of two pieces is that of the whole sequence`, async () => {
      assert.equal(examplesOfPiece(job.task), 6);
      const loss = (at: Vector) =>
        byHand(job, at).reduce((sum, logits, t) => sum + crossEntropy(logits, labels[t]!), 0) / labels.length;
      const expected = derivative(loss, theta);
      for (const engine of engines) {
        const trainer = trainerOf(context(engine), buildJob(job));
        const result = await trainer.train(params, { metaStep: 0, firstTask: 0, taskCount: 1 });
        await trainer.close();
        const error = relativeError(result.metaGradientSum, expected);
        assert.ok(error < tolerance, `${engine.fingerprint}: differs by ${error}`);
        assert.ok(Math.abs(result.measures[0]!.values[0]! - loss(theta)) < tolerance);
        assert.equal(result.weight, 1);
      }
    });

    if (byHand !== recurrentByHand) continue;
    it(`${title}: a task whose numbers are not finite is left out alone`, async () => {
      const both = Object.fromEntries(
        Object.entries(task).map(([name, values]) => [name, Float32Array.of(...values, ...values)]),
      );
      both.streamInputs![inputs.length] = Number.NaN;
      const [engine] = engines;
      const trainer = trainerOf({ ...context(engine!), draw: () => both }, buildJob(job));
      const { nonFiniteTasks, weight, metaGradientSum } = await trainer.train(params, {
        metaStep: 0,
        firstTask: 0,
        taskCount: 2,
      });
      await trainer.close();
      assert.deepEqual([nonFiniteTasks, weight], [[1], 1]);
      const alone = trainerOf(context(engine!), buildJob(job));
      const expected = await alone.train(params, { metaStep: 0, firstTask: 0, taskCount: 1 });
      await alone.close();
      assert.deepEqual(metaGradientSum, expected.metaGradientSum);
    });
  }
});

describe('a sequence', () => {
  it('shows each class equally often, no example twice, in an order and with labels of its own', () => {
    const seen = new Set<string>();
    for (let index = 0; index < 20; index++) {
      const shown: string[] = [];
      const [rows, sequence] = [
        2 * presentations,
        { streamInputs: new Float32Array(8).fill(7), streamTargets: new Float32Array(16).fill(7) },
      ];
      const episode = {
        ways: 2,
        shots: 1,
        queries: 1,
        presentations,
        classes: 3,
        examplesOf: () => 5,
        copy: (number: number, example: number, inputs: Float32Array, row: number) => {
          shown.push(`${number}: ${example}`);
          inputs[row] = number;
        },
      };
      drawEpisode(taskRng(3, 'train', index), episode, sequence);
      assert.equal(new Set(shown).size, rows);
      const order = [...sequence.streamInputs];
      const label = (row: number) => sequence.streamTargets.slice(2 * row, 2 * row + 2).indexOf(1);
      assert.equal(
        sequence.streamTargets.reduce((a, b) => a + b, 0),
        rows,
      );
      for (const number of new Set(order)) {
        const own = order.flatMap((value, row) => (value === number ? [label(row)] : []));
        assert.equal(own.length, presentations);
        assert.equal(new Set(own).size, 1);
        seen.add(`class ${number} as ${own[0]}`);
      }
      seen.add(order.join(' '));
    }
    assert.ok(seen.size > 20 && ['class 0 as 0', 'class 0 as 1', 'class 2 as 1'].every((one) => seen.has(one)));
  });

  it('is measured along presentations, from any distribution of classes', async () => {
    const fixture = smallFixture();
    const engine = await createEngine({ engine: 'compiled', device: 'cpu' });
    try {
      const job = jobOf(
        {
          distribution: 'image-folder',
          folder: 'shapes',
          ways: 2,
          presentations: 2,
          size: 16,
          channels: 1,
          splits: { train: ['amber', 'blue', 'coral'], test: ['dune', 'elm'] },
        },
        { architecture: 'mlp', hiddenLayers: [3] },
        { name: 'recurrent', units: 2 },
      );
      assert.deepEqual(job.measures.evaluate[1]!.points, ['1st', '2nd']);
      const { loss, accuracy } = await evaluateOnTasks(
        engine,
        await openParts(job, fixture.directory),
        openedTheta(job),
        3,
      );
      assert.deepEqual([loss!.length, accuracy!.length], [6, 6]);
      assert.ok(loss!.every((value) => value > 0) && accuracy!.every((value) => [0, 0.5, 1].includes(value)));
    } finally {
      fixture.remove();
      await engine.close();
    }
  });

  it('is refused to what cannot read it, and a learner of sequences is refused other tasks', () => {
    const sequence = { distribution: 'omniglot', presentations: 3 };
    const mlp = { architecture: 'mlp' };
    const refused = (task: object, model: object, algorithm: object, message: RegExp) =>
      assert.throws(() => jobOf(task, model, algorithm), message);
    refused(sequence, mlp, { name: 'maml' }, /algorithm\.name: got maml.*a support set/s);
    refused(
      { distribution: 'omniglot' },
      mlp,
      { name: 'mann' },
      /algorithm\.name: got mann.*sequences of classes \(task\.presentations\)/s,
    );
    refused(sequence, { architecture: 'conv4' }, { name: 'mann' }, /model\.architecture: got conv4.*no sequences/s);
    refused(
      sequence,
      mlp,
      { name: 'mann', heads: 9, slots: 8 },
      /algorithm\.heads: got 9; accepted: at most algorithm\.slots, 8/,
    );
    refused({ distribution: 'omniglot', presentations: 21 }, mlp, { name: 'mann' }, /task\.presentations: got 21/);
    const texts = { distribution: 'clinc150', presentations: 3 };
    const bag = { architecture: 'embedding-bag' };
    refused(
      { ...texts, outside: 2 },
      bag,
      { name: 'mann' },
      /task\.outside: got 2; accepted: 0 with task\.presentations/,
    );
    refused({ ...texts, shots: 0 }, bag, { name: 'mann' }, /task\.shots: got 0; accepted: its default, 1, with/);
  });
});

const openedTheta = (job: ResolvedJob): Float32Array =>
  Float32Array.from({ length: job.parameterCount }, (_, i) => 0.3 * Math.sin(i));
