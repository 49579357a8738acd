// Who may call what: every method that this server offers, once. A method of ours without an entry does not compile; any other without one
// is refused to everybody.
import type { ClusterServiceHandlers } from '../../shared/gen/metatrain/v1/ClusterService.ts';
import type { JobServiceHandlers } from '../../shared/gen/metatrain/v1/JobService.ts';
import type { ModelServiceHandlers } from '../../shared/gen/metatrain/v1/ModelService.ts';
import type { WorkerServiceHandlers } from '../../shared/gen/metatrain/v1/WorkerService.ts';
import { type Role, roles } from '../../shared/tokens.ts';

/** `everybody`, token or none; or the roles of which a token must have one. */
export type Access = 'everybody' | readonly Role[];

/** The methods that a service's handlers name, without the index signature of the generated type. */
type MethodsOf<Handlers> = keyof { [Name in keyof Handlers as string extends Name ? never : Name]: true };

const mayRead: Access = ['read', 'admin'];
/** `submit` is for one's own jobs: the job service looks at whose they are. */
const maySubmit: Access = ['submit', 'admin'];
/** An adapted model is its maker's: the model requests look at whose it is. */
const mayPredict: Access = ['predict', 'admin'];
const mayReflect: Access = ['read', 'predict', 'admin'];
const anyRole: Access = roles;

const jobService: Record<MethodsOf<JobServiceHandlers>, Access> = {
  SubmitJob: maySubmit,
  GetJob: mayRead,
  GetShard: mayRead,
  ListJobs: mayRead,
  CancelJob: maySubmit,
  PauseJob: maySubmit,
  ResumeJob: maySubmit,
  DeleteJob: maySubmit,
  WatchJob: mayRead,
  DownloadCheckpoint: mayRead,
};

const modelService: Record<MethodsOf<ModelServiceHandlers>, Access> = {
  Adapt: mayPredict,
  Predict: mayPredict,
  ListAdapted: mayPredict,
  GetAdapted: mayPredict,
  DropAdapted: mayPredict,
};

const clusterService: Record<MethodsOf<ClusterServiceHandlers>, Access> = {
  ListWorkers: mayRead,
  WatchEvents: mayRead,
};

const workerService: Record<MethodsOf<WorkerServiceHandlers>, Access> = {
  Connect: ['worker'],
};

const services: Readonly<Record<string, Readonly<Record<string, Access>>>> = {
  'metatrain.v1.JobService': jobService,
  'metatrain.v1.ModelService': modelService,
  'metatrain.v1.ClusterService': clusterService,
  'metatrain.v1.WorkerService': workerService,
  // A probe carries no token. A watch is a stream, which costs something to keep.
  'grpc.health.v1.Health': { Check: 'everybody', List: anyRole, Watch: anyRole },
  'grpc.reflection.v1.ServerReflection': { ServerReflectionInfo: mayReflect },
  'grpc.reflection.v1alpha.ServerReflection': { ServerReflectionInfo: mayReflect },
};

const accessOfPath: ReadonlyMap<string, Access> = new Map(
  Object.entries(services).flatMap(([service, methods]) =>
    Object.entries(methods).map(([method, access]) => [`/${service}/${method}`, access] as const),
  ),
);

/** The paths of all methods that the server offers. */
export const calledMethods: readonly string[] = [...accessOfPath.keys()];

/** @param path `/package.Service/Method`. */
export const accessTo = (path: string): Access | undefined => accessOfPath.get(path);
