// A backup of the coordinator's volume, restored in another namespace: the job goes on there and
// gives the bytes from outside, and so does the original.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import test from 'node:test';
import { home, installOverlay, localVolume, overlay, untilReady } from './support/installation.ts';
import { kubectl } from './support/kubectl.ts';
import { createNamespace, deleteNamespace } from './support/namespace.ts';
import { isReady, type Pod } from './support/pods.ts';
import { portForward } from './support/port-forward.ts';
import { applyJob, metatrainCommand, sinusoid, trainedOutside, untilEnded, untilJob } from './support/training.ts';
import { waitFor } from './support/wait-for.ts';

const elsewhere = 'metatrain-elsewhere';
const claim = 'state-metatrain-coordinator-0';

test('a backup of the volume goes on elsewhere, with equal bytes', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'metatrain-backup-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const job = sinusoid(4_000);
  const expected = await trainedOutside(job);
  await installOverlay(t, overlay('local'));
  await applyJob(home, 'waves', job);
  const { status } = await untilJob(home, 'waves', '500 meta-steps', (found) => (found.status?.step ?? 0) >= 500);
  assert.equal(status?.state, 'Running', 'the job ended before its backup');

  await scaleCoordinator(home, 0);
  const archive = join(folder, 'state.tar');
  await withClaimOpen(home, async (pod) => {
    await kubectl(['exec', pod, '--namespace', home, '--', 'sh', '-c', 'cd /state && tar -cf /tmp/state.tar *']);
    await kubectl(['cp', `${home}/${pod}:/tmp/state.tar`, archive]);
  });

  await t.test('elsewhere', async (t) => {
    await createNamespace(elsewhere);
    t.after(() => deleteNamespace(elsewhere));
    await localVolume(t, elsewhere);
    await makeClaim(elsewhere);
    await withClaimOpen(elsewhere, async (pod) => {
      await kubectl(['cp', archive, `${elsewhere}/${pod}:/tmp/state.tar`]);
      await kubectl(['exec', pod, '--namespace', elsewhere, '--', 'tar', '-C', '/state', '-xf', '/tmp/state.tar']);
    });
    await kubectl(['apply', '--kustomize', overlayElsewhere(folder)]);
    await untilReady(elsewhere);
    const address = await portForward(t, elsewhere, 'service/metatrain-coordinator', 7420);
    const at = ['--coordinator', address];
    const watched = await metatrainCommand(['jobs', 'watch', status!.jobId!, ...at], 300_000);
    assert.equal(watched.code, 0, watched.stderr);
    const shown = await metatrainCommand(['jobs', 'show', status!.jobId!, '--json', ...at]);
    assert.equal((JSON.parse(shown.stdout) as { paramsSha256: string }).paramsSha256, expected);
  });

  await scaleCoordinator(home, 1);
  await untilReady(home);
  const original = await untilEnded(home, 'waves', 300_000);
  assert.equal(original.status?.paramsSha256, expected);
});

async function scaleCoordinator(namespace: string, replicas: number): Promise<void> {
  await kubectl(['scale', 'statefulset/metatrain-coordinator', '--namespace', namespace, `--replicas=${replicas}`]);
  const selector = 'app.kubernetes.io/component=coordinator';
  await waitFor<Pod>(`${replicas} coordinators`, 'pods', { namespace, selector }, (pods) => pods.length === replicas);
}

/** The claim that the StatefulSet will find when it is applied. */
async function makeClaim(namespace: string): Promise<void> {
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  const object = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: claim }, spec };
  await kubectl(['apply', '--namespace', namespace, '--filename', '-'], { input: JSON.stringify(object) });
}

/** Runs `use` with a pod that has the volume at /state. */
async function withClaimOpen(namespace: string, use: (pod: string) => Promise<void>): Promise<void> {
  const name = 'backup';
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      automountServiceAccountToken: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        fsGroup: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name,
          image: 'localhost/metatrain-coordinator:dev',
          imagePullPolicy: 'Never',
          command: ['node', '-e', "process.on('SIGTERM', () => process.exit()); setInterval(() => {}, 1e6)"],
          securityContext,
          volumeMounts: [
            { name: 'state', mountPath: '/state' },
            { name: 'temporary', mountPath: '/tmp' },
          ],
        },
      ],
      volumes: [
        { name: 'state', persistentVolumeClaim: { claimName: claim } },
        { name: 'temporary', emptyDir: {} },
      ],
    },
  };
  await waitFor('the service account', 'serviceaccounts/default', { namespace }, (found) => found.length > 0);
  await kubectl(['apply', '--namespace', namespace, '--filename', '-'], { input: JSON.stringify(pod) });
  await waitFor<Pod>(
    'the pod for the backup',
    `pods/${name}`,
    { namespace },
    ([found]) => found !== undefined && isReady(found),
  );
  await use(name);
  await kubectl(['delete', 'pod', name, '--namespace', namespace, '--timeout=60s']);
}

/** The overlay local in the other namespace. */
function overlayElsewhere(scratch: string): string {
  const folder = mkdtempSync(join(scratch, 'overlay-'));
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    namespace: elsewhere,
    resources: [relative(folder, overlay('local'))],
  };
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
  return folder;
}
