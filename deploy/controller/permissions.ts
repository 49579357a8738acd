// The controller's permissions in its namespace: exactly the verbs that it uses. The manifests make a
// Role from them, and a test compares them with the API server's audit log.

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** The Lease by which one of several controllers is the active one. */
export const leaseName = 'metatrain-controller';

/** The pods and Deployments that the controller reads to say why workers are missing. */
export const workerSelector = 'app.kubernetes.io/name=metatrain,app.kubernetes.io/component=worker';

/** A namespaced Role's rules. */
export const permissions: readonly Rule[] = [
  // `patch` is for the finalizer, `delete` for the time to live.
  { apiGroups: ['metatrain.dev'], resources: ['metatrainjobs'], verbs: ['list', 'watch', 'patch', 'delete'] },
  { apiGroups: ['metatrain.dev'], resources: ['metatrainjobs/status'], verbs: ['patch'] },
  { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
  {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    verbs: ['get', 'update'],
    resourceNames: [leaseName],
  },
  // For the reason why workers are missing.
  { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
  { apiGroups: ['apps'], resources: ['deployments'], verbs: ['list'] },
];
