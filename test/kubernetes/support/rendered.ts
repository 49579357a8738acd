// What kustomize and Helm make of our manifests and chart, as objects by kind and name.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { TestContext } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { isObject, type Json, type JsonObject } from '../../../deploy/kubernetes/source/nodes.ts';
import { identityOf, type KubeObject } from '../../../deploy/kubernetes/source/objects.ts';
import { packageRoot } from '../../../shared/wire.ts';
import { openCache } from '../cluster/cache.ts';
import { kubectl, runCommand } from './kubectl.ts';

export const chart: string = join(packageRoot, 'deploy', 'helm', 'metatrain');
export const helmVersions = ['helm3', 'helm4'] as const;
export type HelmVersion = (typeof helmVersions)[number];

/** The objects of base or an overlay in another namespace, by a kustomization on top of it. */
export async function kustomized(t: TestContext, folder: string, namespace: string): Promise<KubeObject[]> {
  const top = mkdtempSync(join(tmpdir(), 'metatrain-kustomize-'));
  t.after(() => rmSync(top, { recursive: true }));
  const below = relative(top, join(packageRoot, 'deploy', 'kubernetes', folder));
  writeFileSync(join(top, 'kustomization.yaml'), JSON.stringify({ namespace, resources: [below] }));
  return objectsIn(await kubectl(['kustomize', top]));
}

export interface HelmOutput {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export const helm = (version: HelmVersion, args: readonly string[]): Promise<HelmOutput> =>
  runCommand(join(openCache().bin, version), args);

/**
 * The chart's objects with more arguments, such as `--set`.
 *
 * @throws with what Helm says when it refuses them.
 */
export async function templated(
  version: HelmVersion,
  release: string,
  namespace: string,
  args: readonly string[] = [],
): Promise<KubeObject[]> {
  const given = ['--namespace', namespace, '--kube-version', '1.36.0', ...args];
  const { code, stdout, stderr } = await helm(version, ['template', release, chart, ...given]);
  if (code !== 0) throw new Error(stderr);
  return objectsIn(stdout);
}

export const objectsIn = (yaml: string): KubeObject[] =>
  parseAllDocuments(yaml)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);

/** By kind and name, without the namespace, Helm's own labels and the order of lists of maps. */
export function comparable(objects: readonly KubeObject[]): Record<string, Json> {
  const ours = objects.filter(({ kind }) => kind !== 'Namespace');
  return Object.fromEntries(ours.map((object) => [identityOf(object), withoutHelm(object)]));
}

function withoutHelm(object: KubeObject): Json {
  const { namespace: _, ...metadata } = object.metadata as JsonObject;
  const isOfHelm = /^(helm\.sh\/(chart|resource-policy)|app\.kubernetes\.io\/managed-by)$/;
  const kept = (of: Json | undefined): JsonObject =>
    Object.fromEntries(Object.entries((of ?? {}) as JsonObject).filter(([key]) => !isOfHelm.test(key)));
  const whole = {
    ...object,
    metadata: { ...metadata, labels: kept(metadata.labels), annotations: kept(metadata.annotations) },
  };
  return ordered(whole) as Json;
}

/** Lists of maps are sets to Kubernetes, as far as we use them; null and absent are one. */
function ordered(value: Json): Json {
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).map(ordered);
    return items.every(isObject) ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
  }
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([, entry]) => entry !== null);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, entry]) => [key, ordered(entry)]));
}
