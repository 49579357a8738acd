// The workers: a Deployment of any size. A pod that ends finishes its shards first.
import { metadata, nameOf, ports, selectorOf } from './names.ts';
import { and, choose, dict, each, isSet, merged, type Node, not, note, plus, text, when } from './nodes.ts';
import {
  commonVariables,
  connectionMounts,
  connectionVariables,
  connectionVolumes,
  imageOf,
  pluginMounts,
  pluginVariables,
  pluginVolumes,
  podTemplate,
  probes,
  sendsTokenInPlainText,
  tracingVariables,
  variable,
  workerDevice,
} from './pods.ts';
import { setting } from './values.ts';

const name = nameOf('worker');
const own = (path: string) => setting(`worker.${path}`);
const hasGpu = own('gpu.enabled');
const claimsGpu = and(hasGpu, own('gpu.claim.enabled'));
const takesGpu = and(hasGpu, not(own('gpu.claim.enabled')));
const volume = own('data.volume');

const resources = choose(
  takesGpu,
  merged(own('resources'), dict([['limits', dict([[own('gpu.resourceName'), '1']])]])),
  choose(claimsGpu, merged(own('resources'), dict([['claims', [{ name: 'gpu' }]]])), own('resources')),
);

const variables: Node[] = [
  ...connectionVariables(),
  { name: 'METATRAIN_WORKER_ID', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  variable('METATRAIN_HTTP', text`${setting('listenHost')}:7421`),
  note(
    'Metrics and health, which hold no secret, to the network of the pods.',
    variable('METATRAIN_HTTP_EXPOSED', '1'),
  ),
  variable('METATRAIN_DRAIN_SECONDS', text`${own('drainSeconds')}`),
  variable('METATRAIN_GIVE_UP_SECONDS', text`${own('giveUpSeconds')}`),
  when(isSet(own('slots')), variable('METATRAIN_SLOTS', text`${own('slots')}`)),
  when(isSet(own('memory')), variable('METATRAIN_MEMORY', own('memory'))),
  variable('METATRAIN_ENGINE', own('engine')),
  variable('METATRAIN_DEVICE', workerDevice),
  when(volume, variable('METATRAIN_DATA_DIR', '/data')),
  ...commonVariables(),
  ...tracingVariables(),
  ...pluginVariables(),
];

const template = podTemplate({
  component: 'worker',
  image: imageOf(choose(hasGpu, own('gpu.image.repository'), own('image.repository'))),
  args: ['worker', when(sendsTokenInPlainText, '--insecure')],
  variables,
  ports: [{ name: 'http', containerPort: ports.http }],
  probes: probes(undefined, 120),
  mounts: [
    when(volume, { name: 'data', mountPath: '/data', readOnly: true }),
    ...connectionMounts(),
    ...pluginMounts(),
  ],
  volumes: [
    when(volume, { name: 'data', '...': each(volume) }),
    ...connectionVolumes('worker-token'),
    ...pluginVolumes(),
  ],
  temporarySize: own('temporarySize'),
  graceSeconds: plus(own('drainSeconds'), 10),
  resources,
  more: {
    runtimeClassName: when(and(hasGpu, own('gpu.runtimeClassName')), own('gpu.runtimeClassName')),
    resourceClaims: when(claimsGpu, [{ name: 'gpu', resourceClaimTemplateName: text`${name}-gpu` }]),
    topologySpreadConstraints: when(own('spreadByHost'), [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: selectorOf('worker') },
        matchLabelKeys: ['pod-template-hash'],
      },
    ]),
  },
});

export const workerObjects: readonly Node[] = [
  {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metadata(name, 'worker'),
    automountServiceAccountToken: false,
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata(name, 'worker'),
    spec: {
      replicas: when(not(setting('autoscaling.enabled')), own('replicas')),
      revisionHistoryLimit: 3,
      strategy: own('updateStrategy'),
      selector: { matchLabels: selectorOf('worker') },
      template,
    },
  },
  when(own('podDisruptionBudget.enabled'), {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: metadata(name, 'worker'),
    spec: {
      maxUnavailable: own('podDisruptionBudget.maxUnavailable'),
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: { matchLabels: selectorOf('worker') },
    },
  }),
  when(claimsGpu, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaimTemplate',
    metadata: metadata(text`${name}-gpu`, 'worker'),
    spec: {
      spec: {
        devices: {
          requests: [
            {
              name: 'gpu',
              exactly: { deviceClassName: own('gpu.claim.deviceClassName'), allocationMode: 'ExactCount', count: 1 },
            },
          ],
        },
      },
    },
  }),
];
