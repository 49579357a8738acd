// What of `meta.aggregation`, `meta.privacy` and `placement.results` does not go together, with
// each other or with the rest of the job; and the same in CEL, as far as it follows from the job
// file without its parts.
import type { FieldProblem } from '../../shared/job-spec/explain.ts';
import { formatCount } from '../../shared/numbers.ts';
import { carryBytes } from '../carry.ts';
import type { CelRule } from '../cel.ts';
import type { ResolvedJob } from '../job.ts';
import { trimmedOf } from './robust-mean.ts';

/** With fewer, no shard is ever outvoted. */
const fewestShards = 3;

/** @param maxShards of one meta-batch. */
export function sumProblems(job: ResolvedJob, maxShards: number): FieldProblem[] {
  const { meta, placement } = job.spec;
  const { privacy, aggregation, update } = meta;
  const problems: FieldProblem[] = [];
  const refuse = (field: string, got: string | number, accepted: string) =>
    problems.push({ field, got: String(got), accepted });
  if (aggregation.name !== 'mean') {
    const { batchSize } = meta;
    const { shardSize } = placement;
    const because = `with meta.aggregation ${aggregation.name}`;
    if (update.mode === 'async') refuse('meta.update.mode', 'async', `sync ${because}, whose shards count alike`);
    const shards = batchSize / shardSize;
    if (!Number.isInteger(shards)) {
      refuse(
        'placement.shardSize',
        shardSize,
        `a divisor of meta.batchSize, ${batchSize}, ${because}, whose shards count alike`,
      );
    } else if (shards < fewestShards) {
      refuse('placement.shardSize', shardSize, `at most ${Math.floor(batchSize / fewestShards)} ${because}, which needs at least ${fewestShards} shards`); // biome-ignore format: one line
    } else if (trimmedOf(aggregation, shards) < 1) {
      const { trim } = aggregation as { readonly trim: number };
      refuse('meta.aggregation.trim', trim, `at least ${1 / shards}: a whole one of the ${shards} shards`);
    }
  }
  const averaged = job.parameters.find(({ update }) => update === 'average');
  if (averaged && placement.results !== 'float32') {
    refuse(
      'placement.results',
      placement.results,
      `float32: ${averaged.name} is an average, which rounding would change`,
    );
  }
  if (!privacy) return problems;
  const { pool, delta } = privacy;
  if (update.mode === 'async') refuse('meta.update.mode', 'async', 'sync with meta.privacy');
  if (aggregation.name !== 'mean') {
    refuse(
      'meta.aggregation.name',
      aggregation.name,
      'mean with meta.privacy: the noise is measured by what one task adds to a sum',
    );
  }
  if (placement.results !== 'float32') {
    refuse(
      'placement.results',
      placement.results,
      'float32 with meta.privacy: rounding could add more than one task may',
    );
  }
  if (averaged) {
    refuse(
      'meta.privacy',
      `with ${averaged.name}, an average of the tasks' values`,
      'parameters that learn by gradients alone',
    );
  }
  if (carryBytes(job) > 0) {
    refuse('meta.privacy', `with ${job.algorithm.name}, which carries state of its tasks to later meta-steps`, 'an algorithm that carries nothing'); // biome-ignore format: one line
  }
  if (pool === undefined) return problems;
  const most = maxShards * placement.shardSize;
  if (pool < meta.batchSize) refuse('meta.privacy.pool', pool, `at least meta.batchSize, ${meta.batchSize}`);
  if (pool > most) {
    refuse(
      'meta.privacy.pool',
      formatCount(pool),
      `at most ${formatCount(most)}: ${formatCount(maxShards)} shards of placement.shardSize`,
    );
  }
  if (delta >= 1 / pool) {
    refuse(
      'meta.privacy.delta',
      delta,
      `below ${1 / pool}, one over meta.privacy.pool: a larger one allows to tell tasks outright`,
    );
  }
  return problems;
}

/** See `learning/crd/names.ts` for what begins with `$`. */
export function sumRules(maxShards: number): CelRule[] {
  const aggregation = "self.meta.?aggregation.?name.orValue('mean')";
  const isSync = "self.meta.?update.?mode.orValue('sync') == 'sync'";
  const results = "self.?placement.?results.orValue('float32')";
  const shards = '$batchSize / $shardSize';
  const robust = `${aggregation} == 'mean'`;
  return [
    { rule: `${robust} || ${isSync}`, message: 'meta.update.mode: accepted: sync' },
    {
      rule: `${robust} || ($batchSize % $shardSize == 0 && ${shards} >= ${fewestShards})`,
      message: `placement.shardSize: accepted: a divisor of meta.batchSize, at least ${fewestShards} shards`,
    },
    {
      rule: `${aggregation} != 'trimmed-mean' || self.meta.aggregation.?trim.orValue(0.1) * double(${shards}) >= 1.0`,
      message: 'meta.aggregation.trim: accepted: a whole shard or more',
    },
    {
      rule: `!has(self.meta.privacy) || (${isSync} && ${robust} && ${results} == 'float32')`,
      message:
        'meta.privacy: accepted: with meta.update.mode sync, meta.aggregation mean and placement.results float32',
    },
    {
      rule:
        `!has(self.meta.privacy) || !has(self.meta.privacy.pool) || (self.meta.privacy.pool >= $batchSize && ` +
        `self.meta.privacy.pool <= ${maxShards} * $shardSize && ` +
        'self.meta.privacy.?delta.orValue(0.00001) * double(self.meta.privacy.pool) < 1.0)',
      message: `meta.privacy.pool: accepted: at least meta.batchSize, at most ${maxShards} shards, less than 1 over delta`,
    },
  ];
}
