// Each flag, port, variable, path and metric that a manifest names exists in the programs: what the
// containers are started with is read by the programs' own readers.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { Metadata } from '@grpc/grpc-js';
import { parse } from 'yaml';
import { readConfig as readCoordinatorConfig } from '../../../coordinator/config.ts';
import { Scaler, usefulSlotsMetric } from '../../../coordinator/rpc/scaler-service.ts';
import { readConfig as readControllerConfig } from '../../../deploy/controller/config.ts';
import { leaseName, permissions, workerSelector } from '../../../deploy/controller/permissions.ts';
import { metricFacts } from '../../../deploy/grafana/source/metric-tables.ts';
import { type JsonObject, mergeValues } from '../../../deploy/kubernetes/source/nodes.ts';
import { type KubeObject, plainObjects } from '../../../deploy/kubernetes/source/objects.ts';
import { overlays } from '../../../deploy/kubernetes/source/overlay-values.ts';
import { defaults } from '../../../deploy/kubernetes/source/values.ts';
import { parseAddress } from '../../../shared/address.ts';
import { realClock } from '../../../shared/clock.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import { silentLogger } from '../../../shared/log.ts';
import type { MetricFacts } from '../../../shared/metrics/meter.ts';
import { packageRoot } from '../../../shared/wire.ts';
import { readConfig as readWorkerConfig } from '../../../worker/config.ts';
import { metricsIn, rulesFile } from '../../support/dashboards.ts';
import { type Container, isPart, type Labels, type PodSpec, workloadsOf } from '../../support/kubernetes-policy.ts';

const sets: readonly (readonly [name: string, values: JsonObject])[] = [
  ['base', {}],
  ...Object.entries(overlays).map(([name, { values }]) => [name, values] as const),
  ['a coordinator of [::] with plugins, data, limits, traces', everySetting()],
];
const objectsOf = (values: JsonObject): KubeObject[] => plainObjects(mergeValues(defaults, values));

function everySetting(): JsonObject {
  return {
    listenHost: '[::]',
    tracing: { endpoint: 'http://collector:4318' },
    plugins: { configMap: 'parts', files: ['a.mjs', 'b.mjs'] },
    coordinator: { jobMemory: '6GiB' },
    worker: { slots: 3, memory: '2GiB', data: { volume: { persistentVolumeClaim: { claimName: 'data' } } } },
    nats: { url: 'nats://nats.messaging:4222' },
  };
}

const readers = {
  coordinator: (args: readonly string[]) => readCoordinatorConfig(args),
  worker: (args: readonly string[]) => readWorkerConfig(args),
  controller: (args: readonly string[]) => readControllerConfig(args),
};

interface Pod {
  readonly set: string;
  readonly spec: PodSpec;
  readonly container: Container;
  readonly objects: readonly KubeObject[];
  readonly claims: readonly string[];
}

/** The pods of a component in every set. */
function podsOf(component: keyof typeof readers): Pod[] {
  return sets.flatMap(([set, values]) => {
    const objects = objectsOf(values);
    return workloadsOf(objects)
      .filter(({ metadata }) => metadata.name === `metatrain-${component}`)
      .map(({ spec }) => ({
        set,
        objects,
        spec: spec.template.spec,
        container: spec.template.spec.containers[0]!,
        claims: (spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name),
      }));
  });
}

/** What the program makes of a container's arguments and variables. */
function configOf<Name extends keyof typeof readers>(
  t: TestContext,
  name: Name,
  { args = [], env = [] }: Container,
): ReturnType<(typeof readers)[Name]> {
  const before = { ...process.env };
  const exit = t.mock.method(process, 'exit', (code: number) => {
    throw new Error(`${name} would end with ${code}`);
  });
  try {
    for (const { name: variable, value = 'from-a-field' } of env) process.env[variable] = value;
    // The images' entry point takes the name of the command first.
    const own = name === 'controller' ? args : args.slice(1);
    if (name !== 'controller') assert.equal(args[0], name);
    return readers[name](own) as ReturnType<(typeof readers)[Name]>;
  } finally {
    process.env = before;
    exit.mock.restore();
  }
}

/** What the program's help says of variables. */
function knownVariables(t: TestContext, name: keyof typeof readers): Set<string> {
  let help = '';
  const exit = t.mock.method(process, 'exit', () => {
    throw new Error('ended');
  });
  const write = t.mock.method(process.stdout, 'write', (text: string) => {
    help += text;
    return true;
  });
  try {
    assert.throws(() => readers[name](['--help']), /ended/);
  } finally {
    exit.mock.restore();
    write.mock.restore();
  }
  return new Set(help.match(/\b(METATRAIN|OTEL)_[A-Z_]+/g));
}

test('every variable of a container is one that its program knows', (t) => {
  for (const name of Object.keys(readers) as (keyof typeof readers)[]) {
    const known = knownVariables(t, name);
    assert.ok(known.has('METATRAIN_LOG_LEVEL'), name);
    // Of the image's other commands, which people run in this container.
    if (name === 'coordinator') known.add('METATRAIN_TLS_CA');
    for (const { set, container } of podsOf(name)) {
      for (const { name: variable } of container.env ?? [])
        assert.ok(known.has(variable), `${set}, ${name}: ${variable}`);
    }
  }
});

/** Such as 7420; the container has a port of this name and number. */
function portNamed({ ports = [] }: Container, name: string): number | undefined {
  return ports.find((port) => port.name === name)?.containerPort;
}

/** The Service's port of `HOST:PORT`, as a pod of the same namespace finds it. */
function servicePort(objects: readonly KubeObject[], address: string): string | undefined {
  const [host, port] = address.split(':');
  const service = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === host);
  const { ports } = (service?.spec ?? { ports: [] }) as unknown as {
    readonly ports: readonly { readonly name: string; readonly port: number }[];
  };
  return ports.find((one) => one.port === Number(port))?.name;
}

/** Fails unless the file is in a volume that is mounted there, by its name. */
function assertMounted({ set, spec, container }: Pod, file: string | undefined): void {
  if (file === undefined) return;
  const mount = (container.volumeMounts ?? []).find(({ mountPath }) => file.startsWith(`${mountPath}/`));
  const volume = (spec.volumes ?? []).find(({ name }) => name === mount?.name);
  assert.ok(volume, `${set}: ${file} is in no volume`);
  const name = file.slice(mount!.mountPath.length + 1);
  const files = volume.secret?.items?.map(({ path }) => path) ?? ['tls.crt', 'tls.key', 'ca.crt', 'a.mjs', 'b.mjs'];
  assert.ok(files.includes(name), `${set}: ${file} is not in the volume ${volume.name}`);
}

test("the coordinator's flags and variables are valid, and agree with its ports, volumes and Services", (t) => {
  const pods = podsOf('coordinator');
  assert.equal(pods.length, sets.length);
  for (const pod of pods) {
    const { set, container, claims, objects } = pod;
    const { options } = configOf(t, 'coordinator', container);
    assert.equal(options.port, portNamed(container, 'grpc'), set);
    assert.equal(options.http?.port, portNamed(container, 'http'), set);
    assert.equal(options.scaler?.port, portNamed(container, 'scaler'), set);
    const state = (container.volumeMounts ?? []).find(({ mountPath }) => mountPath === options.stateDirectory);
    assert.ok(claims.includes(state?.name ?? ''), `${set}: the state is on the volume of the claim`);
    const { tls, tokensFile, isInsecure } = options.security ?? {};
    for (const file of [tls?.cert, tls?.key, tokensFile, ...(options.plugins ?? [])]) assertMounted(pod, file);
    assert.equal(isInsecure, !(tls && tokensFile), `${set}: --insecure only where something is missing`);
    const schemes = [container.startupProbe, container.livenessProbe, container.readinessProbe].map(
      (probe) => probe?.httpGet.scheme,
    );
    assert.deepEqual(new Set(schemes), new Set([tls ? 'HTTPS' : undefined]), set);
    const ours = options.nats?.servers.filter((server) => server.includes('metatrain')) ?? [];
    for (const server of ours) assert.equal(servicePort(objects, server.slice('nats://'.length)), 'nats');
  }
});

test("a worker's flags and variables are valid, and agree with the coordinator's Service and its own time to end", (t) => {
  for (const pod of podsOf('worker')) {
    const { set, spec, container, objects } = pod;
    const config = configOf(t, 'worker', container);
    assert.equal(servicePort(objects, config.coordinator), 'grpc', set);
    assert.equal(config.http?.port, portNamed(container, 'http'), set);
    assert.ok(config.drainGraceMs + 10_000 <= (spec.terminationGracePeriodSeconds ?? 0) * 1_000, set);
    assert.equal(config.workerId, 'from-a-field');
    assert.equal(config.device, set.startsWith('gpu') ? 'cuda' : 'cpu', set);
    const { tlsCa, tokenFile, insecure } = config.connection;
    for (const file of [tlsCa, tokenFile, ...config.plugins]) assertMounted(pod, file);
    assert.equal(insecure ?? false, tokenFile !== undefined && tlsCa === undefined, set);
  }
});

test("the controller's flags and variables are valid, and its Role is what it uses", (t) => {
  for (const pod of podsOf('controller')) {
    const { set, container, objects } = pod;
    const config = configOf(t, 'controller', container);
    assert.equal(servicePort(objects, config.coordinator), 'grpc', set);
    assert.equal(config.http?.port, portNamed(container, 'http'), set);
    for (const file of [config.connection.tlsCa, config.connection.tokenFile]) assertMounted(pod, file);
    const role = objects.find(({ kind }) => kind === 'Role') as unknown as { readonly rules: unknown };
    assert.deepEqual(role.rules, permissions);
    // Without a prefix, or the Role would allow another Lease than the controller takes.
    assert.equal(leaseName, 'metatrain-controller');
  }
});

test('the controller looks for workers by labels that they have', () => {
  const selected = Object.fromEntries(workerSelector.split(',').map((part) => part.split('='))) as Labels;
  for (const [set, values] of sets) {
    const found = workloadsOf(objectsOf(values)).filter(({ spec }) => isPart(selected, spec.template.metadata.labels));
    assert.deepEqual(
      found.map(({ metadata }) => metadata.name),
      ['metatrain-worker'],
      set,
    );
  }
});

const production = objectsOf(overlays.production!.values);
interface Kind<Spec> {
  readonly metadata: { readonly name: string; readonly labels: Labels };
  readonly spec: Spec;
}

const ofKind = <Spec>(kind: string, objects: readonly KubeObject[] = production): readonly Kind<Spec>[] =>
  objects.filter((object) => object.kind === kind) as unknown as readonly Kind<Spec>[];

test('monitors scrape ports that are there, and each process once', () => {
  interface Monitor {
    readonly selector: { readonly matchLabels: Labels };
    readonly endpoints: readonly { readonly port: string; readonly path: string; readonly scheme: string }[];
  }
  const [monitor] = ofKind<Monitor>('ServiceMonitor');
  const [endpoint] = monitor!.spec.endpoints;
  assert.deepEqual([endpoint!.path, endpoint!.scheme], ['/metrics', 'https']);
  const scraped = ofKind<{ readonly ports: readonly { readonly name: string }[] }>('Service').filter(
    ({ metadata, spec }) =>
      isPart(monitor!.spec.selector.matchLabels, metadata.labels) &&
      spec.ports.some(({ name }) => name === endpoint!.port),
  );
  assert.deepEqual(
    scraped.map(({ metadata }) => metadata.name),
    ['metatrain-coordinator'],
  );
  const [pods] = ofKind<{ readonly podMetricsEndpoints: Monitor['endpoints'] }>('PodMonitor');
  for (const { port, path } of pods!.spec.podMetricsEndpoints) {
    assert.equal(path, '/metrics');
    for (const name of ['worker', 'controller']) {
      const workload = workloadsOf(production).find(({ metadata }) => metadata.name === `metatrain-${name}`)!;
      assert.ok(portNamed(workload.spec.template.spec.containers[0]!, port), name);
    }
  }
});

test('alerts and dashboards are those of deploy/prometheus and deploy/grafana', () => {
  const [rule] = ofKind<JsonObject>('PrometheusRule');
  assert.deepEqual(rule!.spec, parse(readFileSync(rulesFile, 'utf8')));
  const maps = ofKind<never>('ConfigMap') as unknown as readonly { readonly data: Readonly<Record<string, string>> }[];
  const files = maps.flatMap(({ data }) => Object.entries(data));
  assert.equal(files.length, 3);
  for (const [file, content] of files) {
    const path = join(packageRoot, 'deploy', 'grafana', 'dashboards', file);
    assert.ok(readFileSync(path, 'utf8') === content, file);
  }
});

interface ScaledObject {
  readonly scaleTargetRef: { readonly name: string };
  readonly triggers: readonly { readonly type: string; readonly metadata: Readonly<Record<string, string>> }[];
}

test('autoscaling names the workers, a port and settings that the coordinator knows, and metrics that it has', async () => {
  for (const overlay of ['autoscaling', 'autoscaling-prometheus']) {
    const objects = objectsOf(overlays[overlay]!.values);
    const [scaled] = ofKind<ScaledObject>('ScaledObject', objects);
    const { scaleTargetRef, triggers } = scaled!.spec;
    const workers = workloadsOf(objects).find(({ metadata }) => metadata.name === scaleTargetRef.name);
    assert.ok(workers && workers.spec.replicas === undefined, 'KEDA alone sets the number of workers');
    const [{ type, metadata }] = triggers as [ScaledObject['triggers'][number]];
    if (type === 'external-push') {
      const [host, , , port] = metadata.scalerAddress!.split(/[.:]/);
      assert.equal(servicePort(objects, `${host}:${port}`), 'scaler');
      assert.deepEqual(await askScaler(metadata), {
        asked: 'compiled/cpu',
        metricSpecs: [{ metricName: usefulSlotsMetric, targetSize: 2, targetSizeFloat: 2 }],
      });
    } else {
      const known = new Set(seriesOf(Object.values(metricFacts()).flat()));
      const named = metricsIn(metadata.query!);
      assert.ok(named.length > 0);
      for (const name of named) assert.ok(known.has(name), name);
    }
  }
});

/** What the coordinator's scaler makes of a trigger's metadata. */
async function askScaler(scalerMetadata: Readonly<Record<string, string>>): Promise<object> {
  let asked: string | undefined;
  const usefulSlots = ({ engine }: { readonly engine?: string }) => {
    asked = engine;
    return 1;
  };
  const scaler = new Scaler({ usefulSlots, clock: realClock, log: silentLogger });
  const ref = { name: 'metatrain-worker', namespace: 'metatrain', scalerMetadata };
  const ask = <Answer>(call: unknown): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const handler = call as (asked: object, answer: (error: Error | null, value: Answer) => void) => void;
      handler({ request: ref, metadata: new Metadata() }, (error, value) => (error ? reject(error) : resolve(value)));
    });
  try {
    const { metricSpecs } = await ask<{ readonly metricSpecs: object }>(scaler.handlers.GetMetricSpec);
    assert.deepEqual(await ask(scaler.handlers.IsActive), { result: true });
    return { asked, metricSpecs };
  } finally {
    scaler.close(new MetatrainError('SHUTTING_DOWN', 'the test has ended'));
  }
}

const seriesOf = (facts: readonly MetricFacts[]): string[] => facts.map(({ name }) => name);

test('addresses to listen on are as the programs read them', () => {
  assert.deepEqual(parseAddress('[::]:7420'), { host: '::', port: 7420 });
});
