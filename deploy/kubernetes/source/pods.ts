// What all pods have in common: restricted security, settings of users, placement, TLS and tokens.
import { appVersion, type Component, fullName, nameOf, ports, selectorOf } from './names.ts';
import {
  and,
  choose,
  Expression,
  each,
  equals,
  type Node,
  type NodeMap,
  not,
  or,
  orElse,
  text,
  when,
} from './nodes.ts';
import { setting } from './values.ts';

export const hasTls: Expression = setting('security.tls.enabled');
export const hasTokens: Expression = setting('security.tokens.enabled');
export const tlsSecret: Expression = orElse(setting('security.tls.existingSecret'), text`${nameOf('coordinator')}-tls`);
export const tokensSecret: Expression = orElse(setting('security.tokens.existingSecret'), text`${fullName}-tokens`);
/** The coordinator serves KEDA. */
export const hasScaler: Expression = and(
  setting('autoscaling.enabled'),
  equals(setting('autoscaling.trigger'), 'external-push'),
);
/** What workers compute on. */
export const workerDevice: Expression = choose(setting('worker.gpu.enabled'), 'cuda', 'cpu');
const hasPlugins = setting('plugins.configMap');

export const imageOf = (repository: Expression): Expression =>
  text`${repository}:${orElse(setting('image.tag'), appVersion)}`;

export const variable = (name: string, value: Node): NodeMap => ({ name, value });

/** Of every process: logs, traces, plugins. */
export const commonVariables = (): Node[] => [
  variable('METATRAIN_LOG_LEVEL', setting('log.level')),
  variable('METATRAIN_LOG_FORMAT', setting('log.format')),
];

export const tracingVariables = (): Node[] => [
  when(setting('tracing.endpoint'), variable('OTEL_EXPORTER_OTLP_ENDPOINT', setting('tracing.endpoint'))),
];

export const pluginVariables = (): Node[] => {
  const files = setting('plugins.files');
  const paths = new Expression(
    (values) => (files.valueIn(values) as string[]).map((file) => `/plugins/${file}`).join(':'),
    'include "metatrain.plugins" .',
  );
  return [when(hasPlugins, variable('METATRAIN_PLUGIN', paths))];
};

/** How a worker or the controller reaches the coordinator. */
export const connectionVariables = (): Node[] => [
  variable(
    'METATRAIN_COORDINATOR',
    text`${nameOf('coordinator')}:${new Expression(() => ports.grpc, String(ports.grpc))}`,
  ),
  when(hasTls, variable('METATRAIN_TLS_CA', '/secrets/authority/ca.crt')),
  when(hasTokens, variable('METATRAIN_TOKEN_FILE', '/secrets/token/token')),
];

/** A token may travel unencrypted only where that was asked for. */
export const sendsTokenInPlainText: Expression = and(hasTokens, not(hasTls));

export const connectionMounts = (): Node[] => [
  when(hasTls, { name: 'authority', mountPath: '/secrets/authority', readOnly: true }),
  when(hasTokens, { name: 'token', mountPath: '/secrets/token', readOnly: true }),
];

export const connectionVolumes = (tokenKey: string): Node[] => [
  when(hasTls, {
    name: 'authority',
    secret: { secretName: tlsSecret, defaultMode: 0o440, items: [{ key: 'ca.crt', path: 'ca.crt' }] },
  }),
  when(hasTokens, {
    name: 'token',
    secret: { secretName: tokensSecret, defaultMode: 0o440, items: [{ key: tokenKey, path: 'token' }] },
  }),
];

export const pluginMounts = (): Node[] => [
  when(hasPlugins, { name: 'plugins', mountPath: '/plugins', readOnly: true }),
];

export const pluginVolumes = (): Node[] => [
  when(hasPlugins, { name: 'plugins', configMap: { name: setting('plugins.configMap') } }),
];

export interface Pod {
  readonly component: Exclude<Component, 'nats'>;
  readonly image: Expression;
  readonly args: Node;
  readonly variables: readonly Node[];
  readonly ports: readonly Node[];
  readonly probes: NodeMap;
  readonly mounts: readonly Node[];
  readonly volumes: readonly Node[];
  readonly graceSeconds: Expression;
  readonly resources: Expression;
  readonly temporarySize?: Expression;
  readonly talksToApiServer?: boolean;
  /** Of the pod's specification. */
  readonly more?: NodeMap;
  /** Of the container. */
  readonly moreOfContainer?: NodeMap;
}

/** A pod template. */
export function podTemplate(pod: Pod): NodeMap {
  const { component } = pod;
  const own = (name: string): Expression => setting(`${component}.${name}`);
  return {
    metadata: {
      labels: { ...selectorOf(component), 'app.kubernetes.io/part-of': 'metatrain', '...': each(own('podLabels')) },
      annotations: { 'kubectl.kubernetes.io/default-container': component, '...': each(own('podAnnotations')) },
    },
    spec: {
      serviceAccountName: nameOf(component),
      automountServiceAccountToken: pod.talksToApiServer ?? false,
      enableServiceLinks: false,
      imagePullSecrets: when(setting('image.pullSecrets'), setting('image.pullSecrets')),
      priorityClassName: priorityClassOf(component),
      terminationGracePeriodSeconds: pod.graceSeconds,
      securityContext: setting('podSecurityContext'),
      ...pod.more,
      nodeSelector: when(own('nodeSelector'), own('nodeSelector')),
      tolerations: when(own('tolerations'), own('tolerations')),
      affinity: when(own('affinity'), own('affinity')),
      containers: [
        {
          name: component,
          image: pod.image,
          imagePullPolicy: setting('image.pullPolicy'),
          args: pod.args,
          env: [...pod.variables, each(own('extraEnv'))],
          envFrom: when(own('envFrom'), own('envFrom')),
          ports: [...pod.ports],
          ...pod.probes,
          resources: pod.resources,
          securityContext: setting('securityContext'),
          ...pod.moreOfContainer,
          volumeMounts: [...pod.mounts, { name: 'temporary', mountPath: '/tmp' }, each(own('extraVolumeMounts'))],
        },
      ],
      volumes: [
        ...pod.volumes,
        { name: 'temporary', emptyDir: { sizeLimit: pod.temporarySize ?? '100Mi' } },
        each(own('extraVolumes')),
      ],
    },
  };
}

function priorityClassOf(component: Pod['component']): Node {
  const own = setting(`${component}.priorityClassName`);
  const suffix = component === 'worker' ? 'worker' : 'coordinator';
  const ours = setting('priorityClasses.enabled');
  return when(or(own, ours), orElse(own, nameOf(suffix)));
}

/** Probes by HTTP; both paths are open to everybody, also with TLS and tokens. */
export function probes(scheme: Expression | undefined, startupSeconds: number | Expression): NodeMap {
  const get = (path: string): NodeMap => ({
    httpGet: { path, port: 'http', ...(scheme && { scheme: when(scheme, 'HTTPS') }) },
  });
  const failures =
    typeof startupSeconds === 'number'
      ? startupSeconds / 2
      : new Expression(
          (values) => Math.ceil(Number(startupSeconds.valueIn(values)) / 2),
          `divf ${startupSeconds.pipeline} 2 | ceil | int`,
        );
  return {
    startupProbe: { ...get('/healthz'), periodSeconds: 2, failureThreshold: failures },
    livenessProbe: { ...get('/healthz'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    readinessProbe: { ...get('/readyz'), periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2 },
  };
}
