// The fused executor against three oracles: ONNX Runtime with the same program as one model, the eager reference, and finite differences; and what it
// promises beside numbers: equal bytes, one task a run, and to stay out of the way of graphs that are not for it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createCompiledEngine } from '../../../worker/engine/compiled.ts';
import { deviceFacts } from '../../../worker/engine/devices.ts';
import { createEagerEngine } from '../../../worker/engine/eager.ts';
import type { CompileReport, NamedArrays, TaskProgramOptions, TypedArray } from '../../../worker/engine/engine.ts';
import { isGiven } from '../../../worker/engine/fused/partition.ts';
import type { FusedPlan } from '../../../worker/engine/fused/plan.ts';
import { sizeOf } from '../../../worker/engine/graph/operation.ts';
import type { OptimizeOptions } from '../../../worker/engine/passes/pipeline.ts';
import { planProgram } from '../../../worker/engine/plan.ts';
import { loadTensorflow } from '../../../worker/engine/tf/tensorflow.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import { operatorProgram } from './operator-checks.ts';
import { operatorCases } from './operators.ts';
import {
  type ConvOptions,
  convParams,
  convProgram,
  fill,
  type Loss,
  maml,
  mlpProgram,
  relativeError,
} from './programs.ts';

const conv: ConvOptions = {
  size: 14,
  channels: 1,
  filters: 8,
  layers: 2,
  ways: 3,
  images: 3,
  queries: 6,
  downsampling: 'max-pool',
};

const labels = 3;

interface Outcome {
  readonly sum: NamedArrays;
  readonly each: NamedArrays;
  readonly report: CompileReport;
}

const tasksOf = (program: TaskProgramOptions) => fill(program.task, { seed: 2, count: program.taskCount, labels });

async function run(
  program: TaskProgramOptions,
  passes: OptimizeOptions,
  metaParams = fill(program.metaParams, { seed: 1 }),
  tasks = tasksOf(program),
): Promise<Outcome> {
  const reports: CompileReport[] = [];
  const onCompiled = (report: CompileReport) => reports.push(report);
  const engine = await createCompiledEngine({ facts: deviceFacts('cpu'), passes, onCompiled });
  try {
    const compiled = await engine.compile(program);
    return { ...(await compiled.run(metaParams, tasks)), report: reports[0]! };
  } finally {
    await engine.close();
  }
}

function assertClose(actual: Outcome, expected: Pick<Outcome, 'sum' | 'each'>, tolerance: number): void {
  for (const group of ['sum', 'each'] as const) {
    for (const [name, values] of Object.entries(expected[group])) {
      const error = relativeError(actual[group][name]!, values);
      assert.ok(error < tolerance, `${group}.${name}: ${error}`);
    }
  }
}

/** Every step reads what is given, what a step before it wrote, or, a kernel, what it has just computed itself. */
function assertOrdered({ steps, memory }: FusedPlan): void {
  const written = new Set([...memory.addresses.keys()].filter(isGiven));
  for (const [position, { kind, reads, writes }] of steps.entries()) {
    for (const node of reads) {
      const isThere = written.has(node) || (kind === 'kernel' && writes.includes(node));
      assert.ok(isThere, `step ${position}, a ${kind}, reads ${node.op.kind} too early`);
    }
    for (const node of writes) written.add(node);
  }
}

const fused: OptimizeOptions = { target: 'fused' };
const onnx: OptimizeOptions = { target: 'onnx' };

describe('the fused executor computes what ONNX Runtime computes', () => {
  const cases: readonly (readonly [string, Partial<ConvOptions>])[] = [
    ['images of 14 × 14', {}],
    ['images of 7 × 7, whose last row no window reaches', { size: 7 }],
    ['images of 5 × 5', { size: 5 }],
    ['three channels', { channels: 3 }],
    ['64 filters', { filters: 64, size: 7 }],
    ['one filter', { filters: 1, layers: 1, size: 6 }],
    ['filters that fill no whole vector', { filters: 6, size: 6 }],
    ['filters that fill no whole vector, on larger images', { filters: 5, size: 12 }],
    ['three layers of three filters', { filters: 3, size: 28, layers: 3 }],
    ['four layers', { layers: 4, size: 16, filters: 4 }],
    ['average pooling', { downsampling: 'average-pool' }],
    ['overlapping windows', { downsampling: 'overlapping-max-pool' }],
    ['strides over an even number of pixels', { downsampling: 'stride', layers: 3 }],
    ['strides over an odd number of pixels', { downsampling: 'stride', size: 13, layers: 3 }],
    ['more images than a piece of columns holds', { images: 6, queries: 40, filters: 16, size: 16 }],
  ];
  for (const [name, changes] of cases) {
    for (const order of ['first', 'second'] as const) {
      it(`${name}, ${order} order`, async () => {
        const program = convProgram({ ...conv, ...changes }, { order, taskCount: 2 });
        // sums of the same numbers in other orders; the images are random, so that no two elements of a window tie
        const actual = await run(program, fused);
        assertClose(actual, await run(program, onnx), 1e-3);
        const plan = planProgram(program, fused).fused;
        assert.equal(plan !== undefined, actual.report.executor === 'fused');
        if (plan) assertOrdered(plan);
      });
    }
  }

  it('drawings in black and white, whose windows tie', async () => {
    const program = convProgram({ ...conv, filters: 16, layers: 3, size: 28 }, { order: 'second', taskCount: 2 });
    const start = fill(program.metaParams, { seed: 1 });
    const drawings = (values: TypedArray, stroke: number) =>
      Float32Array.from(values, (_, i) =>
        Number((Math.floor(i / 28) % 28) % stroke < 3 || (i % 28) % (stroke + 2) < 3),
      );
    const tasks: NamedArrays = { ...tasksOf(program) };
    const drawn = {
      ...tasks,
      supportX: drawings(tasks.supportX!, 9),
      queryX: drawings(tasks.queryX!, 7),
    };
    // a tie that rounding breaks sends a whole gradient another way: the difference would be far beyond this
    assertClose(await run(program, fused, start, drawn), await run(program, onnx, start, drawn), 1e-3);
  });

  it('three tasks one after another, and two of them alone', async () => {
    const program = convProgram(conv, { order: 'second', taskCount: 3 });
    const actual = await run(program, fused);
    assert.equal(actual.report.executor, 'fused');
    assert.equal(actual.report.tasksPerRun, 1);
    assertClose(actual, await run(program, onnx), 1e-3);
  });

  it('steps that are computed again for their gradient', async () => {
    const program = convProgram(conv, { order: 'second', taskCount: 1, rematerialize: true });
    const actual = await run(program, fused);
    assert.equal(actual.report.executor, 'fused');
    assertClose(actual, await run(program, onnx), 1e-3);
  });
});

/** Two convolutions with batch norm, x/√(1 + x²) for relu and average pooling, then as in `convLoss`. */
const smoothLoss: Loss = (params, x, y) => {
  let hidden = x as ReturnType<typeof tf.tensor4d>;
  for (const layer of [0, 1]) {
    hidden = tf.conv2d(hidden, params[`filter${layer}`] as never, 1, 'same');
    const centred = tf.sub(hidden, tf.mean(hidden, [0, 1, 2]));
    const normal = tf.div(centred, tf.sqrt(tf.add(tf.mean(tf.square(centred), [0, 1, 2]), 1e-3)));
    hidden = tf.add(tf.mul(normal, params[`scale${layer}`]!), params[`offset${layer}`]!);
    hidden = tf.avgPool(tf.div(hidden, tf.sqrt(tf.add(tf.square(hidden), 1))), 2, 2, 'valid');
  }
  const logits = tf.add(tf.matMul(tf.mean(hidden, [1, 2]) as never, params.dense! as never), params.denseBias!);
  return tf.neg(tf.mean(tf.sum(tf.mul(tf.oneHot(y as never, labels), tf.logSoftmax(logits as never)), -1)));
};

describe('the fused executor', () => {
  it('agrees with the eager reference', async () => {
    const program = convProgram(conv, { order: 'second', taskCount: 2 });
    const facts = deviceFacts('cpu');
    const engine = createEagerEngine({ facts, ...(await loadTensorflow('cpu', { kind: 'reference' })) });
    const compiled = await engine.compile(program);
    const tasks = fill(program.task, { seed: 2, count: 2, labels });
    const expected = await compiled.run(fill(program.metaParams, { seed: 1 }), tasks);
    await engine.close();
    assertClose(await run(program, fused), expected, 1e-3);
  });

  it('gives gradients that finite differences confirm, through the inner loop', async () => {
    // a network without corners; a step of 1e-2 leaves float32 three digits of the difference
    const options = { order: 'second', innerSteps: 2, innerLearningRate: 0.1 } as const;
    const program: TaskProgramOptions = {
      ...convProgram({ ...conv, size: 8, filters: 4 }, { taskCount: 1 }),
      taskFunction: maml({ loss: smoothLoss, ...options }),
    };
    const start = fill(program.metaParams, { seed: 1 });
    const { sum, report } = await run(program, fused, start);
    assert.equal(report.executor, 'fused');
    for (const name of ['filter0', 'filter1', 'scale1', 'offset0', 'dense']) {
      const gradient = sum[`gradient.${name}`] as Float32Array;
      const size = Math.sqrt(gradient.reduce((total, value) => total + value * value, 0));
      const moved = (step: number): NamedArrays => ({
        ...start,
        [name]: (start[name] as Float32Array).map((value, i) => value + (step * gradient[i]!) / size),
      });
      const [ahead, behind] = [await run(program, fused, moved(1e-2)), await run(program, fused, moved(-1e-2))];
      const slope = (ahead.sum.loss![0]! - behind.sum.loss![0]!) / 2e-2;
      assert.ok(Math.abs(slope - size) < 2e-2 * size, `${name}: slope ${slope}, gradient ${size}`);
    }
  });

  it('gives equal bytes for equal work, and a shard the sum of its tasks', async () => {
    const program = convProgram(conv, { order: 'second', taskCount: 2 });
    const [once, again] = [await run(program, fused), await run(program, fused)];
    assert.deepEqual(again.sum, once.sum);
    assert.deepEqual(again.each, once.each);
    const engine = await createCompiledEngine({ facts: deviceFacts('cpu'), passes: fused });
    const single = await engine.compile({ ...program, taskCount: 1 });
    const metaParams = fill(program.metaParams, { seed: 1 });
    const tasks = fill(program.task, { seed: 2, count: 2, labels });
    const results: { readonly sum: NamedArrays }[] = [];
    for (const task of [0, 1]) {
      const own = Object.fromEntries(
        Object.entries(tasks).map(([name, values]) => {
          const size = values.length / 2;
          return [name, values.slice(task * size, (task + 1) * size)];
        }),
      );
      results.push(await single.run(metaParams, own));
    }
    await engine.close();
    for (const [name, values] of Object.entries(once.sum)) {
      const [first, second] = results.map(({ sum }) => sum[name]!) as [Float32Array, Float32Array];
      assert.deepEqual(
        values,
        first.map((value, i) => value + second[i]!),
        name,
      );
    }
  });

  it('takes the memory that is predicted, and less than ONNX Runtime is predicted to take', async () => {
    const program = convProgram(conv, { order: 'second', innerSteps: 4, taskCount: 1 });
    const [mine, theirs] = [await run(program, fused), await run(program, onnx)];
    assert.ok(mine.report.peakBytes < theirs.report.peakBytes);
  });

  it('keeps no more of a step that is computed again than where it began', () => {
    const peak = (innerSteps: number, rematerialize: boolean) => {
      const program = convProgram(conv, { order: 'second', innerSteps, taskCount: 1, rematerialize });
      return planProgram(program, fused).peakBytes;
    };
    const phi = Object.values(convParams(conv)).reduce((bytes, { shape }) => bytes + 4 * sizeOf(shape), 0);
    assert.ok(peak(8, true) < 0.5 * peak(8, false), `${peak(8, true)} of ${peak(8, false)}`);
    // each tensor is followed by a line of the cache: small ones take up to twice their size
    assert.ok(peak(8, true) - peak(4, true) < 2 * 4 * phi);
  });

  it('shares what it made between equal programs', async () => {
    const engine = await createCompiledEngine({ facts: deviceFacts('cpu'), passes: fused });
    const program = convProgram(conv, { order: 'first', taskCount: 2 });
    await engine.compile(program);
    await engine.compile({ ...program, taskCount: 4 });
    assert.deepEqual([engine.statistics.sessionsCreated, engine.statistics.sessionsShared], [1, 1]);
    await engine.close();
  });

  for (const name of ['common-subexpressions', 'factors', 'keep-leading-axes', 'lower-short-columns']) {
    it(`gives the same numbers without ${name}`, async () => {
      const program = convProgram(conv, { order: 'second', taskCount: 1 });
      assertClose(await run(program, { ...fused, without: [name] }), await run(program, onnx), 1e-3);
    });
  }
});

const depthwise = operatorCases.find(({ name }) => name === '`depthwiseConv2d`')!;

describe('graphs that are not for the fused executor run as one ONNX model, byte for byte', () => {
  const programs: readonly TaskProgramOptions[] = [
    mlpProgram({ order: 'second', taskCount: 2 }),
    operatorProgram(depthwise, 'second order', 2),
  ];
  for (const program of programs) {
    it(program.name, async () => {
      const [actual, expected] = [await run(program, fused), await run(program, onnx)];
      assert.equal(actual.report.executor, 'onnx');
      assert.deepEqual(actual.sum, expected.sum);
    });
  }
});
