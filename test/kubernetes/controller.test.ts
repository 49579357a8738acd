import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { permissions } from '../../deploy/controller/permissions.ts';
import { isTrue } from '../../deploy/controller/resource.ts';
import { delay } from '../../shared/clock.ts';
import { taskRng } from '../../shared/rng.ts';
import { openCache } from './cluster/cache.ts';
import { reopenCluster } from './cluster/cluster.ts';
import { auditOf, ControllerLab } from './support/controller-lab.ts';
import { kubectl } from './support/kubectl.ts';

const clusterFolder = process.env.METATRAIN_KUBERNETES_CLUSTER ?? '';

/** Of the labs of this file: their audit is compared with the Role at the end. */
const users: string[] = [];

async function start(t: TestContext): Promise<ControllerLab> {
  const lab = await ControllerLab.start(t);
  users.push(lab.user);
  return lab;
}

test('a controller that is killed twenty times while five jobs run submits each once and tells each result', async (t) => {
  const lab = await start(t);
  await lab.cluster.worker('w1', { slots: 2 });
  const seed = Number(process.env.METATRAIN_TEST_SEED ?? Date.now() % 10_000);
  t.diagnostic(`seed ${seed} (METATRAIN_TEST_SEED)`);
  const rng = taskRng(seed, 'kills', 0);
  const names = ['job-0', 'job-1', 'job-2', 'job-3', 'job-4'];
  for (const [i, name] of names.entries()) await lab.apply(name, { iterations: 300 + 1_200 * i });
  for (let kill = 0; kill < 20; kill += 1) {
    const controller = await lab.controller();
    await delay(rng.between(20, 1_500));
    await controller.kill('SIGKILL');
  }
  await lab.controller();
  for (const name of names) {
    const status = await lab.status(name, ({ state }) => state === 'Succeeded');
    const job = await lab.cluster.job(status.jobId ?? '');
    assert.equal(job.name, name);
    assert.equal(status.paramsSha256, job.paramsSha256);
    const told = await lab.told(name);
    assert.ok(told.filter((reason) => reason === 'Completed').length <= 1, told.join());
  }
  assert.equal((await lab.jobIds()).length, names.length);
});

test('a job whose suspension is toggled ten times ends with the bytes of one that ran through', async (t) => {
  const lab = await start(t);
  await lab.cluster.worker('w1');
  await lab.controller();
  const text = await lab.apply('toggled', { iterations: 3_000 });
  await lab.status('toggled', ({ step = 0 }) => step > 0);
  for (let toggle = 0; toggle < 10; toggle += 1) {
    const isSuspended = toggle % 2 === 0;
    await lab.suspend('toggled', isSuspended);
    await lab.status('toggled', (status) => isTrue(status, 'Suspended') === isSuspended);
  }
  const status = await lab.status('toggled', ({ state }) => state === 'Succeeded');
  const alone = await lab.cluster.end(await lab.cluster.submit(text));
  assert.equal(status.paramsSha256, alone.paramsSha256);
  assert.equal((await lab.told('toggled')).filter((reason) => reason === 'Suspended').length, 5);
});

test('a deleted resource cancels its job, and goes in a stated time when the coordinator is away', async (t) => {
  const lab = await start(t);
  await lab.cluster.worker('w1');
  await lab.controller(['--give-up-seconds', '3']);
  for (const name of ['deleted', 'orphan']) await lab.apply(name, { iterations: 10_000_000 });
  const { jobId = '' } = await lab.status('deleted', ({ step = 0 }) => step > 0);
  await lab.status('orphan', ({ step = 0 }) => step > 0);
  await lab.delete('deleted');
  await lab.gone('deleted');
  assert.equal((await lab.cluster.job(jobId)).state, 'JOB_STATE_CANCELLED');
  await lab.cluster.stop();
  const begun = performance.now();
  await lab.delete('orphan');
  await lab.gone('orphan');
  const elapsedMs = performance.now() - begun;
  assert.ok(elapsedMs > 1_900 && elapsedMs < 10_000, `gone after ${elapsedMs} ms`);
  assert.equal((await lab.told('orphan')).at(-1), 'GaveUp');
});

test('a time to live deletes the resource and not the job', async (t) => {
  const lab = await start(t);
  await lab.cluster.worker('w1');
  await lab.controller();
  await lab.apply('brief', { iterations: 2 }, { ttlSecondsAfterFinished: 0 });
  const { jobId = '' } = await lab.status('brief', (status) => status.jobId !== undefined);
  await lab.gone('brief');
  assert.equal((await lab.cluster.job(jobId)).state, 'JOB_STATE_SUCCEEDED');
});

test('a job without workers quotes what Kubernetes says of their pods', async (t) => {
  const lab = await start(t);
  await lab.controller();
  const labels = { 'app.kubernetes.io/name': 'metatrain', 'app.kubernetes.io/component': 'worker' };
  const container = {
    name: 'worker',
    image: 'localhost/none:none',
    resources: { requests: { cpu: '9000' } },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  };
  const securityContext = { runAsNonRoot: true, runAsUser: 1_000, seccompProfile: { type: 'RuntimeDefault' } };
  const pod = { metadata: { labels }, spec: { securityContext, containers: [container] } };
  const metadata = { name: 'metatrain-worker', namespace: lab.namespace, labels };
  const spec = { replicas: 2, selector: { matchLabels: labels }, template: pod };
  await kubectl(['apply', '--filename', '-'], {
    input: JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec }),
  });
  await lab.apply('waiting', { iterations: 5 });
  const messageOf = (status: { conditions?: readonly { type: string; message: string }[] }) =>
    status.conditions?.find(({ type }) => type === 'WorkersAvailable')?.message ?? '';
  const status = await lab.status('waiting', (each) => messageOf(each).includes('Unschedulable'));
  t.diagnostic(messageOf(status));
  assert.match(messageOf(status), /2 × Unschedulable: .*nodes/);
  await lab.cluster.worker('w1');
  await lab.status('waiting', ({ state }) => state === 'Succeeded');
});

test('compacted history, lost and silent watches, and a restarted API server cost less than five seconds', async (t) => {
  const lab = await start(t);
  await lab.cluster.worker('w1');
  await lab.controller();
  await lab.apply('long', { iterations: 100_000_000 });
  await lab.status('long', ({ step = 0 }) => step > 0);
  let isSuspended = false;
  const change = () => {
    isSuspended = !isSuspended;
    return lab.suspend('long', isSuspended);
  };
  const isRight = async (what: string) => {
    const begun = performance.now();
    await lab.status('long', (status) => isTrue(status, 'Suspended') === isSuspended, 5_000);
    t.diagnostic(`${what}: right after ${Math.round(performance.now() - begun)} ms`);
  };

  lab.proxy.cut();
  await change();
  await isRight('connections cut');

  lab.proxy.end();
  await change();
  await isRight('connections ended');

  lab.proxy.freeze();
  await change();
  await isRight('connections silent');

  await compactEtcd();
  lab.proxy.cut();
  await change();
  await isRight('etcd compacted and connections cut');

  // Not on a control plane that others use.
  if (!clusterFolder.startsWith('/tmp/k8s-dev')) {
    const restarted = reopenCluster(openCache(), clusterFolder).restartApiServer();
    await restarted;
    await change();
    await isRight('API server restarted');
  }
});

test('the verbs that the API server has seen are those of the Role, and all of them', () => {
  const used = new Set(users.flatMap((user) => [...auditOf(user)]));
  const granted = permissions.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`))),
  );
  assert.deepEqual([...used].sort(), [...new Set(granted)].sort());
});

/** Up to the newest revision: older versions can no longer be watched. */
async function compactEtcd(): Promise<void> {
  const { port } = JSON.parse(readFileSync(join(clusterFolder, 'cluster.json'), 'utf8')) as { readonly port: number };
  const call = async (path: string, body: object) => {
    const response = await fetch(`http://127.0.0.1:${port + 1}/v3/kv/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    assert.equal(response.status, 200, await response.clone().text());
    return (await response.json()) as { readonly header: { readonly revision: string } };
  };
  const { header } = await call('range', { key: 'AA==' });
  await call('compaction', { revision: header.revision, physical: true });
}
