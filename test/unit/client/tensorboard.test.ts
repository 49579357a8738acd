import assert from 'node:assert/strict';
import test from 'node:test';
import type { JobHistory } from '../../../client/history.ts';
import { crc32c, eventFile } from '../../../client/tensorboard/event-file.ts';
import { scalarsOf } from '../../../client/tensorboard/scalars.ts';

test("CRC-32C gives RFC 3720's digits", () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
});

test('an event file is frames whose lengths cover it, with step and value of each scalar', () => {
  const file = eventFile([{ tag: 'a', step: 300, value: 0.5 }], 1);
  const frames: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    frames.push(file.subarray(at + 12, at + 12 + length));
    at += 16 + length;
  }
  assert.equal(frames.length, 2);
  assert.equal(frames[0]?.subarray(11).toString(), 'brain.Event:2');
  assert.equal(frames[1]?.toString('hex'), '09000000000000f03f10ac022a0a0a080a0161150000003f');
});

test('training and evaluations become scalars, each point of an axis with a tag of its own', () => {
  const measure = { name: 'loss', axis: 'inner step', points: ['0', '1'], estimates: [{ mean: 3 }, { mean: 1 }] };
  const history = {
    metaSteps: [{ step: 2, measures: [{ name: 'loss', value: 4 }], metaGradientNorm: 5, learningRate: 0.1 }],
    story: [
      {
        kind: 'evaluated',
        evaluation: {
          step: 2,
          measures: [measure, { ...measure, name: 'gap', axis: '', points: [''], estimates: [{ mean: 7 }] }],
        },
      },
    ],
  } as unknown as JobHistory;
  assert.deepEqual(
    scalarsOf(history).map(({ tag, step, value }) => [tag, step, value]),
    [
      ['train/loss', 2, 4],
      ['train/meta-gradient norm', 2, 5],
      ['train/learning rate', 2, 0.1],
      ['evaluation/loss/0 inner steps', 2, 3],
      ['evaluation/loss/1 inner step', 2, 1],
      ['evaluation/gap', 2, 7],
    ],
  );
});
