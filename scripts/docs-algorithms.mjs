// `npm run docs:algorithms`: writes docs/algorithms.md, every built-in algorithm with the kinds of
// task that it takes, its examples and their protocols, the published figures that they name, what
// others reached, and ours of the table `family-omniglot`.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { figureOf, secondsOf } from './family-results.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = (file) => import(join(root, 'dist', file));
const { builtIn } = await built('learning/registry.js');
const { readJob } = await built('learning/job-file.js');

const examples = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => ({ file, spec: readJob(readFileSync(join(root, 'examples', file), 'utf8'), builtIn).spec }));
const family = Object.values(JSON.parse(readFileSync(join(root, 'docs', 'figures', 'family-omniglot.json'), 'utf8')));

/** Figures of public repositories that replicate a paper, on Omniglot, 5-way, in %. */
const fewShot = '[few-shot](https://github.com/oscarknagg/few-shot)';
const replicated = {
  maml: ['1-shot 99.1 ([learn2learn](https://github.com/learnables/learn2learn/tree/master/examples/vision))'],
  protonet: [`1-shot 98.2, 5-shot 99.4 (${fewShot})`],
  matching: [`1-shot 92.0, 5-shot 92.8; with Euclidean distances 98.3, 99.8 (${fewShot})`],
};

const usual = (part) => part.schema.safeParse({}).data;

function kindOf({ sets, target }) {
  if (sets.includes('stream')) return 'sequences';
  if (sets.includes('description')) return 'zero-shot';
  return target === 'values' ? 'regression' : 'few-shot classification';
}

/** The kinds of task of which the algorithm takes a variant, with its default fields. */
function kindsOf(algorithm) {
  const kinds = builtIn.all('distribution').flatMap(({ variants, schema, facts }) =>
    Object.values(variants).flatMap((fields) => {
      const task = schema.safeParse(fields).data;
      if (!task) return [];
      const seen = facts(task);
      return algorithm.needs?.(seen, usual(algorithm) ?? {}) === undefined ? [kindOf(seen)] : [];
    }),
  );
  return [...new Set(kinds)].join(', ');
}

/** A link to what the example printed, where it is kept. */
function outputOf(file) {
  const output = file.replace('.yaml', '.txt');
  return existsSync(join(root, 'docs', 'figures', output)) ? ` ([output](figures/${output}))` : '';
}

function protocolOf({ task, meta, evaluation }) {
  const { episode, queries, data } = builtIn.part('distribution', task.distribution).describe(task);
  const words = [data, episode, queries].filter((text) => text !== '').join(', ');
  return `${words}; ${meta.iterations} meta-steps of ${meta.batchSize}, ${evaluation.tasks} test tasks`;
}

function publishedOf({ published }) {
  if (!published) return '–';
  const { mean, halfWidth95 } = published.figure ?? {};
  const textOf = (figure) => `${figure.mean}${figure.halfWidth95 === undefined ? '' : ` ± ${figure.halfWidth95}`}`;
  const points = Object.entries(published.at ?? {}).map(([point, figure]) => `${textOf(figure)} after ${point}`);
  const figures = mean === undefined ? points : [textOf({ mean, halfWidth95 }), ...points];
  return `${published.measure} ${figures.join(', ')} (${published.source})`;
}

/** By row of the table of the family. */
function oursOf(name) {
  const own = family.filter(({ algorithm }) => algorithm === name);
  return [...new Set(own.map(({ title }) => title))].map((title) => {
    const cells = [1, 5].map((shots) => {
      const runs = own.filter((run) => run.title === title && run.shots === shots);
      const { accuracy, seeds } = figureOf(runs);
      const [wall, processor] = ['wallSeconds', 'processorSeconds'].map((name) => secondsOf(runs, name) ?? '–');
      return {
        figure: runs.length === 0 ? '' : `${shots}-shot ${accuracy} ${seeds}`.trim(),
        seconds: runs.length === 0 ? '' : `${wall} s (${processor} s)`,
      };
    });
    const joined = (field) => cells.map((cell) => cell[field]).filter((text) => text !== '');
    return { figure: `${title}: ${joined('figure').join(', ')}`, seconds: joined('seconds').join(', ') };
  });
}

const cell = (texts) => (texts.length > 0 ? texts.join('<br>') : '–');
const rows = builtIn.all('algorithm').map((algorithm) => {
  const own = examples.filter(({ spec }) => spec.algorithm.name === algorithm.name);
  const ours = oursOf(algorithm.name);
  const cells = [
    `${algorithm.title}${algorithm.paper ? ` (${algorithm.paper})` : ''}`,
    kindsOf(algorithm),
    cell(own.map(({ file }) => `[\`${file}\`](../examples/${file})${outputOf(file)}`)),
    cell(own.map(({ spec }) => protocolOf(spec))),
    cell(own.map(({ spec }) => publishedOf(spec))),
    cell(replicated[algorithm.name] ?? []),
    cell(ours.map(({ figure }) => figure)),
    cell(ours.map(({ seconds }) => seconds)),
  ];
  return `| ${cells.join(' | ')} |`;
});
const table = readFileSync(join(root, 'docs', 'figures', 'family-omniglot.txt'), 'utf8');

/** Of the multiplications of a pass through conv4 with strides and so many filters, on 28 × 28 images. */
const multiplications = (filters) => 9 * filters * (14 ** 2 + (7 ** 2 + 4 ** 2 + 2 ** 2) * filters);
const dearer = multiplications(64) / multiplications(32);
const [seconds, metaSteps] = [2 * 2 * 3600, 300];

/** One for each example that has a published figure on the full Omniglot, and whose time is known. */
const budgets = examples.flatMap(({ file, spec: { name, algorithm, published } }) => {
  if (published?.protocol?.task?.dataSet !== 'full') return [];
  const runs = family.filter((run) => run.title === builtIn.part('algorithm', algorithm.name).title && run.shots === 1);
  const used = secondsOf(runs, 'processorSeconds');
  if (used === undefined || file === 'omniglot-5way-1shot-paper.yaml' || algorithm.order === 'first') return [];
  const possible = Math.floor((metaSteps * seconds) / used / dearer / 1000) * 1000;
  const { iterations, batchSize } = published.protocol.meta ?? {};
  const theirs = iterations === undefined ? 'not stated here' : `${iterations} of ${batchSize}`;
  return [`| \`${name}\` | ${used} | ${possible} | ${theirs} |`];
});
writeFileSync(
  join(root, 'docs', 'algorithms.md'),
  `# Algorithms side by side

Made by \`npm run docs:algorithms\` from the parts, the examples and the figures. What each field means: [parts](parts.md).
The columns example, protocol and published belong together, line by line. "Ours" are accuracies in % of the table below,
on the small Omniglot sets with a budget of minutes: the mean over three seeds and half of its 95 % interval over the
seeds, or the number of seeds that were run. They compare the algorithms with each other; they are no reproduction
of a published figure, whose data and budgets are larger. "Replicated by others" is on the full Omniglot, 5-way. The wall
time is that of one run on two cores that did other things too, some of them many; in brackets the processor time.

| algorithm | kind of task | example | protocol of the example | published | replicated by others | ours, small Omniglot, 5-way | wall time (processor time) |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}

<!-- figure family-omniglot -->
\`\`\`text
${table.trimEnd()}
\`\`\`

## What two hours on two cores can train

Published figures are of the full Omniglot and of 64 filters. The table below says for how many meta-steps of 16 tasks two
hours are enough, from the processor time of the runs above, where a pass with 64 filters costs ${dearer.toFixed(1)} times the
multiplications of one with 32. It is an estimate for a quiet machine, and no claim that the figure is reached.

| example | processor seconds of 300 meta-steps, 32 filters | meta-steps of 16 tasks in two hours, 64 filters | the source's meta-steps |
|---|---|---|---|
${budgets.join('\n')}

A run is \`metatrain run examples/NAME.yaml --set task.dataSet=full --set model.filters=64 --set meta.iterations=N\`.
MAML was run with the settings of \`omniglot-5way-1shot-paper.yaml\`, 32 tasks a meta-step: 98.80 ± 0.40 % after 10,000 of the
60,000 meta-steps and 99.10 ± 0.37 % after 12,500, where 98.7 ± 0.4 % is published ([verdicts](verdicts.md)). The others were not run
for so long.
`,
);
