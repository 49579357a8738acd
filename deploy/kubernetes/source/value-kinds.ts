// Kinds of chart values: a default, a sentence for people, and a JSON schema that refuses a typo.
// Shapes of Kubernetes' own types are as deep as a typo is likely; the API server checks the rest.
import type { Json, JsonObject } from './nodes.ts';

export interface Value {
  readonly kind: 'value';
  readonly byDefault: Json;
  /** Sentences; the first one stands in the README's table. */
  readonly help: string;
  readonly schema: JsonObject;
}

export interface Section {
  readonly kind: 'section';
  readonly help: string;
  readonly fields: Readonly<Record<string, Value | Section>>;
}

export const section = (help: string, fields: Section['fields']): Section => ({ kind: 'section', help, fields });

const value = (byDefault: Json, help: string, schema: JsonObject): Value => ({
  kind: 'value',
  byDefault,
  help,
  schema,
});

export const flag = (byDefault: boolean, help: string): Value => value(byDefault, help, { type: 'boolean' });

export const text = (byDefault: string, help: string, more: JsonObject = {}): Value =>
  value(byDefault, help, { type: 'string', ...more });

/** A text that may be null, where an empty text has a meaning of its own. */
export const textOrNull = (help: string): Value => value(null, help, { type: ['string', 'null'] });

export const choice = (options: readonly string[], help: string): Value =>
  value(options[0]!, help, { type: 'string', enum: options });

export const count = (byDefault: number, help: string, [minimum, maximum]: readonly [number, number]): Value =>
  value(byDefault, help, { type: 'integer', minimum, maximum });

export const countOrNull = (help: string, [minimum, maximum]: readonly [number, number]): Value =>
  value(null, help, { type: ['integer', 'null'], minimum, maximum });

/** Such as 6GiB or null; as the programs' flags take sizes. */
export const memoryOrNull = (help: string): Value =>
  value(null, help, { type: ['string', 'null'], pattern: '^[0-9]+([.][0-9]+)?(MiB|GiB|TiB)$' });

const quantity: JsonObject = {
  type: ['string', 'number'],
  pattern: '^[0-9]+([.][0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$',
};

export const size = (byDefault: string, help: string): Value =>
  value(byDefault, help, { type: 'string', pattern: '^[0-9]+(Mi|Gi|Ti)$' });

/** A time as Prometheus writes it. */
export const interval = (byDefault: string, help: string): Value =>
  value(byDefault, help, { type: 'string', pattern: '^([0-9]+(ms|s|m|h))+$' });

/** A count or a percentage, such as 1 or 50%. */
export const portion = (byDefault: string | number, help: string): Value =>
  value(byDefault, help, { type: ['string', 'integer'], pattern: '^[0-9]+%$', minimum: 0 });

const closed = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...more,
});
const any: JsonObject = {};
const anObject: JsonObject = { type: 'object' };
const aText: JsonObject = { type: 'string' };
const names = (...fields: readonly string[]): JsonObject => Object.fromEntries(fields.map((field) => [field, any]));

/** Labels, annotations and selectors. */
export const texts = (help: string, byDefault: JsonObject = {}): Value =>
  value(byDefault, help, { type: 'object', additionalProperties: aText });

export const textList = (help: string, byDefault: readonly string[] = []): Value =>
  value(byDefault, help, { type: 'array', items: aText });

export const pullSecrets = (help: string): Value =>
  value([], help, { type: 'array', items: closed({ name: aText }, { required: ['name'] }) });

export const resources = (byDefault: JsonObject, help: string): Value => {
  const amounts = { type: 'object', additionalProperties: quantity };
  return value(byDefault, help, closed({ requests: amounts, limits: amounts, claims: { type: 'array' } }));
};

export const affinity = (help: string): Value =>
  value({}, help, closed({ nodeAffinity: anObject, podAffinity: anObject, podAntiAffinity: anObject }));

export const tolerations = (help: string): Value => {
  const fields = {
    key: aText,
    operator: { enum: ['Exists', 'Equal'] },
    value: aText,
    effect: { enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] },
    tolerationSeconds: { type: 'integer' },
  };
  return value([], help, { type: 'array', items: closed(fields) });
};

export const environment = (help: string): Value => {
  const sources = names('configMapKeyRef', 'secretKeyRef', 'fieldRef', 'resourceFieldRef');
  const fields = { name: aText, value: aText, valueFrom: closed(sources) };
  return value([], help, { type: 'array', items: closed(fields, { required: ['name'] }) });
};

export const environmentFrom = (help: string): Value => {
  const source = closed({ name: aText, optional: { type: 'boolean' } }, { required: ['name'] });
  const fields = { prefix: aText, configMapRef: source, secretRef: source };
  return value([], help, { type: 'array', items: closed(fields) });
};

/** Volumes with their names; the API server checks their sources. */
export const volumes = (help: string): Value =>
  value([], help, {
    type: 'array',
    items: { type: 'object', properties: { name: aText }, required: ['name'] },
  });

export const mounts = (help: string): Value => {
  const fields = names('readOnly', 'recursiveReadOnly', 'mountPropagation', 'subPath', 'subPathExpr');
  return value([], help, {
    type: 'array',
    items: closed({ name: aText, mountPath: aText, ...fields }, { required: ['name', 'mountPath'] }),
  });
};

/** One source of a volume, such as persistentVolumeClaim. */
export const volumeSource = (help: string): Value =>
  value({}, help, {
    ...closed(names('persistentVolumeClaim', 'image', 'ephemeral', 'csi', 'configMap', 'emptyDir', 'nfs')),
    maxProperties: 1,
  });

export const podSecurityContext = (byDefault: JsonObject, help: string): Value => {
  const fields = names('runAsNonRoot', 'runAsUser', 'runAsGroup', 'fsGroup', 'fsGroupChangePolicy', 'seccompProfile');
  const more = names('supplementalGroups', 'supplementalGroupsPolicy', 'seLinuxOptions', 'seLinuxChangePolicy');
  return value(byDefault, help, closed({ ...fields, ...more, ...names('sysctls', 'appArmorProfile') }));
};

export const securityContext = (byDefault: JsonObject, help: string): Value => {
  const fields = names('allowPrivilegeEscalation', 'readOnlyRootFilesystem', 'capabilities', 'runAsNonRoot');
  const more = names('runAsUser', 'runAsGroup', 'seccompProfile', 'seLinuxOptions', 'appArmorProfile');
  return value(byDefault, help, closed({ ...fields, ...more, ...names('privileged', 'procMount') }));
};

/** As Deployments take it. */
export const deploymentStrategy = (byDefault: JsonObject, help: string): Value =>
  value(byDefault, help, closed({ type: aText, rollingUpdate: closed(names('maxSurge', 'maxUnavailable')) }));

/** From or to whom a network policy allows traffic. */
export const peers = (help: string, byDefault: readonly Json[] = []): Value =>
  value(byDefault, help, {
    type: 'array',
    items: closed({ podSelector: anObject, namespaceSelector: anObject, ipBlock: anObject }, { minProperties: 1 }),
  });

export const egressRules = (help: string): Value =>
  value([], help, { type: 'array', items: closed({ to: { type: 'array' }, ports: { type: 'array' } }) });

export const reference = (byDefault: JsonObject, help: string): Value =>
  value(byDefault, help, closed({ name: aText, kind: aText, group: aText }));

export const parentReferences = (help: string): Value =>
  value([], help, {
    type: 'array',
    items: closed(
      { name: aText, namespace: aText, sectionName: aText, port: { type: 'integer' }, kind: aText, group: aText },
      { required: ['name'] },
    ),
  });
