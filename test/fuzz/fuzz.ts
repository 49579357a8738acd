// The whole fuzzing: every property with its share of the cases.
import { checkpointProperty, chunkProperty, jobFileProperty, type Property } from './pure-properties.ts';
import { ServiceTarget } from './service-properties.ts';

/** @returns cases run, by property. @throws with fast-check's seed and smallest counterexample. */
export async function fuzz(cases: number, seed: number): Promise<Record<string, number>> {
  const target = await ServiceTarget.start();
  const shares: Readonly<Record<string, readonly [share: number, property: Property]>> = {
    jobFile: [0.2, jobFileProperty],
    checkpoint: [0.25, checkpointProperty],
    chunks: [0.25, chunkProperty],
    jobService: [0.2, target.requests],
    workerService: [0.1, target.streams],
  };
  const counts: Record<string, number> = {};
  try {
    for (const [name, [share, property]] of Object.entries(shares)) {
      counts[name] = Math.ceil(cases * share);
      await property(counts[name], seed);
    }
  } finally {
    await target.close();
  }
  return counts;
}
