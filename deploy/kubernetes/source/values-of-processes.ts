// The chart's values for coordinator, workers and controller.
import * as kinds from './value-kinds.ts';

const { section } = kinds;
type Fields = kinds.Section['fields'];

const placement = (who: string): Fields => ({
  nodeSelector: kinds.texts(`Labels of the nodes for ${who}.`),
  tolerations: kinds.tolerations(`Tolerations of ${who}.`),
  affinity: kinds.affinity(`Affinity of ${who}.`),
  priorityClassName: kinds.text('', `Priority class of ${who}.`),
});

const pod = (who: string): Fields => ({
  podLabels: kinds.texts(`Labels of the pods of ${who}.`),
  podAnnotations: kinds.texts(`Annotations of the pods of ${who}.`),
  extraEnv: kinds.environment(`More environment variables of ${who}.`),
  envFrom: kinds.environmentFrom(`ConfigMaps and Secrets whose entries are environment variables of ${who}.`),
  extraVolumes: kinds.volumes(`More volumes of ${who}.`),
  extraVolumeMounts: kinds.mounts(`Mounts of these volumes.`),
});

export const coordinatorValues = section('Owns jobs; one pod, whose state is on its volume.', {
  image: section('', { repository: kinds.text('ghcr.io/metatrain/coordinator', 'Image without its tag.') }),
  resources: kinds.resources(
    { requests: { cpu: '500m', memory: '1Gi' }, limits: { cpu: '2', memory: '2Gi' } },
    'Jobs that have not ended may take half of the memory limit together (jobMemory).',
  ),
  jobMemory: kinds.memoryOrNull('What these jobs may take, such as 6GiB. Default: half of the memory limit.'),
  persistence: section('The volume of jobs and checkpoints.', {
    enabled: kinds.flag(true, 'Off: the state is lost with the pod. For trials.'),
    storageClass: kinds.textOrNull(
      "Storage class; null takes the cluster's default. A block device or a local disk: the coordinator refuses network file systems such as NFS.",
    ),
    accessMode: kinds.choice(
      ['ReadWriteOnce', 'ReadWriteOncePod'],
      'ReadWriteOncePod excludes a second pod on the same node too; it needs a CSI driver.',
    ),
    size: kinds.size('10Gi', 'Size of the volume.'),
    annotations: kinds.texts('Annotations of the claim.'),
  }),
  terminationGracePeriodSeconds: kinds.count(
    60,
    'Grace period of the pod: it writes a checkpoint of each running job.',
    [5, 3_600],
  ),
  startupSeconds: kinds.count(600, 'Time limit for opening the store.', [10, 86_400]),
  service: section('', {
    type: kinds.choice(['ClusterIP', 'LoadBalancer', 'NodePort'], 'Type of the Service.'),
    annotations: kinds.texts('Annotations of the Service.'),
  }),
  podDisruptionBudget: section('', {
    enabled: kinds.flag(
      false,
      'Refuse evictions of the coordinator. Draining its node then waits for you; without it, training stands still for some seconds.',
    ),
  }),
  ...placement('the coordinator'),
  ...pod('the coordinator'),
});

export const workerValues = section('Compute shards; any number of pods.', {
  image: section('', { repository: kinds.text('ghcr.io/metatrain/worker', 'Image without its tag.') }),
  replicas: kinds.count(2, 'Workers. Not used with autoscaling.', [0, 10_000]),
  resources: kinds.resources(
    { requests: { cpu: '2', memory: '4Gi' }, limits: { cpu: '2', memory: '4Gi' } },
    'A worker computes as many shards at once as its CPU limit has cores; half of its memory limit is for them.',
  ),
  engine: kinds.choice(
    ['compiled', 'eager'],
    'What workers compute with (placement.engine in the job file); eager needs TensorFlow in the image.',
  ),
  slots: kinds.countOrNull('Shards at once. Default: one per core of the CPU limit; on a GPU one.', [1, 256]),
  memory: kinds.memoryOrNull('What the compute threads may take, such as 6GiB. Default: half of the memory limit.'),
  drainSeconds: kinds.count(
    60,
    'How long the shards in hand may take when a pod ends. Its grace is ten seconds more.',
    [0, 3_600],
  ),
  giveUpSeconds: kinds.count(
    600,
    'How long a worker looks for a coordinator that is away, until its container is restarted.',
    [1, 86_400],
  ),
  data: section('Data sets, as metatrain datasets fetch puts them into a folder.', {
    volume: kinds.volumeSource(
      'Volume to be mounted read-only at /data, such as {persistentVolumeClaim: {claimName: data}}. Empty: none.',
    ),
  }),
  temporarySize: kinds.size('1Gi', 'Limit of /tmp.'),
  updateStrategy: kinds.deploymentStrategy(
    { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    'How workers are replaced. A worker that ends finishes its shards.',
  ),
  spreadByHost: kinds.flag(true, 'Prefer nodes with fewer workers.'),
  gpu: section("Workers on NVIDIA GPUs, one each. Not run by the project's own tests.", {
    enabled: kinds.flag(false, 'Compute on a GPU (placement.device cuda in the job file).'),
    image: section('', { repository: kinds.text('ghcr.io/metatrain/worker-gpu', 'Image without its tag.') }),
    resourceName: kinds.text('nvidia.com/gpu', 'Resource of the device plugin.'),
    runtimeClassName: kinds.text('', 'Runtime class for GPUs, such as nvidia, where nodes need it.'),
    claim: section('Dynamic resource allocation instead of the device plugin.', {
      enabled: kinds.flag(false, 'Claim the GPU by a ResourceClaimTemplate (resource.k8s.io/v1).'),
      deviceClassName: kinds.text('gpu.nvidia.com', 'Device class of the driver.'),
    }),
  }),
  podDisruptionBudget: section('', {
    enabled: kinds.flag(true, 'Limit evictions of workers, so that a drain of many nodes leaves some.'),
    maxUnavailable: kinds.portion('50%', 'How many workers may be missing at once.'),
  }),
  ...placement('workers'),
  ...pod('workers'),
});

export const controllerValues = section('Runs MetaTrainJobs of its namespace on the coordinator.', {
  enabled: kinds.flag(true, 'Off: jobs are submitted by gRPC alone.'),
  image: section('', { repository: kinds.text('ghcr.io/metatrain/controller', 'Image without its tag.') }),
  replicas: kinds.count(1, 'Controllers; one of them is active.', [0, 5]),
  resources: kinds.resources(
    { requests: { cpu: '50m', memory: '128Mi' }, limits: { cpu: '1', memory: '256Mi' } },
    'Resources of a controller.',
  ),
  giveUpSeconds: kinds.count(
    600,
    'How long the deletion of a MetaTrainJob waits for a coordinator that is away.',
    [0, 86_400],
  ),
  ...placement('the controller'),
  ...pod('the controller'),
});
