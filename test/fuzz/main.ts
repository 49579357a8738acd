// `npm run fuzz -- [--cases N] [--seed S]`: both services, job files, checkpoints and payload chunks under N cases (default 20,000). Prints how
// many of each as one JSON object; a failure prints fast-check's seed and smallest counterexample, and the exit code is 1.
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const { values } = parseArgs({ options: { cases: { type: 'string', default: '20000' }, seed: { type: 'string' } } });
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
const startedAt = performance.now();
try {
  const byProperty = await fuzz(Number(values.cases), seed);
  const cases = Object.values(byProperty).reduce((sum, count) => sum + count, 0);
  const wallSeconds = Math.round((performance.now() - startedAt) / 100) / 10;
  process.stdout.write(`${JSON.stringify({ cases, byProperty, seed, wallSeconds })}\n`);
  process.exit(0);
} catch (error) {
  process.stderr.write(`fuzz --seed ${seed}: ${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
}
