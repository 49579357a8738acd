// One NATS server with JetStream for events. Without a password: in the overlay secure, a network
// policy lets in the coordinator alone.
import { metadata, nameOf, ports, selectorOf } from './names.ts';
import { isSet, type Node, text, when } from './nodes.ts';
import { setting } from './values.ts';

const own = (path: string) => setting(`nats.${path}`);
const name = nameOf('nats');
const probe = (path: string): Node => ({ httpGet: { path, port: 'monitor' }, periodSeconds: 10, timeoutSeconds: 5 });

export const natsObjects: readonly Node[] = [
  when(own('enabled'), {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metadata(name, 'nats'),
    automountServiceAccountToken: false,
  }),
  when(own('enabled'), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(name, 'nats'),
    spec: {
      clusterIP: 'None',
      selector: selectorOf('nats'),
      ports: [{ name: 'nats', port: ports.nats, targetPort: 'nats' }],
    },
  }),
  when(own('enabled'), {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadata(name, 'nats'),
    spec: {
      replicas: 1,
      serviceName: name,
      selector: { matchLabels: selectorOf('nats') },
      template: {
        metadata: { labels: { ...selectorOf('nats'), 'app.kubernetes.io/part-of': 'metatrain' } },
        spec: {
          serviceAccountName: name,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          imagePullSecrets: when(setting('image.pullSecrets'), setting('image.pullSecrets')),
          terminationGracePeriodSeconds: 60,
          securityContext: setting('podSecurityContext'),
          containers: [
            {
              name: 'nats',
              image: text`${own('image.repository')}:${own('image.tag')}`,
              imagePullPolicy: setting('image.pullPolicy'),
              args: ['--jetstream', '--store_dir=/events', '--http_port=8222'],
              ports: [
                { name: 'nats', containerPort: ports.nats },
                { name: 'monitor', containerPort: 8222 },
              ],
              startupProbe: { httpGet: { path: '/healthz', port: 'monitor' }, periodSeconds: 2, failureThreshold: 60 },
              livenessProbe: probe('/healthz?js-enabled-only=true'),
              readinessProbe: probe('/healthz?js-server-only=true'),
              resources: own('resources'),
              securityContext: setting('securityContext'),
              volumeMounts: [
                { name: 'events', mountPath: '/events' },
                { name: 'temporary', mountPath: '/tmp' },
              ],
            },
          ],
          volumes: [{ name: 'temporary', emptyDir: { sizeLimit: '10Mi' } }],
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'events' },
          spec: {
            accessModes: ['ReadWriteOnce'],
            storageClassName: when(isSet(own('storageClass')), own('storageClass')),
            resources: { requests: { storage: own('size') } },
          },
        },
      ],
    },
  }),
];
