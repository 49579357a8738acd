// How much of the coordinator's memory a job may take at once, from its job file alone. An upper bound
// for admission, not a measurement: jobs are refused at submission, since a coordinator without memory
// ends every job.
import { carryBytes } from '../../learning/carry.ts';
import type { ResolvedJob } from '../../learning/job.ts';
import { batchesUnderWay, evaluationShardSize } from '../../learning/limits.ts';
import { spanLimit } from '../../learning/outer-loop/span.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { valuesOfTask } from '../../shared/measures.ts';
import { formatCount } from '../../shared/numbers.ts';

const floatBytes = 4;
const doubleBytes = 8;
/** A shard's lease, attempts and place in the core: 655 bytes were measured. */
const shardBytes = 1_024;
/** Records, the job file and its newest events. */
const jobBytes = 65_536;
/** θ as it is, the next one, and its encoded chunks. */
const paramsCopies = 3;
/** θ and the optimizer's state, as a span brings them and as they are taken over. */
const spanCopies = 2;
/** An ensemble's members, as they are read and one after another, and their encoded chunks. */
const memberCopies = 3;

/**
 * @returns bytes: θ and the optimizer's slots, a checkpoint's copy of the slots, sums, results that
 * wait for their turn or what a span sends and brings, and the measures of an evaluation.
 */
export function memoryOf(job: ResolvedJob): number {
  const { spec, optimizer, parameterCount: parameters, measures } = job;
  const { meta, placement, evaluation } = spec;
  const batches = batchesUnderWay(spec);
  const shards = batches * Math.ceil(meta.batchSize / placement.shardSize);
  const slots = optimizer.slots(meta.optimizer).length;
  const spans = placement.spans !== 'never' && 'maxSteps' in spanLimit(job) ? slots + spanCopies * (1 + slots) : 0;
  const vectors = paramsCopies + 2 * slots + Math.max(shards, spans);
  const training = parameters * (floatBytes * vectors + doubleBytes * batches) + shardBytes * shards;
  // what the shards start from, what has come in, and a checkpoint's
  const carried = 3 * carryBytes(job);
  const values = doubleBytes * evaluation.tasks * valuesOfTask(measures.evaluate);
  const evaluating = values + shardBytes * Math.ceil(evaluation.tasks / evaluationShardSize(job));
  const together = floatBytes * memberCopies * (evaluation.ensemble ?? 0) * parameters;
  return jobBytes + training + carried + evaluating + together;
}

/**
 * @param others the jobs that have not ended.
 * @param jobBytes what all jobs may take together.
 * @throws MetatrainError `REQUEST_INVALID` where the job alone takes more, `QUEUE_FULL` where the others leave too little.
 */
export function refuseBeyondMemory(job: ResolvedJob, others: readonly ResolvedJob[], jobBytes: number): void {
  const neededBytes = memoryOf(job);
  const what = `the job may take ${inMebibytes(neededBytes)} of the coordinator's memory`;
  if (neededBytes > jobBytes) {
    const message =
      `${what}, more than the ${inMebibytes(jobBytes)} that all jobs may take together (--job-memory); ` +
      'a smaller model, a larger placement.shardSize or fewer evaluation.tasks take less';
    throw new MetatrainError('REQUEST_INVALID', message, { details: { neededBytes, jobBytes } });
  }
  const takenBytes = others.reduce((sum, other) => sum + memoryOf(other), 0);
  if (takenBytes + neededBytes <= jobBytes) return;
  const message =
    `${what}, and the ${others.length} jobs that have not ended leave ${inMebibytes(Math.max(0, jobBytes - takenBytes))} ` +
    `of ${inMebibytes(jobBytes)} (--job-memory); try again when one has`;
  throw new MetatrainError('QUEUE_FULL', message, { details: { neededBytes, takenBytes, jobBytes } });
}

const inMebibytes = (bytes: number): string => `${formatCount(bytes / 2 ** 20)} MiB`;
