// Our own policy for what we ship, over base and every overlay; and that it finds what it looks for.
import assert from 'node:assert/strict';
import test from 'node:test';
import { type JsonObject, mergeValues } from '../../../deploy/kubernetes/source/nodes.ts';
import { type KubeObject, plainObjects } from '../../../deploy/kubernetes/source/objects.ts';
import { overlays } from '../../../deploy/kubernetes/source/overlay-values.ts';
import { defaults } from '../../../deploy/kubernetes/source/values.ts';
import {
  isPart,
  type Labels,
  type PodSpec,
  type Selector,
  violationsOf,
  type Workload,
  workloadsOf,
} from '../../support/kubernetes-policy.ts';

const objectsOf = (values: JsonObject): KubeObject[] => plainObjects(mergeValues(defaults, values));
const sets: readonly (readonly [name: string, values: JsonObject])[] = [
  ['base', {}],
  ...Object.entries(overlays).map(([name, { values }]) => [name, values] as const),
];

test('base and every overlay keep to the policy', () => {
  for (const [name, values] of sets) assert.deepEqual(violationsOf(objectsOf(values)), [], name);
});

test('settings of users keep to the policy: plugins, data, other names of Secrets, no persistence, no controller', () => {
  const settings: readonly JsonObject[] = [
    { plugins: { configMap: 'parts', files: ['a.mjs', 'b.mjs'] } },
    { worker: { data: { volume: { persistentVolumeClaim: { claimName: 'data' } } } } },
    { coordinator: { persistence: { enabled: false }, podDisruptionBudget: { enabled: true } } },
    { controller: { enabled: false } },
    { security: { tls: { enabled: true, existingSecret: 'mine' } } },
    { nats: { url: 'nats://nats.messaging:4222' } },
    { listenHost: '[::]', tracing: { endpoint: 'http://collector:4318' }, coordinator: { jobMemory: '6GiB' } },
  ];
  for (const values of settings) assert.deepEqual(violationsOf(objectsOf(values)), [], JSON.stringify(values));
});

test('a worker has ten seconds more than its shards, whatever their time is', () => {
  for (const drainSeconds of [0, 20, 3_600]) {
    const worker = workloadsOf(objectsOf({ worker: { drainSeconds } })).find(
      ({ metadata }) => metadata.name === 'metatrain-worker',
    )!;
    assert.equal(worker.spec.template.spec.terminationGracePeriodSeconds, drainSeconds + 10);
  }
});

test('what cannot be changed later names no version: selectors, claims, names', () => {
  for (const { metadata, spec } of workloadsOf(objectsOf(overlays.production!.values))) {
    const { selector, volumeClaimTemplates, template } = spec;
    const fixed = JSON.stringify([metadata.name, selector, volumeClaimTemplates, template.metadata]);
    assert.doesNotMatch(fixed, /\d+\.\d+\.\d+/);
  }
});

/** Changes the worker's pod. */
const mutated = (change: (pod: Record<string, unknown>) => void): KubeObject[] => {
  const objects = structuredClone(objectsOf({})) as KubeObject[];
  const worker = workloadsOf(objects).find(({ metadata }) => metadata.name === 'metatrain-worker')!;
  change(worker.spec.template.spec as unknown as Record<string, unknown>);
  return objects;
};
const container = (pod: Record<string, unknown>) =>
  (pod as unknown as PodSpec).containers[0] as unknown as Record<string, unknown>;

const crossings: readonly (readonly [change: (pod: Record<string, unknown>) => void, complaint: RegExp])[] = [
  [(pod) => (pod.securityContext = {}), /may run as root/],
  [(pod) => (pod.securityContext = { runAsNonRoot: true, runAsUser: 1000 }), /no seccomp profile/],
  [(pod) => (pod.hostNetwork = true), /host's namespaces/],
  [(pod) => (pod.automountServiceAccountToken = true), /token of the API server/],
  [(pod) => (pod.enableServiceLinks = true), /variables of Services/],
  [(pod) => (pod.serviceAccountName = 'nobody'), /runs as nobody/],
  [(pod) => (pod.terminationGracePeriodSeconds = 5), /no time to end/],
  [(pod) => (pod.volumes = [{ name: 'temporary', hostPath: { path: '/' } }]), /volume of kind hostPath/],
  [(pod) => (pod.volumes = []), /mounts a volume that is not there/],
  [(pod) => (container(pod).image = 'ghcr.io/metatrain/worker:latest'), /no fixed tag/],
  [(pod) => (container(pod).image = 'ghcr.io/metatrain/worker'), /no fixed tag/],
  [(pod) => (container(pod).securityContext = {}), /may get more rights[\s\S]*root file system[\s\S]*capabilities/],
  [(pod) => (container(pod).resources = {}), /requests no CPU[\s\S]*no limit of memory/],
  [(pod) => delete container(pod).livenessProbe, /lacks a probe/],
  [(pod) => (container(pod).ports = []), /a probe of a port that it does not have/],
  [(pod) => (container(pod).env = [{ name: 'A', valueFrom: { secretKeyRef: {} } }]), /secret in a variable/],
];

test('the policy finds what it looks for', () => {
  assert.deepEqual(violationsOf(mutated(() => {})), []);
  for (const [change, complaint] of crossings) assert.match(violationsOf(mutated(change)).join('\n'), complaint);
});

interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
}

interface NetworkPolicy extends KubeObject {
  readonly spec: KubeObject & {
    readonly podSelector: Selector;
    readonly policyTypes: readonly string[];
    readonly ingress?: readonly {
      readonly from: readonly Peer[];
      readonly ports: readonly { readonly port: number }[];
    }[];
    readonly egress?: readonly {
      readonly to?: readonly Peer[];
      readonly ports: readonly { readonly port: number }[];
    }[];
  };
}

const policiesOf = (objects: readonly KubeObject[]): NetworkPolicy[] =>
  objects.filter((object): object is NetworkPolicy => object.kind === 'NetworkPolicy');

const componentOf = ({ matchLabels = {} }: Selector): string => matchLabels['app.kubernetes.io/component'] ?? '*';

/** Such as `worker → coordinator:7420`, as both ends allow them. */
function flowsOf(objects: readonly KubeObject[]): { readonly inward: Set<string>; readonly outward: Set<string> } {
  const inward = new Set<string>();
  const outward = new Set<string>();
  for (const { spec } of policiesOf(objects)) {
    const own = componentOf(spec.podSelector);
    for (const { from, ports } of spec.ingress ?? []) {
      for (const peer of from) for (const { port } of ports) inward.add(`${nameOfPeer(peer)} → ${own}:${port}`);
    }
    for (const { to = [{}], ports } of spec.egress ?? []) {
      for (const peer of to) for (const { port } of ports) outward.add(`${own} → ${nameOfPeer(peer)}:${port}`);
    }
  }
  return { inward, outward };
}

function nameOfPeer({ podSelector, namespaceSelector }: Peer): string {
  if (namespaceSelector) return `namespace ${namespaceSelector.matchLabels?.['kubernetes.io/metadata.name']}`;
  if (!podSelector) return 'anything';
  const component = componentOf(podSelector);
  return component === '*' ? 'clients' : component;
}

test('in the overlay secure all traffic is denied but exactly these flows', () => {
  const { inward, outward } = flowsOf(objectsOf(overlays.secure!.values));
  assert.deepEqual([...inward].sort(), [
    'clients → coordinator:7420',
    'clients → coordinator:7421',
    'controller → coordinator:7420',
    'worker → coordinator:7420',
  ]);
  assert.deepEqual([...outward].sort(), [
    '* → namespace kube-system:53',
    'controller → anything:443',
    'controller → anything:6443',
    'controller → coordinator:7420',
    'worker → coordinator:7420',
  ]);
});

test('with everything on, monitoring, the scaler and NATS have their flows too, and no flow between our pods has one end', () => {
  const objects = objectsOf(overlays.production!.values);
  const { inward, outward } = flowsOf(objects);
  for (const flow of [
    'namespace monitoring → coordinator:7421',
    'namespace monitoring → worker:7421',
    'namespace monitoring → controller:7423',
    'namespace keda → coordinator:7422',
    'coordinator → nats:4222',
  ]) {
    assert.ok(inward.has(flow), flow);
  }
  const isBetweenOurs = (flow: string) => /^(coordinator|worker|controller|nats) → (coordinator|nats):/.test(flow);
  assert.deepEqual([...inward].filter(isBetweenOurs).sort(), [...outward].filter(isBetweenOurs).sort());
});

test('network policies select every pod, for both directions', () => {
  for (const name of ['secure', 'production']) {
    const objects = objectsOf(overlays[name]!.values);
    const policies = policiesOf(objects);
    for (const { spec } of policies) assert.deepEqual(spec.policyTypes, ['Ingress', 'Egress']);
    const [all] = policies.filter(({ spec }) => componentOf(spec.podSelector) === '*');
    assert.equal(all?.spec.ingress, undefined);
    for (const { spec, metadata } of workloadsOf(objects) as Workload[]) {
      const labels: Labels = spec.template.metadata.labels;
      assert.ok(isPart(all?.spec.podSelector.matchLabels ?? {}, labels), metadata.name);
    }
  }
});
