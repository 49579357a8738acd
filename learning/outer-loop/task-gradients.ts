// How much the tasks of a meta-batch agree, estimated from the shards' sums alone, at no cost to a worker: a one-way analysis of variance with
// the shards as groups. With G_s the sum of the meta-gradients of shard s's m_s finite tasks, G = Σ G_s, M = Σ m_s over S ≥ 2 shards:
//   σ̂²  = (Σ ‖G_s‖²/m_s − ‖G‖²/M) / (S − 1)   trace of the task gradients' covariance; for equal m it is m/(S − 1) · Σ ‖ḡ_s − ḡ‖²
//   ‖μ̂‖² = (‖G‖² − Σ ‖G_s‖²) / (M² − Σ m_s²)   the weighted mean inner product of different shards' mean gradients
//   cos  = ‖μ̂‖² / (‖μ̂‖² + σ̂²)                 mean cosine between two tasks' gradients, were they of equal length
// σ̂² and ‖μ̂‖² are unbiased; their quotient is a consistent estimator and no more, clamped to [−1, 1].

export interface ShardNorm {
  /** Tasks in the sum. */
  readonly tasks: number;
  /** ‖G_s‖². */
  readonly squaredNorm: number;
}

export interface TaskGradientSpread {
  /** σ̂², in the square of the gradient's unit; 0 where rounding would make it negative. */
  readonly variance: number;
  /** −1 to 1: 1 where every task pulls the same way, 0 where they have nothing in common. */
  readonly cosine: number;
}

/**
 * @param squaredNormOfSum ‖G‖².
 * @returns undefined with fewer than two shards that hold a finite task, or where every gradient is zero.
 */
export function spreadOfTaskGradients(
  shards: readonly ShardNorm[],
  squaredNormOfSum: number,
): TaskGradientSpread | undefined {
  let groups = 0;
  let tasks = 0;
  let squaredTasks = 0;
  let squares = 0;
  let squaresOfMeans = 0;
  for (const { tasks: size, squaredNorm } of shards) {
    if (size === 0) continue;
    groups += 1;
    tasks += size;
    squaredTasks += size * size;
    squares += squaredNorm;
    squaresOfMeans += squaredNorm / size;
  }
  if (groups < 2) return undefined;
  const variance = Math.max(0, (squaresOfMeans - squaredNormOfSum / tasks) / (groups - 1));
  const squaredMean = (squaredNormOfSum - squares) / (tasks * tasks - squaredTasks);
  const squaredLength = squaredMean + variance;
  if (squaredLength <= 0) return undefined;
  return { variance, cosine: Math.max(-1, Math.min(1, squaredMean / squaredLength)) };
}
