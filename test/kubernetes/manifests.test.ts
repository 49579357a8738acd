// The real API server's verdict on what we ship, and that chart and kustomize say the same.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { JsonObject } from '../../deploy/kubernetes/source/nodes.ts';
import type { KubeObject } from '../../deploy/kubernetes/source/objects.ts';
import { overlays } from '../../deploy/kubernetes/source/overlay-values.ts';
import { workloadsOf } from '../support/kubernetes-policy.ts';
import { untilServed } from './cluster/foreign-definitions.ts';
import { kubectl, tryKubectl } from './support/kubectl.ts';
import { namespace as newNamespace } from './support/namespace.ts';
import { chart, comparable, helm, helmVersions, kustomized, templated } from './support/rendered.ts';
import { waitFor } from './support/wait-for.ts';

const folders = ['base', ...Object.keys(overlays).map((name) => `overlays/${name}`)];

/** With the account that pods have without naming one. */
async function namespace(t: TestContext): Promise<string> {
  const name = await newNamespace(t, 'manifests');
  await waitFor('the default account', 'serviceaccounts/default', { namespace: name }, (found) => found.length > 0);
  return name;
}

/** Fails unless the server takes every object as it is, without a warning. */
async function assertAccepted(objects: readonly KubeObject[], what: string): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  const { code, stdout, stderr } = await tryKubectl(
    ['apply', '--dry-run=server', '--validate=strict', '--filename', '-'],
    { input },
  );
  // What kubectl says of a definition that Helm has installed.
  const warnings = stderr.replace(/^Warning: resource \S+ is missing the kubectl\S+ annotation .*\n/gm, '');
  assert.equal(`${code} ${warnings}`, '0 ', what);
  assert.equal(stdout.trim().split('\n').length, objects.length, what);
}

/** The pods that the workloads would start: only these does the namespace's profile refuse. */
const podsOf = (objects: readonly KubeObject[], space: string): KubeObject[] =>
  workloadsOf(objects).map(({ metadata, spec }) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...(spec.template.metadata as unknown as JsonObject), name: metadata.name, namespace: space },
    spec: withoutClaims(spec as unknown as Templated),
  }));

interface Templated {
  readonly template: { readonly spec: JsonObject & { readonly volumes: readonly JsonObject[] } };
  readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
}

/** Without names that only exist once the objects are there: accounts, claims, priority classes. */
function withoutClaims({ template, volumeClaimTemplates = [] }: Templated): JsonObject {
  const { serviceAccountName: _, priorityClassName: __, ...spec } = template.spec;
  const claims = volumeClaimTemplates.map(({ metadata }) => ({ name: metadata.name, emptyDir: {} }));
  return { ...spec, volumes: [...template.spec.volumes, ...claims] };
}

test('base and every overlay are accepted strictly, in a namespace of any name, and so is each of their pods', async (t) => {
  const space = await namespace(t);
  for (const folder of folders) {
    const objects = await kustomized(t, folder, space);
    assert.ok(!JSON.stringify(objects).includes('"namespace":"metatrain"'), `${folder} is moved as a whole`);
    await assertAccepted(objects, folder);
    await assertAccepted(podsOf(objects, space), `pods of ${folder}`);
  }
});

test('the namespace refuses a pod that is not restricted, so that the test above means something', async (t) => {
  const space = await namespace(t);
  const [pod] = podsOf(await kustomized(t, 'base', space), space) as [KubeObject];
  const spec = { ...(pod.spec as JsonObject), securityContext: {} };
  const { code, stderr } = await tryKubectl(['create', '--dry-run=server', '--filename', '-'], {
    input: JSON.stringify({ ...pod, spec }),
  });
  assert.notEqual(code, 0);
  assert.match(stderr, /violates PodSecurity "restricted/);
});

for (const version of helmVersions) {
  test(`${version}: the chart makes the objects of base, and with an overlay's values those of the overlay`, async (t) => {
    for (const folder of folders) {
      const values = folder === 'base' ? [] : ['--values', join(chart, `${folder}.yaml`)];
      const ofChart = await templated(version, 'metatrain', 'metatrain', values);
      const ofKustomize = await kustomized(t, folder, 'metatrain');
      assert.deepEqual(comparable(ofChart), comparable(ofKustomize), folder);
    }
  });

  test(`${version}: what the chart makes of users' values is accepted strictly`, async (t) => {
    const space = await namespace(t);
    for (const values of usersValues) {
      const objects = await templated(version, 'metatrain', space, valuesFile(t, values));
      await assertAccepted(objects, JSON.stringify(values));
      await assertAccepted(podsOf(objects, space), `pods of ${JSON.stringify(values)}`);
    }
  });

  test(`${version}: two releases share no name, but for what is of the whole cluster`, async () => {
    const first = await templated(version, 'metatrain', 'one');
    const off = ['--set', 'crds.enabled=false'];
    const second = await templated(version, 'trial', 'one', off);
    const names = new Set(Object.keys(comparable(first)));
    for (const name of Object.keys(comparable(second))) assert.ok(!names.has(name), name);
  });

  test(`${version}: a typo, a contradiction and a value of another type are refused with a reason`, async () => {
    for (const [set, reason] of refused) {
      await assert.rejects(templated(version, 'metatrain', 'metatrain', ['--set', set]), reason, set);
    }
  });

  test(`${version}: the definition of MetaTrainJob outlives its release, and another release takes it over`, async (t) => {
    const [first, second] = [await namespace(t), await namespace(t)];
    const run = async (args: readonly string[]): Promise<void> => {
      const { code, stdout, stderr } = await helm(version, args);
      assert.equal(code, 0, `${args[0]}: ${stderr}${stdout}`);
    };
    for (const space of [first, second]) {
      // Another test may have left a definition that is of no release.
      await run(['install', 'metatrain', chart, '--namespace', space, '--take-ownership']);
      await run(['upgrade', 'metatrain', chart, '--namespace', space, '--set', 'commonLabels.team=a']);
      await kubectl(['wait', untilServed, 'crd/metatrainjobs.metatrain.dev', '--timeout=30s']);
      assert.match(
        await kubectl(['get', 'crd/metatrainjobs.metatrain.dev', '--output=jsonpath={.metadata.labels}']),
        /team/,
      );
      await run(['uninstall', 'metatrain', '--namespace', space]);
      await kubectl(['get', 'crd/metatrainjobs.metatrain.dev']);
    }
  });

  test(`${version}: lint finds nothing`, async () => {
    const { code, stdout, stderr } = await helm(version, ['lint', '--strict', chart]);
    assert.equal(code, 0, stdout + stderr);
  });
}

function valuesFile(t: TestContext, values: JsonObject): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'metatrain-values-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'values.yaml');
  writeFileSync(file, JSON.stringify(values));
  return ['--values', file];
}

const refused: readonly (readonly [set: string, reason: RegExp])[] = [
  ['worker.replica=3', /replica/],
  ['coordinator.persistance.size=1Gi', /persistance/],
  ['worker.replicas=many', /replicas/],
  ['image.pullPolicy=always', /pullPolicy/],
  ['gateway.enabled=true', /needs security\.tokens\.enabled/],
  ['gateway.enabled=true,security.tokens.enabled=true,security.tls.enabled=true', /TLS ends at the gateway/],
  ['gateway.enabled=true,security.tokens.enabled=true,gateway.create=false', /name the gateway/],
  ['nats.enabled=true,nats.url=nats://a:4222', /run a server here, or name one/],
  ['worker.gpu.claim.enabled=true', /needs worker\.gpu\.enabled/],
  ['plugins.configMap=parts', /needs plugins\.files/],
];

/** Values that are off or empty by default, in sets that go together. */
const usersValues: readonly JsonObject[] = [
  {
    nameOverride: 'meta',
    commonLabels: { team: 'a' },
    commonAnnotations: { 'example.com/owner': 'a' },
    image: { tag: '1.2.3', pullSecrets: [{ name: 'registry' }] },
    listenHost: '[::]',
    tracing: { endpoint: 'http://collector:4318' },
    plugins: { configMap: 'parts', files: ['a.mjs'] },
    priorityClasses: { enabled: true },
  },
  {
    coordinator: {
      jobMemory: '6GiB',
      persistence: {
        storageClass: 'fast',
        accessMode: 'ReadWriteOncePod',
        size: '100Gi',
        annotations: { 'example.com/backup': 'daily' },
      },
      service: { type: 'LoadBalancer', annotations: { 'example.com/internal': 'true' } },
      podDisruptionBudget: { enabled: true },
      nodeSelector: { disk: 'ssd' },
      tolerations: [{ key: 'a', operator: 'Exists' }],
      affinity: { podAntiAffinity: {} },
      podLabels: { a: 'b' },
      podAnnotations: { a: 'b' },
      extraEnv: [{ name: 'METATRAIN_TRACE_RATE', value: '1' }],
      envFrom: [{ configMapRef: { name: 'a', optional: true } }],
      extraVolumes: [{ name: 'more', emptyDir: {} }],
      extraVolumeMounts: [{ name: 'more', mountPath: '/more' }],
    },
    worker: {
      slots: 4,
      memory: '3GiB',
      data: { volume: { persistentVolumeClaim: { claimName: 'data', readOnly: true } } },
      updateStrategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
      podDisruptionBudget: { maxUnavailable: 3 },
      spreadByHost: false,
    },
  },
  { coordinator: { persistence: { enabled: false } }, controller: { enabled: false }, crds: { aggregateRoles: false } },
  {
    security: {
      tls: { enabled: true, certManager: { issuerRef: { name: 'company', kind: 'ClusterIssuer' } } },
      tokens: { enabled: true, existingSecret: 'tokens' },
      networkPolicy: { enabled: true, extraEgress: [{ ports: [{ port: 4318 }] }] },
    },
    nats: { enabled: true, storageClass: 'fast' },
  },
  { security: { tls: { enabled: true, existingSecret: 'certificate' } } },
  {
    security: { tokens: { enabled: true } },
    gateway: { enabled: true, create: false, parentRefs: [{ name: 'shared', namespace: 'gateways' }] },
  },
  {
    metrics: {
      serviceMonitor: { enabled: true, interval: '30s', additionalLabels: { release: 'prometheus' } },
      podMonitor: { enabled: true, additionalLabels: { release: 'prometheus' } },
      prometheusRule: { enabled: true, additionalLabels: { release: 'prometheus' } },
      dashboards: { enabled: true, labels: { grafana_dashboard: '1' } },
    },
    autoscaling: { enabled: true, minReplicas: 1, maxReplicas: 50, slotsPerWorker: 4 },
  },
];
