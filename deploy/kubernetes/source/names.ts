// Names, labels and ports that several objects share.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../shared/wire.ts';
import { Expression, each, type NodeMap, OnlyInChart, text, when } from './nodes.ts';
import { setting } from './values.ts';

export type Component = 'coordinator' | 'worker' | 'controller' | 'nats';

const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { readonly version: string };

/** The release whose objects base and overlays hold. */
export const release = { name: 'metatrain', namespace: 'metatrain', version } as const;

export const fullName: Expression = new Expression(() => release.name, 'include "metatrain.fullname" .');
export const namespace: Expression = new Expression(() => release.namespace, '.Release.Namespace');
export const appVersion: Expression = new Expression(() => release.version, '.Chart.AppVersion');
const instance = new Expression(() => release.name, '.Release.Name');

export const nameOf = (component: Component): Expression =>
  new Expression(() => `${release.name}-${component}`, `printf "%s-${component}" (include "metatrain.fullname" .)`);
export const headlessName: Expression = text`${nameOf('coordinator')}-headless`;

export const ports = { grpc: 7420, http: 7421, scaler: 7422, controllerHttp: 7423, nats: 4222 } as const;

/** What selects the pods of a component, for good: selectors cannot change. */
export const selectorOf = (component: Component): NodeMap => ({
  'app.kubernetes.io/name': 'metatrain',
  'app.kubernetes.io/instance': instance,
  'app.kubernetes.io/component': component,
});

/** What selects every pod of the installation. */
export const allPods: NodeMap = { 'app.kubernetes.io/name': 'metatrain', 'app.kubernetes.io/instance': instance };

const labelsOf = (component: Component | undefined): NodeMap => ({
  ...(component ? selectorOf(component) : allPods),
  'app.kubernetes.io/part-of': 'metatrain',
  'app.kubernetes.io/version': appVersion,
  'app.kubernetes.io/managed-by': new OnlyInChart(new Expression(() => '', '.Release.Service')),
  'helm.sh/chart': new OnlyInChart(new Expression(() => '', 'include "metatrain.chart" .')),
});

export interface MetadataOptions {
  readonly labels?: NodeMap;
  readonly annotations?: NodeMap;
  /** Settings of users. */
  readonly moreLabels?: string;
  readonly moreAnnotations?: string;
  readonly isClusterWide?: boolean;
}

/** Metadata of an object. Base and overlays get their namespace from kustomize. */
export function metadata(
  name: Expression | string,
  component: Component | undefined,
  { labels, annotations, moreLabels, moreAnnotations, isClusterWide = false }: MetadataOptions = {},
): NodeMap {
  const common = setting('commonAnnotations');
  const own = moreAnnotations === undefined ? undefined : setting(moreAnnotations);
  const all = own
    ? new Expression(
        (values) => ({ ...(common.valueIn(values) as object), ...(own.valueIn(values) as object) }),
        `merge (dict) ${own.pipeline} ${common.pipeline}`,
      )
    : common;
  return {
    name,
    ...(!isClusterWide && { namespace: new OnlyInChart(namespace) }),
    labels: {
      ...labelsOf(component),
      ...labels,
      ...(moreLabels !== undefined && { '...': each(setting(moreLabels)) }),
      '....': each(setting('commonLabels')),
    },
    annotations: annotations ? { ...annotations, '...': each(all) } : when(all, all),
  };
}
