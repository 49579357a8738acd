// How much a stale shard counts in async mode, by algorithm; docs/adr says why. τ: meta-steps applied between the θ that it was computed with
// and the θ that it updates. Fresh shards, and so every shard of sync mode, weigh exactly 1.
import type { JobSpec } from '../../shared/job-spec/index.ts';

export function stalenessWeight(algorithm: JobSpec['algorithm']['name'], staleness: number): number {
  switch (algorithm) {
    case 'maml':
      // Staleness-aware async SGD: α/τ (Zhang, Gupta, Lian & Liu 2016, equation 6), with τ counted from 1 for a fresh gradient.
      return 1 / (1 + staleness);
    case 'reptile':
      // θ − φ is a way towards the task's solutions, not a local slope: it is averaged as it is, as in elastic averaging (Zhang,
      // Choromanska & LeCun 2015).
      return 1;
    default:
      return algorithm satisfies never;
  }
}
