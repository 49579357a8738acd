// Limits of adapted models: what one answer may carry of their states, and what memory kept ones take.
import assert from 'node:assert/strict';
import test from 'node:test';
import { anybody } from '../../../coordinator/access/authentication.ts';
import { ModelRequests, type ModelRequestsDependencies } from '../../../coordinator/model-requests.ts';
import type { CheckpointRecord, JobRecord } from '../../../coordinator/store/job-record.ts';
import { readJob } from '../../../learning/job-file.ts';
import { builtIn } from '../../../learning/registry.ts';
import type { Checkpoint } from '../../../shared/checkpoint.ts';
import { realClock } from '../../../shared/clock.ts';
import { specText } from '../../integration/coordinator/cluster.ts';

const job = readJob(specText(), builtIn);
/** 2 MB: two of them are more than the 3 MiB of an answer. */
const state = new Float32Array(500_000);
const dependencies: ModelRequestsDependencies = {
  runner: {
    adapt: async () => ({ layout: { tensors: [{ name: 'w', shape: [state.length] }] }, state }),
    predict: async () => ({ shape: [1, 1], outputs: Float32Array.of(1) }),
    encode: async () => new Float32Array(1),
  },
  jobs: { checkpoint: () => ({ step: 7 }) as CheckpointRecord },
  book: { record: () => ({ spec: JSON.stringify(job.spec) }) as JobRecord },
  checkpoints: { read: async () => ({ metaParams: new Float32Array(job.parameterCount) }) as Checkpoint },
  registry: builtIn,
  clock: realClock,
};
const support = { inputs: { form: 'number', values: Float32Array.of(1) }, targets: [1], labels: [] } as const;
const call = { jobId: 'a', step: undefined, innerSteps: undefined, keepSeconds: 0, returnState: true };

test('an answer carries at most 3 MiB of adapted states', async (t) => {
  const models = new ModelRequests({ adaptedBytes: 2 ** 30, adaptedPerClient: 10 }, dependencies);
  t.after(() => models.close());
  const [one] = await models.adapt({ ...call, support: [support] }, anybody);
  assert.equal(one?.adapted.state.length, state.length);
  await assert.rejects(
    models.adapt({ ...call, support: [support, support] }, anybody),
    /return_state: got adapted states of .*; accepted: at most 3\.\d+ MB in one answer/,
  );
  const kept = await models.adapt({ ...call, support: [support, support], returnState: false }, anybody);
  assert.equal(models.withState(kept[0]!.adaptedId!, anybody).adapted.state, state);
});

test('the memory of kept models counts the parameters that they were adapted from, once', async (t) => {
  const models = new ModelRequests({ adaptedBytes: 2 ** 30, adaptedPerClient: 10 }, dependencies);
  t.after(() => models.close());
  const params = 4 * job.parameterCount;
  const kept = await models.adapt({ ...call, support: [support, support], returnState: false }, anybody);
  assert.equal(models.adapted.bytes, 2 * state.byteLength + params);
  models.adapted.drop(kept[0]!.adaptedId!, anybody);
  assert.equal(models.adapted.bytes, state.byteLength + params);
  models.adapted.drop(kept[1]!.adaptedId!, anybody);
  assert.equal(models.adapted.bytes, 0);
  const narrow = new ModelRequests({ adaptedBytes: state.byteLength, adaptedPerClient: 10 }, dependencies);
  t.after(() => narrow.close());
  await assert.rejects(narrow.adapt({ ...call, support: [support], returnState: false }, anybody), {
    code: 'QUEUE_FULL',
  });
  assert.equal(narrow.adapted.count, 0);
});
