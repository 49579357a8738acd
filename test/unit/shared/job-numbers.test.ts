// Numbers at the edge: what float32 has as 0 or infinity is refused by name, alone or as a product, and
// what it just holds is taken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { refusalOf } from './refusal.ts';

const messageOf = (parse: () => unknown): string => refusalOf(parse).message;

const job = (overrides: readonly (readonly [path: string, value: string])[]) =>
  parseJobSpec(
    JSON.stringify({
      name: 'a-job',
      task: { distribution: 'sinusoid' },
      model: { architecture: 'mlp' },
      algorithm: { name: 'maml' },
      meta: { iterations: 100 },
    }),
    overrides,
  );

const positives: readonly (readonly [field: string, ...context: (readonly [string, string])[]])[] = [
  ['algorithm.innerLearningRate'],
  ['algorithm.innerLearningRate', ['algorithm.name', 'reptile']],
  ['algorithm.innerOptimizer.epsilon', ['algorithm.name', 'reptile'], ['algorithm.innerOptimizer.name', 'adam']],
  ...['sgd', 'adam', 'adamw'].map((name): readonly [string, readonly [string, string]] => [
    'meta.optimizer.learningRate',
    ['meta.optimizer', `{ name: ${name} }`],
  ]),
  ['meta.clipNorm'],
];

for (const [field, ...context] of positives) {
  const with_ = context.map(([path, value]) => `${path}=${value}`).join(', ');
  test(`${field}${with_ && ` with ${with_}`} that is 0 or infinite in float32 is refused`, () => {
    for (const value of ['1e-50', '7e-46', '3.5e38', '1e300']) {
      assert.equal(
        messageOf(() => job([...context, [field, value]])),
        `invalid job: ${field}: got ${Number(value)}; accepted: 1.4e-45 to 3.4e38, the range of float32 above 0`,
      );
    }
    assert.equal(
      messageOf(() => job([...context, [field, '0']])),
      `invalid job: ${field}: got 0; accepted: more than 0`,
    );
    for (const value of ['1.4e-45', '3.4e38']) job([...context, [field, value]]);
  });
}

test('numbers of either sign are refused beyond the range of float32', () => {
  for (const field of ['amplitude', 'phase', 'input']) {
    assert.equal(
      messageOf(() => job([[`task.${field}`, '[-1e39, 1]']])),
      `invalid job: task.${field}.0: got -1e+39; accepted: -3.4e38 to 3.4e38, the range of float32`,
    );
  }
});

test('a schedule that brings the meta-learning rate to 0 or infinity is refused with the meta-step', () => {
  const accepted = 'accepted: a schedule whose rates are above 0 and finite in float32';
  const step = (factor: number) => [['meta.schedule', `{ name: step, every: 1, factor: ${factor} }`]] as const;
  assert.match(
    messageOf(() => job(step(0.1))),
    new RegExp(`^invalid job: meta\\.schedule: got a meta-learning rate of .*e-10[12] at meta-step 99; ${accepted}$`),
  );
  assert.match(
    messageOf(() => job(step(1e30))),
    /a meta-learning rate of Infinity at meta-step 99/,
  );
  job(step(0.5));
  for (const name of ['cosine', 'linear']) job([['meta.schedule', `{ name: ${name} }`]]);
  const rising = [
    ['meta.schedule', '{ name: linear, final: 1e38 }'],
    ['meta.optimizer', '{ name: sgd, learningRate: 1e3 }'],
  ] as const;
  assert.match(
    messageOf(() => job(rising)),
    /meta\.schedule: got a meta-learning rate of .*e\+4[01] at meta-step 99/,
  );
});

test('the same alphabet in two splits of any pair is refused', () => {
  const alphabets = { train: ['Greek'], validation: ['Latin'], test: ['Korean'] };
  const names = Object.keys(alphabets) as (keyof typeof alphabets)[];
  for (const [i, earlier] of names.entries()) {
    for (const later of names.slice(i + 1)) {
      const shared = JSON.stringify({ ...alphabets, [later]: alphabets[earlier] });
      const omniglot = [
        ['task', '{ distribution: omniglot }'],
        ['task.alphabets', shared],
      ] as const;
      assert.equal(
        messageOf(() => job(omniglot)),
        `invalid job: task.alphabets.${later}: got ${alphabets[earlier].join()}; ` +
          `accepted: no alphabet of task.alphabets.${earlier}: two splits must share no class`,
      );
    }
  }
});

test('a byte order mark before a job file is no error, in YAML and in JSON', () => {
  const spec = job([]);
  assert.deepEqual(parseJobSpec(`\ufeff${JSON.stringify(spec)}`), spec);
  assert.equal(
    parseJobSpec(
      '\ufeffname: a-job\r\ntask: { distribution: sinusoid }\r\nmodel: { architecture: mlp }\r\nalgorithm: { name: maml }\r\nmeta: { iterations: 5 }\r\n',
    ).meta.iterations,
    5,
  );
});
