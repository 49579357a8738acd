// What every object that we ship for Kubernetes must keep to: the Pod Security profile restricted,
// limits, probes, pinned images, and references that lead somewhere. Reads plain objects, knows no
// cluster.
import type { KubeObject } from '../../deploy/kubernetes/source/objects.ts';

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number; readonly hostPort?: number }[];
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string>>;
    readonly limits?: Readonly<Record<string, string>>;
  };
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly privileged?: boolean;
    readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
}

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string; readonly scheme?: string };
}

export interface Volume {
  readonly name: string;
  readonly secret?: {
    readonly secretName: string;
    readonly items?: readonly { readonly key: string; readonly path: string }[];
  };
  readonly [source: string]: unknown;
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly securityContext?: {
    readonly runAsNonRoot?: boolean;
    readonly runAsUser?: number;
    readonly seccompProfile?: { readonly type: string };
  };
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly topologySpreadConstraints?: readonly { readonly labelSelector: Selector }[];
}

export interface Selector {
  readonly matchLabels?: Labels;
}

export type Labels = Readonly<Record<string, string>>;

export interface Workload extends KubeObject {
  readonly spec: KubeObject & {
    readonly replicas?: number;
    readonly selector: Selector;
    readonly template: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec };
    readonly volumeClaimTemplates?: readonly {
      readonly metadata: { readonly name: string };
      readonly spec: { readonly accessModes: readonly string[] };
    }[];
  };
}

/** The volumes that the profile restricted allows. */
const volumeKinds = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

/** Only the controller talks to the API server. */
const talksToApiServer = new Set(['controller']);

export const isWorkload = (object: KubeObject): object is Workload =>
  object.kind === 'Deployment' || object.kind === 'StatefulSet';

export const workloadsOf = (objects: readonly KubeObject[]): Workload[] => objects.filter(isWorkload);

/** What is wrong, in words; empty for good objects. */
export function violationsOf(objects: readonly KubeObject[]): string[] {
  return [
    ...repeated(objects),
    ...objects.flatMap((object) => ofObject(object).map((what) => `${nameOf(object)} ${what}`)),
    ...workloadsOf(objects).flatMap((workload) => ofWorkload(workload).map((what) => `${nameOf(workload)} ${what}`)),
    ...objects.flatMap((object) => ofReferences(object, objects).map((what) => `${nameOf(object)} ${what}`)),
  ];
}

const nameOf = ({ kind, metadata }: KubeObject): string => `${kind} ${metadata.name}`;

function repeated(objects: readonly KubeObject[]): string[] {
  const names = objects.map(nameOf);
  return names.filter((name, index) => names.indexOf(name) < index).map((name) => `${name} is there twice`);
}

function ofObject(object: KubeObject): string[] {
  const { metadata } = object;
  const labels = (metadata.labels ?? {}) as Labels;
  return complaints([
    [labels['app.kubernetes.io/part-of'] === 'metatrain' || isDefinition(object), 'is not labelled part-of metatrain'],
    [metadata.namespace === undefined, 'names a namespace, which kustomize could not change'],
    [/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(metadata.name), 'has a name that is too long or not plain'],
  ]);
}

const isDefinition = ({ kind }: KubeObject): boolean => kind === 'CustomResourceDefinition';

function ofWorkload({ spec }: Workload): string[] {
  const { metadata, spec: pod } = spec.template;
  const mounted = pod.containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
  const claims = spec.volumeClaimTemplates ?? [];
  const named = [...(pod.volumes ?? []).map(({ name }) => name), ...claims.map((claim) => claim.metadata.name)];
  const component = metadata.labels['app.kubernetes.io/component'] ?? '';
  const security = pod.securityContext;
  return [
    ...complaints([
      [isPart(spec.selector.matchLabels ?? {}, metadata.labels), 'selects other pods than its own'],
      [security?.runAsNonRoot === true && (security.runAsUser ?? 0) > 0, 'may run as root'],
      [security?.seccompProfile?.type === 'RuntimeDefault', 'has no seccomp profile'],
      [!pod.hostNetwork && !pod.hostPID && !pod.hostIPC, "uses the host's namespaces"],
      [pod.enableServiceLinks === false, 'gets variables of Services, which look like flags of ours'],
      [
        pod.automountServiceAccountToken === talksToApiServer.has(component),
        'mounts a token of the API server without need, or lacks it',
      ],
      [(pod.terminationGracePeriodSeconds ?? 0) >= 30, 'has no time to end'],
      [named.every((name) => mounted.includes(name)), 'has a volume that nothing mounts'],
      [mounted.every((name) => named.includes(name)), 'mounts a volume that is not there'],
      [
        claims.every(({ spec: claim }) => claim.accessModes.every((mode) => /^ReadWriteOnce(Pod)?$/.test(mode))),
        'shares a volume between nodes',
      ],
    ]),
    ...(pod.volumes ?? []).flatMap((volume) =>
      Object.keys(volume)
        .filter((key) => key !== 'name' && !volumeKinds.has(key))
        .map((key) => `has a volume of kind ${key}`),
    ),
    ...pod.containers.flatMap((container) =>
      ofContainer(container).map((what) => `has a container ${container.name} that ${what}`),
    ),
  ];
}

function ofContainer(container: Container): string[] {
  const { image, ports = [], resources, securityContext, volumeMounts = [], env = [] } = container;
  const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
  const names = env.map(({ name }) => name);
  return complaints([
    [/^[a-z0-9.-]+(\/[a-z0-9-]+)+:[\w.-]+$/.test(image) && !image.endsWith(':latest'), `runs ${image}, no fixed tag`],
    [securityContext?.allowPrivilegeEscalation === false, 'may get more rights'],
    [securityContext?.readOnlyRootFilesystem === true, 'may write its root file system'],
    [securityContext?.privileged !== true, 'is privileged'],
    [
      securityContext?.capabilities?.drop?.includes('ALL') === true && !securityContext.capabilities.add,
      'has capabilities',
    ],
    [resources?.requests?.cpu !== undefined && resources.requests.memory !== undefined, 'requests no CPU or memory'],
    [resources?.limits?.memory !== undefined, 'has no limit of memory'],
    [probes.every((probe) => probe !== undefined), 'lacks a probe'],
    [
      probes.every((probe) => probe === undefined || ports.some(({ name }) => name === probe.httpGet.port)),
      'has a probe of a port that it does not have',
    ],
    [ports.every(({ hostPort }) => hostPort === undefined), 'takes a port of the host'],
    [volumeMounts.some(({ mountPath }) => mountPath === '/tmp'), 'has no /tmp'],
    [
      volumeMounts.filter(({ mountPath }) => mountPath.startsWith('/secrets')).every(({ readOnly }) => readOnly),
      'may write its secrets',
    ],
    [new Set(names).size === names.length, 'has a variable twice'],
    [!JSON.stringify(env).includes('secretKeyRef'), 'has a secret in a variable'],
  ]);
}

/** References by name or labels lead to objects of the same set. */
function ofReferences(object: KubeObject, all: readonly KubeObject[]): string[] {
  const pods = workloadsOf(all).map(({ spec }) => spec.template);
  const has = (kind: string, name: string): boolean =>
    all.some((other) => other.kind === kind && other.metadata.name === name);
  if (isWorkload(object)) {
    const { serviceAccountName } = object.spec.template.spec;
    const { serviceName } = object.spec as unknown as { readonly serviceName?: string };
    return complaints([
      [has('ServiceAccount', serviceAccountName), `runs as ${serviceAccountName}, which is not there`],
      [
        serviceName === undefined || has('Service', serviceName),
        `names the Service ${serviceName}, which is not there`,
      ],
    ]);
  }
  if (object.kind === 'Service') {
    const spec = object.spec as unknown as {
      readonly selector: Labels;
      readonly ports: readonly { readonly name: string; readonly targetPort: string }[];
    };
    const selected = pods.filter(({ metadata }) => isPart(spec.selector, metadata.labels));
    const ports = selected.flatMap((pod) => pod.spec.containers.flatMap((container) => container.ports ?? []));
    return [
      ...complaints([[selected.length === 1, `selects the pods of ${selected.length} workloads`]]),
      ...spec.ports
        .filter(({ targetPort }) => !ports.some(({ name }) => name === targetPort))
        .map(({ targetPort }) => `forwards to a port ${targetPort}, which no pod has`),
    ];
  }
  if (object.kind === 'PodDisruptionBudget') {
    const { selector } = object.spec as unknown as { readonly selector: Selector };
    const selected = pods.filter(({ metadata }) => isPart(selector.matchLabels ?? {}, metadata.labels));
    return complaints([[selected.length === 1, `counts the pods of ${selected.length} workloads`]]);
  }
  if (object.kind === 'RoleBinding') {
    const { subjects, roleRef } = object as unknown as {
      readonly subjects: readonly { readonly name: string }[];
      readonly roleRef: { readonly kind: string; readonly name: string };
    };
    return complaints([
      [has(roleRef.kind, roleRef.name), 'binds a role that is not there'],
      [subjects.every(({ name }) => has('ServiceAccount', name)), 'binds an account that is not there'],
    ]);
  }
  return [];
}

export const isPart = (some: Labels, all: Labels): boolean =>
  Object.keys(some).length > 0 && Object.entries(some).every(([key, value]) => all[key] === value);

const complaints = (checks: readonly (readonly [isMet: boolean, complaint: string])[]): string[] =>
  checks.filter(([isMet]) => !isMet).map(([, complaint]) => complaint);
