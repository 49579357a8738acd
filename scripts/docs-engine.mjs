// `npm run docs:engine [operators] [memory]`: writes the tables of docs/engine.md between their
// marks: the operators by running every check of the catalogue, the memory by measuring it. The
// column of a device that this machine lacks stays as it is.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = (file) => import(join(root, 'dist', file));
const page = join(root, 'docs', 'engine.md');

const tables = { operators: operatorTable, memory: memoryTable };
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(tables, name));
if (unknown.length > 0) {
  console.error(`docs:engine: got ${unknown.join(', ')}; accepted: ${Object.keys(tables).join(', ')}`);
  process.exit(2);
}
for (const [name, table] of Object.entries(tables)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.error(`docs:engine: ${name}`);
  const text = readFileSync(page, 'utf8');
  const marks = new RegExp(`(<!-- table ${name} -->\n)([\\s\\S]*?)(<!-- end of table -->)`);
  const before = marks.exec(text)[2];
  const lines = await table(before);
  writeFileSync(
    page,
    text.replace(marks, (_, head, __, tail) => `${head}${lines.join('\n')}\n${tail}`),
  );
}
process.exit();

async function operatorTable(before) {
  const { operatorFamilies } = await built('test/unit/engine/operators.js');
  const checks = await built('test/unit/engine/operator-checks.js');
  const { createEngine } = await built('worker/engine/create.js');
  const engines = {
    compiled: await createEngine({ engine: 'compiled', device: 'cpu' }),
    eager: await createEngine({ engine: 'eager', device: 'cpu' }),
  };
  const compiled = await createEngine({ engine: 'compiled', device: 'webgpu' }).catch((error) => {
    console.error(`docs:engine: WebGPU keeps its column: ${error.message}`);
  });
  const webgpu = compiled && { ...engines, compiled };
  const known = new Map(
    before.split('\n').flatMap((line) => {
      const cells = line.split('|').map((cell) => cell.trim());
      return cells.length === 8 ? [[cells[1], cells[6]]] : [];
    }),
  );
  const mark = async (name, claim) => {
    try {
      await claim();
      return 'yes';
    } catch (error) {
      console.error(`docs:engine: ${name}: ${error.message}`);
      return 'no';
    }
  };
  const lines = ['| operator | traced | batched | second order | CPU | WebGPU |', '|---|---|---|---|---|---|'];
  for (const { family, cases } of operatorFamilies) {
    lines.push(`| **${family}** | | | | | |`);
    for (const operator of cases) {
      const { name, valuesOnly } = operator;
      const cells = [
        await mark(name, () => checks.checkTraced(engines, operator)),
        await mark(name, () => checks.checkBatched(engines, operator)),
        valuesOnly ? '·' : await mark(name, () => checks.checkSecondOrder(engines, operator)),
        await mark(name, () => checks.checkGradient(engines, operator)),
        webgpu
          ? await mark(`${name} on WebGPU`, async () => {
              await checks.checkTraced(webgpu, operator);
              await checks.checkSecondOrder(webgpu, operator);
            })
          : (known.get(name) ?? '–'),
      ];
      lines.push(`| ${name} | ${cells.join(' | ')} |`);
    }
  }
  return lines;
}

async function memoryTable() {
  const { run } = await built('bench/memory.js');
  const { results } = await run([]);
  const row = ({ innerSteps, rematerialize, predictedMiB, measuredMiB, milliseconds }) =>
    `| ${innerSteps} | ${rematerialize ? 'computed again' : 'kept'} | ${predictedMiB} | ${measuredMiB} | ${milliseconds} |`;
  return [
    '| inner steps | inner loop | predicted MiB | measured MiB | ms a run |',
    '|---|---|---|---|---|',
    ...results.map(row),
  ];
}
