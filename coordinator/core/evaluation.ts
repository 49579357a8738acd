// When a job is evaluated, and on which tasks: always 0 … tasks − 1 of the evaluation split, cut like a meta-batch.
import { cut } from './meta-steps.ts';
import type { Batch, Job, JobPlan } from './state.ts';

/** After every `evaluation.every` meta-steps, and after the last one; never twice for one step. */
export const isEvaluationDue = (job: Job): boolean => isEvaluated(job) && !job.evaluatedSteps.has(job.step);

/** Whether θ after the present step is evaluated, or has been. */
export const isEvaluated = ({ plan: { iterations, evaluation }, step }: Job): boolean =>
  step > 0 && (step === iterations || (evaluation.every > 0 && step % evaluation.every === 0));

export function evaluationBatch(plan: JobPlan, step: number): Batch {
  const { tasks, shardSize } = plan.evaluation;
  return cut('evaluate', step, 0, tasks, shardSize);
}

/**
 * The last evaluation of a job with an ensemble, on as many tasks. Its step is the one after the
 * last: the version of the members' θ, which are one payload.
 *
 * @param members the meta-steps that they have had.
 */
export function ensembleBatch(plan: JobPlan, members: readonly number[]): Batch {
  return { ...evaluationBatch(plan, plan.iterations + 1), members };
}
