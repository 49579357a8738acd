// The chart's values: documented, used, with a schema that takes what is meant and refuses a typo.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { isObject, type Json, type JsonObject, mergeValues } from '../../../deploy/kubernetes/source/nodes.ts';
import { plainObjects } from '../../../deploy/kubernetes/source/objects.ts';
import { overlays } from '../../../deploy/kubernetes/source/overlay-values.ts';
import { defaults, pathsOf, usedPaths } from '../../../deploy/kubernetes/source/values.ts';
import { packageRoot } from '../../../shared/wire.ts';

const chart = join(packageRoot, 'deploy', 'helm', 'metatrain');
const read = (file: string): string => readFileSync(join(chart, file), 'utf8');
const schema = JSON.parse(read('values.schema.json')) as JsonObject;
const validate = new Ajv({ strict: false, allErrors: true }).compile(schema);

/** Why the values are refused; empty when they are taken. */
const refusals = (over: JsonObject): string =>
  validate(mergeValues(defaults, over))
    ? ''
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`).join('; ');

/** `{ a: { b: value } }` for `a.b`. */
const at = (path: string, value: Json): JsonObject =>
  path.split('.').reduceRight<Json>((inner, name) => ({ [name]: inner }), value) as JsonObject;

test('values.yaml holds every default, and the schema takes it', () => {
  assert.deepEqual(parse(read('values.yaml')), defaults);
  assert.equal(refusals({}), '');
});

test("every overlay's values are in the chart, and the schema takes them", () => {
  for (const [name, { values }] of Object.entries(overlays)) {
    assert.deepEqual(parse(read(`overlays/${name}.yaml`)), values, name);
    assert.equal(refusals(values), '', name);
  }
});

test('a chart inside of another one gets its global values', () => {
  assert.equal(refusals({ global: { imageRegistry: 'example.com' } }), '');
});

test('a typo in any section is refused', () => {
  const sections = new Set(pathsOf().map(([path]) => path.split('.').slice(0, -1).join('.')));
  assert.ok(sections.size > 20);
  for (const section of sections) {
    const path = section === '' ? 'typo' : `${section}.typo`;
    assert.match(refusals(at(path, 1)), /must NOT have additional properties/, path);
  }
});

const typos: readonly (readonly [path: string, value: Json])[] = [
  ['worker.replicas', '3'],
  ['worker.replicas', -1],
  ['worker.resources', { limit: { cpu: '1' } }],
  ['worker.resources', { limits: { cpu: 'one' } }],
  ['worker.tolerations', [{ key: 'a', operator: 'Exist' }]],
  ['worker.affinity', { nodeAffinty: {} }],
  ['worker.extraEnv', [{ nam: 'A', value: '1' }]],
  ['worker.extraEnv', [{ name: 'A', value: 1 }]],
  ['worker.envFrom', [{ secret: { name: 'a' } }]],
  ['worker.extraVolumeMounts', [{ name: 'a' }]],
  ['worker.podLabels', { a: 1 }],
  ['worker.data.volume', { persistentVolumeClaims: {} }],
  ['worker.updateStrategy', { rollingUpdate: { maxsurge: 1 } }],
  ['worker.podDisruptionBudget.maxUnavailable', 'half'],
  ['worker.memory', '6GB'],
  ['coordinator.persistence.size', '10'],
  ['coordinator.persistence.accessMode', 'ReadWriteMany'],
  ['coordinator.service.type', 'Loadbalancer'],
  ['image.pullPolicy', 'always'],
  ['image.pullSecrets', ['secret']],
  ['podSecurityContext', { runAsNonroot: true }],
  ['securityContext', { readonlyRootFilesystem: true }],
  ['security.tls.certManager.issuerRef', { names: 'a' }],
  ['security.networkPolicy.clients', [{ podSelecter: {} }]],
  ['security.networkPolicy.clients', [{}]],
  ['metrics.serviceMonitor.interval', '15'],
  ['autoscaling.trigger', 'keda'],
  ['gateway.parentRefs', [{ namespace: 'a' }]],
  ['log.level', 'verbose'],
  ['security.tls.enabled', 'yes'],
];

test('a value of another type, a word that is not offered, and a typo inside of a value are refused', () => {
  for (const [path, value] of typos) {
    assert.notEqual(refusals(at(path, value)), '', `${path}: ${JSON.stringify(value)}`);
  }
});

test('usual values are taken', () => {
  const usual: readonly (readonly [path: string, value: Json])[] = [
    ['worker.resources', { limits: { cpu: 4, memory: '8Gi', 'nvidia.com/gpu': 1 } }],
    ['worker.tolerations', [{ key: 'spot', operator: 'Equal', value: 'true', effect: 'NoSchedule' }]],
    ['worker.extraEnv', [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }]],
    ['worker.envFrom', [{ secretRef: { name: 's', optional: true } }]],
    ['worker.podDisruptionBudget.maxUnavailable', 1],
    ['worker.data.volume', { persistentVolumeClaim: { claimName: 'data', readOnly: true } }],
    ['coordinator.persistence.storageClass', ''],
    ['coordinator.jobMemory', '1.5GiB'],
    ['security.tls.certManager.issuerRef', { name: 'a', kind: 'ClusterIssuer' }],
    ['metrics.serviceMonitor.additionalLabels', { release: 'prometheus' }],
    ['worker.slots', 4],
  ];
  for (const [path, value] of usual) assert.equal(refusals(at(path, value)), '', `${path}: ${JSON.stringify(value)}`);
});

test('in the schema an object with named fields is closed, everywhere', () => {
  const open: string[] = [];
  const look = (node: Json, path: string): void => {
    if (Array.isArray(node)) for (const item of node as readonly Json[]) look(item, path);
    if (!isObject(node)) return;
    // Of a volume only the name is looked at.
    const isVolume = path.endsWith('extraVolumes.items');
    if (isObject(node.properties) && node.type === 'object' && node.additionalProperties !== false && !isVolume) {
      open.push(path);
    }
    for (const [key, value] of Object.entries(node)) look(value, path === '' ? key : `${path}.${key}`);
  };
  look(schema, '');
  assert.deepEqual(open, []);
});

/** Names of objects, which only the chart can change. */
const ofHelm: ReadonlySet<string> = new Set(['nameOverride', 'fullnameOverride']);

test('every value has a sentence, stands in the README, and some object uses it', () => {
  plainObjects(defaults);
  const readme = read('README.md');
  for (const [path, { help }] of pathsOf()) {
    assert.match(help, /^[A-Z].*\.$/, path);
    assert.ok(readme.includes(`| \`${path}\` |`), path);
    assert.ok(usedPaths.has(path) || ofHelm.has(path), `no object uses ${path}`);
  }
});

test('templates name existing values only', () => {
  const known = new Set(pathsOf().map(([path]) => path));
  const files = readdirSync(join(chart, 'templates'));
  assert.ok(files.length > 10);
  for (const file of files) {
    const text = read(`templates/${file}`);
    for (const [, path] of text.matchAll(/\.Values\.([A-Za-z.]+)/g)) assert.ok(known.has(path!), `${file}: ${path}`);
  }
});

test('each value changes the objects', () => {
  for (const [path, value] of pathsOf()) {
    if (ofHelm.has(path)) continue;
    const around = mergeValues(everythingOn, contextOf(path));
    const before = JSON.stringify(plainObjects(mergeValues(defaults, around)));
    const changes = alternatives(value.schema).some(
      (other) => JSON.stringify(plainObjects(mergeValues(defaults, mergeValues(around, at(path, other))))) !== before,
    );
    assert.ok(changes, `${path} changes nothing`);
  }
});

const everythingOn: JsonObject = [
  overlays.production!.values,
  { coordinator: { podDisruptionBudget: { enabled: true } }, plugins: { configMap: 'parts', files: ['a.mjs'] } },
].reduce((all, values) => mergeValues(all, values as JsonObject));

/** What must be on or off for a value to matter. */
function contextOf(path: string): JsonObject {
  if (path.startsWith('gateway.parentRefs')) return { gateway: { enabled: true, create: false } };
  if (path.startsWith('gateway.') || path.includes('networkPolicy.gateway')) return { gateway: { enabled: true } };
  if (path.startsWith('worker.gpu.claim.')) return { worker: { gpu: { enabled: true, claim: { enabled: true } } } };
  if (path.startsWith('worker.gpu.')) return { worker: { gpu: { enabled: true } } };
  if (path === 'worker.replicas') return { autoscaling: { enabled: false } };
  if (path.startsWith('autoscaling.prometheus')) return { autoscaling: { trigger: 'prometheus' } };
  if (path === 'nats.url') return { nats: { enabled: false } };
  return {};
}

/** Other values of the kind. */
function alternatives(of: JsonObject): readonly Json[] {
  if (Array.isArray(of.enum)) return of.enum;
  const type = Array.isArray(of.type) ? of.type[0] : of.type;
  if (type === 'boolean') return [true, false];
  if (type === 'integer') return [3, 4];
  if (type === 'string') return ['1Gi', '7GiB', '9m', '5h', 'other'];
  if (type === 'array') return [[{ name: 'other' }], ['other']];
  return [{ other: 'x' }, { limits: { cpu: '9' } }];
}
