// The simulated training: numbers instead of tensors, mixed so that any result that is missing,
// counted twice, out of order, or of another version or task changes the final number.
// `undisturbed` is the oracle: the sums without a cluster.
import { ensembleBatch, evaluationBatch } from '../../coordinator/core/evaluation.ts';
import { initializeBatch, metaBatch } from '../../coordinator/core/meta-steps.ts';
import type { Batch, JobPlan } from '../../coordinator/core/state.ts';

/** Mixes two numbers below 2³² to one. */
export function mix(a: number, b: number): number {
  let h = (a ^ Math.imul(b, 0x9e3779b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The result of an honest worker. */
export const shardResult = (params: number, firstTask: number, taskCount: number): number =>
  mix(mix(params, firstTask), taskCount);

/** What an honest worker answers to a request that brings this number. */
export const requestAnswer = (input: number): number => mix(input, 0x5eed);

/** Computes the next parameters (or an evaluation's estimate) from the results, in shard order. */
export const reduce = (params: number, results: readonly number[]): number => results.reduce(mix, params);

const resultsOf = (params: number, { shards }: Batch): number[] =>
  shards.map(({ firstTask, taskCount }) => shardResult(params, firstTask, taskCount));

/** θ after the meta-step of this number. */
export const metaStepResult = (params: number, plan: JobPlan, step: number): number =>
  reduce(params, resultsOf(params, metaBatch(plan, step)));

/** θ after each of so many meta-steps: what an honest worker answers to a span. */
export function spanResult(params: number, plan: JobPlan, step: number, steps: number): number[] {
  const results: number[] = [];
  for (let i = 0; i < steps; i += 1) results.push(metaStepResult(results.at(-1) ?? params, plan, step + i));
  return results;
}

export interface Outcome {
  readonly params: number;
  /** Over all parameters in order. */
  readonly chain: number;
  /** Step → estimate. */
  readonly evaluations: Readonly<Record<number, number>>;
}

/** θ₀ contains the job's number, so that a result of another job is wrong. */
export const seedOf = (jobId: string): number => [...jobId].reduce((sum, letter) => mix(sum, letter.charCodeAt(0)), 7);

export function undisturbed(plan: JobPlan): Outcome {
  let params = reduce(seedOf(plan.jobId), resultsOf(seedOf(plan.jobId), initializeBatch()));
  let chain = mix(0, params);
  const evaluations: Record<number, number> = {};
  for (let step = 0; step < plan.iterations; step += 1) {
    params = metaStepResult(params, plan, step);
    chain = mix(chain, params);
    const applied = step + 1;
    const isDue = applied === plan.iterations || (plan.evaluation.every > 0 && applied % plan.evaluation.every === 0);
    if (isDue) evaluations[applied] = reduce(params, resultsOf(params, evaluationBatch(plan, applied)));
  }
  const { iterations, evaluation } = plan;
  // the checkpoints that are tested together are all of the last step here
  if (evaluation.hasEnsemble) {
    evaluations[iterations + 1] = reduce(params, resultsOf(params, ensembleBatch(plan, [iterations])));
  }
  return { params, chain, evaluations };
}
