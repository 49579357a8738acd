// Which tasks a batch holds and how it is cut into shards. A function of the spec and the step alone, never of the cluster: this is
// half of why any cluster gives the same bytes.
import type { Batch, Job, JobPlan, Shard, WorkKind } from './state.ts';

/**
 * Meta-step s trains on the tasks s·batchSize … s·batchSize + batchSize − 1 of the training split,
 * or on a sample that is drawn elsewhere, whose tasks count from 0.
 */
export function metaBatch(plan: JobPlan, step: number): Batch {
  if (plan.sampleSize) return cut('train', step, 0, plan.sampleSize(step), plan.shardSize);
  return cut('train', step, step * plan.batchSize, plan.batchSize, plan.shardSize);
}

/** What the job computes now, first what must be complete before anything else goes on. */
export function batchesOf({ phase, ahead }: Job): readonly Batch[] {
  return phase.kind === 'computing' ? [phase.batch, ...ahead] : ahead;
}

/** The next meta-batch before its turn, where its shards would be no staler than is allowed. */
export function beginAhead(job: Job): Batch | undefined {
  const { plan, phase, ahead, step } = job;
  if (plan.maxStaleness === 0 || !job.hasParams || phase.kind !== 'computing') return undefined;
  // While an evaluation is computed, the meta-batch whose turn it is has not been begun either.
  const next = step + ahead.length + (phase.batch.work === 'train' ? 1 : 0);
  if (next >= plan.iterations || next - step > plan.maxStaleness) return undefined;
  const batch = metaBatch(plan, next);
  ahead.push(batch);
  return batch;
}

/** θ₀ is one shard: a function of the spec's seed. */
export function initializeBatch(): Batch {
  return cut('initialize', 0, 0, 1, 1);
}

/** Consecutive shards of `shardSize` tasks, the last one shorter where the size does not divide the batch. */
export function cut(work: WorkKind, step: number, firstTask: number, tasks: number, shardSize: number): Batch {
  const shards: Shard[] = [];
  for (let offset = 0; offset < tasks; offset += shardSize) {
    shards.push({
      index: shards.length,
      firstTask: firstTask + offset,
      taskCount: Math.min(shardSize, tasks - offset),
      isDone: false,
      leases: new Set(),
      attempts: 0,
      failures: [],
      losses: 0,
      suspects: new Map(),
    });
  }
  const pending = shards.toReversed();
  const steps = work === 'train' ? 1 : 0;
  return { work, step, steps, shards, pending, remaining: shards.length, begunAt: undefined, isTimed: true };
}

/** For messages: `shard 3 of meta-step 12 (tasks 400 to 403)`. Meta-steps count from 0, like the versions of θ. */
export function describeShard({ work, step, steps, members }: Batch, { index, firstTask, taskCount }: Shard): string {
  const tasks = `(tasks ${firstTask} to ${firstTask + taskCount - 1})`;
  switch (work) {
    case 'initialize':
      return 'the shard that makes the first meta-parameters';
    case 'train':
      return `shard ${index} of meta-step ${step} ${tasks}`;
    case 'span':
      return `the span of meta-steps ${step} to ${step + steps - 1}`;
    case 'evaluate':
      if (members) return `shard ${index} of the evaluation of ${members.length} checkpoints together ${tasks}`;
      return `shard ${index} of the evaluation after ${step} meta-steps ${tasks}`;
    default:
      return work satisfies never;
  }
}
