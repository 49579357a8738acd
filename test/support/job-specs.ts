// Small job files for tests.

/** A short sinusoid job; `overrides` replace top-level sections. */
export function sinusoidSpec(name = 'test', overrides: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    name,
    seed: 7,
    task: { distribution: 'sinusoid', shots: 5 },
    model: { architecture: 'mlp' },
    algorithm: { name: 'maml', order: 'second', innerSteps: 1, innerLearningRate: 0.01 },
    meta: { iterations: 20, batchSize: 8 },
    evaluation: { tasks: 8, innerSteps: 2 },
    placement: { shardSize: 2 },
    ...overrides,
  });
}
