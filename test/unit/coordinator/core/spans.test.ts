// Spans of meta-steps as the core decides on them: when there are some, how far they go, who stops
// them, and what becomes of those that fail.
import assert from 'node:assert/strict';
import test from 'node:test';
import { paceOf } from '../../../../coordinator/core/spans.ts';
import type { JobPlan, Lease } from '../../../../coordinator/core/state.ts';
import { CoreDriver } from '../../../support/core-driver.ts';

const spans = (mode: 'auto' | 'always'): Partial<JobPlan> => ({ spans: { mode, maxSteps: 64 } });

/** A job with θ₀, on one worker that takes spans. */
function begun(plan: Partial<JobPlan>, slots = 1): CoreDriver {
  const core = new CoreDriver();
  core.connect('w', slots, true);
  core.submit('j', plan);
  core.answerAll('w');
  return core;
}

const held = (core: CoreDriver, workerId = 'w'): Lease => core.held(workerId)[0] ?? assert.fail(`${workerId} idles`);
const workOf = (core: CoreDriver, workerId = 'w') => held(core, workerId).batch.work;
const stopped = (core: CoreDriver) => core.effects.filter(({ kind }) => kind === 'stopSpan').length;

test('a span goes to the next evaluation or checkpoint, and one that ends early counts as far as it goes', () => {
  const core = begun({ ...spans('always'), evaluation: { every: 30, tasks: 1, shardSize: 1 }, checkpointEvery: 20 });
  assert.deepEqual([held(core).batch.step, held(core).batch.steps], [0, 20]);
  core.answer(held(core), 7);
  assert.equal(core.state.jobs.get('j')?.step, 7);
  assert.deepEqual([held(core).batch.step, held(core).batch.steps], [7, 13]);
  core.answer(held(core), 13);
  assert.deepEqual([held(core).batch.step, held(core).batch.steps], [20, 10], 'up to the evaluation');
  core.answer(held(core), 10);
  assert.equal(workOf(core), 'evaluate');
});

test('a span takes as many slots as a meta-step has shards, and no more than are free', () => {
  const core = begun({ ...spans('always'), batchSize: 3 }, 8);
  assert.equal(held(core).slots, 3);
  core.submit('other', spans('always'));
  const slots = core.held('w').map((lease) => lease.slots);
  assert.deepEqual(slots, [3, 1], 'θ₀ of the other job beside it');
});

test('without a worker that takes spans every meta-step is shared', () => {
  const core = new CoreDriver();
  core.connect('w', 4);
  core.submit('j', spans('always'));
  core.answerAll('w');
  assert.deepEqual(
    core.held('w').map(({ batch }) => batch.work),
    ['train', 'train', 'train', 'train'],
  );
});

test('a job that cannot have spans shares every meta-step, and says why', () => {
  const core = begun({ spans: { mode: 'always', because: 'meta.privacy' } }, 4);
  assert.equal(workOf(core), 'train');
  assert.equal(paceOf(core.state, 'j')?.reason, 'spans do not go with meta.privacy');
});

test('a span that waits is shared when the worker that is free does not take spans', () => {
  const core = begun(spans('always'));
  core.connect('plain');
  core.disconnect('w');
  assert.equal(workOf(core, 'plain'), 'train');
});

/** Answers what the worker holds, each after so long. */
function answerIn(core: CoreDriver, sharedMs: number, spanMs: number, times: number): string[] {
  const works: string[] = [];
  for (let i = 0; i < times; i += 1) {
    const lease = held(core);
    const { work } = lease.batch;
    const steps = work === 'span' ? Math.min(lease.batch.steps, 10) : 1;
    core.now += work === 'span' ? steps * spanMs : sharedMs;
    works.push(work);
    for (const one of core.held('w')) core.answer(one, steps);
  }
  return works;
}

test('auto measures both ways, takes the faster one, and tries the other again after a while', () => {
  const plan = { ...spans('auto'), iterations: 100_000, batchSize: 1 };
  const core = begun(plan);
  const first = answerIn(core, 5, 1, 40);
  assert.equal(first[0], 'train', 'nothing is measured yet');
  assert.ok(first.slice(2).filter((work) => work === 'span').length > 30, first.join(' '));
  // Spans of 10 ms: within 20 s there is a probe of shared meta-steps, and it is short.
  const later = answerIn(core, 5, 1, 2_000);
  const shared = later.filter((work) => work === 'train').length;
  assert.ok(shared >= 3 && shared < 60, `${shared} shared meta-steps`);
  // Sharing becomes faster: the next probe finds it out.
  const afterwards = answerIn(core, 0.5, 1, 3_000).slice(-500);
  assert.ok(afterwards.filter((work) => work === 'train').length > 450);
});

test('auto gives spans up whose meta-steps take long, since they cannot be interrupted', () => {
  const core = begun({ ...spans('auto'), iterations: 100_000, batchSize: 1 });
  const works = answerIn(core, 400, 300, 60);
  assert.ok(works.filter((work) => work === 'span').length <= 4, works.join(' '));
});

test('a job of higher priority stops the span and gets its slot with the next result', () => {
  const core = begun(spans('always'));
  core.submit('urgent', { priority: 2 });
  assert.equal(stopped(core), 1);
  core.pass(10);
  assert.equal(stopped(core), 1, 'it is told once');
  core.answer(held(core), 3);
  assert.equal(held(core).job.plan.jobId, 'urgent');
  assert.equal(core.state.jobs.get('j')?.step, 3);
});

/**
 * A worker that ends its span at the first end of a meta-step, every 100 ms, after it is told to,
 * and messages that take 20 ms.
 */
function slotIsFreeAfter(core: CoreDriver, interrupt: () => void): number {
  const span = held(core);
  const from = core.now;
  interrupt();
  if (stopped(core) === 0) return Number.POSITIVE_INFINITY;
  const toldAfter = core.now - span.grantedAt + 20;
  const steps = Math.ceil(toldAfter / 100);
  core.pass(steps * 100 - (core.now - span.grantedAt) + 20);
  core.answer(span, steps);
  return core.now - from;
}

for (const afterMs of [1, 99, 180, 240]) {
  test(`a job of high priority starts within half a second, ${afterMs} ms into a span`, () => {
    const core = begun(spans('always'));
    core.pass(afterMs);
    const ms = slotIsFreeAfter(core, () => core.submit('urgent', { priority: 2 }));
    assert.ok(ms <= 500, `${ms} ms`);
    assert.equal(held(core).job.plan.jobId, 'urgent');
  });

  test(`a pause is over within half a second, ${afterMs} ms into a span`, () => {
    const core = begun(spans('always'));
    core.pass(afterMs);
    const ms = slotIsFreeAfter(core, () => core.send({ kind: 'jobPauseRequested', jobId: 'j' }));
    assert.ok(ms <= 500, `${ms} ms`);
    assert.equal(core.held('w').length, 0);
  });
}

test('a job that is cancelled takes its span back at once, from a worker that is then free', () => {
  const core = begun(spans('always'));
  core.submit('next', spans('always'));
  core.send({ kind: 'jobCancelRequested', jobId: 'j' });
  assert.ok(core.effects.some((effect) => effect.kind === 'cancelLease'));
  assert.equal(held(core).job.plan.jobId, 'next');
});

test('a request stops the span, and is answered before the next one', () => {
  const core = begun(spans('always'));
  const plan = {
    requestId: 'r',
    work: 'adapt' as const,
    learnerId: 'l',
    engine: 'compiled/cpu',
    plugins: [],
    patienceMs: 10_000,
  };
  core.send({ kind: 'requestSubmitted', plan });
  assert.equal(stopped(core), 1);
  core.answer(held(core), 2);
  assert.equal(core.state.requestsLeased, 1);
});

test('a pause stops the span, and what it has counts', () => {
  const core = begun(spans('always'));
  core.send({ kind: 'jobPauseRequested', jobId: 'j' });
  assert.equal(stopped(core), 1);
  core.answer(held(core), 2);
  assert.equal(core.state.jobs.get('j')?.step, 2);
  assert.equal(core.held('w').length, 0);
});

test('a span that fails gives way to its first meta-step, and a span follows when that is done', () => {
  const core = begun({ ...spans('always'), batchSize: 1 });
  core.fail(held(core));
  assert.equal(workOf(core), 'train');
  core.answer(held(core));
  assert.equal(workOf(core), 'span');
  assert.equal(held(core).batch.step, 1);
  core.fail(held(core));
  for (let step = 1; step < 3; step += 1) {
    assert.equal(workOf(core), 'train', 'two meta-steps are shared after the second failure in a row');
    core.answer(held(core));
  }
  assert.equal(workOf(core), 'span');
});

test('a span whose first meta-step is not finite is handed back, and nobody is blamed', () => {
  const core = begun({ ...spans('always'), batchSize: 1 });
  core.fail(held(core), false, 'RESULT_NOT_FINITE');
  assert.equal(workOf(core), 'train');
  assert.equal(held(core).shard.failures.length, 0);
  core.answer(held(core));
  assert.equal(core.state.health.size, 0);
});

test('a worker whose spans cannot be right is blamed for each', () => {
  const core = begun({ ...spans('always'), batchSize: 1 });
  core.fail(held(core), true);
  assert.equal(core.state.health.get('w')?.failures, 1);
});

test('a span that is lost with its worker costs its job nothing', () => {
  const core = begun({ ...spans('always'), batchSize: 1 });
  core.connect('v', 1, true);
  core.disconnect('w');
  assert.equal(workOf(core, 'v'), 'train');
  core.answer(held(core, 'v'));
  assert.equal(workOf(core, 'v'), 'span');
});

test('a slow span is computed a second time where a worker idles, and the first result counts', () => {
  const core = begun({ ...spans('always'), batchSize: 1 });
  core.now += 250;
  core.answer(held(core), 5);
  core.connect('v', 1, true);
  core.pass(1_500);
  core.pass(1_500);
  assert.equal(workOf(core, 'v'), 'span');
  core.answer(held(core, 'v'), 4);
  assert.equal(core.state.jobs.get('j')?.step, 9);
  assert.ok(core.effects.some((effect) => effect.kind === 'cancelLease' && effect.cause === 'overtaken'));
});
