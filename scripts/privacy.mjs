// `npm run figures -- sinusoid-privacy`: how much a privacy promise costs on sine waves, as a table
// and as docs/images/sinusoid-privacy.svg. Eight amounts of noise, three seeds each; some minutes.
// Runs are kept in docs/figures/sinusoid-privacy.json (scripts/kept-runs.mjs). `--print` runs nothing.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { privacyOf } from '../dist/shared/privacy.js';
import { mean, overSeeds } from './family-results.mjs';
import { KeptRuns } from './kept-runs.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const example = parse(readFileSync(join(root, 'examples', 'sinusoid-private.yaml'), 'utf8'));

const noises = [10, 5, 2.5, 1.5, 1, 0.7, 0.5];
const seeds = [1, 2, 3];
const steps = [0, 1, 5, 10];
const pool = 20_000;

/**
 * The example with larger meta-batches, of a larger pool. @param noise undefined: no privacy, and no clip.
 */
const jobOf = (noise, seed) => ({
  ...example,
  name: 'sinusoid-privacy',
  seed,
  meta: {
    iterations: 600,
    batchSize: 200,
    optimizer: { name: 'adam', learningRate: 0.005 },
    schedule: { name: 'cosine', final: 0.01 },
    ...(noise !== undefined && { privacy: { taskClipNorm: 1, noiseMultiplier: noise, delta: 1e-5, pool } }),
  },
  placement: { shardSize: 100 },
});
const factsOf = ({ evaluations }) => {
  const { estimates } = evaluations.at(-1).measures.find(({ name }) => name === 'loss');
  return { losses: Object.fromEntries(steps.map((step) => [step, estimates[step].mean])) };
};

const runs = new KeptRuns({ file: join(root, 'docs', 'figures', 'sinusoid-privacy.json'), workers: 1 });
const levels = [...noises, undefined];
try {
  if (!process.argv.includes('--print')) {
    for (const seed of seeds) {
      for (const noise of levels)
        await runs.run(`privacy: noise ${noise ?? 'none'}, seed ${seed}`, jobOf(noise, seed), factsOf);
    }
  }
} finally {
  await runs.close();
}

const rows = levels.flatMap((noise) => {
  const made = seeds.flatMap((seed) => runs.of(jobOf(noise, seed)) ?? []);
  if (made.length === 0) return [];
  const { meta } = jobOf(noise, 1);
  const epsilon = privacyOf({ meta }, meta.iterations)?.epsilon;
  const estimates = steps.map((step) => {
    const values = made.map((run) => run.losses[step]);
    return { mean: mean(values), halfWidth95: values.length === seeds.length ? overSeeds(values) : undefined };
  });
  return [{ noise, epsilon, estimates }];
});

const lossText = ({ mean: value, halfWidth95 }) => `${value.toFixed(2)} ± ${halfWidth95?.toFixed(2) ?? '–'}`.padEnd(14);
const { iterations, batchSize } = jobOf(1, 1).meta;
console.log(`Sine waves, 5-shot: mean squared error on 600 test tasks after 0 to 10 inner steps. The mean over seeds 1 to 3,
± half of its 95 % interval over the seeds (Student's t with 2 degrees of freedom). ε at δ = 1e-5, for one of
${pool} training tasks; ${iterations} meta-steps of ${batchSize} tasks on average, each clipped to norm 1. With its amplitude
and phase known, a task's error is 0; that of the answer 0 is 4.3. Each seed has test tasks of its own, which all
rows share: the intervals are wider than what separates the rows of one seed.

noise  ε          ${steps
  .map((step) => `${step} steps`.replace(/^1 steps/, '1 step').padEnd(14))
  .join('')
  .trimEnd()}`);
for (const { noise, epsilon, estimates } of rows) {
  const promise = epsilon === undefined ? '∞, no clip' : epsilon.toFixed(2);
  console.log(`${String(noise ?? 0).padEnd(7)}${promise.padEnd(11)}${estimates.map(lossText).join('')}`.trimEnd());
}
writeFileSync(join(root, 'docs', 'images', 'sinusoid-privacy.svg'), curve(rows));

/**
 * The error after one inner step against ε, on a logarithmic axis, with the error without privacy
 * as a line.
 */
function curve(all) {
  const [width, height] = [640, 300];
  const box = { left: 56, right: width - 20, top: 20, bottom: height - 48 };
  const points = all.filter(({ epsilon }) => epsilon !== undefined);
  const free = all.find(({ epsilon }) => epsilon === undefined);
  const at = steps.indexOf(1);
  const logs = points.map(({ epsilon }) => Math.log10(epsilon));
  const [low, high] = [Math.floor(Math.min(...logs) * 2) / 2, Math.ceil(Math.max(...logs) * 2) / 2];
  const top = Math.ceil(
    Math.max(...points.map(({ estimates }) => estimates[at].mean + (estimates[at].halfWidth95 ?? 0))),
  );
  const x = (epsilon) => round(box.left + ((Math.log10(epsilon) - low) / (high - low)) * (box.right - box.left));
  const y = (loss) => round(box.bottom - (Math.max(0, loss) / top) * (box.bottom - box.top));
  const ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].filter((e) => Math.log10(e) >= low && Math.log10(e) <= high);
  const text = (tx, ty, words, anchor = 'middle') =>
    `<text x="${tx}" y="${ty}" text-anchor="${anchor}">${words}</text>`;
  const line = (x1, y1, x2, y2, style) => `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ${style}/>`;
  const [grid, ink] = ['stroke="#ddd"', 'stroke="#1f5fa8" stroke-width="2"'];
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#333">`,
    `<title>The error after one inner step against ε</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...Array.from({ length: top + 1 }, (_, loss) => [
      line(box.left, y(loss), box.right, y(loss), grid),
      text(box.left - 8, y(loss) + 4, loss, 'end'),
    ]).flat(),
    ...ticks.flatMap((e) => [line(x(e), box.top, x(e), box.bottom, grid), text(x(e), box.bottom + 18, e)]),
    free &&
      line(
        box.left,
        y(free.estimates[at].mean),
        box.right,
        y(free.estimates[at].mean),
        'stroke="#a33" stroke-dasharray="5 4"',
      ),
    free &&
      `<g fill="#a33">${text(box.right - 4, y(free.estimates[at].mean) - 6, 'without privacy and without a clip', 'end')}</g>`,
    `<polyline fill="none" ${ink} points="${points.map(({ epsilon, estimates }) => `${x(epsilon)},${y(estimates[at].mean)}`).join(' ')}"/>`,
    ...points.flatMap(({ epsilon, estimates }) => {
      const { mean: value, halfWidth95 = 0 } = estimates[at];
      const bar = line(x(epsilon), y(value - halfWidth95), x(epsilon), y(value + halfWidth95), ink);
      return [bar, `<circle cx="${x(epsilon)}" cy="${y(value)}" r="4" fill="#1f5fa8"/>`];
    }),
    text((box.left + box.right) / 2, height - 10, 'ε at δ = 1e-5, for one training task'),
    text(box.left, box.top - 6, 'mean squared error after 1 inner step', 'start'),
    '</svg>',
  ]
    .filter(Boolean)
    .join('\n')}\n`;
}

function round(value) {
  return Math.round(10 * value) / 10;
}
