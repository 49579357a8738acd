// A new version of every image, rolled out while a job runs: no meta-step is lost, and the bytes are
// those from outside. Old and new pods work side by side meanwhile.
import assert from 'node:assert/strict';
import test from 'node:test';
import { openCache } from './cluster/cache.ts';
import { reopenCluster } from './cluster/cluster.ts';
import { BusyCluster } from './support/busy-cluster.ts';
import { home, installOverlay, overlay, untilReady } from './support/installation.ts';
import { kubectl, kubectlJson } from './support/kubectl.ts';
import { Endings, type Pod } from './support/pods.ts';
import { type MetaTrainJob, sinusoid, trainedOutside, untilJob } from './support/training.ts';

const inHome = ['--namespace', home];

/** The coordinator comes last, so new workers work for the old coordinator before. */
const parts = ['controller', 'worker', 'coordinator'] as const;
const kindOf = { controller: 'deployment', worker: 'deployment', coordinator: 'statefulset' } as const;

test('new images are rolled out under a running job without a lost meta-step', async (t) => {
  const cluster = reopenCluster(openCache(), process.env.METATRAIN_KUBERNETES_CLUSTER!);
  for (const part of parts) cluster.tagImage(`localhost/metatrain-${part}:dev`, `localhost/metatrain-${part}:next`);
  await installOverlay(t, overlay('local'));
  const endings = new Endings(t, home);
  const job = sinusoid(4_000);
  const busy = new BusyCluster(home, job, await trainedOutside(job));

  for (const part of parts) {
    const name = await busy.running();
    const before = await stepOf(name);
    const workload = `${kindOf[part]}/metatrain-${part}`;
    await kubectl(['set', 'image', workload, ...inHome, `${part}=localhost/metatrain-${part}:next`]);
    await untilReady(home);
    const further = ({ status }: MetaTrainJob) => status?.state === 'Succeeded' || (status?.step ?? 0) > before;
    await untilJob(home, name, `meta-steps after the new ${part}`, further);
  }
  await busy.finish();

  const { items } = await kubectlJson<{ items: (Pod & { spec: { containers: { image: string }[] } })[] }>([
    ...['get', 'pods', ...inHome],
  ]);
  for (const { spec } of items) assert.match(spec.containers[0]!.image, /:next$/);
  assert.deepEqual(
    endings.all.filter(({ exitCode, seconds, graceSeconds }) => exitCode !== 0 || seconds > graceSeconds),
    [],
  );
});

async function stepOf(name: string): Promise<number> {
  const { status } = await kubectlJson<MetaTrainJob>(['get', 'metatrainjobs', name, ...inHome]);
  return status?.step ?? 0;
}
