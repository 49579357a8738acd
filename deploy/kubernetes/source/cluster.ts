// What is not of one namespace: the namespace itself (kustomize only) and the priority classes.
import { metadata, nameOf, release } from './names.ts';
import { type JsonObject, type Node, when } from './nodes.ts';
import { setting } from './values.ts';

/** Refuses pods that the Pod Security profile restricted forbids. */
export const namespaceObject: JsonObject = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name: release.namespace,
    labels: {
      'app.kubernetes.io/part-of': 'metatrain',
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/enforce-version': 'latest',
      'pod-security.kubernetes.io/warn': 'restricted',
      'pod-security.kubernetes.io/audit': 'restricted',
    },
  },
};

const priorityClass = (component: 'coordinator' | 'worker', description: string, more = {}): Node =>
  when(setting('priorityClasses.enabled'), {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: metadata(nameOf(component), component, { isClusterWide: true }),
    value: setting(`priorityClasses.${component}`),
    globalDefault: false,
    ...more,
    description,
  });

export const priorityObjects: readonly Node[] = [
  priorityClass('coordinator', 'MetaTrain: the coordinator and the controller.'),
  priorityClass('worker', 'MetaTrain: workers, which go first and take no room from others.', {
    preemptionPolicy: 'Never',
  }),
];
