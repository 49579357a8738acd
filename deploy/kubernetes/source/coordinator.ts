// The coordinator: a StatefulSet of one with a volume of its own, and its Services.
import { fullName, headlessName, metadata, nameOf, ports, selectorOf } from './names.ts';
import { and, choose, isSet, type Node, not, note, or, text, when } from './nodes.ts';
import {
  commonVariables,
  hasScaler,
  hasTls,
  hasTokens,
  imageOf,
  pluginMounts,
  pluginVariables,
  pluginVolumes,
  podTemplate,
  probes,
  tlsSecret,
  tokensSecret,
  tracingVariables,
  variable,
} from './pods.ts';
import { setting } from './values.ts';

const name = nameOf('coordinator');
const own = (path: string) => setting(`coordinator.${path}`);
const host = setting('listenHost');
const isPersistent = own('persistence.enabled');
const natsUrl = setting('nats.url');
const hasNats = or(setting('nats.enabled'), natsUrl);

const variables: Node[] = [
  variable('METATRAIN_LISTEN', text`${host}:7420`),
  variable('METATRAIN_HTTP', text`${host}:7421`),
  variable('METATRAIN_STATE_DIR', '/state'),
  when(isSet(own('jobMemory')), variable('METATRAIN_JOB_MEMORY', own('jobMemory'))),
  when(hasTls, variable('METATRAIN_TLS_CERT', '/secrets/tls/tls.crt')),
  when(hasTls, variable('METATRAIN_TLS_KEY', '/secrets/tls/tls.key')),
  when(hasTokens, variable('METATRAIN_TOKENS', '/secrets/tokens/tokens.jsonl')),
  when(
    hasTls,
    note(
      'For commands in this container: the certificate is for localhost too.',
      variable('METATRAIN_TLS_CA', '/secrets/tls/ca.crt'),
    ),
  ),
  when(hasScaler, variable('METATRAIN_SCALER', text`${host}:7422`)),
  when(hasNats, variable('METATRAIN_NATS_URL', choose(natsUrl, natsUrl, text`nats://${fullName}-nats:4222`))),
  ...commonVariables(),
  ...tracingVariables(),
  ...pluginVariables(),
];

const template = podTemplate({
  component: 'coordinator',
  image: imageOf(own('image.repository')),
  args: [
    'coordinator',
    when(
      not(and(hasTls, hasTokens)),
      note(
        'Without TLS and tokens: everybody who reaches this pod may do everything.\nThe overlay secure and the values security.* end that.',
        '--insecure',
      ),
    ),
  ],
  variables,
  ports: [
    { name: 'grpc', containerPort: ports.grpc },
    { name: 'http', containerPort: ports.http },
    when(hasScaler, { name: 'scaler', containerPort: ports.scaler }),
  ],
  probes: probes(hasTls, own('startupSeconds')),
  mounts: [
    { name: 'state', mountPath: '/state' },
    when(hasTls, { name: 'tls', mountPath: '/secrets/tls', readOnly: true }),
    when(hasTokens, { name: 'tokens', mountPath: '/secrets/tokens', readOnly: true }),
    ...pluginMounts(),
  ],
  volumes: [
    when(not(isPersistent), { name: 'state', emptyDir: { sizeLimit: own('persistence.size') } }),
    when(hasTls, { name: 'tls', secret: { secretName: tlsSecret, defaultMode: 0o440 } }),
    when(hasTokens, {
      name: 'tokens',
      secret: {
        secretName: tokensSecret,
        defaultMode: 0o440,
        items: [{ key: 'tokens.jsonl', path: 'tokens.jsonl' }],
      },
    }),
    ...pluginVolumes(),
  ],
  graceSeconds: own('terminationGracePeriodSeconds'),
  resources: own('resources'),
});

const claim: Node = {
  metadata: {
    name: 'state',
    annotations: when(own('persistence.annotations'), own('persistence.annotations')),
  },
  spec: {
    accessModes: [own('persistence.accessMode')],
    storageClassName: when(isSet(own('persistence.storageClass')), own('persistence.storageClass')),
    resources: { requests: { storage: own('persistence.size') } },
  },
};

const grpcPort: Node = {
  name: 'grpc',
  port: ports.grpc,
  targetPort: 'grpc',
  appProtocol: choose(hasTls, 'https', 'kubernetes.io/h2c'),
};
const servicePorts: readonly Node[] = [
  grpcPort,
  { name: 'http', port: ports.http, targetPort: 'http', appProtocol: choose(hasTls, 'https', 'http') },
  when(hasScaler, { name: 'scaler', port: ports.scaler, targetPort: 'scaler', appProtocol: 'kubernetes.io/h2c' }),
];

export const coordinatorObjects: readonly Node[] = [
  {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metadata(name, 'coordinator'),
    automountServiceAccountToken: false,
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(name, 'coordinator', { moreAnnotations: 'coordinator.service.annotations' }),
    spec: { type: own('service.type'), selector: selectorOf('coordinator'), ports: servicePorts },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(headlessName, 'coordinator'),
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: selectorOf('coordinator'),
      // Without http: a ServiceMonitor that finds both Services scrapes once.
      ports: [grpcPort],
    },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadata(name, 'coordinator'),
    spec: {
      replicas: note('One coordinator owns the state. It is never scaled.', 1),
      serviceName: headlessName,
      selector: { matchLabels: selectorOf('coordinator') },
      updateStrategy: { type: 'RollingUpdate' },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      template,
      volumeClaimTemplates: when(isPersistent, [claim]),
    },
  },
  when(own('podDisruptionBudget.enabled'), {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: metadata(name, 'coordinator'),
    spec: {
      maxUnavailable: 0,
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: { matchLabels: selectorOf('coordinator') },
    },
  }),
];
