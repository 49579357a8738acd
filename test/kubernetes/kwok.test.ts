// The real scheduler and the real controllers with 200 workers on simulated nodes: how the manifests'
// pods are placed, protected and replaced.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import test, { type TestContext } from 'node:test';
import { packageRoot } from '../../shared/wire.ts';
import { helm } from './support/helm.ts';
import { overlay } from './support/installation.ts';
import { kubectl, kubectlJson, RunningKubectl, tryKubectl } from './support/kubectl.ts';
import { namespace } from './support/namespace.ts';
import { isReady, type Pod } from './support/pods.ts';
import { simulateNodes } from './support/simulated-nodes.ts';
import { type KubernetesObject, waitFor } from './support/wait-for.ts';

const nodeCount = 40;
const workerCount = 200;
const workers = 'app.kubernetes.io/component=worker';

test('200 workers on 40 simulated nodes', async (t) => {
  const space = await namespace(t, 'kwok');
  const nodes = await simulateNodes(t, nodeCount);
  await install(t, space, 'base');
  await scaleWorkers(space, workerCount);

  await t.test('workers are spread evenly over the nodes', async (t) => {
    const counts = await podsByNode(space);
    const [least = 0, most = 0] = [Math.min(...counts.values()), Math.max(...counts.values())];
    t.diagnostic(`${least} to ${most} workers on each of ${counts.size} nodes`);
    assert.equal(counts.size, nodeCount);
    assert.ok(most - least <= 1, `${least} to ${most}`);
  });

  await t.test('a rollout keeps at least 75 % of the workers available', async (t) => {
    const args = ['get', 'deployment/metatrain-worker', '--namespace', space, '--watch', '--output=json'];
    const watch = new RunningKubectl(t, [...args, '--output-watch-events']);
    await kubectl(['rollout', 'restart', 'deployment/metatrain-worker', '--namespace', space]);
    const status = ['rollout', 'status', 'deployment/metatrain-worker', '--namespace', space, '--timeout=300s'];
    await kubectl(status, { timeoutMs: 310_000 });
    const seen = watch.lines.map((line) => JSON.parse(line) as { object: DeploymentObject });
    const available = seen.map(({ object }) => object.status.availableReplicas ?? 0);
    const total = seen.map(({ object }) => object.status.replicas ?? 0);
    t.diagnostic(`${Math.min(...available)} to ${Math.max(...total)} workers, ${seen.length} changes seen`);
    assert.ok(Math.min(...available) >= 0.75 * workerCount);
    assert.ok(Math.max(...total) <= 1.25 * workerCount);
  });

  await t.test('there are never two coordinators, also during a rollout', async (t) => {
    const selector = '--selector=app.kubernetes.io/component=coordinator';
    const args = ['get', 'pods', '--namespace', space, selector, '--watch', '--output-watch-events', '--output=json'];
    const watch = new RunningKubectl(t, args);
    await kubectl(['rollout', 'restart', 'statefulset/metatrain-coordinator', '--namespace', space]);
    await kubectl(['rollout', 'status', 'statefulset/metatrain-coordinator', '--namespace', space, '--timeout=60s']);
    const alive = new Set<string>();
    let replaced = 0;
    for (const line of watch.lines) {
      const { type, object } = JSON.parse(line) as { type: string; object: Pod };
      if (type === 'DELETED') {
        alive.delete(object.metadata.uid);
        replaced += 1;
      } else alive.add(object.metadata.uid);
      assert.ok(alive.size <= 1);
    }
    assert.ok(replaced >= 1);
  });

  await t.test('the disruption budget blocks the eviction of a third worker of four', async () => {
    await scaleWorkers(space, 4);
    // Nothing can replace an evicted pod now.
    await kubectl(['cordon', ...nodes]);
    const { items } = await kubectlJson<{ items: Pod[] }>([
      'get',
      'pods',
      '--namespace',
      space,
      `--selector=${workers}`,
    ]);
    for (const { metadata } of items.slice(0, 2)) {
      const { code, stderr } = await evict(space, metadata.name);
      assert.equal(code, 0, stderr);
      const isGone = (pods: readonly Pod[]) => pods.every(({ metadata: { uid } }) => uid !== metadata.uid);
      await waitFor<Pod>('the end of the evicted pod', 'pods', { namespace: space, selector: workers }, isGone);
    }
    const { code, stderr } = await evict(space, items[2]!.metadata.name);
    assert.equal(code, 1);
    assert.match(stderr, /would violate the pod's disruption budget/);
    await kubectl(['uncordon', ...nodes]);
    await untilWorkers(space, 4);
  });
});

test('controllers with anti-affinity by host get a node each, and wait for one more', async (t) => {
  const space = await namespace(t, 'kwok-apart');
  await simulateNodes(t, 3);
  const matchLabels = { 'app.kubernetes.io/component': 'controller' };
  const apart = [{ labelSelector: { matchLabels }, topologyKey: 'kubernetes.io/hostname' }];
  const affinity = JSON.stringify({ podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: apart } });
  const values = ['--set', 'controller.replicas=4,crds.enabled=false', '--set-json', `controller.affinity=${affinity}`];
  const chart = join(packageRoot, 'deploy', 'helm', 'metatrain');
  const rendered = await helm(3, [
    'template',
    'metatrain',
    chart,
    '--namespace',
    space,
    '--kube-version=1.36.0',
    ...values,
  ]);
  await kubectl(['apply', '--namespace', space, '--filename', '-'], { input: rendered });
  const selector = 'app.kubernetes.io/component=controller';
  const areApart = (pods: readonly Pod[]) =>
    pods.length === 4 && pods.filter(isReady).length === 3 && pods.some((pod) => /anti-affinity/.test(reasonOf(pod)));
  const pods = await waitFor<Pod>('three controllers apart', 'pods', { namespace: space, selector }, areApart);
  assert.equal(new Set(pods.filter(isReady).map(({ spec }) => spec.nodeName)).size, 3);
});

test('the overlay gpu-dra gives each worker a GPU of its own node, and the rest wait', async (t) => {
  const space = await namespace(t, 'kwok-gpu');
  const nodes = await simulateNodes(t, 10);
  await offerGpus(t, nodes, 4);
  await install(t, space, 'gpu-dra');
  await kubectl(['scale', 'deployment/metatrain-worker', '--namespace', space, '--replicas=50']);
  const where = { namespace: space, selector: workers };
  const pods = await waitFor<Pod>('40 workers with a GPU and 10 without', 'pods', where, (found) => {
    const waiting = found.filter((pod) => /cannot allocate all claims/.test(reasonOf(pod)));
    return found.filter(isReady).length === 40 && waiting.length === 10;
  });
  const { items } = await kubectlJson<{ items: Claim[] }>(['get', 'resourceclaims', '--namespace', space]);
  const given = items.flatMap(({ status }) => status?.allocation?.devices.results ?? []);
  assert.equal(given.length, 40);
  assert.equal(new Set(given.map(({ pool, device }) => `${pool}/${device}`)).size, 40, 'no GPU is given twice');
  for (const { metadata, status } of items.filter((claim) => claim.status?.allocation)) {
    const pod = pods.find(({ metadata: { uid } }) => uid === status?.reservedFor?.[0]?.uid);
    assert.equal(status!.allocation!.devices.results[0]!.pool, pod?.spec.nodeName, metadata.name);
  }
});

interface DeploymentObject extends KubernetesObject {
  readonly status: { readonly replicas?: number; readonly availableReplicas?: number };
}

interface Claim extends KubernetesObject {
  readonly status?: {
    readonly allocation?: { readonly devices: { readonly results: readonly { pool: string; device: string }[] } };
    readonly reservedFor?: readonly { readonly uid: string }[];
  };
}

/** Why a pod is not scheduled. */
const reasonOf = ({ status }: Pod): string =>
  status.conditions?.find(({ type, status: value }) => type === 'PodScheduled' && value === 'False')?.message ?? '';

/** An overlay in a namespace of its own. Its volume exists only in the API server, like its nodes. */
async function install(t: TestContext, space: string, name: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'metatrain-kwok-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const source = name === 'base' ? join(packageRoot, 'deploy', 'kubernetes', 'base') : overlay(name);
  const kind = 'Kustomization';
  const kustomization = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind, namespace: space };
  writeFileSync(
    join(folder, 'kustomization.yaml'),
    JSON.stringify({ ...kustomization, resources: [relative(folder, source)] }),
  );
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: space },
    spec: {
      capacity: { storage: '10Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      claimRef: { namespace: space, name: 'state-metatrain-coordinator-0' },
      hostPath: { path: '/nowhere' },
    },
  };
  await kubectl(['apply', '--filename', '-'], { input: JSON.stringify(volume) });
  t.after(() => kubectl(['delete', 'pv', space, '--ignore-not-found', '--timeout=60s']));
  await kubectl(['apply', '--kustomize', folder]);
}

async function scaleWorkers(space: string, replicas: number): Promise<void> {
  await kubectl(['scale', 'deployment/metatrain-worker', '--namespace', space, `--replicas=${replicas}`]);
  await untilWorkers(space, replicas);
}

const untilWorkers = (space: string, replicas: number) =>
  waitFor<Pod>(
    `${replicas} workers`,
    'pods',
    { namespace: space, selector: workers, timeoutMs: 300_000 },
    (pods) => pods.length === replicas && pods.every(isReady),
  );

async function podsByNode(space: string): Promise<Map<string, number>> {
  const { items } = await kubectlJson<{ items: Pod[] }>(['get', 'pods', '--namespace', space, `--selector=${workers}`]);
  const counts = new Map<string, number>();
  for (const { spec } of items) counts.set(spec.nodeName!, (counts.get(spec.nodeName!) ?? 0) + 1);
  return counts;
}

function evict(space: string, pod: string) {
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace: space } };
  const path = `/api/v1/namespaces/${space}/pods/${pod}/eviction`;
  return tryKubectl(['create', '--raw', path, '--filename', '-'], { input: JSON.stringify(eviction) });
}

/** What a GPU driver would publish: a class of devices, and each node's devices. */
async function offerGpus(t: TestContext, nodes: readonly string[], each: number): Promise<void> {
  const driver = 'gpu.nvidia.com';
  const apiVersion = 'resource.k8s.io/v1';
  const selectors = [{ cel: { expression: `device.driver == "${driver}"` } }];
  const items = [
    { apiVersion, kind: 'DeviceClass', metadata: { name: driver }, spec: { selectors } },
    ...nodes.map((nodeName) => ({
      apiVersion,
      kind: 'ResourceSlice',
      metadata: { name: `gpus-of-${nodeName}` },
      spec: {
        driver,
        nodeName,
        pool: { name: nodeName, generation: 1, resourceSliceCount: 1 },
        devices: Array.from({ length: each }, (_, i) => ({ name: `gpu-${i}` })),
      },
    })),
  ];
  await kubectl(['apply', '--filename', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
  t.after(async () => {
    await kubectl(['delete', 'resourceslices', ...nodes.map((name) => `gpus-of-${name}`), '--ignore-not-found']);
    await kubectl(['delete', 'deviceclass', driver, '--ignore-not-found']);
  });
}
