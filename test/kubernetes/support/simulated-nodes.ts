// Nodes that exist only in the API server. kwok reports their pods as running, so the real scheduler
// and the real controllers have hundreds of pods to work with.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openCache } from '../cluster/cache.ts';
import { simulationStages } from '../cluster/programs.ts';
import { kubectl, kubectlJson } from './kubectl.ts';
import { type KubernetesObject, waitFor } from './wait-for.ts';

export interface NodeObject extends KubernetesObject {
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const mark = { key: 'kwok.x-k8s.io/node', value: 'fake' };
const zones = ['zone-a', 'zone-b', 'zone-c'];

/**
 * Starts kwok and makes nodes `sim-0` … in three zones, until the test ends. Make the test's namespace
 * before: hooks run in the order of their making, and its pods need kwok for their end.
 */
export async function simulateNodes(t: TestContext, count: number): Promise<readonly string[]> {
  const names = Array.from({ length: count }, (_, i) => `sim-${i}`);
  const items = names.map((name, i) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      annotations: { [mark.key]: mark.value },
      labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zones[i % zones.length] },
    },
    status: {
      allocatable: { cpu: '32', memory: '256Gi', pods: '110' },
      capacity: { cpu: '32', memory: '256Gi', pods: '110' },
    },
  }));
  const { items: real } = await kubectlJson<{ items: NodeObject[] }>(['get', 'nodes']);
  await cordonAll(
    t,
    real.map(({ metadata }) => metadata.name),
  );
  await kubectl(['apply', '--filename', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
  t.after(() => kubectl(['delete', 'nodes', ...names, '--ignore-not-found', '--timeout=100s']));
  startKwok(t);
  const isReady = (node: NodeObject) =>
    node.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  await waitFor<NodeObject>('the simulated nodes', 'nodes', { namespace: 'default' }, (nodes) => {
    return nodes.filter((node) => names.includes(node.metadata.name) && isReady(node)).length === count;
  });
  return names;
}

/** Keeps this test's pods off the nodes that were there before. */
async function cordonAll(t: TestContext, nodes: readonly string[]): Promise<void> {
  if (nodes.length === 0) return;
  await kubectl(['cordon', ...nodes]);
  t.after(() => kubectl(['uncordon', ...nodes]));
}

function startKwok(t: TestContext): void {
  const { bin } = openCache();
  const log = openSync(join(process.env.METATRAIN_KUBERNETES_CLUSTER ?? tmpdir(), 'kwok.log'), 'a');
  const kwok: ChildProcess = spawn(
    join(bin, 'kwok'),
    [
      `--kubeconfig=${process.env.KUBECONFIG}`,
      `--config=${join(bin, simulationStages)}`,
      `--manage-nodes-with-annotation-selector=${mark.key}=${mark.value}`,
      '--node-lease-duration-seconds=40',
      '--cidr=10.128.0.0/16',
    ],
    { stdio: ['ignore', log, log] },
  );
  t.after(async () => {
    if (kwok.exitCode !== null) return;
    kwok.kill('SIGKILL');
    await once(kwok, 'close');
  });
}
