// The gRPC server: our three services, health (grpc.health.v1) and reflection, so that any gRPC client can find its way. Every call passes
// the door.
import { createServer } from 'node:net';
import { Server, type ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { realClock } from '../../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { ClusterServiceHandlers } from '../../shared/gen/metatrain/v1/ClusterService.ts';
import type { JobServiceHandlers } from '../../shared/gen/metatrain/v1/JobService.ts';
import type { WorkerServiceHandlers } from '../../shared/gen/metatrain/v1/WorkerService.ts';
import { ClusterService, channelOptions, JobService, loadReflectionDefinition } from '../../shared/wire.ts';
import type { Door } from './door.ts';
import { reflectionService } from './reflection.ts';
import { workerServiceDefinition } from './worker-messages.ts';

export interface ServerHandlers {
  readonly jobs: JobServiceHandlers;
  readonly cluster: ClusterServiceHandlers;
  readonly workers: WorkerServiceHandlers;
}

export interface ServerSecurity {
  readonly credentials: ServerCredentials;
  readonly door: Door;
}

export interface RunningServer {
  /** HOST:PORT that clients and workers use. */
  readonly address: string;
  /** Says NOT_SERVING, lets calls end for up to `graceMs`, then ends them. */
  close(graceMs: number): Promise<void>;
}

const serviceNames = ['', 'metatrain.v1.JobService', 'metatrain.v1.ClusterService', 'metatrain.v1.WorkerService'];

/** Calls on one connection at once. A client has one connection, and the door counts what it may have open. */
const maxStreamsPerConnection = 1_024;

/** @throws MetatrainError `ADDRESS_IN_USE`, or `REQUEST_INVALID` for an address that cannot be listened on. */
export async function startServer(
  host: string,
  port: number,
  handlers: ServerHandlers,
  { credentials, door }: ServerSecurity,
): Promise<RunningServer> {
  await mustBeFree(host, port);
  const server = new Server({
    ...channelOptions,
    'grpc.max_concurrent_streams': maxStreamsPerConnection,
    interceptors: [door.interceptor],
  });
  server.addService(JobService.service, handlers.jobs);
  server.addService(ClusterService.service, handlers.cluster);
  server.addService(workerServiceDefinition, handlers.workers);
  const health = new HealthImplementation(Object.fromEntries(serviceNames.map((name) => [name, 'SERVING' as const])));
  health.addToServer(server);
  reflectionService(loadReflectionDefinition()).addToServer(server);

  const bound = await new Promise<number>((resolve, reject) => {
    const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    server.bindAsync(target, credentials, (error, actual) => {
      if (error) reject(new MetatrainError('REQUEST_INVALID', `cannot listen on ${target}: ${error.message}`));
      else resolve(actual);
    });
  });
  return {
    address: host.includes(':') ? `[${host}]:${bound}` : `${host}:${bound}`,
    async close(graceMs) {
      for (const name of serviceNames) health.setStatus(name, 'NOT_SERVING');
      const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      const cancelForce = realClock.after(graceMs, () => server.forceShutdown());
      await ended;
      cancelForce();
    },
  };
}

/** gRPC says only in words why it could not bind, so the port is tried before. */
async function mustBeFree(host: string, port: number): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen({ host, port }, resolve);
  }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EADDRINUSE') {
      const message = `cannot listen on ${host}:${port}: ${asMetatrainError(cause).message} (--listen HOST:PORT)`;
      throw new MetatrainError('REQUEST_INVALID', message, { cause });
    }
    const message = `${host}:${port} is in use; choose another port with --listen HOST:PORT (port 0 takes any free one)`;
    throw new MetatrainError('ADDRESS_IN_USE', message, { details: { host, port }, cause });
  });
  await new Promise((resolve) => probe.close(resolve));
}
