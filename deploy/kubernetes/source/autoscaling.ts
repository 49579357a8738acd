// Workers by KEDA: from zero to a limit and back. The coordinator itself says how many slots would
// compute now; a query to Prometheus is the second way.
import { metadata, nameOf, namespace } from './names.ts';
import { equals, type Node, note, text, when } from './nodes.ts';
import { workerDevice } from './pods.ts';
import { setting } from './values.ts';

const own = (path: string) => setting(`autoscaling.${path}`);
const asksCoordinator = equals(own('trigger'), 'external-push');

/** Slots that would compute now, by the coordinator's metrics. */
export const usefulSlotsQuery = 'sum(metatrain_useful_slots)';

export const autoscalingObjects: readonly Node[] = [
  when(own('enabled'), {
    apiVersion: 'keda.sh/v1alpha1',
    kind: 'ScaledObject',
    metadata: metadata(nameOf('worker'), 'worker'),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: nameOf('worker') },
      minReplicaCount: own('minReplicas'),
      maxReplicaCount: own('maxReplicas'),
      pollingInterval: own('pollingSeconds'),
      cooldownPeriod: own('cooldownSeconds'),
      advanced: {
        horizontalPodAutoscalerConfig: {
          behavior: {
            scaleUp: {
              stabilizationWindowSeconds: 0,
              policies: [{ type: 'Percent', value: 900, periodSeconds: 15 }],
            },
            scaleDown: { stabilizationWindowSeconds: own('scaleDownSeconds') },
          },
        },
      },
      triggers: [
        when(asksCoordinator, {
          type: 'external-push',
          metadata: {
            scalerAddress: text`${nameOf('coordinator')}.${namespace}.svc:7422`,
            slotsPerWorker: text`${own('slotsPerWorker')}`,
            engine: note('Only work for such workers counts.', text`${setting('worker.engine')}/${workerDevice}`),
          },
        }),
        when(equals(own('trigger'), 'prometheus'), {
          type: 'prometheus',
          metricType: 'AverageValue',
          metadata: {
            serverAddress: own('prometheus.serverAddress'),
            query: usefulSlotsQuery,
            threshold: text`${own('slotsPerWorker')}`,
            activationThreshold: '0',
          },
        }),
      ],
    },
  }),
];
