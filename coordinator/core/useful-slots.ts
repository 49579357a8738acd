// How many slots could compute at once: what the cluster should be scaled to. A job counts with the
// most shards that it can have in flight now or right after its present batch, so that the figure
// does not fall and rise with every meta-step, and is exact at the job's end. Jobs that may not be
// leased from (paused, or waiting in the queue of the coordinator) count nothing.
import { isEvaluationDue } from './evaluation.ts';
import { batchesOf } from './meta-steps.ts';
import type { Batch, CoreState, Job } from './state.ts';

export interface UsefulSlotsOptions {
  /** Only what this engine and device compute, such as `compiled/cpu`. Default: everything. */
  readonly engine?: string;
}

/** Shards and requests that a slot each could compute at once, whether or not there are such slots. */
export function usefulSlots(state: CoreState, { engine }: UsefulSlotsOptions = {}): number {
  let slots = 0;
  for (const job of state.admitted) {
    if (engine === undefined || job.plan.engine === engine) slots += slotsOf(job);
  }
  for (const { plan } of state.requests.values()) {
    if (engine === undefined || plan.engine === engine) slots += 1;
  }
  return slots;
}

function slotsOf(job: Job): number {
  if (job.phase.kind === 'finishing') return 0;
  return Math.max(slotsNow(job), slotsAfterwards(job));
}

/** Shards of the present batch, and of the meta-batches that may be computed beside it, that have no result yet. */
function slotsNow(job: Job): number {
  const { plan, phase, ahead, step } = job;
  const begun = batchesOf(job).reduce((sum, batch) => sum + slotsFor(job, batch), 0);
  if (plan.maxStaleness === 0 || phase.kind !== 'computing' || !job.hasParams) return begun;
  const next = step + ahead.length + (phase.batch.work === 'train' ? 1 : 0);
  const last = Math.min(plan.iterations - 1, step + plan.maxStaleness);
  return begun + Math.max(0, last - next + 1) * shardsOf(plan.batchSize, plan.shardSize);
}

/** A span's shards are those of each of its meta-steps. */
const slotsFor = ({ plan }: Job, { work, remaining }: Batch): number =>
  work === 'span' ? shardsOf(plan.batchSize, plan.shardSize) : remaining;

/** Shards of the batch that comes after the present one; 0: none does. */
function slotsAfterwards(job: Job): number {
  const { plan, phase, ahead } = job;
  const { work, steps } = phase.kind === 'finishing' ? { work: undefined, steps: 0 } : phase.batch;
  const step = job.step + steps;
  if (work !== 'evaluate' && isEvaluationDue({ ...job, step })) {
    return shardsOf(plan.evaluation.tasks, plan.evaluation.shardSize);
  }
  // One that was begun before its turn is counted already.
  return step < plan.iterations && ahead.length === 0 ? shardsOf(plan.batchSize, plan.shardSize) : 0;
}

const shardsOf = (tasks: number, shardSize: number): number => Math.ceil(tasks / shardSize);
