import assert from 'node:assert/strict';
import test, { describe, it } from 'node:test';
import { permissions } from '../../../deploy/controller/permissions.ts';
import { TcpProxy } from '../../chaos/tcp-proxy.ts';
import { collectionOf } from '../../support/fake-api-server.ts';
import { auditOfAll, conditionIn, hasState, jobs, Lab, leases, reasonIn } from './controller-lab.ts';

// They wait more than they compute.
describe('faults around the controller', { concurrency: true }, () => {
  it('compacted history, lost and silent watches, and a restarted API server cost less than five seconds', async (t) => {
    const lab = await Lab.start(t);
    const proxy = await TcpProxy.listen(lab.api.port);
    t.after(() => proxy.close());
    await lab.cluster.worker('w1');
    await lab.controller('pod-a', [], Number(proxy.address.split(':')[1]));
    lab.apply('long', { iterations: 10_000_000 });
    await lab.status('long', (status) => (status.step ?? 0) > 0);
    let isSuspended = false;
    const change = () => {
      isSuspended = !isSuspended;
      lab.suspend('long', isSuspended);
    };
    const isRight = async (what: string) => {
      const begun = performance.now();
      await lab.status(
        'long',
        (status) => conditionIn(status, 'Suspended') === (isSuspended ? 'True' : 'False'),
        5_000,
      );
      t.diagnostic(`${what}: right after ${Math.round(performance.now() - begun)} ms`);
    };

    lab.api.dropWatches();
    change();
    await isRight('watches dropped');

    lab.api.compact();
    lab.api.dropWatches();
    change();
    await isRight('history compacted and watches dropped');

    await lab.api.arrivals(3);
    assert.ok(lab.api.silenceWatches() > 0);
    change();
    await isRight('watches silent on the server');

    proxy.cut();
    change();
    await isRight('connections cut');

    proxy.freeze();
    change();
    await isRight('connections silent');

    await lab.api.down();
    change();
    lab.api.compact();
    await lab.api.up();
    await isRight('API server restarted without its history');
  });

  it('a silent connection to the coordinator is replaced within seconds', async (t) => {
    const lab = await Lab.start(t);
    const proxy = await TcpProxy.listen(Number(lab.cluster.address.split(':')[1]));
    t.after(() => proxy.close());
    await lab.cluster.worker('w1');
    await lab.controller('pod-a', ['--coordinator', proxy.address]);
    lab.apply('long', { iterations: 10_000_000 });
    await lab.status('long', (status) => (status.step ?? 0) > 0);
    // As after the sudden end of a pod: nobody closes the connection, and the next one is answered.
    proxy.freeze();
    lab.suspend('long', true);
    await lab.status('long', (status) => conditionIn(status, 'Suspended') === 'True', 20_000);
  });

  it('of two controllers one is active, and SIGTERM hands the Lease over', async (t) => {
    const lab = await Lab.start(t);
    await lab.cluster.worker('w1');
    const first = await lab.controller('pod-a');
    const holder = (name: string) =>
      lab.api.until(leases, 'metatrain-controller', (lease) => lease?.spec?.holderIdentity === name, 10_000);
    await holder('pod-a');
    const second = await lab.controller('pod-b');
    lab.apply('one', { iterations: 5 });
    await lab.status('one', hasState('Succeeded'));
    assert.doesNotMatch(second.stderr, /"msg":"leads"/);
    const begun = performance.now();
    assert.deepEqual(await first.kill('SIGTERM'), { code: 0, signal: null });
    await holder('pod-b');
    const elapsedMs = performance.now() - begun;
    assert.ok(elapsedMs < 4_000, `the second leads after ${elapsedMs} ms, sooner than the Lease would end`);
    lab.apply('two', { iterations: 5 });
    await lab.status('two', hasState('Succeeded'));

    // One that is killed cannot release it: the next one waits until the Lease has ended.
    await lab.controller('pod-c');
    await second.kill('SIGKILL');
    const killed = performance.now();
    await lab.api.until(leases, 'metatrain-controller', (lease) => lease?.spec?.holderIdentity === 'pod-c', 20_000);
    assert.ok(performance.now() - killed > 6_000, 'not before the Lease has ended');
    lab.apply('three', { iterations: 5 });
    await lab.status('three', hasState('Succeeded'));
    assert.equal((await lab.jobIds()).length, 3);
  });

  it('a coordinator that is away makes the state unknown, and one that has lost its state gets the job again', async (t) => {
    const lab = await Lab.start(t);
    await lab.cluster.worker('w1');
    await lab.controller();
    const options = { iterations: 3_000 };
    lab.apply('kept', options);
    const before = await lab.status('kept', (status) => (status.step ?? 0) > 0);
    await lab.cluster.stop();
    const away = await lab.status('kept', hasState('Unknown'));
    assert.equal(conditionIn(away, 'CoordinatorReachable'), 'False');
    assert.equal(conditionIn(away, 'Running'), 'Unknown');
    assert.ok((away.step ?? 0) >= (before.step ?? 0), 'what was observed stays');
    await lab.restartCoordinator();
    const back = await lab.status('kept', hasState('Running', 'Succeeded'));
    assert.equal(back.jobId, before.jobId);

    await lab.restartCoordinator(lab.newDirectory());
    await lab.cluster.worker('w2');
    const again = await lab.status('kept', (status) => status.jobId !== before.jobId);
    assert.equal(reasonIn(again, 'Accepted'), 'SubmittedAgain');
    const ended = await lab.status('kept', hasState('Succeeded'));
    const job = await lab.cluster.job(ended.jobId ?? '');
    assert.equal(ended.paramsSha256, job.paramsSha256);
    const alone = await lab.cluster.end(await lab.cluster.submit(JSON.stringify(lab.api.get(jobs, 'kept')?.spec?.job)));
    assert.equal(ended.paramsSha256, alone.paramsSha256);
    assert.ok(lab.told('kept').some(({ type, reason }) => type === 'Warning' && reason === 'SubmittedAgain'));
  });

  it('a job without workers says why their pods are not running', async (t) => {
    const lab = await Lab.start(t);
    const labels = { 'app.kubernetes.io/name': 'metatrain', 'app.kubernetes.io/component': 'worker' };
    const unscheduled = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/3 nodes: no GPU',
    };
    for (const name of ['worker-a', 'worker-b']) {
      lab.api.create(collectionOf('', 'lab', 'pods'), {
        metadata: { name, labels },
        status: { conditions: [unscheduled] },
      });
    }
    const quota = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota: small' };
    lab.api.create(collectionOf('apps', 'lab', 'deployments'), {
      metadata: { name: 'metatrain-worker', labels },
      status: { conditions: [quota] },
    });
    await lab.controller();
    lab.apply('waiting', { iterations: 5 });
    const status = await lab.status('waiting', ({ conditions = [] }) =>
      conditions.some(({ type, message }) => type === 'WorkersAvailable' && message.includes('quota')),
    );
    const { message = '', status: isAvailable } =
      status.conditions?.find(({ type }) => type === 'WorkersAvailable') ?? {};
    assert.equal(isAvailable, 'False');
    assert.match(message, /^0 of 0 connected workers/);
    assert.match(message, /FailedCreate: exceeded quota: small/);
    assert.match(message, /2 × Unschedulable: 0\/3 nodes: no GPU/);
    await lab.cluster.worker('w1');
    await lab.status('waiting', hasState('Succeeded'));
  });
});

test('the verbs that the controllers of these tests used are those of the Role, and all of them', () => {
  const used = new Set(auditOfAll.map(({ verb, group, resource }) => `${verb} ${group}/${resource}`));
  const granted = permissions.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`))),
  );
  // What only a time to live uses is in controller.test.ts.
  used.add('delete metatrain.dev/metatrainjobs');
  assert.deepEqual([...used].sort(), [...granted].sort());
});
