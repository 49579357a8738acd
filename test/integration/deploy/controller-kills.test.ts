import assert from 'node:assert/strict';
import test from 'node:test';
import { taskRng } from '../../../shared/rng.ts';
import { hasState, Lab } from './controller-lab.ts';

test('a controller that is killed twenty times while five jobs run submits each once and tells each result', async (t) => {
  const lab = await Lab.start(t);
  await lab.cluster.worker('w1', { slots: 2 });
  const seed = 21;
  const rng = taskRng(seed, 'kills', 0);
  const names = [200, 600, 1_000, 1_500, 2_500].map((iterations, i) => {
    const name = `job-${i}`;
    lab.apply(name, { iterations });
    return name;
  });
  for (let kill = 0; kill < 20; kill += 1) {
    const controller = await lab.controller();
    // Soon after its start, so that it dies between a call and the record of it.
    await lab.api.arrivals(1 + rng.below(9));
    await controller.kill('SIGKILL');
  }
  await lab.controller();
  for (const name of names) {
    const status = await lab.status(name, hasState('Succeeded'));
    const job = await lab.cluster.job(status.jobId ?? '');
    assert.equal(job.state, 'JOB_STATE_SUCCEEDED', `seed ${seed}`);
    assert.equal(job.name, name);
    assert.equal(status.paramsSha256, job.paramsSha256);
    const told = lab.told(name).filter(({ reason }) => reason === 'Completed');
    assert.ok(told.length <= 1, `${name} is told to be complete ${told.length} times`);
  }
  assert.equal((await lab.jobIds()).length, names.length);
});
