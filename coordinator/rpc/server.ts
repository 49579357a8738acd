// The gRPC server: our four services, health (grpc.health.v1) and reflection, so that any gRPC
// client can find its way. Every call passes the door.
import { Server, type ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { realClock } from '../../shared/clock.ts';
import type { ConnectionLimit } from '../../shared/connection-limit.ts';
import type { ClusterServiceHandlers } from '../../shared/gen/metatrain/v1/ClusterService.ts';
import type { JobServiceHandlers } from '../../shared/gen/metatrain/v1/JobService.ts';
import type { ModelServiceHandlers } from '../../shared/gen/metatrain/v1/ModelService.ts';
import type { WorkerServiceHandlers } from '../../shared/gen/metatrain/v1/WorkerService.ts';
import {
  ClusterService,
  channelOptions,
  JobService,
  loadReflectionDefinition,
  ModelService,
} from '../../shared/wire.ts';
import type { Door } from './door.ts';
import { listenOn } from './listener.ts';
import { reflectionService } from './reflection.ts';
import { workerServiceDefinition } from './worker-messages.ts';

export interface ServerHandlers {
  readonly jobs: JobServiceHandlers;
  readonly models: ModelServiceHandlers;
  readonly cluster: ClusterServiceHandlers;
  readonly workers: WorkerServiceHandlers;
}

export interface ServerSecurity {
  readonly credentials: ServerCredentials;
  readonly door: Door;
  readonly connections: ConnectionLimit;
}

export interface RunningServer {
  /** HOST:PORT that clients and workers use. */
  readonly address: string;
  /** Says NOT_SERVING, lets calls end for up to `graceMs`, then ends them. */
  close(graceMs: number): Promise<void>;
}

const serviceNames = [
  '',
  'metatrain.v1.JobService',
  'metatrain.v1.ModelService',
  'metatrain.v1.ClusterService',
  'metatrain.v1.WorkerService',
];

/** Calls on one connection at once. A client has one connection, and the door counts what it may have open. */
const maxStreamsPerConnection = 1_024;

/** @throws MetatrainError `ADDRESS_IN_USE`, or `REQUEST_INVALID` for an address that cannot be listened on. */
export async function startServer(
  host: string,
  port: number,
  handlers: ServerHandlers,
  { credentials, door, connections }: ServerSecurity,
): Promise<RunningServer> {
  const server = new Server({
    ...channelOptions,
    'grpc.max_concurrent_streams': maxStreamsPerConnection,
    interceptors: [door.interceptor],
  });
  server.addService(JobService.service, handlers.jobs);
  server.addService(ModelService.service, handlers.models);
  server.addService(ClusterService.service, handlers.cluster);
  server.addService(workerServiceDefinition, handlers.workers);
  const health = new HealthImplementation(Object.fromEntries(serviceNames.map((name) => [name, 'SERVING' as const])));
  health.addToServer(server);
  reflectionService(loadReflectionDefinition()).addToServer(server);

  const gate = server.createConnectionInjector(credentials);
  const listener = await listenOn(host, port, (socket) => {
    if (connections.add(socket)) gate.injectConnection(socket);
  });
  return {
    address: host.includes(':') ? `[${host}]:${listener.port}` : `${host}:${listener.port}`,
    async close(graceMs) {
      listener.close();
      for (const name of serviceNames) health.setStatus(name, 'NOT_SERVING');
      const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      const cancelForce = realClock.after(graceMs, () => {
        server.forceShutdown();
        // gRPC waits for a client that does not read its answer.
        connections.closeAll();
      });
      await ended;
      cancelForce();
      // Those that have not come as far as a session, such as in the middle of TLS.
      connections.closeAll();
    },
  };
}
