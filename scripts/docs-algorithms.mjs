// `npm run docs:algorithms`: writes docs/algorithms.md, every built-in algorithm with the tasks
// that it takes, its examples, the published figures that they name, and ours of the table
// `family-omniglot`.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = (file) => import(join(root, 'dist', file));
const { builtIn } = await built('learning/registry.js');
const { readJob } = await built('learning/job-file.js');

const examples = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => ({ file, spec: readJob(readFileSync(join(root, 'examples', file), 'utf8'), builtIn).spec }));
const family = Object.values(JSON.parse(readFileSync(join(root, 'docs', 'figures', 'family-omniglot.json'), 'utf8')));

const usual = (part) => part.schema.safeParse({}).data;

/** The distributions of which the algorithm takes a variant, with its default fields. */
function tasksOf(algorithm) {
  const taken = builtIn.all('distribution').filter(({ variants, schema, facts }) =>
    Object.values(variants).some((fields) => {
      const task = schema.safeParse(fields).data;
      return task && algorithm.needs?.(facts(task), usual(algorithm) ?? {}) === undefined;
    }),
  );
  return taken.map(({ name }) => `\`${name}\``).join(', ');
}

function publishedOf({ published }) {
  if (!published) return '–';
  const points = Object.entries(published.at ?? {}).map(([point, { mean }]) => `${mean} after ${point}`);
  const figures = published.figure ? [String(published.figure.mean), ...points] : points;
  return `${published.measure} ${figures.join(', ')} (${published.source})`;
}

const cell = (texts) => (texts.length > 0 ? texts.join('<br>') : '–');
const rows = builtIn.all('algorithm').map((algorithm) => {
  const own = examples.filter(({ spec }) => spec.algorithm.name === algorithm.name);
  const ours = family.filter(
    ({ settings }) => settings.startsWith(`${algorithm.name},`) || settings.startsWith(`${algorithm.name};`),
  );
  const cells = [
    `${algorithm.title}${algorithm.paper ? ` (${algorithm.paper})` : ''}`,
    tasksOf(algorithm),
    cell(own.map(({ file }) => `[\`${file}\`](../examples/${file})`)),
    cell(own.map(({ spec }) => publishedOf(spec))),
    cell(ours.map(({ title, accuracy }) => `${title}: ${accuracy}`)),
    cell(ours.map(({ seconds }) => `${Math.round(seconds)} s`)),
  ];
  return `| ${cells.join(' | ')} |`;
});
const table = readFileSync(join(root, 'docs', 'figures', 'family-omniglot.txt'), 'utf8');
writeFileSync(
  join(root, 'docs', 'algorithms.md'),
  `# Algorithms side by side

Made by \`npm run docs:algorithms\` from the parts, the examples and the figures. What each field means: [parts](parts.md).
"Ours" are the figures of the table below: small Omniglot sets, 5-way 1-shot, one seed, a budget of minutes. They compare
the algorithms with each other; they are no reproduction of a published figure, whose data and budgets are larger. An
example says in its own words how it differs from what it is compared with.

| algorithm | tasks | examples | published | ours, small Omniglot | wall time |
|---|---|---|---|---|---|
${rows.join('\n')}

<!-- figure family-omniglot -->
\`\`\`text
${table.trimEnd()}
\`\`\`
`,
);
