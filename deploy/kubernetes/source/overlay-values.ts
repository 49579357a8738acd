// The overlays: for each the values of the chart that make the same objects.
import { type JsonObject, mergeValues } from './nodes.ts';

export interface Overlay {
  /** Lines of at most 98 characters. */
  readonly help: string;
  readonly values: JsonObject;
}

const small = { requests: { cpu: '100m', memory: '256Mi' }, limits: { cpu: '1', memory: '1Gi' } };

const local: Overlay = {
  help: [
    'For a cluster on one machine, with images that were built there and never pulled.',
    'The volume comes from the default storage class. Without one, make a PersistentVolume by hand',
    '(docs/kubernetes.md).',
  ].join('\n'),
  values: {
    image: { tag: 'dev', pullPolicy: 'Never' },
    coordinator: {
      image: { repository: 'localhost/metatrain-coordinator' },
      resources: small,
      persistence: { size: '1Gi' },
    },
    worker: { image: { repository: 'localhost/metatrain-worker' }, resources: small },
    controller: {
      image: { repository: 'localhost/metatrain-controller' },
      resources: { requests: { cpu: '20m' } },
    },
  },
};

const gpu: Overlay = {
  help: "Workers on NVIDIA GPUs, one each, by the device plugin.\nNot run by the project's own tests, which have no GPU in a cluster.",
  values: {
    worker: {
      gpu: { enabled: true },
      resources: { requests: { cpu: '2', memory: '8Gi' }, limits: { cpu: '2', memory: '8Gi' } },
      tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
      // No spare GPU is needed to replace a worker.
      updateStrategy: { rollingUpdate: { maxSurge: '0%', maxUnavailable: '25%' } },
    },
  },
};

const gpuDra: Overlay = {
  help: "Workers on NVIDIA GPUs, one each, by dynamic resource allocation (Kubernetes 1.34 or newer).\nNot run by the project's own tests, which have no GPU in a cluster.",
  values: mergeValues(gpu.values, { worker: { gpu: { claim: { enabled: true } } } }),
};

const observability: Overlay = {
  help: "For the Prometheus operator and Grafana's sidecar: what is scraped, alerts, dashboards.",
  values: {
    metrics: {
      serviceMonitor: { enabled: true },
      podMonitor: { enabled: true },
      prometheusRule: { enabled: true },
      dashboards: { enabled: true },
    },
  },
};

const autoscaling: Overlay = {
  help: 'Workers from zero to ten and back, by KEDA, which asks the coordinator.\nIn another namespace than metatrain, change scalerAddress too.',
  values: { autoscaling: { enabled: true } },
};

const autoscalingPrometheus: Overlay = {
  help: 'Workers from zero to ten and back, by KEDA, which asks Prometheus.',
  values: mergeValues(mergeValues(autoscaling.values, { autoscaling: { trigger: 'prometheus' } }), {
    metrics: { serviceMonitor: { enabled: true } },
  }),
};

const secure: Overlay = {
  help: [
    'TLS with a certificate of cert-manager, tokens from the Secret metatrain-tokens, and network',
    'policies that deny all traffic but what is needed. Make the Secret first (docs/kubernetes.md).',
    'Without cert-manager, leave out certificates.yaml and make the Secret metatrain-coordinator-tls.',
    'In another namespace than metatrain, change dnsNames of the certificate too.',
  ].join('\n'),
  values: {
    security: { tls: { enabled: true }, tokens: { enabled: true }, networkPolicy: { enabled: true } },
  },
};

const gateway: Overlay = {
  help: [
    'From outside of the cluster by a Gateway, where TLS ends. The coordinator asks for tokens',
    '(Secret metatrain-tokens), which travel in plain text between the pods. Set the host name, the',
    "gateway's class and its certificate (Secret metatrain-gateway-tls) in gateway.yaml.",
  ].join('\n'),
  values: { security: { tokens: { enabled: true } }, gateway: { enabled: true } },
};

const nats: Overlay = {
  help: 'Events of jobs and workers on NATS JetStream: one server beside the coordinator.',
  values: { nats: { enabled: true } },
};

const production: Overlay = {
  help: [
    'secure, observability, autoscaling and nats together, with priority classes and two controllers.',
    'What these overlays say holds here too.',
  ].join('\n'),
  values: [
    secure.values,
    observability.values,
    autoscaling.values,
    nats.values,
    { priorityClasses: { enabled: true }, controller: { replicas: 2 } },
  ].reduce((all, values) => mergeValues(all, values)),
};

export const overlays: Readonly<Record<string, Overlay>> = {
  local,
  gpu,
  'gpu-dra': gpuDra,
  observability,
  autoscaling,
  'autoscaling-prometheus': autoscalingPrometheus,
  secure,
  gateway,
  nats,
  production,
};
