// The verdict on an evaluation: which numbers, under which protocol, support which claim. The rule
// stands at the head of shared/comparison.ts.
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { type ComparedJob, compare, isClaim, outcomeWords, verdictOf } from '../../../shared/comparison.ts';
import { measureOf } from '../../../shared/measures.ts';
import { accuracyMeasure, lossMeasure } from '../../support/measures.ts';

type Sections = Readonly<Record<string, unknown>>;

interface Case {
  readonly measure?: 'loss' | 'accuracy';
  /** Our estimate after inner step 1, and the figure's. */
  readonly ours: readonly [mean: number, halfWidth95: number];
  readonly figure: readonly [mean: number, halfWidth95?: number];
  /** Sections of the job, and of the published protocol, over those of `loss` or `accuracy`. */
  readonly job?: Sections;
  readonly protocol?: Sections;
  readonly overrides?: readonly string[];
  readonly state?: ComparedJob['state'];
  readonly evaluation?: { readonly divergedTasks?: number; readonly split?: string; readonly transductive?: boolean };
  readonly outcome: string;
}

const maml = { name: 'maml', order: 'second', innerSteps: 1, innerLearningRate: 0.01 };
const meta = { iterations: 1000, batchSize: 25 };
const evaluation = { tasks: 600, innerSteps: 1 };

const jobs = {
  loss: { task: { distribution: 'sinusoid', shots: 5, queries: 5 }, model: { architecture: 'mlp' } },
  accuracy: {
    task: { distribution: 'omniglot', dataSet: 'full', ways: 5, shots: 1, queries: 1 },
    model: { architecture: 'conv4' },
  },
} as const;

function jobOf(wanted: Case): ComparedJob {
  const { measure = 'loss', ours, figure, overrides = [], state = 'succeeded' } = wanted;
  const { divergedTasks = 0, split = 'test', transductive = measure === 'accuracy' } = wanted.evaluation ?? {};
  const [mean, halfWidth95] = figure;
  const spec = parseJobSpec(
    JSON.stringify({
      name: 'compared',
      ...{ ...jobs[measure], algorithm: maml, meta, evaluation, ...wanted.job },
      published: {
        source: 'A paper, §1',
        measure,
        at: { 1: { mean, ...(halfWidth95 !== undefined && { halfWidth95 }) } },
        protocol: {
          ...{ task: jobs[measure].task, algorithm: maml, meta, evaluation, transductive: measure === 'accuracy' },
          ...wanted.protocol,
        },
      },
    }),
  );
  const estimates = [
    { mean: 0.2, halfWidth95: 0.001 },
    { mean: ours[0], halfWidth95: ours[1] },
  ];
  const { distribution } = spec.task;
  const protocol = { distribution, split, tasks: spec.evaluation.tasks, transductive, splitDescription: 'as it is' };
  const measures = measure === 'loss' ? [lossMeasure(estimates)] : [lossMeasure([]), accuracyMeasure(estimates)];
  return { state, spec, overrides, evaluation: { measures, protocol, divergedTasks } };
}

const outcomeOf = (wanted: Case) => compare(jobOf(wanted)).outcome;

/** An omniglot case: ours and the figure in per cent. */
const accuracy = (ours: readonly [number, number], figure: readonly [number, number], more: Partial<Case> = {}) =>
  ({
    measure: 'accuracy',
    ours: [ours[0] / 100, ours[1] / 100],
    figure: [figure[0] / 100, figure[1] / 100],
    ...more,
  }) as const;

const cases: Readonly<Record<string, Case>> = {
  'the figure inside a narrow interval, nothing differs': { ours: [0.66, 0.05], figure: [0.67], outcome: 'reproduced' },
  'ours is better, nothing differs': { ours: [0.5, 0.04], figure: [0.67], outcome: 'reproduced' },
  'ours is worse, by more than our interval': { ours: [0.8, 0.05], figure: [0.67], outcome: 'not-reproduced' },
  '4.78e14 ± 9.36e14 holds every figure': { ours: [4.78e14, 9.36e14], figure: [0.67], outcome: 'too-wide' },
  '43.1 ± 59.2 holds every figure': { ours: [43.1, 59.2], figure: [0.38], outcome: 'too-wide' },
  'half the width just above a tenth of the figure': { ours: [0.4, 0.039], figure: [0.38], outcome: 'too-wide' },
  'half the width just below a tenth of the figure': { ours: [0.4, 0.037], figure: [0.38], outcome: 'reproduced' },
  'a lower loss whose interval is too wide is no claim': { ours: [0.2, 0.15], figure: [0.38], outcome: 'too-wide' },
  'a wide interval can still show that ours is worse': { ours: [43.1, 5], figure: [0.38], outcome: 'not-reproduced' },
  'a mean that is not a number': { ours: [Number.NaN, Number.NaN], figure: [0.67], outcome: 'too-wide' },
  'an infinite loss': { ours: [Number.POSITIVE_INFINITY, Number.NaN], figure: [0.67], outcome: 'too-wide' },
  'a finite mean without an interval': { ours: [0.67, Number.NaN], figure: [0.67], outcome: 'too-wide' },
  'twice the published half-width is narrow': accuracy([98.2, 0.8], [98.7, 0.4], { outcome: 'reproduced' }) as Case,
  'more than twice the published half-width is not': accuracy([98.2, 0.9], [98.7, 0.4], {
    outcome: 'too-wide',
  }) as Case,
  'worse, but the two intervals overlap': accuracy([98.0, 0.5], [98.7, 0.4], { outcome: 'overlaps' }) as Case,
  'a higher accuracy is better': accuracy([99.5, 0.2], [98.7, 0.4], { outcome: 'reproduced' }) as Case,
  'two test tasks instead of 600': {
    ours: [0.66, 0.001],
    figure: [0.67],
    job: { evaluation: { tasks: 2, innerSteps: 1 } },
    outcome: 'not-comparable',
  },
  'more test tasks than the source had measure the same': {
    ours: [0.66, 0.02],
    figure: [0.67],
    job: { evaluation: { tasks: 2400, innerSteps: 1 } },
    outcome: 'reproduced',
  },
  'other ways': accuracy([98.7, 0.3], [98.7, 0.4], {
    job: { task: { ...jobs.accuracy.task, ways: 3 } },
    outcome: 'not-comparable',
  }) as Case,
  'other shots': {
    ours: [0.66, 0.05],
    figure: [0.67],
    job: { task: { ...jobs.loss.task, shots: 10 } },
    outcome: 'not-comparable',
  },
  'other queries': accuracy([98.7, 0.3], [98.7, 0.4], {
    job: { task: { ...jobs.accuracy.task, queries: 15 } },
    outcome: 'not-comparable',
  }) as Case,
  'a smaller data set': accuracy([98.7, 0.3], [98.7, 0.4], {
    job: { task: { ...jobs.accuracy.task, dataSet: 'small' } },
    outcome: 'not-comparable',
  }) as Case,
  'inductive instead of transductive': accuracy([98.7, 0.3], [98.7, 0.4], {
    evaluation: { transductive: false },
    outcome: 'not-comparable',
  }) as Case,
  'a source that does not tell its test tasks': {
    ours: [0.66, 0.05],
    figure: [0.67],
    protocol: { evaluation: {} },
    outcome: 'not-comparable',
  },
  'the validation split': {
    ours: [0.66, 0.05],
    figure: [0.67],
    evaluation: { split: 'validation' },
    outcome: 'not-comparable',
  },
  'one test task diverged': {
    ours: [0.66, 0.05],
    figure: [0.67],
    evaluation: { divergedTasks: 1 },
    outcome: 'not-comparable',
  },
  'trained for fewer meta-steps': {
    ours: [0.66, 0.05],
    figure: [0.67],
    job: { meta: { ...meta, iterations: 150 } },
    outcome: 'reached',
  },
  'a field of the training that the source does not tell, changed with --set': {
    ours: [0.66, 0.05],
    figure: [0.67],
    overrides: ['meta.clipNorm=1'],
    outcome: 'reached',
  },
  'the figure itself, changed with --set': {
    ours: [0.66, 0.05],
    figure: [0.67],
    overrides: ['published.at.1.mean=0.67'],
    outcome: 'not-comparable',
  },
  'changed with --set to what the source has, or to what changes no figure': {
    ours: [0.66, 0.05],
    figure: [0.67],
    overrides: ['meta.iterations=1000', 'seed=2', 'placement.shardSize=5', 'evaluation.every=10', 'name=x'],
    outcome: 'reproduced',
  },
  'a job that is still running': { ours: [0.9, 0.01], figure: [0.67], state: 'running', outcome: 'undecided' },
  'a job that was cancelled': { ours: [0.66, 0.05], figure: [0.67], state: 'CANCELLED', outcome: 'undecided' },
};

for (const [what, wanted] of Object.entries(cases)) {
  test(`verdict: ${what}: ${wanted.outcome}`, () => {
    assert.equal(outcomeOf(wanted), wanted.outcome, JSON.stringify(compare(jobOf(wanted)), undefined, 1));
  });
}

test('the outcome is that of the worst point, and one that was not measured stands in the way of a claim', () => {
  const outcome = (means: readonly number[]) => {
    const { spec, ...job } = jobOf({ ours: [0, 0], figure: [0.67], outcome: '' });
    const published = { ...spec.published!, at: { 1: { mean: 0.67 }, 2: { mean: 0.38, halfWidth95: 0.1 } } };
    const measures = [lossMeasure(means.map((mean) => ({ mean, halfWidth95: 0.05 })))];
    return compare({ ...job, spec: { ...spec, published }, evaluation: { ...job.evaluation, measures } });
  };
  assert.equal(outcome([3, 0.6, 0.38]).outcome, 'reproduced');
  assert.equal(outcome([3, 0.6, 0.5]).outcome, 'overlaps', '0.12 apart; the half-widths add up to 0.15');
  assert.equal(outcome([3, 0.9, 0.38]).outcome, 'not-reproduced');
  assert.deepEqual(
    outcome([3, 0.9, 0.5]).rows.map(({ verdict }) => verdict),
    [undefined, 'worse', 'overlaps'],
  );
  assert.deepEqual(outcome([3, 0.6]).obstacles, ['not measured: 2 inner steps']);
  assert.equal(outcome([3, 0.6]).outcome, 'not-comparable');
});

test('a measure without an axis has one row, and its figure needs no point', () => {
  const { spec, ...job } = jobOf({ ours: [0, 0], figure: [0.67], outcome: '' });
  const { at: _, ...published } = { ...spec.published!, measure: 'return', figure: { mean: 20, halfWidth95: 1 } };
  const head = { name: 'return', axis: '', points: [''], better: 'higher' } as const;
  const outcome = (mean: number) => {
    const measures = [...job.evaluation.measures, measureOf(head, [{ mean, halfWidth95: 1.5 }])];
    return compare({ ...job, spec: { ...spec, published }, evaluation: { ...job.evaluation, measures } });
  };
  assert.equal(outcome(25).outcome, 'reproduced', 'more is better');
  assert.equal(outcome(15).outcome, 'not-reproduced');
  assert.deepEqual(outcome(21).rows, [
    { point: '', ours: { mean: 21, halfWidth95: 1.5 }, published: { mean: 20, halfWidth95: 1 }, verdict: 'inside' },
  ]);
  const without = compare({ ...job, spec: { ...spec, published } });
  assert.deepEqual(without.obstacles, ['not measured: return']);
});

test('a data set that a worker chose counts as the one that it found', () => {
  const job = jobOf({ ...cases['twice the published half-width is narrow']!, outcome: '' });
  const { spec } = jobOf({
    ...cases['a smaller data set']!,
    job: { task: { ...jobs.accuracy.task, dataSet: 'auto' } },
  });
  const found = (part: string) => compare({ ...job, spec, data: [{ name: 'omniglot', part, sha256: '' }] });
  assert.equal(found('full').outcome, 'reproduced');
  assert.deepEqual(found('small').differences, ['task.dataSet: small instead of full']);
});

test('figures that may not be compared stand side by side without a word', () => {
  const { rows } = compare(jobOf(cases['two test tasks instead of 600']!));
  assert.deepEqual(rows[1], { point: '1', ours: { mean: 0.66, halfWidth95: 0.001 }, published: { mean: 0.67 } });
});

test('what differs is read from the fields of the job, with the values of both', () => {
  const short = { iterations: 150, batchSize: 25, optimizer: { name: 'sgd', learningRate: 1 }, clipNorm: 0.5 };
  const source = { ...meta, iterations: 70_000, optimizer: { name: 'adam', learningRate: 0.001 }, clipNorm: null };
  const job = jobOf({
    ours: [0.6, 0.01],
    figure: [0.67],
    job: { meta: short },
    protocol: { meta: source },
    outcome: '',
  });
  assert.deepEqual(compare(job).differences, [
    'meta.iterations: 150 instead of 70,000',
    'meta.optimizer.name: sgd instead of adam',
    'meta.optimizer.learningRate: 1 instead of 0.001',
    'meta.clipNorm: 0.5 instead of none',
  ]);
  assert.match(outcomeWords(compare(job)).text, /^Published figure reached: .*; the protocol differs in 4 points$/);
});

test('why a figure is not comparable is said with the values of both', () => {
  const { text } = outcomeWords(compare(jobOf(cases['two test tasks instead of 600']!)));
  assert.equal(text, 'Not comparable: another measurement: evaluation.tasks: 2 instead of 600');
  const silent = outcomeWords(compare(jobOf(cases['a source that does not tell its test tasks']!)));
  assert.equal(silent.text, 'Not comparable: the published protocol does not state evaluation.tasks');
  assert.equal(
    outcomeWords(compare(jobOf(cases['one test task diverged']!))).text,
    'Not comparable: 1 of 600 tasks diverged (left out of the loss)',
  );
});

test('a verdict is there only for a job with a figure that has succeeded', () => {
  const good = jobOf(cases['the figure inside a narrow interval, nothing differs']!);
  assert.deepEqual(verdictOf(good), {
    outcome: 'reproduced',
    text: 'Reproduced: the published figure lies inside our interval, or ours is better',
    differences: [],
    obstacles: [],
  });
  assert.equal(verdictOf({ ...good, state: 'running' }), undefined);
  const { published: _, ...bare } = good.spec;
  assert.equal(verdictOf({ ...good, spec: bare }), undefined);
  assert.equal(compare({ ...good, spec: bare }).outcome, 'no-figure');
});

test('only a claim passes the gate', () => {
  const passing = ['reproduced', 'reached', 'overlaps', 'not-reproduced', 'too-wide', 'not-comparable'] as const;
  assert.deepEqual(passing.filter(isClaim), ['reproduced', 'reached']);
});
