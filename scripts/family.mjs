// `npm run figures family-omniglot`: the algorithms of the family side by side on the small Omniglot sets, with
// one model, one protocol and one budget, as a table. Each has settings near those of its paper, since no
// one setting is fair to all; the table states them. `--meta-steps N` and `--tasks N` change the budget.
// `--only TITLE` (as often as needed) runs these alone: the other rows are those of
// docs/figures/family-omniglot.json, which the command keeps.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const main = fileURLToPath(new URL('../dist/client/cli/main.js', import.meta.url));
const { values } = parseArgs({
  options: {
    'meta-steps': { type: 'string', default: '300' },
    tasks: { type: 'string', default: '200' },
    only: { type: 'string', multiple: true, default: [] },
  },
});
const keptFile = fileURLToPath(new URL('../docs/figures/family-omniglot.json', import.meta.url));
const metaSteps = Number(values['meta-steps']);
const tasks = Number(values.tasks);
const batchSize = 16;
const shared = {
  seed: 1,
  task: { distribution: 'omniglot', dataSet: 'small', ways: 5, shots: 1, queries: 5 },
  model: { architecture: 'conv4', filters: 32, downsampling: 'stride', batchNorm: 'support' },
  placement: { shardSize: 8 },
};
const adam = (learningRate) => ({
  optimizer: { name: 'adam', learningRate },
  schedule: { name: 'cosine', final: 0.01 },
});

const reptile = (title, innerLearningRate) => ({
  title,
  algorithm: {
    name: 'reptile',
    innerSteps: 5,
    innerLearningRate,
    innerBatchSize: 10,
    innerOptimizer: { name: 'adam', beta1: 0 },
  },
  meta: { optimizer: { name: 'sgd', learningRate: 1 }, schedule: { name: 'linear', final: 0 } },
  steps: 20,
});

/** Nothing is learned across tasks: one meta-step, which changes nothing. */
const untrained = { iterations: 1, batchSize: 1, optimizer: { name: 'sgd', learningRate: 1 } };

/** `steps`: inner steps of the test. */
const methods = [
  {
    title: 'Nearest neighbour, pixels',
    algorithm: { name: 'nearest-neighbour', compare: 'inputs', similarity: 'cosine' },
    meta: untrained,
    steps: 0,
  },
  {
    title: 'Nearest neighbour, random features',
    algorithm: { name: 'nearest-neighbour', compare: 'features', similarity: 'cosine' },
    meta: untrained,
    steps: 0,
  },
  {
    title: 'Training from scratch',
    algorithm: { name: 'from-scratch', innerLearningRate: 0.1 },
    meta: untrained,
    steps: 50,
  },
  { title: 'Matching Networks', algorithm: { name: 'matching' }, meta: adam(0.003), steps: 0 },
  {
    title: 'MAML++',
    algorithm: { name: 'maml-plus-plus', innerSteps: 3, innerLearningRate: 0.4, multiStepLoss: 0.3 },
    meta: adam(0.003),
    steps: 3,
  },
  {
    title: 'CAVIA',
    algorithm: { name: 'cavia', contextSize: 50, innerSteps: 2, innerLearningRate: 1 },
    meta: adam(0.003),
    steps: 2,
  },
  { title: 'In-context transformer', algorithm: { name: 'in-context' }, meta: adam(0.001), steps: 0 },
  { title: 'ProtoNet', algorithm: { name: 'protonet' }, meta: adam(0.003), steps: 0 },
  {
    title: 'ANIL',
    algorithm: { name: 'anil', order: 'second', innerSteps: 5, innerLearningRate: 0.4 },
    meta: adam(0.003),
    steps: 5,
  },
  {
    title: 'Meta-SGD',
    algorithm: { name: 'meta-sgd', innerSteps: 1, innerLearningRate: 0.4 },
    meta: adam(0.003),
    steps: 1,
  },
  {
    title: 'MAML',
    algorithm: { name: 'maml', order: 'second', innerSteps: 1, innerLearningRate: 0.4 },
    meta: adam(0.003),
    steps: 3,
  },
  {
    title: 'FOMAML',
    algorithm: { name: 'maml', order: 'first', innerSteps: 1, innerLearningRate: 0.4 },
    meta: adam(0.003),
    steps: 3,
  },
  reptile('Reptile', 0.001),
  reptile('Reptile, 5 × rate', 0.005),
];

const percent = (value) => `${(100 * value).toFixed(1)}`;

/** The fields of a section after its name, as a job file has them. */
function fieldsOf({ name, ...fields }) {
  const texts = Object.entries(fields).map(([key, value]) =>
    typeof value === 'object' ? `${key} ${fieldsOf(value)}` : `${key} ${value}`,
  );
  return [name, ...texts].join(', ');
}

function run({ title, algorithm, meta, steps }) {
  const scratch = mkdtempSync(join(tmpdir(), 'metatrain-family-'));
  try {
    const file = join(scratch, 'job.yaml');
    const job = {
      ...shared,
      name: algorithm.name,
      algorithm,
      meta: { iterations: metaSteps, batchSize, ...meta },
      placement: { shardSize: Math.min(shared.placement.shardSize, meta.batchSize ?? batchSize) },
      evaluation: { tasks, innerSteps: Math.max(1, steps) },
    };
    writeFileSync(file, JSON.stringify(job));
    console.error(`family: ${title}`);
    const printed = execFileSync(process.execPath, [main, 'run', file, '--workers', '2', '--json'], {
      cwd: scratch,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const result = JSON.parse(printed.trim().split('\n').at(-1));
    const accuracy = result.evaluation.measures.find(({ name }) => name === 'accuracy');
    const { mean, halfWidth95 } = accuracy.estimates.at(-1);
    const learning =
      meta === untrained ? 'nothing is learned' : `${fieldsOf(meta.optimizer)}, ${meta.schedule.name} schedule`;
    const settings = `${fieldsOf(algorithm)}; ${learning}`;
    return {
      title,
      settings: steps > 0 ? `${settings}; ${steps} ${steps === 1 ? 'step' : 'steps'} at test` : settings,
      accuracy: `${percent(mean)} ± ${percent(halfWidth95)} %`,
      seconds: result.wallSeconds,
    };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

const keptRows = existsSync(keptFile) ? JSON.parse(readFileSync(keptFile, 'utf8')) : {};
const keyOf = ({ title }) => `${title}, ${metaSteps} meta-steps, ${tasks} tasks`;
for (const method of methods) {
  if (values.only.length > 0 && !values.only.includes(method.title)) continue;
  keptRows[keyOf(method)] = run(method);
  writeFileSync(keptFile, `${JSON.stringify(keptRows, null, 2)}\n`);
}
const rows = methods.flatMap((method) => keptRows[keyOf(method)] ?? []);
const { task, model } = shared;
console.log(`Omniglot, small sets: ${task.ways}-way ${task.shots}-shot, ${task.queries} queries a class, in 4 rotations; test characters of
Early_Aramaic and Tagalog, which training never sees. Accuracy on ${tasks} test tasks, with its 95 % interval.
Model: conv4 of ${model.filters} filters, ${model.downsampling}, batch norm by the support set (no prediction sees other queries).
Budget: ${metaSteps} meta-steps of ${batchSize} tasks, seed ${shared.seed}; seconds on 2 workers of a machine that did other things too;
the rows were not all made in one sitting, so their seconds compare roughly.
`);
for (const { title, accuracy, seconds } of rows) {
  console.log(`${title.padEnd(34)} ${accuracy.padStart(13)} ${`${Math.round(seconds)} s`.padStart(6)}`);
}
console.log(`
Settings, near those of each paper. The second Reptile's rate was chosen after the first had been seen on these
test tasks: with the authors' rate a budget of ${metaSteps} meta-steps is too small. No other setting was tried twice.
`);
for (const { title, settings } of rows) console.log(`${title.padEnd(34)} ${settings}`);
