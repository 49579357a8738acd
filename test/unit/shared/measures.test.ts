// Measures in words: the one that leads, the place along an axis, and figures with their units.
import assert from 'node:assert/strict';
import test from 'node:test';
import { readJob } from '../../../learning/job-file.ts';
import {
  alongOtherAxes,
  areKinds,
  atLastPoint,
  axisHead,
  formatFigure,
  headline,
  inReadingOrder,
  leadingMeasure,
  maxMeasures,
  measureOf,
  ordinal,
  placeText,
  pointText,
  valuesOfTask,
} from '../../../shared/measures.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';
import { accuracyMeasure, lossMeasure } from '../../support/measures.ts';

const loss = lossMeasure([
  { mean: 2, halfWidth95: 0.5 },
  { mean: 0.5, halfWidth95: 0.05 },
]);
const accuracy = accuracyMeasure([
  { mean: 0.2, halfWidth95: 0.02 },
  { mean: 0.963, halfWidth95: 0.007 },
]);
const regret = measureOf({ name: 'regret', axis: '', points: [''], better: 'lower' }, [{ mean: 7, halfWidth95: 1 }]);

test('the measure of which more is better leads, unless another is wanted', () => {
  assert.equal(leadingMeasure([loss, accuracy])?.name, 'accuracy');
  assert.equal(leadingMeasure([loss, accuracy], 'loss')?.name, 'loss');
  assert.equal(leadingMeasure([loss, regret])?.name, 'loss');
  assert.equal(leadingMeasure([]), undefined);
  assert.deepEqual(inReadingOrder([loss, accuracy]), [accuracy, loss]);
});

test('a headline says where measures stand once, where they stand at the same place', () => {
  assert.equal(headline([loss]), 'loss 0.500 ± 0.0500 after 1 inner step');
  assert.equal(headline([loss, accuracy]), 'accuracy 96.3 % ± 0.7, loss 0.500 ± 0.0500 after 1 inner step');
  assert.equal(headline([loss, accuracy], 'loss'), 'loss 0.500 ± 0.0500, accuracy 96.3 % ± 0.7 after 1 inner step');
  assert.equal(headline([loss, regret]), 'loss 0.500 ± 0.0500 after 1 inner step, regret 7.00 ± 1.00');
  assert.equal(headline([regret]), 'regret 7.00 ± 1.00');
  assert.equal(headline(atLastPoint([loss, accuracy])), headline([loss, accuracy]));
});

test('what rates nothing is no part of a headline, and stands beside the leading measure along its own axis', () => {
  const estimates = [
    { mean: 0.01, halfWidth95: 0.001 },
    { mean: 0.4, halfWidth95: 0.01 },
  ];
  const layers = { axis: 'layer', points: ['conv1', 'linear'], better: 'neither' } as const;
  const [moved, alike] = ['moved', 'alike'].map((name) => measureOf({ name, ...layers }, estimates));
  const measures = [loss, moved!, regret, accuracy, alike!];
  assert.equal(headline(measures), headline([loss, regret, accuracy]));
  assert.deepEqual(alongOtherAxes(measures, accuracy), [[moved, alike]]);
  const domains = { axis: 'domain', points: ['birds', 'fungi'], better: 'lower' } as const;
  const byDomain = [loss, measureOf({ name: 'loss-by-domain', ...domains }, estimates)];
  assert.equal(headline(byDomain), headline([loss]));
  assert.equal(headline(atLastPoint(byDomain)), headline([loss]), 'the last of several domains stands for no others');
  assert.deepEqual(alongOtherAxes([loss, accuracy], loss), []);
  assert.deepEqual(
    [areKinds(layers.points), areKinds(['0 %', '50 %']), areKinds(['1st']), areKinds(['0', '1'])],
    [true, false, false, false],
  );
});

test('a place along an axis is a count of it, or its name', () => {
  assert.equal(placeText('inner step', '10'), ' after 10 inner steps');
  assert.equal(placeText('episode', '1'), ' after 1 episode');
  assert.equal(placeText('domain', 'birds'), ' in domain birds');
  assert.equal(placeText('presentation', '2nd'), ' at the 2nd presentation');
  assert.equal(placeText('', ''), '');
  assert.deepEqual(
    [1, 2, 3, 4, 10, 11, 12, 13, 21, 112].map(ordinal).join(' '),
    '1st 2nd 3rd 4th 10th 11th 12th 13th 21st 112th',
  );
  assert.equal(pointText('presentation', ordinal(10)), '10th presentation');
  assert.equal(axisHead({ axis: 'presentation', points: ['1st', '10th'] }), 'presentation');
  assert.equal(axisHead({ axis: 'inner step', points: ['1', '10'] }), 'inner steps');
  assert.equal(axisHead({ axis: 'domain', points: ['birds', '2'] }), 'domain');
});

test('a share is written in per cent, anything else to three digits', () => {
  assert.equal(formatFigure(accuracy, 0.98526, 0.00461), '98.53 ± 0.46');
  assert.equal(formatFigure(loss, 0.38412, 0.02551), '0.384 ± 0.0255');
  assert.equal(formatFigure(loss, 0.67), '0.670');
});

test('the heads of a job are within the limits, have names of their own, and lead with what training minimises', () => {
  const images = { task: { distribution: 'omniglot' }, model: { architecture: 'conv4' } };
  for (const [sections, names] of [
    [{}, ['loss']],
    [images, ['loss', 'accuracy']],
  ] as const) {
    const { measures } = readJob(sinusoidSpec('it', { ...sections, evaluation: { innerSteps: 3 } }));
    const { train, evaluate } = measures;
    for (const heads of [train, evaluate]) {
      assert.deepEqual(
        heads.map(({ name }) => name),
        names,
      );
      assert.ok(heads.length <= maxMeasures);
      for (const { name } of heads) assert.match(name, /^[a-z][a-z0-9-]{0,39}$/);
    }
    assert.deepEqual([valuesOfTask(train), valuesOfTask(evaluate)], [names.length, 4 * names.length]);
    assert.equal(train[0]?.better, 'lower');
  }
});
