// The values of the chart, in the order of values.yaml. A setting of an object names one by its
// path; nothing else in the sources has a default.
import { Expression, isObject, type Json, type JsonObject, type Values } from './nodes.ts';
import * as kinds from './value-kinds.ts';
import { autoscalingValues, gatewayValues, metricsValues, natsValues, securityValues } from './values-of-features.ts';
import { controllerValues, coordinatorValues, workerValues } from './values-of-processes.ts';

const { section } = kinds;

export const values: kinds.Section = section('', {
  nameOverride: kinds.text('', "Replaces the chart's name in the names of objects.", { maxLength: 40 }),
  fullnameOverride: kinds.text('', 'Replaces the whole first part of the names of objects.', { maxLength: 40 }),
  commonLabels: kinds.texts('Labels of every object.'),
  commonAnnotations: kinds.texts('Annotations of every object.'),
  image: section('All images are of one version.', {
    tag: kinds.text('', "Tag of the images. Default: the chart's appVersion."),
    pullPolicy: kinds.choice(['IfNotPresent', 'Always', 'Never'], 'When images are pulled.'),
    pullSecrets: kinds.pullSecrets('Secrets for a private registry.'),
  }),
  log: section('Of all processes.', {
    level: kinds.choice(['info', 'trace', 'debug', 'warn', 'error', 'silent'], 'Lowest level that is logged.'),
    format: kinds.choice(['json', 'pretty'], 'JSON lines, or readable ones.'),
  }),
  listenHost: kinds.text('0.0.0.0', 'Where processes listen in their pods; [::] in a cluster with IPv6 alone.', {
    enum: ['0.0.0.0', '[::]'],
  }),
  tracing: section('Traces by OpenTelemetry.', {
    endpoint: kinds.text('', 'Collector (OTLP over HTTP), such as http://collector.observability:4318. Empty: none.'),
  }),
  plugins: section('Modules of your own parts; the coordinator and every worker load the same.', {
    configMap: kinds.text('', "ConfigMap with the modules' files, mounted at /plugins. Empty: none."),
    files: kinds.textList('Names of its files, in the order in which they are loaded.'),
  }),
  podSecurityContext: kinds.podSecurityContext(
    {
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      fsGroup: 1000,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    'Of every pod. The default satisfies the Pod Security profile restricted.',
  ),
  securityContext: kinds.securityContext(
    {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    'Of every container. The default satisfies the Pod Security profile restricted.',
  ),
  coordinator: coordinatorValues,
  worker: workerValues,
  controller: controllerValues,
  crds: section('The resource MetaTrainJob.', {
    enabled: kinds.flag(
      true,
      'Install and upgrade its definition. One installation of a cluster does it. It stays when the chart is uninstalled, and with it the resources.',
    ),
    aggregateRoles: kinds.flag(
      true,
      "Let users with the cluster's roles admin, edit and view do the same with MetaTrainJobs.",
    ),
  }),
  priorityClasses: section('Priorities of pods when a cluster is full.', {
    enabled: kinds.flag(
      false,
      "Create two classes: the coordinator's before ordinary pods, the workers' after them. They are used where priorityClassName is empty.",
    ),
    coordinator: kinds.count(
      100_000,
      'Priority of the coordinator and the controller.',
      [-1_000_000_000, 1_000_000_000],
    ),
    worker: kinds.count(-100, 'Priority of workers; they preempt nobody.', [-1_000_000_000, 1_000_000_000]),
  }),
  security: securityValues,
  metrics: metricsValues,
  autoscaling: autoscalingValues,
  gateway: gatewayValues,
  nats: natsValues,
});

/** Every default. */
export const defaults: Values = defaultsOf(values);

function defaultsOf({ fields }: kinds.Section): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, field.kind === 'value' ? field.byDefault : defaultsOf(field)]),
  );
}

/** Every value with its path, in order. */
export function pathsOf(
  of: kinds.Section = values,
  before = '',
): readonly (readonly [path: string, value: kinds.Value])[] {
  return Object.entries(of.fields).flatMap(([name, field]) =>
    field.kind === 'value' ? [[`${before}${name}`, field] as const] : pathsOf(field, `${before}${name}.`),
  );
}

/** @throws when there is no such value. */
export function valueAt(tree: Values, path: string): Json {
  let at: Json = tree;
  for (const name of path.split('.')) {
    const next: Json | undefined = isObject(at) ? at[name] : undefined;
    if (next === undefined) throw new Error(`the chart has no value ${path}`);
    at = next;
  }
  return at;
}

/** Paths that an object names. */
export const usedPaths: Set<string> = new Set();

/** @throws when there is no such value. */
export function setting(path: string): Expression {
  valueAt(defaults, path);
  usedPaths.add(path);
  return new Expression((tree) => valueAt(tree, path), `.Values.${path}`);
}
