// The meta-learner LSTM against a second implementation in float64, coordinate by coordinate from
// the paper's equations: the losses along its steps, and its meta-gradient as a difference
// quotient, with the learner's gradients and losses held (first order) or not (second).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layoutOf } from '../../../learning/job.ts';
import { viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import { buildJob, evaluatorOf, trainerOf, workContext } from '../../../worker/learning/open.ts';
import { lstm, parametersOf, plus, sigmoid, type Vector } from './by-hand.ts';
import { jobOf, relativeError } from './small-jobs.ts';
import { derivative, everything, gradient, loss, query, start, support, taskOf } from './two-units.ts';

/** Float32 over two steps and their derivatives. */
const tolerance = 2e-5;

const units = 3;
const jobWith = (order: string) =>
  jobOf(
    { distribution: 'sinusoid', shots: support.length, queries: query.length },
    { architecture: 'mlp', hiddenLayers: [2] },
    { name: 'meta-lstm', order, innerSteps: 2, innerLearningRate: 0.2, units },
  );

interface Reading {
  readonly loss: number;
  readonly gradient: Vector;
}

const readable = (x: number): Vector =>
  Math.abs(x) >= Math.exp(-10) ? [Math.log(Math.abs(x)) / 10, Math.sign(x)] : [-1, Math.exp(10) * x];

/** The learner before and after each of two steps, and what the steps read. */
function steps(theta: Vector, held?: readonly Reading[]) {
  const { vector, times } = parametersOf(jobWith('first'), theta);
  const learners: Vector[] = [theta.slice(0, everything.length)];
  const readings: Reading[] = [];
  const memories = everything.map(() => ({
    cell: Array(units).fill(0),
    hidden: Array(units).fill(0),
    input: 0,
    forget: 0,
  }));
  for (const step of [0, 1]) {
    const net = learners[step]!;
    const reading = held?.[step] ?? { loss: loss(net, support), gradient: gradient(net, support) };
    readings.push(reading);
    learners.push(
      net.map((value, i) => {
        const memory = memories[i]!;
        const slope = reading.gradient[i]!;
        const read = times([...readable(slope), ...readable(reading.loss)], 'optimizer.lstm.input');
        const sums = plus(read, times(memory.hidden, 'optimizer.lstm.hidden'), vector('optimizer.lstm.bias'));
        Object.assign(memory, lstm(sums, memory.cell));
        for (const gate of ['input', 'forget'] as const) {
          const [sum] = times([...memory.hidden, value, memory[gate]], `optimizer.${gate}.weights`);
          memory[gate] = sigmoid(sum! + vector(`optimizer.${gate}.bias`)[0]!);
        }
        return memory.forget * value - memory.input * slope;
      }),
    );
  }
  return { learners, readings };
}

test('the meta-learner LSTM takes the steps of the paper, and learns from them to first and second order', async () => {
  const { parameterCount } = jobWith('first');
  const theta = Array.from({ length: parameterCount }, (_, i) =>
    Math.fround(i < start.length ? start[i]! : 0.5 * Math.sin(1.9 * i + 0.3)),
  );
  const { learners, readings } = steps(theta);
  const queryLoss = (at: Vector, held?: readonly Reading[]) => loss(steps(at, held).learners.at(-1)!, query);
  const expected = {
    first: derivative((at) => queryLoss(at, readings), theta),
    second: derivative((at) => queryLoss(at), theta),
  };
  assert.ok(relativeError(expected.first, expected.second) > 0.01, 'the orders differ');
  for (const name of ['compiled', 'eager'] as const) {
    const engine = await createEngine({ engine: name, device: 'cpu' });
    for (const order of ['first', 'second'] as const) {
      const job = jobWith(order);
      const params = viewsOf(layoutOf(job.parameters), Float32Array.from(theta));
      const context = { ...workContext(job, undefined as never, engine), draw: () => taskOf(support, query) };
      const trainer = trainerOf(context, buildJob(job));
      const trained = await trainer.train(params, { metaStep: 0, firstTask: 0, taskCount: 1 });
      await trainer.close();
      const error = relativeError(trained.metaGradientSum, expected[order]);
      assert.ok(error < tolerance, `${name}, ${order} order: differs by ${error}`);
      const evaluator = evaluatorOf(context, buildJob(job));
      const shard = { metaStep: 0, split: 'test', firstTask: 0, taskCount: 1 } as const;
      const { measures } = await evaluator.evaluate(params, shard);
      await evaluator.close();
      const losses = learners.map((net) => loss(net, query));
      assert.ok(relativeError(measures[0]!.values, losses) < tolerance, `${name}: losses ${measures[0]!.values}`);
    }
    await engine.close();
  }
});

test('an optimizer that has learned nothing takes small steps and forgets little', () => {
  const job = jobWith('first');
  const { parameters } = job;
  const firstOf = (name: string) =>
    parameters.find((parameter) => parameter.name === name)!.initialize(undefined as never);
  assert.ok(Math.abs(sigmoid(firstOf('optimizer.input.bias')) - 0.2) < 1e-12);
  assert.ok(sigmoid(firstOf('optimizer.forget.bias')) > 0.99);
  assert.deepEqual([...new Set(parameters.map(({ group = 'model' }) => group))], ['model', 'optimizer']);
});
