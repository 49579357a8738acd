// What a task function may and may not do, on both engines: random numbers and reads of values are refused by both; operators that the compiled
// engine lacks are run by the eager one, as the message says.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine, TaskFunction, TaskProgramOptions } from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';

type Function = (x: tf.Tensor) => tf.Tensor;

/** A program whose one output, `each.y`, is the function of a task tensor of the given shape. */
function programOf(apply: Function, shape: readonly number[] = [4], taskCount = 1): TaskProgramOptions {
  const taskFunction: TaskFunction = (_, { x }) => ({ sum: {}, each: { y: apply(x!) } });
  return { name: 'noisy train', taskFunction, metaParams: {}, task: { x: { shape, dtype: 'float32' } }, taskCount };
}

const engineNames = ['compiled', 'eager'] as const;

describe('a task function', () => {
  const engines = {} as Record<(typeof engineNames)[number], Engine>;
  before(async () => {
    for (const engine of engineNames) engines[engine] = await createEngine({ engine, device: 'cpu' });
  });
  after(async () => {
    for (const engine of engineNames) await engines[engine].close();
  });

  const { randomNormal: alias } = tf;
  const draws: readonly (readonly [operator: string, how: string, apply: Function])[] = [
    ['tf.randomNormal', 'by itself', (x) => tf.add(x, tf.randomNormal([4]))],
    ['tf.randomNormal', 'with a seed', (x) => tf.add(x, tf.randomNormal([4], 0, 1, 'float32', 7))],
    ['tf.randomNormal', 'under another name', (x) => tf.add(x, alias([4]))],
    ['tf.randomNormal', 'within a gradient', (x) => tf.grad((y) => tf.mul(y, tf.randomNormal([4])))(x)],
    [
      'tf.randomNormal',
      'in a layer',
      (x) => tf.layers.gaussianNoise({ stddev: 1 }).call(x, { training: true }) as tf.Tensor,
    ],
    ['tf.randomStandardNormal', 'by itself', (x) => tf.add(x, tf.randomStandardNormal([4]))],
    ['tf.randomUniform', 'by itself', (x) => tf.add(x, tf.randomUniform([4]))],
    ['tf.randomUniform', 'in an initializer', (x) => tf.add(x, tf.initializers.randomUniform({}).apply([4]))],
    ['tf.randomUniformInt', 'by itself', (x) => tf.add(x, tf.randomUniformInt([4], 0, 9))],
    ['tf.randomGamma', 'by itself', (x) => tf.add(x, tf.randomGamma([4], 1))],
    ['tf.truncatedNormal', 'by itself', (x) => tf.add(x, tf.truncatedNormal([4]))],
    ['tf.multinomial', 'by itself', (x) => tf.cast(tf.multinomial(x as tf.Tensor1D, 3, 7), 'float32')],
    ['tf.multinomial', 'without a seed', (x) => tf.cast(tf.multinomial(x as tf.Tensor1D, 3), 'float32')],
    ['tf.dropout', 'by itself', (x) => tf.dropout(x, 0.5)],
    ['tf.dropout', 'in a layer', (x) => tf.layers.dropout({ rate: 0.5 }).call(x, { training: true }) as tf.Tensor],
    [
      'tf.rand',
      'by itself',
      (x) =>
        tf.add(
          x,
          tf.rand([4], () => 0.5),
        ),
    ],
    ['Math.random', 'by itself', (x) => tf.mul(x, Math.random())],
    ['Math.random', 'in a shuffle', (x) => tf.gather(x, shuffled())],
    ['Math.random', 'after an operator that is tried on zeros', (x) => tf.mul(tf.cumprod(x), Math.random())],
  ];
  for (const engine of engineNames) {
    for (const [operator, how, apply] of draws) {
      // the compiled engine refuses cumprod first
      if (engine === 'compiled' && how.startsWith('after')) continue;
      it(`that draws with ${operator} ${how} is refused by the ${engine} engine`, async () => {
        await assert.rejects(engines[engine].compile(programOf(apply)), {
          code: 'REQUEST_INVALID',
          message:
            `program "noisy train": it calls ${operator}, and a task function may not draw random numbers: they would be the same in every run. ` +
            "Draw them from the task's random stream and pass them in as a task tensor",
          details: { program: 'noisy train', operator },
        });
        assert.ok(tf.randomNormal([1]).size === 1 && Math.random() < 1, 'others may draw again');
      });
    }

    it(`may call tf.dropout with a rate of 0 on the ${engine} engine`, async () => {
      const program = await engines[engine].compile(programOf((x) => tf.dropout(x, 0)));
      const { each } = await program.run({}, { x: Float32Array.of(1, 2, 3, 4) });
      assert.deepEqual([...each.y!], [1, 2, 3, 4]);
    });

    for (const [how, first] of [
      ['', (x: tf.Tensor) => x],
      [' made by an operator of the eager engine alone', (x: tf.Tensor) => tf.cumprod(x)],
    ] as const) {
      if (engine === 'compiled' && how !== '') continue;
      it(`that reads a value${how} is refused by the ${engine} engine`, async () => {
        const branching = (x: tf.Tensor) => (first(x).dataSync()[0]! > 0 ? x : tf.neg(x));
        await assert.rejects(engines[engine].compile(programOf(branching)), {
          code: 'REQUEST_INVALID',
          message: /program "noisy train": it reads a tensor's values/,
        });
      });
    }

    it(`that calls an operator that nobody has is refused by the ${engine} engine, which advises no other`, async () => {
      const unknown = (x: tf.Tensor) => tf.engine().runKernel('Nowhere', { x }) as tf.Tensor;
      await assert.rejects(engines[engine].compile(programOf(unknown)), {
        code: 'REQUEST_INVALID',
        message:
          engine === 'compiled'
            ? 'program "noisy train": the compiled engine has no operator Nowhere'
            : 'program "noisy train": TensorFlow.js\'s backend cpu has no operator Nowhere, nor has the compiled engine',
        details: { program: 'noisy train', operator: 'Nowhere' },
      });
    });
  }

  const range = (count: number) => Float32Array.from({ length: count }, (_, i) => i + 1);
  /** Operators without a rule in the trace: applied to 1, 2, 3, … of the shape, they give these numbers. */
  const missing: readonly (readonly [
    kernel: string,
    shape: readonly number[],
    apply: Function,
    y: readonly number[],
  ])[] = [
    ['Einsum', [2, 2], (x) => tf.einsum('ab,bc->ac', x, x), [7, 10, 15, 22]],
    ['Cumprod', [4], (x) => tf.cumprod(x), [1, 2, 6, 24]],
    ['TopK', [4], (x) => tf.topk(x, 2).values, [4, 3]],
    ['TopK', [4], (x) => tf.topk(x, 2).indices, [3, 2]],
    [
      'ResizeNearestNeighbor',
      [1, 1, 2, 1],
      (x) => tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [2, 2]),
      [1, 2, 1, 2],
    ],
    // the kernel is all ones: the sum of the cube
    ['Conv3D', [1, 2, 2, 2, 1], (x) => tf.conv3d(x as tf.Tensor5D, tf.ones([2, 2, 2, 1, 1]), 1, 'valid'), [36]],
    [
      'Conv3DBackpropInputV2',
      [1, 2, 2, 2, 1],
      (x) => tf.grad((y) => tf.sum(tf.mul(3, conv3d(y))))(x),
      [3, 3, 3, 3, 3, 3, 3, 3],
    ],
    // through complex64, a type that the graph does not have
    ['Complex', [4], (x) => tf.real(tf.fft(tf.complex(x, tf.zerosLike(x)))), [10, -2, -2, -2]],
    ['Complex', [4], (x) => tf.real(tf.ifft(tf.fft(tf.reshape(tf.complex(x, tf.neg(x)), [1, 4])))), [1, 2, 3, 4]],
  ];
  for (const [kernel, shape, apply, y] of missing) {
    const first = `${apply}`.replace(/^.*?=> /, '');
    it(`that needs ${kernel} is sent by the compiled engine to the eager one, which runs it: ${first}`, async () => {
      const size = shape.reduce((product, length) => product * length, 1);
      const program = programOf(apply, shape, 2);
      if (kernel !== 'Conv3DBackpropInputV2') {
        await assert.rejects(engines.compiled.compile(program), {
          code: 'REQUEST_INVALID',
          message: `program "noisy train": the compiled engine has no operator ${kernel}; engine: eager runs it`,
        });
      }
      const compiled = await engines.eager.compile(program);
      const x = Float32Array.of(...range(size), ...range(size).map((number) => 2 * number));
      const { each } = await compiled.run({}, { x });
      const task = each.y!.subarray(0, y.length);
      assert.deepEqual(compiled.outputs.each.y!.shape[0], 2);
      assert.equal(each.y!.length, 2 * y.length);
      // Fourier transforms of four numbers, in float32
      for (const [i, number] of y.entries()) assert.ok(Math.abs(task[i]! - number) < 1e-5, `${task}; wanted: ${y}`);
    });
  }

  it('whose output has a type that is no output is refused with the types that are', async () => {
    const complex = programOf((x) => tf.complex(x, x));
    await assert.rejects(engines.eager.compile(complex), {
      code: 'REQUEST_INVALID',
      message: 'program "noisy train": an output is of type complex64; accepted: float32, int32, bool',
    });
  });

  it('whose output has another shape for other values is refused when it runs', async () => {
    const program = await engines.eager.compile(programOf((x) => tf.unique(x).values));
    await assert.rejects(program.run({}, { x: Float32Array.of(1, 2, 2, 3) }), {
      code: 'REQUEST_INVALID',
      message:
        'program "noisy train": output each.y had shape [1] when the program was compiled and has shape [3] now; shapes may not depend on values',
      details: { program: 'noisy train', output: 'each.y' },
    });
  });

  it('whose operator refuses zeros is refused with what the operator says', async () => {
    const transposed = (x: tf.Tensor) => tf.engine().runKernel('BincountOf', { x }) as tf.Tensor;
    tf.registerKernel({
      kernelName: 'BincountOf',
      backendName: 'cpu',
      kernelFunc: () => {
        throw new Error('all zeros');
      },
    });
    try {
      const eager = await createEngine({ engine: 'eager', device: 'cpu' });
      await assert.rejects(
        eager.compile(programOf(transposed)),
        /operator BincountOf cannot be tried on zeros, .*all zeros/,
      );
    } finally {
      tf.unregisterKernel('BincountOf', 'cpu');
    }
  });
});

const conv3d = (x: tf.Tensor) => tf.conv3d(x as tf.Tensor5D, tf.ones([2, 2, 2, 1, 1]), 1, 'valid');

function shuffled(): number[] {
  const order = [0, 1, 2, 3];
  tf.util.shuffle(order);
  return order;
}
