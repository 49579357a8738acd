// The chart's values for what is off by default: security, monitoring, autoscaling, gateway, NATS.
import * as kinds from './value-kinds.ts';

const { section } = kinds;

export const securityValues = section(
  'With both off, everybody who reaches the coordinator may do everything; it then runs with --insecure.',
  {
    tls: section('Encrypted connections to the coordinator, gRPC and HTTP.', {
      enabled: kinds.flag(false, 'Serve with the certificate of a Secret.'),
      existingSecret: kinds.text(
        '',
        "Secret with tls.crt, tls.key and ca.crt for the Service's name and localhost. Empty: NAME-coordinator-tls, which cert-manager makes.",
      ),
      certManager: section('', {
        enabled: kinds.flag(true, 'Have cert-manager issue the certificate.'),
        issuerRef: kinds.reference({}, "Issuer. Empty: an authority of this installation's own."),
        duration: kinds.text('2160h', 'Life of the certificate.', { pattern: '^[0-9]+h$' }),
        renewBefore: kinds.text('720h', 'How long before its end it is renewed.', { pattern: '^[0-9]+h$' }),
      }),
    }),
    tokens: section('Roles by token.', {
      enabled: kinds.flag(false, 'Ask for tokens.'),
      existingSecret: kinds.text(
        '',
        'Secret with tokens.jsonl, worker-token and controller-token, and prometheus-token for metrics. Empty: NAME-tokens.',
      ),
    }),
    networkPolicy: section('', {
      enabled: kinds.flag(false, 'Deny all traffic of these pods but what they need.'),
      clients: kinds.peers(
        'Who else may reach the coordinator. Default: pods of the namespace labelled metatrain.dev/client.',
        [{ podSelector: { matchLabels: { 'metatrain.dev/client': 'true' } } }],
      ),
      prometheus: kinds.peers('Who may scrape metrics.', [
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
      ]),
      keda: kinds.peers('Who may ask the scaler.', [
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'keda' } } },
      ]),
      gateway: kinds.peers('Pods of the gateway.', [
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'gateway-system' } } },
      ]),
      dns: kinds.peers('The DNS servers of the cluster.', [
        {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
          podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
        },
      ]),
      extraEgress: kinds.egressRules('More rules for egress of all pods, such as to a collector of traces.'),
    }),
  },
);

export const metricsValues = section('For the Prometheus operator and Grafana.', {
  serviceMonitor: section('', {
    enabled: kinds.flag(false, 'Scrape the coordinator.'),
    interval: kinds.interval('15s', 'How often.'),
    additionalLabels: kinds.texts('Labels by which Prometheus finds it, such as release.'),
  }),
  podMonitor: section('', {
    enabled: kinds.flag(false, 'Scrape workers and the controller.'),
    interval: kinds.interval('15s', 'How often.'),
    additionalLabels: kinds.texts('Labels by which Prometheus finds it, such as release.'),
  }),
  prometheusRule: section('', {
    enabled: kinds.flag(false, 'Alerts.'),
    additionalLabels: kinds.texts('Labels by which Prometheus finds it, such as release.'),
  }),
  dashboards: section('', {
    enabled: kinds.flag(false, "Dashboards as ConfigMaps for Grafana's sidecar."),
    labels: kinds.texts('Labels by which the sidecar finds them.', { grafana_dashboard: '1' }),
    annotations: kinds.texts('Annotations, such as the folder.', { grafana_folder: 'MetaTrain' }),
  }),
});

export const autoscalingValues = section('Workers from zero to a limit and back, by KEDA.', {
  enabled: kinds.flag(false, 'Create a ScaledObject. The Deployment then has no number of replicas.'),
  trigger: kinds.choice(
    ['external-push', 'prometheus'],
    'Ask the coordinator, which wakes workers at once; or ask Prometheus.',
  ),
  minReplicas: kinds.count(0, 'Fewest workers.', [0, 10_000]),
  maxReplicas: kinds.count(10, 'Most workers.', [1, 10_000]),
  slotsPerWorker: kinds.count(
    2,
    'Shards that a worker computes at once: the cores of its CPU limit, or worker.slots.',
    [1, 256],
  ),
  pollingSeconds: kinds.count(15, 'How often KEDA asks.', [1, 3_600]),
  cooldownSeconds: kinds.count(300, 'How long there must be nothing to do before the last workers end.', [0, 86_400]),
  scaleDownSeconds: kinds.count(120, 'How long fewer workers must have been enough before some end.', [0, 3_600]),
  prometheus: section('Of the trigger prometheus.', {
    serverAddress: kinds.text('http://prometheus-operated.monitoring.svc:9090', 'Address of Prometheus.'),
  }),
});

export const gatewayValues = section(
  'From outside of the cluster, by the Gateway API: TLS ends at the gateway, which speaks plain gRPC to the coordinator. Needs tokens.',
  {
    enabled: kinds.flag(false, 'Create a GRPCRoute.'),
    hostname: kinds.text('metatrain.example.com', 'Name by which clients call.'),
    create: kinds.flag(true, 'Create a Gateway too.'),
    className: kinds.text('eg', 'Its class.'),
    tlsSecret: kinds.text('metatrain-gateway-tls', 'Secret with its certificate.'),
    parentRefs: kinds.parentReferences('Gateways of others, with create off.'),
    annotations: kinds.texts('Annotations of the Gateway.'),
  },
);

export const natsValues = section('Events of jobs and workers on NATS JetStream.', {
  enabled: kinds.flag(false, 'Run one NATS server beside the coordinator.'),
  url: kinds.text(
    '',
    'A NATS server of your own, such as nats://nats.messaging:4222. Its secrets come by coordinator.extraEnv.',
  ),
  image: section('', {
    repository: kinds.text('docker.io/library/nats', 'Image without its tag.'),
    tag: kinds.text('2.11.6-alpine', 'Tag.'),
  }),
  storageClass: kinds.textOrNull("Storage class of its volume; null takes the cluster's default."),
  size: kinds.size('2Gi', 'Size of its volume.'),
  resources: kinds.resources(
    { requests: { cpu: '50m', memory: '64Mi' }, limits: { cpu: '500m', memory: '256Mi' } },
    'Resources of the server.',
  ),
});
