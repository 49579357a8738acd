import assert from 'node:assert/strict';
import test from 'node:test';
import { isFinished, isTrue, wantsSuspension } from '../../../../deploy/controller/resource.ts';
import { taskRng } from '../../../../shared/rng.ts';
import { World } from './world.ts';

const seeds = 3_000;

test('whatever is lost, killed or away, a resource ends up as its job is, and there is one job', () => {
  const ends: Record<string, number> = {};
  for (let seed = 0; seed < seeds; seed += 1) {
    const rng = taskRng(seed, 'controller-world', 0);
    const world = new World(rng);
    try {
      for (let event = rng.below(80); event > 0; event -= 1) {
        world.disturb();
        if (rng.below(2) === 0) world.poll(true);
      }
      // Then all is well for a while.
      world.isAway = false;
      for (let calm = 0; calm < 4; calm += 1) world.poll(false);
      checkRest(world);
      ends[endOf(world)] = (ends[endOf(world)] ?? 0) + 1;
    } catch (cause) {
      throw new Error(`seed ${seed}`, { cause });
    }
  }
  for (const end of ['gone', 'Complete', 'Failed', 'Suspended', 'going']) {
    assert.ok((ends[end] ?? 0) > 20, `the seeds reach every end: ${JSON.stringify(ends)}`);
  }
});

function checkRest({ resource, job, submissions, timesLost, hasGivenUp }: World): void {
  assert.ok(submissions <= 1 + timesLost, `${submissions} submissions, ${timesLost} times lost`);
  if (!resource) {
    const isOver = job === undefined || job.endedAt !== undefined;
    assert.ok(isOver || hasGivenUp, 'the resource is gone and its job goes on');
    return;
  }
  const { status } = resource;
  if (resource.metadata.deletionTimestamp !== undefined) assert.fail('it waits, although all is well');
  if (isFinished(status)) return;
  if (!job) {
    assert.equal(status?.state, 'Paused', 'only what was suspended from the start has no job');
    return;
  }
  assert.equal(status?.jobId, job.jobId);
  assert.equal(job.state === 'PAUSED', wantsSuspension(resource));
  assert.equal(isTrue(status, 'Suspended'), wantsSuspension(resource));
  assert.equal(isTrue(status, 'Running'), job.state === 'RUNNING');
}

function endOf({ resource }: World): string {
  if (!resource) return 'gone';
  return ['Complete', 'Failed', 'Suspended'].find((type) => isTrue(resource.status, type)) ?? 'going';
}
