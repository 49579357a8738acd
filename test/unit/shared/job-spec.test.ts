// The job file: what is accepted, every default, and for every kind of bad input the message that a person reads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJobSpec } from '../../../learning/job-file.ts';
import type { PartKind } from '../../../learning/part.ts';
import { builtIn } from '../../../learning/registry.ts';
import type { FieldProblem } from '../../../shared/job-spec/explain.ts';
import { type JobSpec, maxSpecBytes } from '../../../shared/job-spec/index.ts';
import { refusalOf } from './refusal.ts';

const namesOf = (kind: PartKind): string =>
  builtIn
    .all(kind)
    .map(({ name }) => name)
    .join(' | ');

type Sections = Readonly<Record<string, unknown>>;

const sinusoid: Sections = {
  name: 'a-job',
  task: { distribution: 'sinusoid' },
  model: { architecture: 'mlp' },
  algorithm: { name: 'maml' },
  meta: { iterations: 10 },
};

const omniglot: Sections = {
  ...sinusoid,
  task: { distribution: 'omniglot' },
  model: { architecture: 'conv4' },
};

const parse = (base: Sections, changes: Sections = {}): JobSpec =>
  parseJobSpec(JSON.stringify({ ...base, ...changes }));

/** The message of the refusal, which must be REQUEST_INVALID. */
const refusal = (base: Sections, changes: Sections): string => refusalOf(() => parse(base, changes)).message;

test('a sinusoid job file of five fields gets every default', () => {
  const anyWorker = { engine: 'compiled', device: 'cpu', mixed: false };
  const innerLoop = { order: 'second', innerSteps: 1, innerLearningRate: 0.01, innerOptimizer: { name: 'sgd' } };
  assert.deepEqual(parse(sinusoid), {
    name: 'a-job',
    seed: 1,
    task: {
      distribution: 'sinusoid',
      shots: 5,
      queries: 5,
      amplitude: [0.1, 5],
      phase: [0, Math.PI],
      input: [-5, 5],
    },
    model: { architecture: 'mlp', hiddenLayers: [40, 40], activation: 'relu', initialization: 'he' },
    algorithm: { name: 'maml', ...innerLoop, rematerialize: false },
    objective: { name: 'mean-squared-error' },
    meta: {
      iterations: 10,
      batchSize: 32,
      optimizer: { name: 'adam', learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
      schedule: { name: 'constant' },
      update: { mode: 'sync' },
      aggregation: { name: 'mean' },
      onNonFinite: 'fail',
    },
    evaluation: { every: 0, tasks: 600, innerSteps: 10, insight: false, split: 'test' },
    checkpoint: { every: 0, keep: 3 },
    placement: { shardSize: 4, ...anyWorker, priority: 'normal', results: 'float32', spans: 'auto' },
  });
});

test('the defaults of Omniglot, conv4, Reptile, the optimizers and the schedules are the documented ones', () => {
  const spec = parse(omniglot, { algorithm: { name: 'reptile' } });
  assert.deepEqual(spec.task, {
    distribution: 'omniglot',
    ways: 5,
    shots: 1,
    queries: 15,
    dataSet: 'auto',
    rotations: true,
  });
  const head = { batchNorm: 'batch', batchNormScale: true, headInitialization: 'xavier' };
  assert.deepEqual(spec.model, { architecture: 'conv4', filters: 64, downsampling: 'max-pool', ...head });
  assert.deepEqual(spec.algorithm, {
    name: 'reptile',
    innerSteps: 5,
    innerLearningRate: 0.02,
    innerOptimizer: { name: 'sgd' },
  });
  const optimizer = (name: string) => parse(sinusoid, { meta: { iterations: 1, optimizer: { name } } }).meta.optimizer;
  assert.deepEqual(optimizer('sgd'), { name: 'sgd', learningRate: 0.001, momentum: 0 });
  const adam = { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
  assert.deepEqual(optimizer('adam'), { name: 'adam', ...adam });
  assert.deepEqual(optimizer('adamw'), { name: 'adamw', ...adam, weightDecay: 0.01 });
  for (const name of ['cosine', 'linear'] as const) {
    assert.deepEqual(parse(sinusoid, { meta: { iterations: 1, schedule: { name } } }).meta.schedule, {
      name,
      final: 0,
    });
  }
  const innerAdam = { name: 'reptile', innerOptimizer: { name: 'adam' } };
  assert.deepEqual(parse(omniglot, { algorithm: innerAdam }).algorithm, {
    ...spec.algorithm,
    innerOptimizer: { name: 'adam', beta1: 0, beta2: 0.999, epsilon: 1e-8 },
  });
});

test('queries follow shots, and the shard size the meta-batch, where the job file is silent', () => {
  assert.equal(parse(sinusoid, { task: { distribution: 'sinusoid', shots: 7 } }).task.queries, 7);
  for (const [batchSize, shardSize] of [
    [1, 1],
    [8, 1],
    [9, 2],
    [25, 4],
    [32, 4],
  ]) {
    assert.equal(parse(sinusoid, { meta: { iterations: 1, batchSize } }).placement.shardSize, shardSize);
  }
});

test('YAML and JSON of the same job give the same spec', () => {
  const yaml = `
# a comment
name: a-job
task: { distribution: sinusoid, phase: [0, 3.141592653589793] }
model:
  architecture: mlp
algorithm: {name: maml}
meta:
  iterations: 0xA
`;
  assert.deepEqual(parseJobSpec(yaml), parse(sinusoid));
});

test('a spec written as JSON reads back as the same spec', () => {
  for (const spec of [
    parse(sinusoid),
    parse(omniglot, { algorithm: { name: 'reptile', innerBatchSize: 10 } }),
    parse(omniglot, {
      task: { distribution: 'omniglot', alphabets: { train: ['Greek', 'Latin'], test: ['Tagalog'] } },
      published: {
        source: 'MAML, Finn et al. 2017, “Table 1”\u2028😀',
        measure: 'accuracy',
        at: { 1: { mean: 0.987, halfWidth95: 0.004 }, 10: { mean: 1 } },
        protocol: { meta: { clipNorm: null }, transductive: true },
        differences: ['600 tasks\nof 5 ways'],
      },
    }),
  ]) {
    assert.deepEqual(parseJobSpec(JSON.stringify(spec)), spec);
    assert.equal(JSON.stringify(parseJobSpec(JSON.stringify(spec))), JSON.stringify(spec));
  }
});

test('overrides are YAML values at a path, applied in order before the check', () => {
  const spec = parseJobSpec(JSON.stringify(sinusoid), [
    ['meta.iterations', '500'],
    ['meta.iterations', '600'],
    ['meta.optimizer', '{ name: sgd, momentum: 0.9 }'],
    ['evaluation.tasks', '50'],
    ['model.hiddenLayers', '[3]'],
    ['model.hiddenLayers.1', '4'],
    ['model.hiddenLayers.0', '5'],
  ]);
  assert.equal(spec.meta.iterations, 600);
  assert.deepEqual(spec.meta.optimizer, { name: 'sgd', learningRate: 0.001, momentum: 0.9 });
  assert.equal(spec.evaluation.tasks, 50);
  assert.deepEqual(spec.model, { ...parse(sinusoid).model, hiddenLayers: [5, 4] });
});

test('an override whose path leads nowhere is refused and changes no object but the job file', () => {
  const set = (path: string, value = '1') =>
    refusalOf(() =>
      parseJobSpec(JSON.stringify({ ...sinusoid, model: { architecture: 'mlp', hiddenLayers: [1] } }), [[path, value]]),
    ).message;
  for (const path of [
    'name.first',
    '__proto__.polluted',
    'constructor.prototype.polluted',
    'meta.__proto__',
    'meta.toString',
    'meta..iterations',
    'model.hiddenLayers.length',
    'model.hiddenLayers.2',
    'model.hiddenLayers.4000000000',
    'model.hiddenLayers.-1',
  ]) {
    assert.equal(
      set(path),
      `invalid job: ${path}: got a path that leads nowhere; accepted: path.to.field of the job file`,
    );
  }
  assert.match(set(''), /^invalid job: \(empty path\): got a path that leads nowhere/);
  assert.equal('polluted' in {}, false);
  assert.equal(
    set('meta.iteration'),
    'invalid job: meta.iteration: got an unknown field; accepted: one of iterations, batchSize, optimizer, schedule, update, aggregation, privacy, clipNorm, groups, onNonFinite',
  );
  assert.match(
    set('meta.iterations', '['),
    /^invalid job: meta.iterations: got .* at line 1, column 2; accepted: one YAML or JSON document, each key once$/,
  );
});

const golden: [what: string, base: Sections, changes: Sections, message: string][] = [
  [
    'an unknown field of the job file',
    sinusoid,
    { extra: 1 },
    'extra: got an unknown field; accepted: one of name, tags, seed, task, model, algorithm, objective, meta, evaluation, checkpoint, placement, published',
  ],
  [
    'an unknown field of a section',
    sinusoid,
    { placement: { shardsize: 2 } },
    'placement.shardsize: got an unknown field; accepted: one of shardSize, engine, device, mixed, priority, results, spans',
  ],
  [
    'a field of another algorithm',
    sinusoid,
    { algorithm: { name: 'maml', innerBatchSize: 2 } },
    'algorithm.innerBatchSize: got an unknown field; accepted: one of name, order, innerSteps, innerLearningRate, innerOptimizer, rematerialize',
  ],
  [
    'a field of another task distribution',
    sinusoid,
    { task: { distribution: 'sinusoid', ways: 5 } },
    'task.ways: got an unknown field; accepted: one of distribution, shots, queries, amplitude, phase, input',
  ],
  [
    'a field of another optimizer',
    sinusoid,
    { meta: { iterations: 1, optimizer: { name: 'sgd', beta1: 0.9 } } },
    'meta.optimizer.beta1: got an unknown field; accepted: one of name, learningRate, momentum',
  ],
  [
    'an unknown algorithm',
    sinusoid,
    { algorithm: { name: 'mamml' } },
    `algorithm.name: got "mamml"; accepted: ${namesOf('algorithm')}, or a part of a plugin (--plugin FILE)`,
  ],
  [
    'no algorithm name',
    sinusoid,
    { algorithm: { order: 'first' } },
    `algorithm.name: got nothing; accepted: ${namesOf('algorithm')}`,
  ],
  ['no algorithm', sinusoid, { algorithm: undefined }, 'algorithm: got nothing; accepted: a mapping of fields'],
  [
    'an algorithm that is a text',
    sinusoid,
    { algorithm: 'maml' },
    'algorithm: got "maml"; accepted: a mapping of fields',
  ],
  [
    'an unknown task distribution',
    sinusoid,
    { task: { distribution: 'cifar' } },
    `task.distribution: got "cifar"; accepted: ${namesOf('distribution')}, or a part of a plugin (--plugin FILE)`,
  ],
  [
    'an unknown architecture',
    sinusoid,
    { model: { architecture: 'resnet' } },
    `model.architecture: got "resnet"; accepted: ${namesOf('model')}, or a part of a plugin (--plugin FILE)`,
  ],
  [
    'an unknown optimizer',
    sinusoid,
    { meta: { iterations: 1, optimizer: { name: 'lamb' } } },
    `meta.optimizer.name: got "lamb"; accepted: ${namesOf('optimizer')}, or a part of a plugin (--plugin FILE)`,
  ],
  [
    'an unknown choice',
    sinusoid,
    { algorithm: { name: 'maml', order: 'third' } },
    'algorithm.order: got "third"; accepted: first | second',
  ],
  [
    'a device that this version has not',
    sinusoid,
    { placement: { device: 'tpu' } },
    'placement.device: got "tpu"; accepted: cpu | webgpu | cuda',
  ],
  [
    'a device that the engine has not',
    sinusoid,
    { placement: { engine: 'eager', device: 'webgpu' } },
    'placement.device: got webgpu; accepted: cpu or cuda, with placement.engine eager',
  ],
  ['a text for a number', sinusoid, { meta: { iterations: '10' } }, 'meta.iterations: got "10"; accepted: a number'],
  [
    'a fraction for a whole number',
    sinusoid,
    { meta: { iterations: 1.5 } },
    'meta.iterations: got 1.5; accepted: a whole number',
  ],
  [
    'a number for a truth value',
    sinusoid,
    { placement: { mixed: 1 } },
    'placement.mixed: got 1; accepted: true | false',
  ],
  [
    'a number for a list',
    sinusoid,
    { model: { architecture: 'mlp', hiddenLayers: 40 } },
    'model.hiddenLayers: got 40; accepted: a list',
  ],
  ['a list for a section', sinusoid, { meta: [] }, 'meta: got []; accepted: a mapping of fields'],
  ['null for a section', sinusoid, { meta: null }, 'meta: got null; accepted: a mapping of fields'],
  [
    'a name with capitals',
    sinusoid,
    { name: 'My Job' },
    'name: got "My Job"; accepted: lower-case letters, digits, ".", "_" and "-", at most 100',
  ],
  ['a negative seed', sinusoid, { seed: -1 }, 'seed: got -1; accepted: at least 0'],
  ['a seed above 32 bits', sinusoid, { seed: 2 ** 32 }, 'seed: got 4294967296; accepted: at most 4294967295'],
  [
    'a number beyond all limits, once',
    sinusoid,
    { meta: { iterations: 1e300 } },
    'meta.iterations: got 1e+300; accepted: at most 1000000000',
  ],
  ['zero iterations', sinusoid, { meta: { iterations: 0 } }, 'meta.iterations: got 0; accepted: at least 1'],
  ['zero shots', sinusoid, { task: { distribution: 'sinusoid', shots: 0 } }, 'task.shots: got 0; accepted: at least 1'],
  [
    'zero shots of images',
    omniglot,
    { task: { distribution: 'omniglot', shots: 0 } },
    'task.shots: got 0; accepted: at least 1',
  ],
  [
    'zero queries',
    omniglot,
    { task: { distribution: 'omniglot', queries: 0 } },
    'task.queries: got 0; accepted: at least 1',
  ],
  ['one way', omniglot, { task: { distribution: 'omniglot', ways: 1 } }, 'task.ways: got 1; accepted: at least 2'],
  [
    'more ways than any data set has',
    omniglot,
    { task: { distribution: 'omniglot', ways: 1001 } },
    'task.ways: got 1001; accepted: at most 1000',
  ],
  [
    'more images than a class has',
    omniglot,
    { task: { distribution: 'omniglot', shots: 10, queries: 11 } },
    'task.queries: got 11; accepted: at most 10 with 10 shots: an Omniglot class has 20 images',
  ],
  [
    'no learning rate',
    sinusoid,
    { algorithm: { name: 'maml', innerLearningRate: 0 } },
    'algorithm.innerLearningRate: got 0; accepted: more than 0',
  ],
  [
    'a momentum of one',
    sinusoid,
    { meta: { iterations: 1, optimizer: { name: 'sgd', momentum: 1 } } },
    'meta.optimizer.momentum: got 1; accepted: less than 1',
  ],
  [
    'an evaluation without an interval',
    sinusoid,
    { evaluation: { tasks: 1 } },
    'evaluation.tasks: got 1; accepted: at least 2',
  ],
  [
    'a shard above the meta-batch',
    sinusoid,
    { placement: { shardSize: 33 } },
    'placement.shardSize: got 33; accepted: at most meta.batchSize, which is 32',
  ],
  [
    'a range of one number',
    sinusoid,
    { task: { distribution: 'sinusoid', phase: [1] } },
    'task.phase: got [1]; accepted: at least 2 items',
  ],
  [
    'a range of three numbers',
    sinusoid,
    { task: { distribution: 'sinusoid', phase: [1, 2, 3] } },
    'task.phase: got [1,2,3]; accepted: at most 2 items',
  ],
  [
    'a range upside down',
    sinusoid,
    { task: { distribution: 'sinusoid', input: [2, 1] } },
    'task.input: got [2, 1]; accepted: a range [low, high] with low ≤ high',
  ],
  [
    'an image model for a curve',
    sinusoid,
    { model: { architecture: 'conv4' } },
    'model.architecture: got conv4; accepted: mlp, for task.distribution sinusoid; conv4 needs images [height, width, channels]',
  ],
  [
    'evaluation on a training alphabet',
    omniglot,
    { task: { distribution: 'omniglot', alphabets: { train: ['Greek', 'Latin'], test: ['Latin'] } } },
    'task.alphabets.test: got Latin; accepted: no alphabet of task.alphabets.train: two splits must share no class',
  ],
  [
    'validation on a training alphabet',
    omniglot,
    { task: { distribution: 'omniglot', alphabets: { train: ['Greek'], validation: ['Greek'], test: ['Latin'] } } },
    'task.alphabets.validation: got Greek; accepted: no alphabet of task.alphabets.train: two splits must share no class',
  ],
  [
    'validation without validation alphabets',
    omniglot,
    {
      task: { distribution: 'omniglot', alphabets: { train: ['Greek'], test: ['Latin'] } },
      evaluation: { split: 'validation' },
    },
    'evaluation.split: got validation; accepted: test, as task.alphabets has no validation list',
  ],
  [
    'no training alphabet',
    omniglot,
    { task: { distribution: 'omniglot', alphabets: { train: [], test: ['Latin'] } } },
    'task.alphabets.train: got []; accepted: at least 1 items',
  ],
  [
    'an inner batch above the task',
    omniglot,
    { algorithm: { name: 'reptile', innerBatchSize: 81 } },
    "algorithm.innerBatchSize: got 81; accepted: at most the task's 80 examples",
  ],
];

for (const [what, base, changes, message] of golden) {
  test(`${what} is refused: ${message.split(': got')[0]}`, () => {
    assert.equal(refusal(base, changes), `invalid job: ${message}`);
  });
}

test('not-a-number and infinity are no numbers', () => {
  for (const [value, got] of [
    ['.nan', 'NaN'],
    ['.inf', 'Infinity'],
    ['-.inf', '-Infinity'],
    ['1e999', 'Infinity'],
  ] as const) {
    const error = refusalOf(() => parseJobSpec(JSON.stringify(sinusoid), [['algorithm.innerLearningRate', value]]));
    assert.equal(error.message, `invalid job: algorithm.innerLearningRate: got ${got}; accepted: a number`);
  }
});

test('several problems are listed together, each with its field', () => {
  const error = refusalOf(() => parse(sinusoid, { seed: 'x', meta: { batchSize: 0, foo: 1 } }));
  const problems = error.details.problems as readonly FieldProblem[];
  assert.deepEqual(
    problems.map(({ field }) => field),
    ['seed', 'meta.iterations', 'meta.batchSize', 'meta.foo'],
  );
  assert.equal(
    error.message,
    ['invalid job:', ...problems.map(({ field, got, accepted }) => `${field}: got ${got}; accepted: ${accepted}`)].join(
      '\n  ',
    ),
  );
});

test('a job file that is no mapping is refused as a whole', () => {
  for (const [text, got] of [
    ['', 'null'],
    ['null', 'null'],
    ['[]', '[]'],
    ['just words', '"just words"'],
    ['7', '7'],
    ['# only a comment', 'null'],
  ] as const) {
    assert.equal(
      refusalOf(() => parseJobSpec(text)).message,
      `invalid job: (job file): got ${got}; accepted: a mapping of fields`,
    );
  }
});

test('a job file above 64 KiB is refused by its size, counted in bytes', () => {
  const padding = (length: number) => `${JSON.stringify(sinusoid)}\n#${'ä'.repeat(length)}`;
  parseJobSpec(padding((maxSpecBytes - Buffer.byteLength(padding(0))) >> 1));
  assert.match(
    refusalOf(() => parseJobSpec(padding(maxSpecBytes / 2))).message,
    /^invalid job: \(job file\): got \d+ bytes; accepted: at most 65536 bytes$/,
  );
});

test('the example job of the sinusoid table is accepted in both spellings of its optimizer', () => {
  for (const optimizer of [undefined, { name: 'adam', learningRate: 0.001 }]) {
    assert.equal(
      parse(sinusoid, { meta: { iterations: 70_000, batchSize: 25, optimizer } }).meta.optimizer.name,
      'adam',
    );
  }
});
