// The `published` section of a job file: any part of a job's own fields, checked as a job's are, and
// compared with them.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { wordsOf } from '../../../learning/job.ts';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { builtIn } from '../../../learning/registry.ts';
import { cardText, differencesBetween, noWords, statedCard, statedFields } from '../../../shared/protocol.ts';
import { packageRoot } from '../../../shared/wire.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';

const published = (protocol: object) => ({
  source: 'A paper',
  measure: 'loss',
  at: { 1: { mean: 1 } },
  protocol,
});
const parse = (protocol: object) => parseJobSpec(sinusoidSpec('it', { published: published(protocol) }));

test('a protocol states what the source tells and gets no defaults', () => {
  const protocol = {
    task: { distribution: 'omniglot', ways: 5 },
    model: { architecture: 'conv4' },
    meta: { optimizer: { name: 'adam', learningRate: 0.001 }, clipNorm: null },
    evaluation: { tasks: 600 },
    transductive: true,
  };
  assert.deepEqual(parse(protocol).published?.protocol, protocol);
  assert.deepEqual(parse({}).published?.protocol, {});
});

const refused: readonly (readonly [protocol: object, says: RegExp])[] = [
  [
    { task: { distribution: 'sinusoid', ways: 5 } },
    /^invalid job: published\.protocol\.task\.ways: got an unknown field/,
  ],
  [{ task: { shots: 5 } }, /published\.protocol\.task\.distribution: got nothing; accepted: sinusoid \| .*omniglot/],
  [{ meta: { iterations: 0 } }, /published\.protocol\.meta\.iterations: got 0; accepted: at least 1/],
  [{ meta: { batchSize: null } }, /published\.protocol\.meta\.batchSize: got null; accepted: a number/],
  [{ evaluation: { every: 5 } }, /published\.protocol\.evaluation\.every: got an unknown field/],
  [{ patience: 5 }, /published\.protocol\.patience: got an unknown field; accepted: one of task, model, algorithm/],
];

for (const [protocol, message] of refused) {
  test(`a protocol of ${JSON.stringify(protocol)} is refused by name`, () => {
    assert.throws(() => parse(protocol), { code: 'REQUEST_INVALID', message });
  });
}

test('a figure has known fields, is of a measure and a point of the job, and within its range', () => {
  const images = { task: { distribution: 'omniglot' }, model: { architecture: 'conv4' } };
  const refuses = (changes: object, sections: object, message: RegExp) =>
    assert.throws(
      () => parseJobSpec(sinusoidSpec('it', { ...sections, published: { ...published({}), ...changes } })),
      { code: 'REQUEST_INVALID', message },
    );
  const median = { 1: { mean: 1, median: 2 } };
  refuses({ at: median }, {}, /published\.at\.1\.median: got an unknown field; accepted: one of mean/);
  refuses({ at: { '01': { mean: 1 } } }, {}, /published\.at: got 01; accepted: a number of inner steps, such as 2/);
  refuses(
    { figure: { mean: 1 } },
    {},
    /published\.figure: got a figure; accepted: published\.at: the figures by inner step/,
  );
  refuses({ measure: 'accuracy' }, {}, /published\.measure: got accuracy; accepted: one of the job's measures: loss/);
  const percent = { measure: 'accuracy', at: { 3: { mean: 98.7 } } };
  refuses(percent, images, /published\.at\.3\.mean: got 98\.7; accepted: accuracy from 0 to 1/);
});

test('two protocols differ in the values that the published one states', () => {
  const ours = { meta: { iterations: 5, optimizer: { name: 'sgd', learningRate: 1 } }, transductive: true } as const;
  const theirs = {
    meta: { iterations: 5, batchSize: 4, optimizer: { name: 'sgd', learningRate: 2 }, clipNorm: null },
    transductive: false,
  } as const;
  assert.deepEqual(
    differencesBetween(ours, theirs).map(({ text }) => text),
    [
      'meta.batchSize: none instead of 4',
      'meta.optimizer.learningRate: 1 instead of 2',
      'transductive: true instead of false',
    ],
  );
  assert.deepEqual(differencesBetween(ours, {}), []);
});

test('a protocol reads as a sentence, without what its source does not tell', () => {
  assert.equal(cardText(statedCard({}, noWords)), '');
  const task = { distribution: 'omniglot', dataSet: 'full', ways: 5, shots: 1, queries: 1, rotations: true } as const;
  const model = { architecture: 'conv4', filters: 64, batchNormScale: false, headInitialization: 'normal' } as const;
  const algorithm = { name: 'maml', order: 'first', innerSteps: 1, innerLearningRate: 0.4 } as const;
  const meta = { iterations: 60_000, batchSize: 32, optimizer: { name: 'adam', learningRate: 0.001 } } as const;
  const stated = { task, model, algorithm, meta, evaluation: { tasks: 600 }, transductive: true };
  assert.equal(
    cardText(statedCard(stated, wordsOf(stated, builtIn))),
    'first-order MAML, 5-way 1-shot, 1 query a class, 600 test tasks, transductive; ' +
      'conv4 of 64 filters, batch norm without a scale, normal head; ' +
      'trained for 60,000 meta-steps of 32 tasks with 1 inner step of rate 0.4, adam 0.001; Omniglot full set, 4 rotations',
  );
});

/** Sources and figures as published: method, table or section, inner steps, mean, half-width. */
const figures: Readonly<Record<string, readonly [source: RegExp, at: object]>> = {
  'sinusoid.yaml': [/^MAML, Finn et al\. 2017, §5\.1$/, { 1: { mean: 0.67 }, 5: { mean: 0.38 }, 10: { mean: 0.35 } }],
  'sinusoid-paper.yaml': [
    /^MAML, Finn et al\. 2017, §5\.1$/,
    { 1: { mean: 0.67 }, 5: { mean: 0.38 }, 10: { mean: 0.35 } },
  ],
  'omniglot-5way-1shot-paper.yaml': [/^MAML, Finn et al\. 2017, §5\.2$/, { 3: { mean: 0.987, halfWidth95: 0.004 } }],
  'omniglot-5way-1shot.yaml': [/^MAML, Finn et al\. 2017, §5\.2$/, { 3: { mean: 0.987, halfWidth95: 0.004 } }],
  'omniglot-5way-1shot-fomaml.yaml': [
    /^1st-order MAML \+ Transduction, Nichol et al\. 2018, table 2$/,
    { 3: { mean: 0.983, halfWidth95: 0.005 } },
  ],
};

test('every example that shows a published figure shows the one of its source, with a protocol that a verdict can use', () => {
  for (const file of readdirSync(join(packageRoot, 'examples')).filter((name) => name.endsWith('.yaml'))) {
    const { published: shown } = parseJobSpec(readFileSync(join(packageRoot, 'examples', file), 'utf8'));
    const known = figures[file];
    if (!known) continue;
    assert.match(shown?.source ?? '', known[0], file);
    assert.deepEqual(shown?.at, known[1], file);
    const stated = statedFields(shown?.protocol ?? {}).map(([field]) => field);
    for (const field of ['task.shots', 'task.queries', 'evaluation.tasks', 'transductive']) {
      assert.ok(stated.includes(field), `${file} does not state ${field}`);
    }
  }
});

test("the example with the paper's own settings differs from the paper in nothing that a field holds", () => {
  const spec = parseJobSpec(readFileSync(join(packageRoot, 'examples', 'sinusoid-paper.yaml'), 'utf8'));
  assert.deepEqual(differencesBetween({ ...spec, transductive: false }, spec.published!.protocol), []);
});
