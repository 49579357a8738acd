// The table of docs/figures/text-clinc150.txt: the CLINC150 jobs of examples/, each trained through
// a cluster of two workers, beside chance and nearest neighbour on the same episodes. `npm run
// figures -- text-clinc150`; some minutes. Needs CLINC150 in METATRAIN_DATA_DIR or in the user's
// cache.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { meanOverRuns } from '../dist/shared/student.js';
import { shares, textBaseline } from './text-baseline.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const main = join(root, 'dist', 'client', 'cli', 'main.js');
const dataDirectories = [process.env.METATRAIN_DATA_DIR, join(homedir(), '.cache', 'metatrain', 'data')].filter(
  Boolean,
);

const seeds = [1, 2, 3];
const settings = [
  ['1-shot', 'clinc150-5way-1shot'],
  ['5-shot', 'clinc150-5way-5shot'],
  ['zero-shot', 'clinc150-5way-zero-shot'],
];

const percent = (value) => (100 * value).toFixed(1);
const figure = ({ mean, halfWidth95 }) => `${percent(mean)} ± ${percent(halfWidth95)}`;

function train(file, seed) {
  const scratch = mkdtempSync(join(tmpdir(), 'metatrain-text-'));
  try {
    const printed = execFileSync(process.execPath, [main, 'run', file, '--set', `seed=${seed}`, '--json'], {
      cwd: scratch,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return JSON.parse(printed.trim().split('\n').at(-1));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

const accuracyOf = ({ evaluation }) =>
  evaluation.measures.find(({ name }) => name === 'accuracy').estimates.at(-1).mean;

const rows = [];
for (const [title, name] of settings) {
  const file = join(root, 'examples', `${name}.yaml`);
  console.error(`text-clinc150: ${name}`);
  const baseline = await textBaseline(readFileSync(file, 'utf8'), dataDirectories);
  const [result, ...others] = seeds.map((seed) => train(file, seed));
  const measured = (measure) => result.evaluation.measures.find((one) => one.name === measure).estimates;
  rows.push({
    title,
    baseline,
    accuracy: measured('accuracy').at(-1),
    overSeeds: meanOverRuns([result, ...others].map(accuracyOf)),
    auroc: measured('outside-auroc').at(-1),
    rejected: measured('outside-rejected').map(({ mean }) => mean),
    seconds: result.wallSeconds,
  });
}

console.log(`CLINC150, 5-way, 10 queries a class: 90 intents train, 30 other intents test. Accuracy in %, mean over 600 test
tasks ± 95 %, of seed 1; and over seeds 1 to 3, ± half of the 95 % interval over seeds (Student's t with 2 degrees
of freedom). Chance is 20.0. Seconds of one run on 2 cores.
`);
console.log('           nearest neighbour   trained     over 3 seeds     seconds');
for (const { title, baseline, accuracy, overSeeds, seconds } of rows)
  console.log(
    `${title.padEnd(10)} ${figure(baseline.accuracy).padEnd(19)} ${figure(accuracy)}  ${figure(overSeeds).padEnd(16)} ${Math.round(seconds)}`,
  );
console.log(`
Out of scope: 10 sentences a task that belong to no intent. Area under the curve, in %, chance is 50.0; and the
share of them in % that is rejected by a threshold that also rejects so many of the task's own queries.
`);
console.log(
  `                              area         ${shares.map((share) => `${Math.round(100 * share)} %`.padStart(6)).join('')}`,
);
for (const { title, baseline, auroc, rejected } of rows) {
  for (const [who, area, curve] of [['nearest neighbour', baseline.auroc, baseline.rejected], ['trained', auroc, rejected]]) // biome-ignore format: one line
    console.log(`${title.padEnd(10)} ${who.padEnd(18)} ${figure(area).padEnd(12)} ${curve.map((share) => percent(share).padStart(6)).join('')}`); // biome-ignore format: one line
}
console.log(`
Trained: ProtoNet, and zero-shot ProtoNet without a map, on an embedding bag of 256 with features of one length,
300 meta-steps of 16 tasks, Adam 0.01 with a cosine schedule, seed 1. Nearest neighbour: cosine of TF-IDF weights of the
same tokens, frequencies from training tasks.

The bag's width and features of one length were chosen after 300 test tasks had been seen; 300 validation tasks choose
the same (1-shot: 79.3, with a width of 64 73.2, without one length 65.3). A map for zero-shot was not tried.`);
