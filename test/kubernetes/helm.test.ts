// The same by Helm, 3 and 4: installed, trained to the bytes from outside, upgraded while a job
// runs, uninstalled.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../../shared/wire.ts';
import { BusyCluster } from './support/busy-cluster.ts';
import { helm } from './support/helm.ts';
import { home, localVolume, untilReady } from './support/installation.ts';
import { kubectl, kubectlJson, tryKubectl } from './support/kubectl.ts';
import { createNamespace, deleteNamespace } from './support/namespace.ts';
import { applyJob, sinusoid, trainedOutside, untilEnded } from './support/training.ts';

const chart = join(packageRoot, 'deploy', 'helm', 'metatrain');
const values = ['--values', join(chart, 'overlays', 'local.yaml')];

for (const major of [3, 4] as const) {
  test(`Helm ${major} installs the chart, which trains to the bytes from outside, and upgrades it under a running job`, async (t) => {
    await deleteDefinition();
    await createNamespace(home);
    t.after(() => deleteNamespace(home));
    await localVolume(t, home);
    const inHome = ['--namespace', home];
    t.diagnostic((await helm(major, ['version', '--short'])).trim());
    const notes = await helm(major, ['install', 'metatrain', chart, ...inHome, ...values, '--wait', '--timeout=8m']);
    assert.match(notes, /is installed as metatrain in the namespace metatrain/);
    await untilReady(home);

    await applyJob(home, 'waves', sinusoid(300));
    const { status } = await untilEnded(home, 'waves');
    assert.equal(status?.state, 'Succeeded', status?.message);
    assert.equal(status.paramsSha256, await trainedOutside(sinusoid(300)));

    const job = sinusoid(3_000);
    const busy = new BusyCluster(home, job, await trainedOutside(job));
    await busy.running();
    // Another log level is another template for every pod: all of them are replaced.
    const changes = ['--set', 'worker.replicas=3,log.level=debug'];
    await helm(major, ['upgrade', 'metatrain', chart, ...inHome, ...values, ...changes, '--wait', '--timeout=8m']);
    await untilReady(home);
    const { spec } = await kubectlJson<{ spec: { replicas: number } }>([
      'get',
      'deployment/metatrain-worker',
      ...inHome,
    ]);
    assert.equal(spec.replicas, 3);
    await busy.finish();

    await helm(major, ['uninstall', 'metatrain', ...inHome, '--wait', '--timeout=8m']);
    // The definition stays, since its end would delete everybody's jobs; so does the volume's claim.
    const definition = await tryKubectl(['get', 'crd', 'metatrainjobs.metatrain.dev']);
    assert.equal(definition.code, 0, definition.stderr);
    const claims = await kubectl(['get', 'persistentvolumeclaims', ...inHome, '--output=name']);
    assert.equal(claims.trim(), 'persistentvolumeclaim/state-metatrain-coordinator-0');
  });
}

/** Helm takes over nothing that another program made: the definition, and the roles that come with it. */
async function deleteDefinition(): Promise<void> {
  const roles = ['edit', 'view'].map((verb) => `clusterrole/metatrain-controller-jobs-${verb}`);
  const names = ['crd/metatrainjobs.metatrain.dev', ...roles];
  await kubectl(['delete', ...names, '--ignore-not-found', '--timeout=60s']);
}
