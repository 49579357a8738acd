// Products of a job file's fields: what an array, a message or the coordinator cannot hold is refused
// by name; what fits exactly is taken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveJob } from '../../../learning/job.ts';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { evaluationShardSize } from '../../../learning/limits.ts';
import { builtIn } from '../../../learning/registry.ts';
import { type JobSpec, maxShardTasks } from '../../../shared/job-spec/index.ts';
import { refusalOf } from './refusal.ts';

const shardSizeOf = (spec: JobSpec) => evaluationShardSize(resolveJob(spec, builtIn));

type Sections = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const sinusoid = {
  name: 'a-job',
  task: { distribution: 'sinusoid' },
  model: { architecture: 'mlp' },
  algorithm: { name: 'maml' },
  meta: { iterations: 10 },
};
const omniglot = { ...sinusoid, task: { distribution: 'omniglot' }, model: { architecture: 'conv4' } };

function parse(base: typeof sinusoid, changes: Sections): JobSpec {
  const merged = Object.entries(changes).map(([section, fields]) => [
    section,
    { ...(base as unknown as Sections)[section], ...fields },
  ]);
  return parseJobSpec(JSON.stringify({ ...base, ...Object.fromEntries(merged) }));
}

const cases: readonly {
  readonly what: string;
  readonly base: typeof sinusoid;
  readonly fits: Sections;
  readonly exceeds: Sections;
  readonly message: string;
}[] = [
  {
    what: 'an mlp of more than 1 GiB',
    base: sinusoid,
    fits: { model: { hiddenLayers: [16_384, 16_380] } },
    exceeds: { model: { hiddenLayers: [16_384, 16_400] } },
    message:
      'invalid job: model.hiddenLayers: got [16384,16400], a model of 268,763,169 parameters; accepted: at most 268,435,456 parameters',
  },
  {
    what: 'a conv4 of more than 1 GiB',
    base: omniglot,
    fits: { model: { filters: 3_000 } },
    exceeds: { model: { filters: 4_096 } },
    message:
      'invalid job: model.filters: got 4096, a model of 453,074,949 parameters; accepted: at most 268,435,456 parameters',
  },
  {
    what: 'training that traces too many layers',
    base: sinusoid,
    fits: { model: { hiddenLayers: Array(32).fill(8) }, algorithm: { innerSteps: 124 } },
    exceeds: { model: { hiddenLayers: Array(32).fill(8) }, algorithm: { innerSteps: 125 } },
    message:
      'invalid job: algorithm.innerSteps: got 125 with mlp, which counts as 33 layers, a program of 4,125 layers; accepted: at most 124 with this model: programs have at most 4,096 layers',
  },
  {
    what: 'an evaluation that traces too many layers',
    base: omniglot,
    fits: { evaluation: { innerSteps: 157 } },
    exceeds: { evaluation: { innerSteps: 1_000 } },
    message:
      'invalid job: evaluation.innerSteps: got 1000 with conv4, which counts as 26 layers, a program of 26,000 layers; accepted: at most 157 with this model: programs have at most 4,096 layers',
  },
  {
    what: 'a meta-batch of too many shards',
    base: sinusoid,
    fits: { meta: { batchSize: 16_384 }, placement: { shardSize: 1 } },
    exceeds: { meta: { batchSize: 1_000_000 }, placement: { shardSize: 1 } },
    message:
      'invalid job: placement.shardSize: got 1, which cuts a meta-batch of 1,000,000 tasks into 1,000,000 shards; accepted: at least 62: at most 16,384 shards',
  },
  {
    what: 'meta-batches under way of too many shards',
    base: sinusoid,
    fits: { meta: { batchSize: 252, update: { mode: 'async', maxStaleness: 64 } }, placement: { shardSize: 1 } },
    exceeds: { meta: { batchSize: 253, update: { mode: 'async', maxStaleness: 64 } }, placement: { shardSize: 1 } },
    message:
      'invalid job: placement.shardSize: got 1, which cuts a meta-batch of 253 tasks into 253 shards; accepted: at least 2: at most 252 shards with meta.update.maxStaleness 64',
  },
  {
    what: 'shards of more tasks than a message has room for',
    base: sinusoid,
    fits: { meta: { batchSize: 1_000_000 }, placement: { shardSize: maxShardTasks } },
    exceeds: { meta: { batchSize: 1_000_000 }, placement: { shardSize: maxShardTasks + 1 } },
    message: 'invalid job: placement.shardSize: got 65537; accepted: at most 65536',
  },
  {
    what: 'shards of more numbers than an array has room for',
    base: sinusoid,
    fits: { task: { shots: 1_000_000, queries: 1_000_000 } },
    exceeds: { task: { shots: 1_000_000_000, queries: 1 } },
    message:
      'invalid job: task.shots: got 1000000000 with task.queries 1 and placement.shardSize 4, shards of 8,000,000,008 numbers; accepted: at most 268,435,456 numbers',
  },
  {
    what: 'an evaluation of too many values',
    base: sinusoid,
    fits: { evaluation: { tasks: 19_980, innerSteps: 1_000 } },
    exceeds: { evaluation: { tasks: 19_981, innerSteps: 1_000 } },
    message:
      'invalid job: evaluation.tasks: got 19,981 with 1,001 measured values each, 20,000,981 in all; accepted: at most 20,000,000 values, which is 19,980 tasks',
  },
  {
    what: 'an evaluation of too many shards',
    base: sinusoid,
    fits: { evaluation: { tasks: 16_384 }, placement: { shardSize: 1 } },
    exceeds: { evaluation: { tasks: 16_385 }, placement: { shardSize: 1 } },
    message:
      'invalid job: evaluation.tasks: got 16,385 with placement.shardSize 1, 16,385 shards; accepted: at most 16,384 shards, which is 16,384 tasks',
  },
];

for (const { what, base, fits, exceeds, message } of cases) {
  test(`${what} is refused by name, and one that just fits is taken`, () => {
    parse(base, fits);
    assert.equal(refusalOf(() => parse(base, exceeds)).message, message);
  });
}

test('a meta-batch of any size has a default shard size that is accepted', () => {
  for (const batchSize of [1, 32, 500_000, 1_000_000]) parse(sinusoid, { meta: { batchSize } });
});

test('an evaluation keeps to the shard size of the placement until its result would not fit into a message', () => {
  const sizeOf = (shardSize: number, innerSteps: number) =>
    shardSizeOf(
      parse(sinusoid, { meta: { batchSize: shardSize }, placement: { shardSize }, evaluation: { innerSteps } }),
    );
  assert.equal(sizeOf(4, 10), 4);
  assert.equal(sizeOf(1_000, 10), 1_000);
  assert.equal(sizeOf(1_000, 1_000), 130);
  assert.equal(sizeOf(maxShardTasks, 3), 32_768);
});
