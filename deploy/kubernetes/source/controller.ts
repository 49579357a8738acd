// The controller of MetaTrainJobs, with a Role of exactly the verbs that it uses.
import { permissions } from '../../controller/permissions.ts';
import { metadata, nameOf, namespace, ports, selectorOf } from './names.ts';
import { Expression, type Json, type Node, OnlyInChart, text, when } from './nodes.ts';
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
];
