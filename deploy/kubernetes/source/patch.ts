// The strategic merge patch that makes one object of another, as kustomize applies it. Lists merge
// by the keys that Kubernetes gives them; other lists are replaced.
import { isObject, type Json, type JsonObject } from './nodes.ts';

/** By the name of the list: the field that tells its items apart. */
const mergeKeys: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  env: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  imagePullSecrets: 'name',
  resourceClaims: 'name',
  topologySpreadConstraints: 'topologyKey',
};

/** A container's ports have another key than a Service's. */
function mergeKeyOf(list: string, items: readonly JsonObject[]): string | undefined {
  if (list !== 'ports') return mergeKeys[list];
  return items.some((item) => 'containerPort' in item) ? 'containerPort' : 'port';
}

/** Undefined: they are equal. */
export function patchBetween(before: JsonObject, after: JsonObject): JsonObject | undefined {
  const changes = mapChanges(before, after);
  if (changes === undefined) return undefined;
  const { name } = after.metadata as JsonObject;
  const { metadata, ...rest } = changes;
  return {
    apiVersion: after.apiVersion!,
    kind: after.kind!,
    metadata: { name: name!, ...(metadata as JsonObject | undefined) },
    ...rest,
  };
}

function mapChanges(before: JsonObject, after: JsonObject): JsonObject | undefined {
  const gone = Object.keys(before)
    .filter((key) => after[key] === undefined)
    .map((key) => [key, null] as const);
  const changed = Object.entries(after).flatMap(([key, value]): (readonly [string, Json])[] => {
    const change = changeOf(key, before[key], value);
    return change === undefined ? [] : [[key, change]];
  });
  return gone.length + changed.length === 0 ? undefined : Object.fromEntries([...gone, ...changed]);
}

function changeOf(key: string, before: Json | undefined, after: Json): Json | undefined {
  if (isObject(before) && isObject(after)) return mapChanges(before, after);
  if (Array.isArray(before) && Array.isArray(after)) return listChanges(key, before, after);
  return before === after ? undefined : after;
}

function listChanges(list: string, before: readonly Json[], after: readonly Json[]): Json | undefined {
  if (JSON.stringify(before) === JSON.stringify(after)) return undefined;
  const all = [...before, ...after];
  if (!all.every(isObject)) return after;
  const key = mergeKeyOf(list, all);
  if (key === undefined) return after;
  const [old, now] = [byKey(before as readonly JsonObject[], key), byKey(after as readonly JsonObject[], key)];
  const gone = [...old.keys()].filter((name) => !now.has(name)).map((name) => ({ [key]: name, $patch: 'delete' }));
  const changed = [...now].flatMap(([name, item]): JsonObject[] => {
    const past = old.get(name);
    if (past === undefined) return [item];
    const changes = mapChanges(past, item);
    return changes === undefined ? [] : [{ [key]: name, ...changes }];
  });
  return [...changed, ...gone];
}

const byKey = (items: readonly JsonObject[], key: string): Map<Json, JsonObject> =>
  new Map(items.map((item) => [item[key]!, item]));
