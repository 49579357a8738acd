// What a shard carries from one meta-step to the next: named float32 tensors that belong to the
// shard's number. Their shapes follow from the job file, so that the coordinator can bound what it
// keeps.
import type { FieldProblem } from '../shared/job-spec/explain.ts';
import { formatCount } from '../shared/numbers.ts';
import { elementsOf, layoutElements, type ParamsLayout } from '../shared/tensor-codec.ts';
import type { ResolvedJob } from './job.ts';

/** Of all shards of a meta-batch together. */
export const maxCarryBytes = 256 * 2 ** 20;

type CarryOf = Pick<ResolvedJob, 'spec' | 'algorithm' | 'task'>;

/** Of a shard of so many tasks; without tensors where the algorithm carries nothing. */
export function carryLayout(job: CarryOf, taskCount: number): ParamsLayout {
  const shapes = job.algorithm.carries?.(job.spec.algorithm, taskCount, job) ?? {};
  return { tensors: Object.entries(shapes).map(([name, { shape }]) => ({ name, shape })) };
}

/** Numbers that a shard of so many tasks carries. */
export const carryElements = (job: CarryOf, taskCount: number): number => {
  const layout = carryLayout(job, taskCount);
  return layout.tensors.length > 0 ? layoutElements(layout) : 0;
};

/** Bytes of what all shards of a meta-batch carry. */
export function carryBytes(job: CarryOf): number {
  const { batchSize } = job.spec.meta;
  const { shardSize } = job.spec.placement;
  const rest = batchSize % shardSize;
  const whole = Math.floor(batchSize / shardSize) * carryElements(job, shardSize);
  return Float32Array.BYTES_PER_ELEMENT * (whole + (rest > 0 ? carryElements(job, rest) : 0));
}

export function carryProblems(job: CarryOf): FieldProblem[] {
  const bytes = carryBytes(job);
  const empty = carryLayout(job, 1).tensors.find(({ shape }) => elementsOf(shape) < 1);
  if (empty) {
    const got = `${job.algorithm.name}, which carries ${empty.name} of shape [${empty.shape.join(', ')}]`;
    return [{ field: 'algorithm.name', got, accepted: 'tensors of at least one number' }];
  }
  if (bytes === 0) return [];
  const { name } = job.algorithm;
  const problems: FieldProblem[] = [];
  if (job.spec.meta.update.mode === 'async') {
    const accepted = `sync with algorithm ${name}, which carries state from one meta-step to the next`;
    problems.push({ field: 'meta.update.mode', got: 'async', accepted });
  }
  if (bytes > maxCarryBytes) {
    const got = `${name}, whose shards carry ${formatCount(bytes)} bytes from one meta-step to the next`;
    problems.push({ field: 'algorithm.name', got, accepted: `at most ${formatCount(maxCarryBytes)} bytes` });
  }
  return problems;
}
