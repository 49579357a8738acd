// A benchmark's workload as a job for a cluster.
import type { Workload } from './engine/workloads.ts';

/** A sinusoid job that does not end by itself. */
export function endlessJob(workload: Workload, shardSize: number): string {
  const { name, order, innerSteps, innerLearningRate, tasks, supportSize, querySize } = workload;
  return JSON.stringify({
    name: `bench-${name}`,
    task: { distribution: 'sinusoid', shots: supportSize, queries: querySize },
    model: { architecture: 'mlp', hiddenLayers: [40, 40] },
    algorithm: { name: 'maml', order, innerSteps, innerLearningRate },
    // Clipped as in the example, so that no rare steep task ends the run.
    meta: {
      iterations: 1_000_000_000,
      batchSize: tasks,
      optimizer: { name: 'adam', learningRate: 0.001 },
      clipNorm: 0.5,
    },
    evaluation: { tasks: 2, innerSteps: 1 },
    placement: { shardSize },
  });
}
