import assert from 'node:assert/strict';
import test from 'node:test';
import { foundSeeds } from './found-seeds.ts';
import { type SimulationOptions, simulate } from './simulation.ts';

function holds(options: SimulationOptions) {
  try {
    return simulate(options);
  } catch (cause) {
    throw new Error(`seed ${options.seed} with ${options.workers} workers: ${(cause as Error).message}`, { cause });
  }
}

for (const [workers, seeds] of [
  [1, 30],
  [5, 30],
  [40, 20],
  [200, 20],
] as const) {
  test(`with ${workers} workers under every fault, every job ends with the bytes of an undisturbed run`, () => {
    for (let seed = 1; seed <= seeds; seed += 1) holds({ seed, workers });
  });
}

test('seeds that once found a bug hold', () => {
  for (const { seed, workers } of foundSeeds) holds({ seed, workers });
});

test('the simulation covers restarts, proofs, quarantines, spans, results presented again and requests', () => {
  const total = {
    coordinatorLives: 0,
    stepsProved: 0,
    quarantines: 0,
    spans: 0,
    resultsPresentedAgain: 0,
    requestsAnswered: 0,
    requestsRefused: 0,
  };
  for (let seed = 100; seed < 110; seed += 1) {
    const report = holds({ seed, workers: 60 });
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += report[key];
  }
  for (const [what, count] of Object.entries(total)) assert.ok(count > 5, `${what}: ${count}`);
});

test('the same seed gives the same run', () => {
  assert.deepEqual(simulate({ seed: 7, workers: 30 }), simulate({ seed: 7, workers: 30 }));
});
