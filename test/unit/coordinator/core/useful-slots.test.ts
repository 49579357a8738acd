// How many slots could compute at once: what autoscalers are told.
import assert from 'node:assert/strict';
import test from 'node:test';
import { usefulSlots } from '../../../../coordinator/core/useful-slots.ts';
import { CoreDriver } from '../../../support/core-driver.ts';

const slotsOf = (core: CoreDriver, engine?: string) => usefulSlots(core.state, engine === undefined ? {} : { engine });

test('a queued job asks for the slots of its first meta-batch, before any worker is there', () => {
  const core = new CoreDriver();
  assert.equal(slotsOf(core), 0);
  core.submit('a', { batchSize: 10, shardSize: 4 });
  assert.equal(slotsOf(core), 3);
  core.submit('b', { batchSize: 4, shardSize: 1 });
  assert.equal(slotsOf(core), 7);
});

test('the figure stands still between meta-steps, rises for an evaluation, and falls with its last shards to 0', () => {
  const core = new CoreDriver();
  core.submit('a', { iterations: 3, batchSize: 2, evaluation: { every: 0, tasks: 4, shardSize: 1 } });
  core.connect('w', 1);
  const seen: string[] = [];
  while (core.held('w').length > 0) {
    const [lease] = core.held('w');
    seen.push(`${lease!.batch.work} ${lease!.batch.step}.${lease!.shard.index}: ${slotsOf(core)}`);
    core.answer(lease!);
  }
  assert.deepEqual(seen, [
    'initialize 0.0: 2',
    'train 0.0: 2',
    'train 0.1: 2',
    'train 1.0: 2',
    'train 1.1: 2',
    // After the last meta-step comes the evaluation.
    'train 2.0: 4',
    'train 2.1: 4',
    'evaluate 3.0: 4',
    'evaluate 3.1: 3',
    'evaluate 3.2: 2',
    'evaluate 3.3: 1',
  ]);
  assert.equal(slotsOf(core), 0);
});

test('paused jobs, ended jobs and jobs that wait for their turn in the queue count nothing', () => {
  const core = new CoreDriver({ maxRunningJobs: 1 });
  core.submit('a', { batchSize: 3 });
  core.submit('b', { batchSize: 5 });
  assert.equal(slotsOf(core), 3);
  core.send({ kind: 'jobPauseRequested', jobId: 'a' });
  assert.equal(slotsOf(core), 5, 'b has taken its place');
  core.send({ kind: 'jobCancelRequested', jobId: 'b' });
  assert.equal(slotsOf(core), 0);
  core.send({ kind: 'jobResumeRequested', jobId: 'a' });
  assert.equal(slotsOf(core), 3);
});

test('where staleness is allowed, meta-batches that may be begun early count too, and none beyond the last', () => {
  const core = new CoreDriver();
  core.submit('a', { iterations: 3, batchSize: 2, maxStaleness: 1, evaluation: { every: 0, tasks: 1, shardSize: 1 } });
  core.connect('w', 1);
  core.answerAll('w');
  const seen: number[] = [];
  while (core.held('w').length > 0) {
    seen.push(slotsOf(core));
    core.answerAll('w');
  }
  assert.deepEqual(seen, [4, 3, 4, 3, 2, 1, 1]);
});

test('with an engine, only what it computes counts; requests count one slot each', () => {
  const core = new CoreDriver();
  core.submit('a', { batchSize: 3 });
  core.submit('b', { batchSize: 4, engine: 'tensorflow/gpu' });
  const request = { work: 'adapt', learnerId: 'l', engine: 'compiled/cpu', plugins: [], patienceMs: 60_000 } as const;
  core.send({ kind: 'requestSubmitted', plan: { requestId: 'r', ...request } });
  assert.equal(slotsOf(core), 8);
  assert.equal(slotsOf(core, 'compiled/cpu'), 4);
  assert.equal(slotsOf(core, 'tensorflow/gpu'), 4);
  assert.equal(slotsOf(core, 'eager/cpu'), 0);
});
