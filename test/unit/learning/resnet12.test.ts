// ResNet-12 and what models are given beside their parameters: the forward pass with each choice of
// statistics and with masks against PyTorch, the masks themselves, and running statistics on their
// way through a job.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Tensor } from '@tensorflow/tfjs';
import { supportAndQuery, type TaskFacts } from '../../../learning/facts.ts';
import { drawMasks, type Masks, maskShapes } from '../../../learning/kit/given.ts';
import { builtIn } from '../../../learning/registry.ts';
import { taskRng } from '../../../shared/rng.ts';
import { elementsOf, viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import { type Fixture, smallFixture } from './omniglot-fixture.ts';
import { evaluateOnTasks, jobOf, openParts, relativeError, trainOnTasks } from './small-jobs.ts';

let fixture: Fixture;
let eager: Engine;
let compiled: Engine;
before(async () => {
  fixture = smallFixture();
  eager = await createEngine({ engine: 'eager', device: 'cpu' });
  compiled = await createEngine({ engine: 'compiled', device: 'cpu' });
  await tf.setBackend('cpu');
});
after(async () => {
  fixture.remove();
  await eager.close();
  await compiled.close();
});

const model = builtIn.part('model', 'resnet12');
const facts = (input: readonly number[], ways = 3): TaskFacts =>
  supportAndQuery({ target: 'classes', inputKind: 'image', input, outputs: ways, ways, shots: 1, queries: 2 });

describe('ResNet-12', () => {
  const spec = { widths: [2, 3, 2, 3], batchNorm: 'running', dropRate: 0.1, dropBlockSize: 2 };
  const task = facts([16, 17, 2]);

  /**
   * Numbers that a script in another language makes too: s · sin(1.7·i + 0.3·(i mod 7)), i counted
   * through all tensors in θ's order, then the images, then the masks; s = 0.5 for matrices and
   * filters, the head's bias and masks, 0.1 for scales (about 1) and shifts, 1 for images.
   */
  function waves() {
    let next = 0;
    const wave = (shape: readonly number[], scale: number, around = 0): Tensor => {
      const values = Float32Array.from({ length: elementsOf(shape) }, () => {
        const i = next++;
        return around + scale * Math.sin(1.7 * i + 0.3 * (i % 7));
      });
      return tf.tensor(values, [...shape]);
    };
    const own = model.parameters(spec, task).filter(({ update }) => update === undefined);
    const params = Object.fromEntries(
      own.map(({ name, shape, isNormalization }) => [
        name,
        isNormalization ? wave(shape, 0.1, name.endsWith('.scale') ? 1 : 0) : wave(shape, 0.5),
      ]),
    );
    const images = wave([3, 16, 17, 2], 1);
    const masks = Object.fromEntries(
      Object.entries(model.masks!(spec, task)).map(([name, { shape }]) => [name, wave([3, ...shape], 0.5, 1)]),
    );
    return { params, images, masks };
  }
  const built = () => model.build(spec, { tf, task, layer: (_, output) => output });
  const first = () =>
    Object.fromEntries(
      model
        .parameters(spec, task)
        .filter(({ update }) => update === 'average')
        .map(({ name, shape }) => [name, name.endsWith('.mean') ? tf.zeros([...shape]) : tf.ones([...shape])]),
    );
  const close = async (actual: Tensor, expected: readonly number[]) => {
    const values = await actual.data();
    assert.equal(values.length, expected.length);
    // float32 through 13 layers, against PyTorch's float64
    assert.ok(relativeError(values, expected) < 1e-4, `${values} is not ${expected}`);
  };

  // Printed by resnet12_digits.py. PyTorch 2.15, float64: F.conv2d(padding=1) and
  // F.batch_norm(training, momentum=0.1, eps=0.001), F.leaky_relu(0.1) and F.max_pool2d(2) put
  // together as kjunelee/MetaOptNet's models/ResNet12_embedding.py does, with the mean over height
  // and width and a linear layer, on the numbers of `waves`.
  it('gives the logits of PyTorch with the statistics of the batch, with running ones, and with masks', async () => {
    const { params, images, masks } = waves();
    const { predict, running } = built();
    const batch = [-0.557438, 0.234169, 2.0568, -0.862234, -0.029303, 2.15841, -1.57634, -0.61221, 3.07698];
    await close(predict(params, images), batch);
    const moved = running!(params, images, first());
    await close(moved['block1.conv1.variance']!, [1.00765, 0.933246]);
    await close(moved['block4.shortcut.mean']!, [-0.0226089, -0.126862, 0.128195]);
    await close(moved['block4.shortcut.variance']!, [0.902998, 0.935871, 0.941553]);
    const inEvaluation = [
      0.324873, -0.195576, -0.0747288, 0.111882, -0.119063, 0.547309, 0.247806, -0.274722, 0.122482,
    ];
    await close(predict({ ...params, ...moved }, images), inEvaluation);
    const masked = [-0.76069, 0.982012, 3.30114, -1.12007, -0.386997, 2.48418, -1.16449, -0.615394, 2.32462];
    await close(predict({ ...params, ...masks }, images), masked);
  });

  it('has the published 12.4 million parameters before its head', () => {
    const parameters = model.parameters(model.schema.parse({}), facts([84, 84, 3]));
    const body = parameters.filter(({ part }) => part !== 'head');
    // 4 blocks of 9·(i·w + 2·w²) + i·w + 8·w
    assert.equal(
      body.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
      12_424_320,
    );
  });

  it('has the first second-order meta-gradient on both engines, with DropBlock and running statistics', async () => {
    const task = { distribution: 'image-folder', folder: 'shapes', ways: 2, shots: 1, queries: 1, size: 16, splits };
    const section = {
      architecture: 'resnet12',
      widths: [2, 2, 2, 2],
      batchNorm: 'running',
      dropRate: 0.3,
      dropBlockSize: 1,
    };
    const algorithm = { name: 'maml', innerSteps: 1, innerLearningRate: 0.01 };
    const parts = await openParts(jobOf(task, section, algorithm), fixture.directory);
    const [expected, actual] = [
      await trainOnTasks(eager, parts, parts.metaParams),
      await trainOnTasks(compiled, parts, parts.metaParams),
    ];
    assert.ok(relativeError(actual.sum, expected.sum) < 1e-4);
  });
});

const splits = { train: ['amber', 'blue', 'coral'], test: ['dune', 'elm'] };

describe('the masks of a task', () => {
  const task = facts([40, 40, 3]);
  const masksOf = (section: object): Masks =>
    model.masks!(model.schema.parse({ widths: [2, 2, 2, 8], ...section }), task);
  const drawn = (masks: Masks, index: number) => {
    const arrays = Object.fromEntries(
      Object.entries(maskShapes(masks, task)).map(([name, { shape }]) => [name, new Float32Array(elementsOf(shape))]),
    );
    drawMasks(masks, taskRng(3, 'masks', index), arrays);
    return arrays;
  };

  it('drop about the wanted share, keep a mean of 1, and are functions of their stream alone', () => {
    const arrays = drawn(masksOf({ dropRate: 0.2, dropBlockSize: 1 }), 0);
    assert.deepEqual(
      Object.keys(arrays),
      ['support', 'query'].flatMap((set) => [1, 2, 3, 4].map((block) => `${set}Masks.block${block}.mask`)),
    );
    const first = arrays['queryMasks.block1.mask']!;
    assert.equal(first.length, 6 * 20 * 20 * 2);
    const share = first.filter((value) => value === 0).length / first.length;
    // three standard deviations of 4,800 trials
    assert.ok(Math.abs(share - 0.2) < 3 * Math.sqrt((0.2 * 0.8) / 4800), String(share));
    assert.ok(Math.abs(first.reduce((sum, value) => sum + value, 0) / first.length - 1) < 1e-5);
    assert.deepEqual(drawn(masksOf({ dropRate: 0.2, dropBlockSize: 1 }), 0), arrays);
    assert.notDeepEqual(drawn(masksOf({ dropRate: 0.2, dropBlockSize: 1 }), 1), arrays);
  });

  it('drop squares in the last two blocks, which no lone element shows', () => {
    const arrays = drawn(masksOf({ dropRate: 0.3, dropBlockSize: 2 }), 0);
    const mask = arrays['queryMasks.block3.mask']!;
    const [side, channels] = [5, 2];
    const isDropped = (example: number, y: number, x: number, channel: number) =>
      x >= 0 && y >= 0 && x < side && y < side && mask[((example * side + y) * side + x) * channels + channel] === 0;
    let count = 0;
    for (let at = 0; at < mask.length; at++) {
      const [channel, x, y] = [
        at % channels,
        Math.floor(at / channels) % side,
        Math.floor(at / channels / side) % side,
      ];
      const example = Math.floor(at / channels / side / side);
      if (!isDropped(example, y, x, channel)) continue;
      count++;
      const isInSquare = [0, 1].some((dy) =>
        [0, 1].some((dx) =>
          [0, 1].every((i) => [0, 1].every((j) => isDropped(example, y - dy + i, x - dx + j, channel))),
        ),
      );
      assert.ok(isInSquare, `${example} ${y} ${x} ${channel}`);
    }
    assert.ok(count > 0);
  });

  it('are none without dropout, and no evaluation has any', async () => {
    assert.deepEqual(masksOf({ dropRate: 0 }), {});
    const task = { distribution: 'image-folder', folder: 'shapes', ways: 2, shots: 1, queries: 1, size: 16, splits };
    const accuracies = async (dropRate: number) => {
      const section = { architecture: 'resnet12', widths: [2, 2, 2, 2], batchNorm: 'running', dropRate };
      const parts = await openParts(jobOf(task, section, { name: 'protonet' }), fixture.directory);
      return evaluateOnTasks(eager, parts, parts.metaParams, 2);
    };
    assert.deepEqual(await accuracies(0.5), await accuracies(0));
  });
});

describe('running statistics', () => {
  it('are averaged over the tasks of a meta-step, and algorithms do not see them', async () => {
    const task = { distribution: 'omniglot', ways: 3, shots: 1, queries: 2, dataSet: 'small' };
    const section = { architecture: 'conv4', filters: 2, downsampling: 'stride', batchNorm: 'running' };
    for (const algorithm of [
      { name: 'meta-sgd', innerLearningRate: 0.1 },
      { name: 'reptile', innerSteps: 1, innerBatchSize: 2 },
    ]) {
      const parts = await openParts(jobOf(task, section, algorithm), fixture.directory);
      const { job, layout, metaParams } = parts;
      assert.deepEqual(job.running.map(({ name }) => name).slice(0, 2), ['conv1.mean', 'conv1.variance']);
      assert.ok(job.modelParameters.every(({ name }) => !/\.(mean|variance)$/.test(name)));
      assert.ok(!job.parameters.some(({ name }) => name === 'rate.conv1.mean'));
      const { sum } = await trainOnTasks(eager, parts, metaParams, 2);
      // the first convolution's means are the same before and after an inner step only where its
      // filters are; so look at their size
      const means = viewsOf(layout, sum)['conv1.mean']!;
      const variances = viewsOf(layout, sum)['conv1.variance']!;
      for (const [index, mean] of means.entries()) {
        // two tasks: 0.9 · (0 + 0) + 0.1 · (their means), and 0.9 · (1 + 1) + 0.1 · (their variances)
        assert.ok(mean !== 0 && Math.abs(mean) < 0.2, String(mean));
        assert.ok(variances[index]! > 1.8 && variances[index]! < 2.2, String(variances[index]));
      }
    }
  });

  it('keep their first values in a baseline that learns nothing', () => {
    const task = { distribution: 'omniglot', ways: 3, shots: 1, queries: 2, dataSet: 'small' };
    const section = { architecture: 'conv4', filters: 2, batchNorm: 'running' };
    const job = jobOf(task, section, { name: 'nearest-neighbour' });
    assert.ok(job.running.length === 8 && job.parameters.every(({ update }) => update === 'fixed'));
  });
});
