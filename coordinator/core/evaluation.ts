// When a job is evaluated, and on which tasks: always 0 … tasks − 1 of the evaluation split, cut like a meta-batch.
import { cut } from './meta-steps.ts';
import type { Batch, Job, JobPlan } from './state.ts';

/** After every `evaluation.every` meta-steps, and after the last one; never twice for one step. */
export function isEvaluationDue({ plan, step, evaluatedSteps }: Job): boolean {
  if (step === 0 || evaluatedSteps.has(step)) return false;
  return step === plan.iterations || (plan.evaluation.every > 0 && step % plan.evaluation.every === 0);
}

export function evaluationBatch(plan: JobPlan, step: number): Batch {
  const { tasks, shardSize } = plan.evaluation;
  return cut('evaluate', step, 0, tasks, shardSize);
}
