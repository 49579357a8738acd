// The controller of MetaTrainJobs, with a Role of exactly the verbs that it uses, and what users of
// the cluster's own roles may do with these resources.
import { permissions } from '../../controller/permissions.ts';
import { metadata, nameOf, namespace, ports, selectorOf } from './names.ts';
import { and, Expression, type Json, type Node, OnlyInChart, text, when } from './nodes.ts';
import {
  commonVariables,
  connectionMounts,
  connectionVariables,
  connectionVolumes,
  imageOf,
  podTemplate,
  probes,
  sendsTokenInPlainText,
  variable,
} from './pods.ts';
import { setting } from './values.ts';

const name = nameOf('controller');
const own = (path: string) => setting(`controller.${path}`);
const isOn = own('enabled');

const template = podTemplate({
  component: 'controller',
  image: imageOf(own('image.repository')),
  args: when(sendsTokenInPlainText, ['--insecure']),
  variables: [
    ...connectionVariables(),
    variable('METATRAIN_HTTP', text`${setting('listenHost')}:7423`),
    variable('METATRAIN_HTTP_EXPOSED', '1'),
    variable('METATRAIN_GIVE_UP_SECONDS', text`${own('giveUpSeconds')}`),
    ...commonVariables(),
  ],
  ports: [{ name: 'http', containerPort: ports.controllerHttp }],
  probes: probes(undefined, 120),
  mounts: connectionMounts(),
  volumes: connectionVolumes('controller-token'),
  graceSeconds: new Expression(() => 30, '30'),
  resources: own('resources'),
  talksToApiServer: true,
});

const jobRole = (suffix: string, verbs: readonly string[], aggregateTo: readonly string[]): Node =>
  when(and(isOn, setting('crds.aggregateRoles')), {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: metadata(
      text`${nameOf('controller')}-jobs-${new Expression(() => suffix, `"${suffix}"`)}`,
      'controller',
      {
        isClusterWide: true,
        labels: Object.fromEntries(
          aggregateTo.map((role) => [`rbac.authorization.k8s.io/aggregate-to-${role}`, 'true']),
        ),
      },
    ),
    rules: [{ apiGroups: ['metatrain.dev'], resources: ['metatrainjobs'], verbs }],
  });

export const controllerObjects: readonly Node[] = [
  when(isOn, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metadata(name, 'controller'),
    automountServiceAccountToken: false,
  }),
  when(isOn, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: metadata(name, 'controller'),
    rules: permissions as unknown as Json,
  }),
  when(isOn, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: metadata(name, 'controller'),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    // Kustomize fills in the namespace.
    subjects: [{ kind: 'ServiceAccount', name, namespace: new OnlyInChart(namespace) }],
  }),
  when(isOn, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata(name, 'controller'),
    spec: {
      replicas: own('replicas'),
      revisionHistoryLimit: 3,
      selector: { matchLabels: selectorOf('controller') },
      template,
    },
  }),
  jobRole(
    'edit',
    ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'],
    ['admin', 'edit'],
  ),
  jobRole('view', ['get', 'list', 'watch'], ['view']),
];
