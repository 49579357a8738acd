// The passes: each can be left out and the numbers stay, each removes what it is there for, and what they make of small graphs is in test/golden.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createCompiledEngine } from '../../../worker/engine/compiled.ts';
import { deviceFacts } from '../../../worker/engine/devices.ts';
import type { NamedTensors, TaskProgramOptions, TensorSpecs } from '../../../worker/engine/engine.ts';
import { peakBytesOf } from '../../../worker/engine/graph/cost.ts';
import { nodesOf, type Operation, uniformValue } from '../../../worker/engine/graph/operation.ts';
import { nameOfOperation, printGraph } from '../../../worker/engine/graph/print.ts';
import { builderFor, optimize, switchable } from '../../../worker/engine/passes/pipeline.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import { trace } from '../../../worker/engine/trace/trace.ts';
import { assertGolden } from '../../support/golden.ts';
import { operatorProgram } from './operator-checks.ts';
import { operatorCases } from './operators.ts';
import { type ConvOptions, convProgram, fill, mlpProgram, relativeError } from './programs.ts';

const small: ConvOptions = {
  size: 8,
  channels: 1,
  filters: 4,
  layers: 2,
  ways: 3,
  images: 3,
  queries: 6,
  downsampling: 'max-pool',
};

const attention = operatorCases.find(({ name }) => name === 'attention, two heads')!;

const programs: readonly TaskProgramOptions[] = [
  mlpProgram({ order: 'second', taskCount: 2 }),
  convProgram(small, { order: 'second', taskCount: 2 }),
  convProgram({ ...small, downsampling: 'stride' }, { order: 'second', taskCount: 2 }),
  operatorProgram(attention, 'second order', 2),
];

async function results(program: TaskProgramOptions, without: readonly string[]) {
  const engine = await createCompiledEngine({ facts: deviceFacts('cpu'), passes: { without } });
  try {
    const compiled = await engine.compile(program);
    const tasks = fill(program.task, { seed: 2, count: program.taskCount, labels: 3 });
    return await compiled.run(fill(program.metaParams, { seed: 1 }), tasks);
  } finally {
    await engine.close();
  }
}

/** A program of one task that returns one value of float32 inputs. */
function program(
  inputs: Readonly<Record<string, readonly number[]>>,
  fn: (inputs: NamedTensors) => tf.Tensor,
  taskCount = 1,
): TaskProgramOptions {
  const task = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => [name, { shape, dtype: 'float32' }]),
  ) satisfies TensorSpecs as TensorSpecs;
  return {
    name: 'test',
    metaParams: {},
    task,
    taskCount,
    taskFunction: (_, task) => ({ sum: {}, each: { y: fn(task) } }),
  };
}

/** The operators of the optimised graph by name, inputs and constants left out. */
function operatorsOf(options: TaskProgramOptions, without: readonly string[] = []): string[] {
  const { graph } = optimize(trace(options, builderFor({ without })), options.taskCount, { without });
  const isComputed = ({ kind }: Operation) => kind !== 'input' && kind !== 'constant' && kind !== 'reshape';
  return nodesOf(graph)
    .filter(({ op }) => isComputed(op))
    .map(({ op }) => nameOfOperation(op));
}

describe('a pass that is left out changes no number', () => {
  for (const options of programs) {
    it(options.name, async () => {
      const all = await results(options, []);
      for (const name of switchable) {
        const fewer = await results(options, [name]);
        for (const [output, values] of Object.entries(all.sum)) {
          // as compiled against eager: other orders of adding some thousand terms of mixed sign
          const error = relativeError(fewer.sum[output]!, values);
          assert.ok(error < 2e-4, `without ${name}: ${output} differs by ${error}`);
        }
      }
    });
  }

  it('and a name that is no pass is refused', () => {
    assert.throws(
      () => optimize(trace(programs[0]!), 1, { without: ['layuot'] }),
      /no pass "layuot".*postpone-transposes/,
    );
  });
});

describe('what each pass removes', () => {
  /** With everything, with one name left out. */
  const cases: readonly (readonly [string, TaskProgramOptions, string[], string[]])[] = [
    [
      'common-subexpressions',
      program({ x: [3, 3] }, ({ x }) => tf.mul(tf.exp(x!), tf.exp(x!))),
      ['exp', 'mul'],
      ['exp', 'exp', 'mul'],
    ],
    ['fold-constants', program({ x: [3] }, ({ x }) => tf.mul(x!, tf.range(1, 4).add(1))), ['mul'], ['add', 'mul']],
    ['algebra', program({ x: [3] }, ({ x }) => tf.neg(tf.neg(tf.add(x!, 0)))), [], ['add', 'neg', 'neg']],
    [
      'broadcasts',
      program({ x: [3, 1], z: [3, 4] }, ({ x, z }) => tf.mul(tf.broadcastTo(x!, [3, 4]), z!)),
      ['mul'],
      ['broadcast', 'mul'],
    ],
    [
      'movement',
      program({ x: [4, 4] }, ({ x }) =>
        tf.slice(
          tf.pad(x!, [
            [1, 1],
            [0, 0],
          ]),
          [1, 0],
          [4, 4],
        ),
      ),
      [],
      ['pad', 'slice'],
    ],
    [
      'products',
      program({ x: [3, 4], z: [5, 4] }, ({ x, z }) =>
        tf.neg(tf.matMul(x as tf.Tensor2D, tf.transpose(z as tf.Tensor2D))),
      ),
      ['matmul'],
      ['transpose', 'matmul', 'neg'],
    ],
    [
      'postpone-transposes',
      program({ x: [2, 3, 4] }, ({ x }) => tf.transpose(tf.exp(tf.transpose(x!, [2, 0, 1])), [1, 2, 0])),
      ['exp'],
      ['transpose', 'exp', 'transpose'],
    ],
  ];
  for (const [name, options, withAll, withoutIt] of cases) {
    it(name, () => {
      assert.deepEqual(operatorsOf(options), withAll);
      assert.deepEqual(operatorsOf(options, [name]), withoutIt);
    });
  }

  it('dead code: what no output needs is not part of the graph', () => {
    const traced = trace(
      program({ x: [3] }, ({ x }) => {
        tf.exp(x!);
        return tf.sin(x!);
      }),
    );
    assert.deepEqual(traced.recorded, { made: 3, distinct: 3, live: 2 });
  });

  it('task-sums: the sum over tasks of small products is one long product', () => {
    const sums: TaskProgramOptions = {
      name: 'test',
      metaParams: {},
      task: { x: { shape: [4, 3], dtype: 'float32' }, z: { shape: [4, 5], dtype: 'float32' } },
      taskCount: 6,
      taskFunction: (_, { x, z }) => ({ sum: { y: tf.matMul(x as tf.Tensor2D, z as tf.Tensor2D, true) }, each: {} }),
    };
    assert.deepEqual(operatorsOf(sums), ['matmul']);
    assert.deepEqual(operatorsOf(sums, ['task-sums']), ['matmul', 'reduceSum']);
  });

  it('choose-scales: the numbers of an inner loop and of its derivative meet in a few places', () => {
    const options = mlpProgram({ order: 'second', taskCount: 5 });
    const countNumbers = (without: readonly string[]) => {
      const { graph } = optimize(trace(options), options.taskCount, { without });
      return nodesOf(graph).filter(({ op, inputs }) => {
        if (op.kind === 'matmul') return op.alpha !== 1;
        return op.kind === 'binary' && op.fn === 'mul' && inputs.some((input) => uniformValue(input) !== undefined);
      }).length;
    };
    assert.deepEqual([countNumbers([]), countNumbers(['choose-scales'])], [5, 41]);
  });

  it('join-biases: a layer on given numbers is one product, and so are its gradients', () => {
    const options = mlpProgram({ order: 'second', taskCount: 5 });
    const count = (without: readonly string[], kind: string) =>
      operatorsOf(options, without).filter((name) => name === kind).length;
    const counts = ['add', 'sub', 'reduceSum'].map((kind) => [kind, count([], kind), count(['join-biases'], kind)]);
    assert.deepEqual(counts, [
      ['add', 25, 31],
      ['sub', 21, 23],
      ['reduceSum', 18, 22],
    ]);
  });

  it('together: two fifths of the nodes of a second-order conv net, and a tenth of its memory', () => {
    const options = programs[1]!;
    const full = optimize(trace(options), 2).graph;
    const plain = optimize(trace(options, builderFor({ without: switchable })), 2, { without: switchable }).graph;
    assert.ok(
      nodesOf(full).length < 0.6 * nodesOf(plain).length,
      `${nodesOf(full).length} of ${nodesOf(plain).length}`,
    );
    assert.ok(peakBytesOf(full) < 0.9 * peakBytesOf(plain), `${peakBytesOf(full)} of ${peakBytesOf(plain)}`);
  });
});

describe('graphs as text are those in test/golden', () => {
  const golden: Readonly<Record<string, TaskProgramOptions>> = {
    'mlp-second-order': mlpProgram({ order: 'second', innerSteps: 1, taskCount: 2 }),
    'conv-block-gradient': convProgram({ ...small, layers: 1 }, { order: 'first', innerSteps: 0, taskCount: 2 }),
  };
  for (const [name, options] of Object.entries(golden)) {
    it(name, () => {
      const traced = trace(options);
      assertGolden(`${name}-traced`, printGraph(traced));
      assertGolden(`${name}-optimized`, printGraph(optimize(traced, options.taskCount).graph));
    });
  }
});
