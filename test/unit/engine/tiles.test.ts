// Products in Winograd's domain, and of columns, against the sums that they stand for, in double precision; and which products are in the domain at all.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TypedArray } from '../../../worker/engine/engine.ts';
import { createFusedSession } from '../../../worker/engine/fused/executor.ts';
import { type FusedPlan, planFused } from '../../../worker/engine/fused/plan.ts';
import { GraphBuilder } from '../../../worker/engine/graph/builder.ts';
import { type GraphNode, type Shape, sizeOf } from '../../../worker/engine/graph/operation.ts';
import { planProgram } from '../../../worker/engine/plan.ts';
import { type ConvOptions, convProgram, numbers } from './programs.ts';

interface Layer {
  readonly images: number;
  readonly size: readonly [number, number];
  readonly channels: number;
  readonly others: number;
  /** Before the image, down and across. */
  readonly pads: readonly [number, number];
  readonly output: readonly [number, number];
}

const layer: Layer = { images: 4, size: [14, 14], channels: 8, others: 12, pads: [1, 1], output: [14, 14] };

const layers: readonly (readonly [string, Layer])[] = [
  ['same padding', layer],
  ['an odd number of pixels', { ...layer, size: [13, 9], output: [13, 9], images: 6 }],
  ['no padding', { ...layer, pads: [0, 0], output: [12, 12] }],
  ['padding beyond the filter', { ...layer, pads: [2, 2], output: [16, 16] }],
  ['padding on one side', { ...layer, pads: [0, 2], output: [13, 15] }],
  ['images of 3 × 3', { ...layer, size: [3, 3], output: [3, 3], images: 130 }],
  ['planes a power of two apart', { ...layer, size: [16, 16], output: [16, 16], channels: 16, others: 32 }],
  ['more images than a piece holds', { ...layer, images: 100, channels: 16 }],
];

/** The four forms of a product with columns. */
const forms = ['map', 'map, filter turned', 'sum, channels first', 'sum, channels last'] as const;

type Form = (typeof forms)[number];

function graphOf(form: Form, { images, size, channels, others, pads, output }: Layer) {
  const builder = new GraphBuilder();
  const input = (name: string, shape: Shape) =>
    builder.make({ kind: 'input', source: 'task', name, shape, dtype: 'float32' });
  const x = input('x', [images, ...size, channels]);
  const window = { strides: [1, 1], dilations: [1, 1], groups: 1, pads: [...pads, 0, 0] } as const;
  const columns = builder.make({ kind: 'columns', ...window, filterSize: [3, 3], outputSize: output }, [x]);
  const rows = images * sizeOf(output);
  const make = (): readonly [GraphNode, GraphNode] => {
    if (form === 'map') {
      const filter = input('other', [9 * channels, others]);
      return [filter, builder.matmul(columns, filter)];
    }
    if (form === 'map, filter turned') {
      const filter = input('other', [others, 9 * channels]);
      return [filter, builder.matmul(columns, filter, { transposeB: true })];
    }
    const pixels = input('other', [rows, others]);
    return form === 'sum, channels first'
      ? [pixels, builder.matmul(columns, pixels, { transposeA: true })]
      : [pixels, builder.matmul(pixels, columns, { transposeA: true })];
  };
  const [other, product] = make();
  return { graph: { outputs: [{ name: 'product', node: product }] }, x, other };
}

/** In double precision, by the definition. */
function productOf(form: Form, of: Layer, x: Float32Array, other: Float32Array): Float64Array {
  const { images, size, channels, others, pads, output } = of;
  const isSum = form.startsWith('sum');
  const result = new Float64Array(isSum ? 9 * channels * others : images * sizeOf(output) * others);
  const place = (tap: number, channel: number, o: number) =>
    form === 'map' || form === 'sum, channels first'
      ? (tap * channels + channel) * others + o
      : (o * 9 + tap) * channels + channel;
  for (let image = 0; image < images; image++) {
    for (let row = 0; row < output[0]; row++) {
      for (let column = 0; column < output[1]; column++) {
        const pixel = (image * output[0] + row) * output[1] + column;
        for (let tap = 0; tap < 9; tap++) {
          const [y, z] = [row + Math.floor(tap / 3) - pads[0], column + (tap % 3) - pads[1]];
          if (y < 0 || y >= size[0] || z < 0 || z >= size[1]) continue;
          for (let channel = 0; channel < channels; channel++) {
            const value = x[((image * size[0] + y) * size[1] + z) * channels + channel]!;
            for (let o = 0; o < others; o++) {
              if (isSum) result[place(tap, channel, o)]! += value * other[pixel * others + o]!;
              else result[pixel * others + o]! += value * other[place(tap, channel, o)]!;
            }
          }
        }
      }
    }
  }
  return result;
}

function assertNear(actual: TypedArray, expected: Float64Array): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0);
  assert.ok(error < 2e-6 * largest, `differs by ${error} of ${largest}`);
}

const areTiled = ({ steps }: FusedPlan): boolean[] =>
  steps.flatMap((step) => (step.kind === 'products' ? [step.areTiled] : []));

describe("products in Winograd's domain", () => {
  for (const form of forms) {
    for (const [name, of] of layers) {
      it(`${form}: ${name}`, async () => {
        const { graph, x, other } = graphOf(form, of);
        const plan = planFused(graph)!;
        assert.deepEqual(areTiled(plan), [true]);
        const next = numbers(7);
        const values = (node: GraphNode) => Float32Array.from({ length: sizeOf(node.shape) }, () => next() - 0.5);
        const [images, operand] = [values(x), values(other)];
        const session = await createFusedSession(plan);
        const feed = (node: GraphNode, data: Float32Array) => ({ shape: node.shape, dtype: node.dtype, values: data });
        const feeds = { 'task.x': feed(x, images), 'task.other': feed(other, operand) };
        const { product } = await session.run(feeds);
        // what another product leaves in the scratch memory must not matter
        const again = await session.run(feeds);
        await session.release();
        assertNear(product!, productOf(form, of, images, operand));
        assert.deepEqual(again.product, product);
      });
    }
  }

  it('are not worth their way where they save little', () => {
    const { graph } = graphOf('map', { ...layer, images: 1 });
    assert.deepEqual(areTiled(planFused(graph)!), [false]);
  });
});

describe('products of columns', () => {
  it('read images that another product has just made, in pieces', async () => {
    // six channels are no whole vectors, which keeps them out of the domain
    const of: Layer = { ...layer, images: 100, channels: 6, others: 6 };
    const builder = new GraphBuilder();
    const input = (name: string, shape: Shape) =>
      builder.make({ kind: 'input', source: 'task', name, shape, dtype: 'float32' });
    const window = { strides: [1, 1], dilations: [1, 1], groups: 1, pads: [...of.pads, 0, 0] } as const;
    const convolve = (x: GraphNode, filter: GraphNode) => {
      const columns = builder.make({ kind: 'columns', ...window, filterSize: [3, 3], outputSize: of.output }, [x]);
      return builder.reshape(builder.matmul(columns, filter), [of.images, ...of.output, of.others]);
    };
    const inputs = [
      input('x', [of.images, ...of.size, of.channels]),
      input('first', [9 * of.channels, of.others]),
      input('second', [9 * of.others, of.others]),
    ] as const;
    const [x, first, second] = inputs;
    const graph = { outputs: [{ name: 'product', node: convolve(convolve(x, first), second) }] };
    const plan = planFused(graph)!;
    assert.deepEqual(areTiled(plan), [false, false]);
    const next = numbers(7);
    const values = inputs.map(({ shape }) => Float32Array.from({ length: sizeOf(shape) }, () => next() - 0.5));
    const session = await createFusedSession(plan);
    const feeds = inputs.map(({ op, shape, dtype }, i) => {
      assert.ok(op.kind === 'input');
      return [`task.${op.name}`, { shape, dtype, values: values[i]! }] as const;
    });
    const { product } = await session.run(Object.fromEntries(feeds));
    await session.release();
    const between = Float32Array.from(productOf('map', of, values[0]!, values[1]!));
    assertNear(product!, productOf('map', of, between, values[2]!));
  });
});

describe('which products are in the domain', () => {
  const conv: ConvOptions = {
    size: 16,
    channels: 1,
    filters: 8,
    layers: 2,
    ways: 3,
    images: 9,
    queries: 9,
    downsampling: 'max-pool',
  };
  const planOf = (changes: Partial<ConvOptions>, order: 'first' | 'second') =>
    planProgram(convProgram({ ...conv, ...changes }, { order, innerSteps: 1, taskCount: 1 }), { target: 'fused' })
      .fused!;
  const groups = (plan: FusedPlan) =>
    plan.steps
      .flatMap((step) => (step.kind === 'products' ? [step] : []))
      .map(({ plans, areTiled: are }) => ({
        are,
        hasFilterGradient: plans.some(({ isSummed }) => isSummed),
        channels: plans[0]!.columns.inputs[0]!.shape[3]!,
      }));

  it("a convolution's gradients, but not what pools compare", () => {
    // a first layer's columns are short, and computed in other ways
    const inner = groups(planOf({}, 'first')).filter(({ channels }) => channels > 1);
    assert.ok(inner.length > 0);
    for (const { are, hasFilterGradient } of inner) assert.equal(are, hasFilterGradient);
  });

  it('of second order the products of derivatives', () => {
    const inner = groups(planOf({}, 'second')).filter(({ channels }) => channels > 1);
    const inDomain = inner.filter(({ are }) => are);
    assert.ok(inDomain.some(({ hasFilterGradient }) => !hasFilterGradient));
    // the support and the query set through the second layer
    assert.equal(inner.length - inDomain.length, 2);
  });

  it('none of filters that move by two pixels', () => {
    assert.ok(groups(planOf({ downsampling: 'stride' }, 'second')).every(({ are }) => !are));
  });
});
