import assert from 'node:assert/strict';
import test from 'node:test';
import { decide, type Situation } from '../../../../deploy/controller/decide.ts';
import { urgencyOf } from '../../../../deploy/controller/transitions.ts';
import { away, noon, resourceOf, seen, situationOf, statusOfJob, succeeded } from './situations.ts';

const actionIn = (fields: Partial<Situation>): unknown => {
  const { action } = decide(situationOf(fields));
  if (!action) return undefined;
  return 'why' in action ? `${action.kind} ${action.why}` : action.kind;
};

test('a new resource gets its finalizer before its job is submitted', () => {
  assert.equal(actionIn({ resource: resourceOf({ isMarked: false }) }), 'addFinalizer');
  assert.equal(actionIn({ resource: resourceOf() }), 'submit');
});

test('a controller that starts looks for the job that the status names', () => {
  assert.equal(actionIn({ resource: resourceOf({ status: statusOfJob() }) }), 'look');
});

test('a job that the coordinator has forgotten is submitted again', () => {
  const resource = resourceOf({ status: statusOfJob() });
  assert.equal(actionIn({ resource, sighting: { kind: 'forgotten', jobId: 'j1' } }), 'submit');
});

test('a refused job is never submitted again', () => {
  const refused = { kind: 'refused', code: 'REQUEST_INVALID', message: 'no' } as const;
  const { action, status } = decide(situationOf({ sighting: refused }));
  assert.equal(action, undefined);
  assert.equal(status?.state, 'Refused');
  const resource = resourceOf({ isMarked: false, ...(status && { status }) });
  assert.equal(actionIn({ resource, sighting: { kind: 'unseen' } }), undefined);
});

test('nothing is asked of a coordinator that is away', () => {
  for (const coordinator of [away(false), away(true), { kind: 'unasked' } as const]) {
    assert.equal(actionIn({ coordinator }), undefined);
    assert.equal(actionIn({ coordinator, sighting: seen() }), undefined);
  }
});

test('suspension pauses a job that has not ended, and its end resumes it', () => {
  const suspended = resourceOf({ spec: { suspend: true } });
  for (const state of ['QUEUED', 'RUNNING'] as const) {
    assert.equal(actionIn({ resource: suspended, sighting: seen({ state }) }), 'pause');
    assert.equal(actionIn({ sighting: seen({ state }) }), undefined);
  }
  const paused = seen({ state: 'PAUSED', waiting: { reason: 'paused', message: '' } });
  assert.equal(actionIn({ resource: suspended, sighting: paused }), undefined);
  assert.equal(actionIn({ sighting: paused }), 'resume');
});

test('a job that waits for room on the disk is not resumed, and is paused when it is suspended', () => {
  const sighting = seen({ state: 'PAUSED', waiting: { reason: 'disk', message: 'the disk is full' } });
  assert.equal(actionIn({ sighting }), undefined);
  assert.equal(actionIn({ resource: resourceOf({ spec: { suspend: true } }), sighting }), 'pause');
});

test('a resource that is suspended from the start is not submitted, unless it may have been already', () => {
  const spec = { suspend: true };
  const { action, status } = decide(situationOf({ resource: resourceOf({ isMarked: false, spec }) }));
  assert.equal(action, undefined);
  assert.equal(status?.state, 'Paused');
  assert.equal(status?.jobId, undefined);
  assert.equal(actionIn({ resource: resourceOf({ isMarked: true, spec }) }), 'submit');
});

test('a job is cancelled at its deadline, which counts from its start or its last resumption', () => {
  const spec = { activeDeadlineSeconds: 100 };
  const resource = resourceOf({ spec });
  const sighting = seen({ startedAt: new Date(noon - 60_000) });
  const { action, againAt } = decide(situationOf({ resource, sighting }));
  assert.equal(action, undefined);
  assert.equal(againAt, noon + 40_000);
  assert.equal(actionIn({ resource, sighting, now: noon + 40_000 }), 'cancel deadline');

  const status = statusOfJob({}, { resource, now: noon - 10_000 });
  const resumed = resourceOf({ spec, status });
  assert.equal(decide(situationOf({ resource: resumed, sighting })).againAt, noon + 90_000);
  const paused = seen({
    state: 'PAUSED',
    startedAt: new Date(noon - 999_000),
    waiting: { reason: 'paused', message: '' },
  });
  assert.equal(actionIn({ resource: resourceOf({ spec: { ...spec, suspend: true } }), sighting: paused }), undefined);
  assert.equal(actionIn({ resource, sighting: seen({ state: 'QUEUED', startedAt: undefined as never }) }), undefined);
});

test('the end of a job from a list is looked at, since a list has no hash of its parameters', () => {
  assert.equal(actionIn({ sighting: seen({ ...succeeded, paramsSha256: undefined as never }) }), 'look');
  assert.equal(actionIn({ sighting: seen(succeeded) }), undefined);
});

test('after the end the finalizer goes, and the resource when its time to live is over', () => {
  const spec = { ttlSecondsAfterFinished: 60 };
  const status = statusOfJob(succeeded);
  assert.equal(actionIn({ resource: resourceOf({ spec, status }) }), 'removeFinalizer ended');
  const resource = resourceOf({ isMarked: false, spec, status });
  assert.equal(decide(situationOf({ resource })).againAt, noon + 60_000);
  assert.equal(actionIn({ resource, now: noon + 60_000 }), 'deleteResource');
  assert.equal(actionIn({ resource: resourceOf({ isMarked: false, status }), now: noon + 1e9 }), undefined);
  // Whatever the coordinator says of it later.
  assert.equal(actionIn({ resource, sighting: { kind: 'forgotten', jobId: 'j1' } }), undefined);
});

test('a deleted resource waits until its job is cancelled, has ended or was refused', () => {
  const resource = resourceOf({ isDeletedAt: noon - 1_000, status: statusOfJob() });
  assert.equal(actionIn({ resource, sighting: seen() }), 'cancel deleted');
  assert.equal(actionIn({ resource }), 'look');
  assert.equal(actionIn({ resource, sighting: seen({ state: 'CANCELLED' }) }), 'removeFinalizer cancelled');
  assert.equal(actionIn({ resource, sighting: seen(succeeded) }), 'removeFinalizer ended');
  const refused = { kind: 'refused', code: 'REQUEST_INVALID', message: 'no' } as const;
  assert.equal(actionIn({ resource, sighting: refused }), 'removeFinalizer refused');
  // It may have been submitted again, by a controller that died before it could say so.
  assert.equal(actionIn({ resource, sighting: { kind: 'forgotten', jobId: 'j1' } }), 'submit');
  assert.equal(actionIn({ resource: resourceOf({ isMarked: false, isDeletedAt: noon }) }), undefined);
});

test('a deleted resource whose job nobody has recorded asks for it under its key, to cancel it', () => {
  assert.equal(actionIn({ resource: resourceOf({ isDeletedAt: noon }) }), 'submit');
});

test('the finalizer gives up on a coordinator that stays away, not before', () => {
  const resource = resourceOf({ isDeletedAt: noon, status: statusOfJob() });
  const waits = decide(situationOf({ resource, coordinator: away(), giveUpMs: 600_000 }));
  assert.equal(waits.action, undefined);
  assert.equal(waits.againAt, noon + 600_000);
  assert.equal(actionIn({ resource, coordinator: away(), now: noon + 600_000 }), 'removeFinalizer gaveUp');
  // Also where it answers, and refuses to cancel.
  assert.equal(actionIn({ resource, sighting: seen(), now: noon + 600_000 }), 'removeFinalizer gaveUp');
});

test('a controller that has just started changes no status before it has asked', () => {
  const resource = resourceOf({ status: statusOfJob() });
  const unasked = { kind: 'unasked' } as const;
  assert.equal(decide(situationOf({ resource, coordinator: unasked })).status, undefined);
  // Where the coordinator is away at that time, what was said of it stays until it is known.
  const isAway = statusOfJob({}, { resource, coordinator: away() });
  const restarted = decide(situationOf({ resource: resourceOf({ status: isAway }), coordinator: away(false) })).status;
  assert.equal(urgencyOf(isAway, restarted ?? {}), 'none');
});
