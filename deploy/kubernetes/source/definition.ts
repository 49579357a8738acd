// The definition of MetaTrainJob, and what users of the cluster's own roles may do with these
// resources. Of the whole cluster: one installation brings it.
import { customResourceDefinition } from './crd/index.ts';
import { metadata, nameOf } from './names.ts';
import { and, compact, Expression, each, type Json, type Node, OnlyInChart, text, when } from './nodes.ts';
import { setting } from './values.ts';

const isOn = setting('crds.enabled');

const jobRole = (name: string, verbs: readonly string[], aggregateTo: readonly string[]): Node =>
  when(and(isOn, setting('crds.aggregateRoles')), {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: metadata(text`${nameOf('controller')}-jobs-${new Expression(() => name, `"${name}"`)}`, 'controller', {
      isClusterWide: true,
      labels: Object.fromEntries(aggregateTo.map((role) => [`rbac.authorization.k8s.io/aggregate-to-${role}`, 'true'])),
    }),
    rules: [{ apiGroups: ['metatrain.dev'], resources: ['metatrainjobs'], verbs }],
  });

const definition = customResourceDefinition();

/** Helm upgrades it. It never deletes it, since all MetaTrainJobs of the cluster would go with it. */
const kept = new OnlyInChart({ 'helm.sh/resource-policy': 'keep', '...': each(setting('commonAnnotations')) });

export const definitionObjects: readonly Node[] = [
  when(isOn, {
    apiVersion: definition.apiVersion,
    kind: definition.kind,
    metadata: { ...metadata(definition.metadata.name, undefined, { isClusterWide: true }), annotations: kept },
    spec: compact(definition.spec as unknown as Json),
  }),
  jobRole(
    'edit',
    ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'],
    ['admin', 'edit'],
  ),
  jobRole('view', ['get', 'list', 'watch'], ['view']),
];
