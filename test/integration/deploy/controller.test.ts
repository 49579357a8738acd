import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { finalizer } from '../../../deploy/controller/resource.ts';
import { conditionIn, hasState, jobs, Lab, reasonIn } from './controller-lab.ts';

// They wait more than they compute.
describe('a resource and its job', { concurrency: true }, () => {
  it('a resource is submitted under its uid, tells its progress, and ends with the parameters of its job', async (t) => {
    const lab = await Lab.start(t);
    await lab.cluster.worker('w1');
    const applied = lab.apply('first', { iterations: 60, evaluation: { tasks: 8, every: 20 } });
    await lab.controller();
    const status = await lab.status('first', hasState('Succeeded'));
    const job = await lab.cluster.job(status.jobId ?? '');
    assert.equal(status.paramsSha256, job.paramsSha256);
    assert.equal(status.progress, '60/60');
    assert.equal(status.progressPercent, 100);
    assert.equal(status.observedGeneration, 1);
    assert.deepEqual(
      ['Accepted', 'Running', 'Suspended', 'Complete', 'Failed'].map((type) => conditionIn(status, type)),
      ['True', 'False', 'False', 'True', 'False'],
    );
    assert.equal(status.measures?.[0]?.name, 'loss');
    assert.match(status.measure ?? '', /^loss \S+ ± \S+/);
    assert.deepEqual(await lab.jobIds(), [status.jobId]);
    // A second submission under the same key is the same job.
    const key = `kubernetes-${applied.metadata.uid}`;
    assert.equal(await lab.cluster.submit(JSON.stringify(applied.spec?.job), key), status.jobId);
    await lab.api.until(jobs, 'first', (resource) => !resource?.metadata.finalizers?.includes(finalizer));
    const reasons = lab.told('first').map(({ reason }) => reason);
    assert.equal(reasons.filter((reason) => reason === 'Submitted').length, 1);
    assert.equal(reasons.at(-1), 'Completed');
  });

  it('a job file that the coordinator refuses is told, and not sent again', async (t) => {
    const lab = await Lab.start(t);
    lab.apply('bad', { model: { architecture: 'no-such-model' } });
    const controller = await lab.controller();
    const status = await lab.status('bad', hasState('Refused'));
    assert.equal(conditionIn(status, 'Accepted'), 'False');
    assert.equal(reasonIn(status, 'Accepted'), 'RequestInvalid');
    assert.match(status.message ?? '', /no-such-model/);
    assert.equal(reasonIn(status, 'Failed'), 'Refused');
    await lab.api.until(jobs, 'bad', (resource) => !resource?.metadata.finalizers?.includes(finalizer));
    await controller.kill('SIGKILL');
    await lab.controller();
    // Another resource makes its way through the same queue, and nothing of the refused one has changed.
    const version = lab.api.get(jobs, 'bad')?.metadata.resourceVersion;
    await lab.cluster.worker('w1');
    lab.apply('good', { iterations: 2 });
    await lab.status('good', hasState('Succeeded'));
    assert.equal(lab.api.get(jobs, 'bad')?.metadata.resourceVersion, version);
    assert.equal((await lab.jobIds()).length, 1);
  });

  it('a job whose suspension is toggled ten times ends with the bytes of one that ran through', async (t) => {
    const lab = await Lab.start(t);
    await lab.cluster.worker('w1');
    const options = { iterations: 3_000 };
    const alone = await lab.cluster.end(
      await lab.cluster.submit(JSON.stringify(lab.apply('alone', options, { suspend: true }).spec?.job)),
    );
    await lab.controller();
    lab.apply('toggled', options);
    await lab.status('toggled', (status) => (status.step ?? 0) > 0);
    for (let toggle = 0; toggle < 10; toggle += 1) {
      const isSuspended = toggle % 2 === 0;
      lab.suspend('toggled', isSuspended);
      await lab.status('toggled', (status) => conditionIn(status, 'Suspended') === (isSuspended ? 'True' : 'False'));
    }
    const status = await lab.status('toggled', hasState('Succeeded'));
    assert.equal(status.paramsSha256, alone.paramsSha256);
    // One that is suspended from the start is not submitted at all.
    const held = await lab.status('alone', hasState('Paused'));
    assert.equal(held.jobId, undefined);
    assert.equal(reasonIn(held, 'Accepted'), 'NotSubmitted');
    assert.equal((await lab.jobIds()).length, 2);
    lab.suspend('alone', false);
    assert.equal((await lab.status('alone', hasState('Succeeded'))).paramsSha256, alone.paramsSha256);
  });

  it('a deleted resource cancels its job first, and goes after a stated time when the coordinator is away', async (t) => {
    const lab = await Lab.start(t);
    await lab.cluster.worker('w1');
    await lab.controller('pod-a', ['--give-up-seconds', '2']);
    lab.apply('deleted', { iterations: 1_000_000 });
    lab.apply('orphan', { iterations: 1_000_000 });
    const { jobId = '' } = await lab.status('deleted', (status) => (status.step ?? 0) > 0);
    await lab.status('orphan', (status) => (status.step ?? 0) > 0);
    lab.api.delete(jobs, 'deleted');
    await lab.gone('deleted');
    assert.equal((await lab.cluster.job(jobId)).state, 'JOB_STATE_CANCELLED');
    await lab.cluster.stop();
    const begun = performance.now();
    lab.api.delete(jobs, 'orphan');
    await lab.gone('orphan');
    assert.ok(performance.now() - begun > 900, 'it waits for the coordinator');
    assert.equal(lab.told('orphan').at(-1)?.reason, 'GaveUp');
  });

  it('a deadline cancels the job, a time to live deletes the resource alone', async (t) => {
    const lab = await Lab.start(t);
    await lab.cluster.worker('w1');
    await lab.controller();
    lab.apply('late', { iterations: 1_000_000 }, { activeDeadlineSeconds: 2 });
    lab.apply('brief', { iterations: 2 }, { ttlSecondsAfterFinished: 0 });
    const { jobId = '' } = await lab.status('brief', (status) => status.jobId !== undefined);
    await lab.gone('brief');
    assert.equal((await lab.cluster.job(jobId)).state, 'JOB_STATE_SUCCEEDED');
    const late = await lab.status('late', hasState('Cancelled'));
    assert.equal(reasonIn(late, 'Failed'), 'DeadlineExceeded');
    assert.equal((await lab.cluster.job(late.jobId ?? '')).state, 'JOB_STATE_CANCELLED');
    assert.ok(lab.api.get(jobs, 'late'), 'without a time to live it stays');
  });
});
