// MetaTrain in the test cluster: a volume made by hand, an overlay or the chart on top of it, and
// everything gone at the end of the test.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { packageRoot } from '../../../shared/wire.ts';
import { nodeName } from '../cluster/node-configuration.ts';
import { kubectl } from './kubectl.ts';
import { deleteNamespace } from './namespace.ts';
import { describeNamespace } from './wait-for.ts';

/** The manifests' namespace. */
export const home = 'metatrain';

/** Where the node keeps volumes: in the cluster's folder, which goes with the cluster. */
export function volumeFolder(name: string): string {
  const cluster = process.env.METATRAIN_KUBERNETES_CLUSTER;
  if (cluster === undefined) throw new Error('no METATRAIN_KUBERNETES_CLUSTER: npm run test:kubernetes sets it');
  return join(cluster, 'volumes', name);
}

/**
 * A PersistentVolume on the node's disk for the coordinator's claim in a namespace, until the test
 * ends. Its folder is empty.
 */
export async function localVolume(t: TestContext, namespace: string): Promise<string> {
  const name = `state-of-${namespace}`;
  const folder = volumeFolder(name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const onNode = { key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName] };
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '10Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      claimRef: { namespace, name: 'state-metatrain-coordinator-0' },
      local: { path: folder },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [onNode] }] } },
    },
  };
  await kubectl(['apply', '--filename', '-'], { input: JSON.stringify(volume) });
  t.after(async () => {
    await kubectl(['delete', 'pv', name, '--ignore-not-found', '--timeout=60s']);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Folder of an overlay. */
export const overlay = (name: string): string => join(packageRoot, 'deploy', 'kubernetes', 'overlays', name);

/** Applies an overlay in its namespace and waits until all of it is ready. The test's end removes it. */
export async function installOverlay(t: TestContext, folder: string, namespace = home): Promise<void> {
  // Hooks run in the order of their making: the volume cannot go before its claim.
  const objects = await kubectl(['kustomize', folder]);
  t.after(async () => {
    await deleteNamespace(namespace);
    await kubectl(['delete', '--filename', '-', '--ignore-not-found', '--timeout=100s'], { input: objects });
  });
  await localVolume(t, namespace);
  // The definition and the first resources of its kind are not applied in one go.
  await kubectl(['apply', '--kustomize', folder]);
  await untilReady(namespace);
}

export const workloads = [
  'statefulset/metatrain-coordinator',
  'deployment/metatrain-worker',
  'deployment/metatrain-controller',
] as const;

/** Waits until the newest pods of everything are ready. */
export async function untilReady(namespace: string, timeoutMs = 300_000): Promise<void> {
  for (const workload of workloads) {
    const args = ['rollout', 'status', workload, '--namespace', namespace, `--timeout=${timeoutMs / 1000}s`];
    try {
      await kubectl(args, { timeoutMs: timeoutMs + 10_000 });
    } catch (cause) {
      throw new Error(`${workload} is not ready\n${await describeNamespace(namespace)}`, { cause });
    }
  }
}
