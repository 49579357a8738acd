// `npm run figures [NAME …]`: runs the examples, stores their output in docs/figures/, and copies
// it into the pages that show it. A page shows a figure as `<!-- figure NAME -->` followed by a
// fenced block; test/unit/house checks that block and file are equal.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'docs', 'figures');

/** Name of a file in docs/figures → arguments of `metatrain`. */
const figures = {
  quickstart: ['quickstart'],
  'sinusoid-paper': ['run', 'examples/sinusoid-paper.yaml', '--workers', '2'],
  'sinusoid-reptile': ['run', 'examples/sinusoid-reptile.yaml', '--workers', '2'],
  'omniglot-5way-1shot': ['run', 'examples/omniglot-5way-1shot.yaml', '--workers', '2'],
  'omniglot-5way-1shot-fomaml': ['run', 'examples/omniglot-5way-1shot-fomaml.yaml', '--workers', '2'],
  'omniglot-5way-1shot-paper': ['run', 'examples/omniglot-5way-1shot-paper.yaml', '--workers', '2'],
  'omniglot-to-emnist': ['run', 'examples/omniglot-to-emnist.yaml', '--workers', '2'],
  'mixture-of-images': ['run', 'examples/mixture-of-images.yaml', '--workers', '2'],
  'omniglot-5way-lstm': ['run', 'examples/omniglot-5way-lstm.yaml', '--workers', '2'],
  'omniglot-5way-mann': ['run', 'examples/omniglot-5way-mann.yaml', '--workers', '2'],
  'omniglot-fedavg': ['run', 'examples/omniglot-fedavg.yaml', '--workers', '1'],
  'omniglot-per-fedavg': ['run', 'examples/omniglot-per-fedavg.yaml', '--workers', '1'],
  'check-cpu': ['worker', '--check'],
  'check-webgpu': ['worker', '--check', '--device', 'webgpu'],
  'check-tensorflow': ['worker', '--check', '--engine', 'eager'],
};

/**
 * Name of a file in docs/figures → arguments of the benchmark that makes its table. Run on a quiet
 * machine, one at a time.
 */
const benches = {
  'bench-engine-sinusoid': ['engine', '--only', 'sinusoid'],
  'bench-engine-conv4': ['engine', '--only', 'conv4', '--peers', 'torch-eager,jax-jit,jax-vmap'],
  // torch.compile takes minutes for the 50 examples of MANN
  'bench-engine-jobs': [
    'engine',
    '--only',
    'mann,resnet12,in-context',
    '--peers',
    'torch-eager,torch-vmap,jax-jit,jax-vmap',
  ],
  'bench-end-to-end': ['end-to-end', '--rounds', '8'],
  'bench-adapt': ['adapt'],
  'bench-coordinator': ['coordinator', '--workers', '2,16,128,1000', '--bytes', '7044,450000', '--seconds', '3'],
  'bench-coordinator-large': ['coordinator', '--workers', '2,16', '--bytes', '50000000'],
  'bench-observability': ['observability', '--rounds', '20'],
  'bench-observability-100': ['observability', '--rounds', '4', '--tasks', '100'],
};

/** Name of a file in docs/figures → the script that prints it. */
const tables = {
  'family-omniglot': 'family.mjs',
  'text-clinc150': 'text-clinc150.mjs',
  'sinusoid-privacy': 'privacy.mjs',
};

/** Takes half an hour. Other programs may run meanwhile, since it measures memory and not time. */
const soaks = { soak: [] };

/**
 * Name of a file in docs/figures → the job that is run on a cluster. Its curves become the figure,
 * and its report becomes docs/images/report.png.
 */
const looks = { 'jobs-show-plot': ['examples/sinusoid.yaml', '--set', 'evaluation.every=4000'] };

/** The environment variable that a figure needs. Without it, the figure is left out. */
const needs = { 'check-webgpu': 'VK_ICD_FILENAMES', 'check-tensorflow': 'METATRAIN_TFJS_NODE' };

/** Figures that take hours are made only on request by name. */
const onlyByName = new Set(['omniglot-5way-1shot-paper']);

const wanted = process.argv.slice(2);
const known = { ...figures, ...looks, ...benches, ...tables, ...soaks };
const unknown = wanted.filter((name) => !Object.hasOwn(known, name));
if (unknown.length > 0) {
  console.error(`figures: got ${unknown.join(', ')}; accepted: ${Object.keys(known).join(', ')}`);
  process.exit(2);
}
const run = (script, args, input, cwd = root) =>
  execFileSync(process.execPath, [join(root, ...script), ...args], {
    cwd,
    encoding: 'utf8',
    input,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'inherit'],
  });
/** Takes a picture of the top of a page with Debian's chromium. */
function photograph(page, file) {
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--virtual-time-budget=3000'];
  try {
    execFileSync('chromium', [...flags, '--window-size=1160,760', `--screenshot=${file}`, `file://${page}`], {
      stdio: 'ignore',
    });
  } catch (error) {
    console.error(`figures: ${file} stays as it is: no chromium (${error.message})`);
  }
}

for (const [name, args] of Object.entries(figures)) {
  if (wanted.length > 0 ? !wanted.includes(name) : onlyByName.has(name)) continue;
  if (needs[name] !== undefined && !process.env[needs[name]]) {
    console.error(`figures: ${name} is left out: ${needs[name]} is not set (docs/devices.md)`);
    continue;
  }
  console.error(`figures: metatrain ${args.join(' ')}`);
  // `run` saves its model in the working directory, so each run has a scratch directory, with a
  // link to the examples.
  const scratch = mkdtempSync(join(tmpdir(), 'metatrain-figures-'));
  symlinkSync(join(root, 'examples'), join(scratch, 'examples'));
  const cwd = args[0] === 'run' ? scratch : root;
  const printed = run(['dist', 'client', 'cli', 'main.js'], args, undefined, cwd);
  rmSync(scratch, { recursive: true });
  writeFileSync(join(folder, `${name}.txt`), `${printed.trim()}\n`);
}
for (const [name, job] of Object.entries(looks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.error(`figures: metatrain submit ${job.join(' ')}`);
  const main = join('dist', 'client', 'cli', 'main.js');
  const flags = ['--workers', '2', '--listen', '127.0.0.1:0', '--log-level', 'warn', '--json'];
  const cluster = spawn(process.execPath, [main, 'up', ...flags], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const scratch = mkdtempSync(join(tmpdir(), 'metatrain-figures-'));
  try {
    const [ready] = await once(createInterface(cluster.stdout), 'line');
    const at = ['--coordinator', JSON.parse(ready).coordinator];
    const { jobId } = JSON.parse(run([main], ['submit', ...job, '--watch', '--json', ...at]));
    const printed = run([main], ['jobs', 'show', jobId, '--plot', ...at]);
    writeFileSync(join(folder, `${name}.txt`), `${printed.trim()}\n`);
    const report = join(scratch, 'report.html');
    run([main], ['report', jobId, '--output', report, ...at]);
    photograph(report, join(root, 'docs', 'images', 'report.png'));
  } finally {
    cluster.kill();
    rmSync(scratch, { recursive: true });
  }
}
for (const [name, args] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.error(`figures: npm run bench -- ${args.join(' ')}`);
  const table = run(['scripts', 'bench-table.mjs'], [], run(['dist', 'bench', 'main.js'], args));
  writeFileSync(join(folder, `${name}.txt`), `${table.trimEnd()}\n`);
}
for (const [name, script] of Object.entries(tables)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.error(`figures: scripts/${script}`);
  writeFileSync(join(folder, `${name}.txt`), `${run(['scripts', script], []).trim()}\n`);
}
for (const [name, args] of Object.entries(soaks)) {
  if (!wanted.includes(name)) continue;
  console.error(`figures: npm run soak ${args.join(' ')}`);
  const printed = run(['scripts', 'bench-table.mjs'], [], run(['dist', 'test', 'soak', 'main.js'], args));
  writeFileSync(join(folder, `${name}.txt`), `${printed.trimEnd()}\n`);
}
for (const page of ['README.md', ...readdirSync(join(root, 'docs')).map((file) => join('docs', file))]) {
  if (!page.endsWith('.md')) continue;
  const before = readFileSync(join(root, page), 'utf8');
  const after = before.replace(/(<!-- figure ([\w-]+) -->\n```text\n)[\s\S]*?(```)/g, (_, head, name, tail) => {
    return `${head}${readFileSync(join(folder, `${name}.txt`), 'utf8')}${tail}`;
  });
  if (after !== before) writeFileSync(join(root, page), after);
}
