import assert from 'node:assert/strict';
import test from 'node:test';
import { reasonWord } from '../../../../deploy/controller/conditions.ts';
import { conditionOf, type MetaTrainJobStatus } from '../../../../deploy/controller/resource.ts';
import { statusFor } from '../../../../deploy/controller/status.ts';
import { eventsBetween, statusPatch, urgencyOf } from '../../../../deploy/controller/transitions.ts';
import { away, noon, resourceOf, seen, situationOf, statusOfJob, succeeded } from './situations.ts';

const summary = {
  step: 1_200,
  iterations: 20_000,
  measures: [{ name: 'loss', value: 0.5123, unit: '' }],
  metaGradientNorm: 1,
  tasksPerSecond: 100,
  metaStepsPerSecond: 10,
  learningRate: 0.001,
  etaSeconds: 1_880,
} as const;

const accuracy = {
  name: 'accuracy',
  title: 'accuracy',
  axis: 'inner step',
  points: ['5'],
  better: 'higher',
  unit: '%',
  estimates: [{ mean: 0.9187, halfWidth95: 0.004 }],
} as const;

const claim = (status: MetaTrainJobStatus, type: string) => {
  const condition = conditionOf(status, type);
  return condition && `${condition.status} ${condition.reason}`;
};

test('a running job shows its step, its share, what is left and its newest figure', () => {
  const status = statusOfJob({ lastMetaStep: summary });
  assert.equal(status.state, 'Running');
  assert.equal(status.progress, '1,200/20,000');
  assert.equal(status.progressPercent, 6);
  assert.equal(status.eta, '31 min 20 s');
  assert.equal(status.measure, 'training loss 0.512');
  assert.equal(status.paramsSha256, undefined);
  assert.equal(claim(status, 'Running'), 'True Training');
  assert.equal(claim(status, 'WorkersAvailable'), 'True WorkersConnected');
  const evaluated = statusOfJob({ lastMetaStep: summary, measures: [accuracy] });
  assert.match(evaluated.measure ?? '', /^accuracy 91\.9 % ± 0\.4/);
  assert.deepEqual(evaluated.measures, [
    {
      name: 'accuracy',
      title: 'accuracy',
      axis: 'inner step',
      point: '5',
      unit: '%',
      better: 'higher',
      mean: 0.9187,
      halfWidth95: 0.004,
    },
  ]);
});

test('a value that is no number is left out of the measures, which JSON could not hold', () => {
  const diverged = { ...accuracy, estimates: [{ mean: Number.NaN, halfWidth95: 0 }] };
  assert.deepEqual(statusOfJob({ measures: [diverged] }).measures, []);
});

test('a job without workers is not called running, and the reason is quoted', () => {
  const waiting = { reason: 'noWorker', message: 'no connected worker offers cpu' } as const;
  const status = statusOfJob({ waiting }, { workers: [], podProblems: ['2 × Unschedulable: no GPU'] });
  assert.equal(claim(status, 'Running'), 'False NoWorker');
  assert.equal(claim(status, 'WorkersAvailable'), 'False NoWorker');
  assert.match(conditionOf(status, 'WorkersAvailable')?.message ?? '', /0 of 0 .*no connected worker.*Unschedulable/);
  assert.equal(status.eta, undefined);
  // Jobs that share workers wait for each other at every step: that is no news.
  const busy = statusOfJob({ waiting: { reason: 'workersBusy', message: '' } });
  assert.equal(claim(busy, 'Running'), 'True Training');
});

test('the end fixes hash and time, and says nothing more of workers and coordinator', () => {
  const status = statusOfJob(succeeded);
  assert.equal(status.state, 'Succeeded');
  assert.equal(status.paramsSha256, 'ab12');
  assert.equal(status.completionTime, '2026-12-01T12:00:00Z');
  assert.equal(claim(status, 'Complete'), 'True Succeeded');
  assert.equal(claim(status, 'WorkersAvailable'), undefined);
  assert.equal(claim(status, 'CoordinatorReachable'), undefined);
  const later = statusFor({
    ...situationOf({ resource: resourceOf({ status }), coordinator: away(), now: noon + 1e6 }),
    isHeld: false,
  });
  assert.equal(later, status, 'a final status never changes');
});

test('a failure has the code as its reason and the message of the coordinator', () => {
  const error = { code: 'SHARD_FAILED', message: 'shard 3 failed on three workers' };
  const status = statusOfJob({ state: 'FAILED', endedAt: new Date(noon), error });
  assert.equal(claim(status, 'Failed'), 'True ShardFailed');
  assert.equal(status.message, error.message);
});

test('a cancelled job failed by its deadline only if the deadline had passed', () => {
  const cancelled = { state: 'CANCELLED', endedAt: new Date(noon), startedAt: new Date(noon - 60_000) } as const;
  const within = (activeDeadlineSeconds: number) => ({ resource: resourceOf({ spec: { activeDeadlineSeconds } }) });
  assert.equal(claim(statusOfJob(cancelled), 'Failed'), 'True Cancelled');
  assert.equal(claim(statusOfJob(cancelled, within(600)), 'Failed'), 'True Cancelled');
  assert.equal(claim(statusOfJob(cancelled, within(60)), 'Failed'), 'True DeadlineExceeded');
});

test('while the coordinator is away the figures stay and the state is unknown, after the time of a restart', () => {
  const before = statusOfJob({ lastMetaStep: summary });
  const resource = resourceOf({ status: before });
  const brief = statusOfJob({ lastMetaStep: summary }, { resource, coordinator: away(false) });
  assert.equal(urgencyOf(before, brief), 'none');
  const status = statusOfJob({ lastMetaStep: summary }, { resource, coordinator: away() });
  assert.equal(status.state, 'Unknown');
  assert.equal(status.progress, '1,200/20,000');
  assert.equal(claim(status, 'Running'), 'Unknown CoordinatorUnreachable');
  assert.equal(claim(status, 'CoordinatorReachable'), 'False NotReady');
  // A controller that has just started knows no more, and says no more.
  const restarted = statusFor({ ...situationOf({ resource, coordinator: away() }), isHeld: false });
  assert.equal(restarted.state, 'Unknown');
  assert.equal(restarted.jobId, 'j1');
});

test("a condition's time changes when its status does, and not otherwise", () => {
  const first = statusOfJob({ state: 'QUEUED' }, { now: noon });
  const resource = resourceOf({ status: first });
  const second = statusOfJob({}, { resource, now: noon + 5_000 });
  assert.equal(conditionOf(second, 'Accepted')?.lastTransitionTime, '2026-12-01T12:00:00Z');
  assert.equal(conditionOf(second, 'Running')?.lastTransitionTime, '2026-12-01T12:00:05Z');
});

test('a submission that is tried again later says why', () => {
  const trouble = { code: 'QUEUE_FULL', message: '1,000 jobs have not ended' };
  const status = statusFor({ ...situationOf({ trouble }), isHeld: false });
  assert.equal(status.state, 'Pending');
  assert.equal(claim(status, 'Accepted'), 'False QueueFull');
  assert.equal(claim(status, 'Failed'), 'False NotFinished');
});

test('a job that was submitted again says which one is lost, from then on', () => {
  const resource = resourceOf({ status: statusOfJob() });
  const again = statusOfJob({ jobId: 'j2' }, { resource });
  assert.equal(claim(again, 'Accepted'), 'True SubmittedAgain');
  assert.match(conditionOf(again, 'Accepted')?.message ?? '', /^job j2; .*job j1$/);
  const later = statusOfJob({ jobId: 'j2', steps: 1_300 }, { resource: resourceOf({ status: again }) });
  assert.equal(claim(later, 'Accepted'), 'True SubmittedAgain');
});

test('transitions are written at once, progress soon, and an equal status not at all', () => {
  const before = statusOfJob();
  assert.equal(urgencyOf(undefined, before), 'now');
  assert.equal(urgencyOf(before, statusOfJob({ steps: 1_201 }, { resource: resourceOf({ status: before }) })), 'soon');
  assert.equal(urgencyOf(before, statusOfJob({ state: 'QUEUED' })), 'now');
  const shuffled = Object.fromEntries(Object.entries(before).reverse()) as MetaTrainJobStatus;
  assert.equal(urgencyOf(shuffled, before), 'none');
  assert.equal(urgencyOf({ ...before, observedAt: '2026-12-01T11:00:00Z' }, before), 'later');
});

test('a patch of the status takes away what is no longer said', () => {
  const before = statusOfJob({ lastMetaStep: summary });
  const after = statusOfJob(succeeded);
  const patch = statusPatch(before, after);
  assert.equal(patch.eta, null);
  assert.equal(patch.paramsSha256, 'ab12');
});

test('events tell each transition once, with its kind', () => {
  const told = (before: MetaTrainJobStatus | undefined, after: MetaTrainJobStatus) =>
    eventsBetween(before, after).map(({ type, reason }) => `${type} ${reason}`);
  const queued = statusOfJob({ state: 'QUEUED' });
  const running = statusOfJob({}, { resource: resourceOf({ status: queued }) });
  const ended = statusOfJob(succeeded, { resource: resourceOf({ status: running }) });
  assert.deepEqual(told(undefined, queued), ['Normal Submitted']);
  assert.deepEqual(told(queued, running), ['Normal Running']);
  assert.deepEqual(told(running, running), []);
  assert.deepEqual(told(running, ended), ['Normal Completed']);
  const unknown = statusOfJob({}, { resource: resourceOf({ status: running }), coordinator: away() });
  assert.deepEqual(told(running, unknown), ['Warning CoordinatorUnreachable']);
  assert.ok(told(unknown, running).includes('Normal CoordinatorReachable'));
});

test('reasons are words as Kubernetes wants them', () => {
  for (const code of ['REQUEST_INVALID', 'noWorker', 'INTERNAL', '']) {
    assert.match(reasonWord(code), /^[A-Z][A-Za-z]*$/);
  }
  assert.equal(reasonWord('SHARD_FAILED'), 'ShardFailed');
  assert.equal(reasonWord('noWorker'), 'NoWorker');
});

test('seen jobs never make a status without a state', () => {
  for (const state of ['QUEUED', 'RUNNING', 'PAUSED', 'FAILED', 'CANCELLED', 'SUCCEEDED'] as const) {
    const status = statusFor({ ...situationOf({ sighting: seen({ state }) }), isHeld: false });
    assert.ok(status.state);
    assert.equal(
      status.conditions?.every(({ reason }) => /^[A-Z][A-Za-z]*$/.test(reason)),
      true,
    );
  }
});

test('texts that workers and jobs chose cannot control the terminal of somebody who reads the status', () => {
  const error = { code: 'SHARD_FAILED', message: 'shard 3:\u001b[2J gone\nsecond line \u202e' };
  const status = statusOfJob({ state: 'FAILED', endedAt: new Date(noon), error });
  for (const text of [status.message, conditionOf(status, 'Failed')?.message]) {
    assert.equal(text, 'shard 3:\\u{1b}[2J gone\\u{a}second line \\u{202e}');
  }
});
