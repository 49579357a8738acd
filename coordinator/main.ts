// The coordinator put together: state directory → job book → runner → gRPC and HTTP servers, no logic of its own. Imported, it is `startCoordinator`;
// run as a program, it prints one line of JSON with its address when it is ready and exits 0 on SIGTERM or SIGINT.

import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadRegistry } from '../learning/load.ts';
import { type Clock, realClock } from '../shared/clock.ts';
import { ConnectionLimit, maxOpenFiles } from '../shared/connection-limit.ts';
import { MetatrainError } from '../shared/errors.ts';
import { printableLines } from '../shared/foreign-text.ts';
import { suitHeapToPayloads } from '../shared/heap.ts';
import { type HttpRoutes, type HttpServer, type HttpServerOptions, startHttpServer } from '../shared/http-server.ts';
import { createLogger, type Logger, silentLogger } from '../shared/log.ts';
import { metricsRoutes } from '../shared/metrics/routes.ts';
import { everyone } from '../shared/observers.ts';
import { randomId } from '../shared/rng.ts';
import { packageRoot } from '../shared/wire.ts';
import { refuseExposure } from './access/exposure.ts';
import { Refusals } from './access/refusals.ts';
import { ServerTls } from './access/server-tls.ts';
import { TokenBook } from './access/token-book.ts';
import { readConfig } from './config.ts';
import { DiskWatch } from './disk-watch.ts';
import { openEventBus } from './event-bus/open.ts';
import type { EventPublisher } from './event-bus/publisher.ts';
import { api } from './http/api.ts';
import { consoleFiles } from './http/console-files.ts';
import { Gate } from './http/gate.ts';
import { OpenAnswers } from './http/open-answers.ts';
import { JobRequests } from './job-requests.ts';
import { Checkpointing } from './jobs/checkpointing.ts';
import { JobBook } from './jobs/job-book.ts';
import { ClusterMetrics } from './metrics/cluster-metrics.ts';
import { ModelRequests } from './model-requests.ts';
import type { Observer } from './observers/happenings.ts';
import { jobStory } from './observers/job-story.ts';
import { logLines } from './observers/log-lines.ts';
import type { ClusterTraces } from './observers/tracing.ts';
import { workerEvents } from './observers/worker-events.ts';
import { type CoordinatorLimits, type CoordinatorOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { callMeter } from './rpc/call-meter.ts';
import { clusterService } from './rpc/cluster-service.ts';
import { serverCredentials } from './rpc/credentials.ts';
import { Door } from './rpc/door.ts';
import { jobService } from './rpc/job-service.ts';
import { modelService } from './rpc/model-service.ts';
import { Scaler, startScaler } from './rpc/scaler-service.ts';
import { startServer } from './rpc/server.ts';
import { workerService } from './rpc/worker-service.ts';
import { Runner } from './runner/runner.ts';
import type { EventLog } from './store/event-log.ts';
import { StateDirectory } from './store/state-directory.ts';
import { PayloadMemory } from './workers/payload-memory.ts';

export type { CoordinatorOptions };

export interface CoordinatorDependencies {
  readonly clock?: Clock;
  readonly log?: Logger;
}

export interface Coordinator {
  /** HOST:PORT of the gRPC services. */
  readonly address: string;
  /** HOST:PORT of metrics, health and the console, where they are served. */
  readonly http?: string;
  /** HOST:PORT of KEDA's external scaler, where it is served. */
  readonly scaler?: string;
  /** Adapting and predicting on the workers, without a job: for the process that the coordinator runs in. */
  readonly requests: Pick<Runner, 'adapt' | 'predict'>;
  /** Takes the tokens file and the TLS files as they are now, and ends the calls of tokens that it no longer holds. */
  reloadTokens(): void;
  /** Ends streams and watches, checkpoints what runs, frees the port and the state directory. May be called twice. */
  close(): Promise<void>;
}

/**
 * A coordinator that serves and has taken up the jobs that had not ended.
 *
 * @throws MetatrainError `PLUGIN_INVALID`; `ADDRESS_IN_USE`; `NOT_READY` when another coordinator uses the state directory; `REQUEST_INVALID`;
 *   `DATA_CORRUPT` when the job database cannot be read; `DISK_FULL` when it cannot be written to.
 */
export async function startCoordinator(
  options: CoordinatorOptions,
  { clock = realClock, log = silentLogger }: CoordinatorDependencies = {},
): Promise<Coordinator> {
  const { stateDirectory, host, port, http, scaler, security, nats, plugins, tracing, limits, core } =
    resolveOptions(options);
  const registry = await loadRegistry(plugins);
  refuseExposure(host, security, log);
  if (http && http.host !== host) refuseExposure(http.host, security, log);
  const tls = ServerTls.open(security.tls, { clock, log });
  const tokens = security.tokensFile === undefined ? undefined : TokenBook.open(security.tokensFile, { clock, log });
  const refusals = new Refusals({ clock, log });
  const { endedJobSeriesMs } = limits;
  const metrics = http && new ClusterMetrics({ version: packageVersion(), endedJobSeriesMs }, clock);
  const meter = metrics && callMeter(metrics.meter, clock);
  const connections = openConnections(limits, { tokens, refusals, clock });
  const door = new Door(limits, { tokens, refusals, clock, log, meter, connections });
  const state = await StateDirectory.open(stateDirectory, {
    limits: { summaries: limits.loggedSummaries, others: limits.loggedEvents, followers: limits.watchers },
    onCorrupt: ({ code, message }) => log.error({ code, reason: message }, 'the job database is damaged'),
  });
  const parts: Parts = { servers: [], watched: [], door, connections, tokens, tls, state };
  try {
    const book = new JobBook(state.jobs, limits, log, (jobId) => void state.checkpoints.removeJob(jobId), registry);
    const checkpointing = new Checkpointing(state.checkpoints, book, log);
    const traces = tracing && (await openTraces(tracing, parts, { clock, log }));
    if (metrics) parts.metrics = metrics;
    const scaling = scaler && new Scaler({ usefulSlots: (asked) => parts.runner?.usefulSlots(asked) ?? 0, clock, log });
    if (scaling) parts.watched.push(scaling);
    const observer: Observer = everyone([
      logLines(log),
      // Before the others: what clients read of a job waits for no metric.
      jobStory((record, at, body) => book.append(record, at, body)),
      tellOfWorkers(state.jobs.log, log),
      ...(metrics ? [metrics.observer] : []),
      ...(traces ? [traces.observer] : []),
      // A job that is queued is told to KEDA at once.
      ...(scaling ? [{ jobStateChanged: () => scaling.look() }] : []),
    ]);
    const runner = new Runner(
      { ...core, startId: randomId(4) },
      { book, checkpointing, clock, observer, secretKey: () => state.secretKey() },
    );
    parts.runner = runner;
    metrics?.attend(runner);
    metrics?.attendHost({ room: state.room, certificates: () => tls?.expiries ?? [] });
    const requests = new JobRequests({ runner, book, registry });
    const jobs = jobService({ requests, book, checkpoints: state.checkpoints, clock, log });
    const { checkpoints } = state;
    const models = new ModelRequests(limits, { runner, jobs: requests, book, checkpoints, registry, clock });
    parts.models = models;
    metrics?.attendModels(models.adapted);
    const { heartbeatIntervalMs } = core;
    const { workers: maxWorkers } = limits;
    const workers = workerService(
      { heartbeatIntervalMs, version: packageVersion(), maxWorkers },
      { runner, clock, log, memory: openPayloadMemory(limits.jobBytes, parts, clock), traceLease: traces?.traceLease },
    );
    if (nats) {
      const isInsecure = security.isInsecure ?? false;
      parts.bus = openEventBus(nats, { events: state.jobs.log, clock, log, isInsecure });
      metrics?.attendBus(parts.bus);
    }
    await runner.start();
    parts.disk = new DiskWatch({ room: state.room, book, checkpointing, runner, clock, log });
    const cluster = clusterService({ runner, book, events: state.jobs.log, clock, log });
    parts.watched.push(jobs, cluster);
    const handlers = {
      jobs: jobs.handlers,
      models: modelService({ models, clock, log }),
      cluster: cluster.handlers,
      workers,
    };
    const server = await startServer(host, port, handlers, { credentials: serverCredentials(tls), door, connections });
    parts.servers.push(server);
    let httpServer: HttpServer | undefined;
    if (http) {
      const answers = new OpenAnswers(
        { answers: limits.httpAnswers, answersPerClient: limits.callsPerClient, stallMs: limits.httpStallMs },
        { clock, log },
      );
      parts.watched.push(answers);
      const gate = new Gate(tokens, refusals);
      const { jobs: store } = state;
      const sources = { gate, requests, models, runner, book, events: store.log, checkpoints, answers, clock };
      const routes = [
        ...(metrics ? [metricsRoutes(metrics.meter, gate.admits('read', 'admin'))] : []),
        api({ host: http.host, publicOrigin: http.publicOrigin, version: packageVersion() }, sources),
        consoleFiles(log),
      ];
      const served = await startHttp({ ...http, ...(tls && { tls: tls.pems }) }, parts, { routes, log });
      tls?.attend((pems) => served.renewTls(pems));
      httpServer = served;
    }
    const scalerServer = scaler && scaling && (await startScaler(scaler, scaling, { clock, log }));
    if (scalerServer) parts.servers.push(scalerServer);
    const addresses = {
      address: server.address,
      ...(httpServer && { http: httpServer.address }),
      ...(scalerServer && { scaler: scalerServer.address }),
    };
    const access = { tls: tls !== undefined, tokens: tokens !== undefined };
    log.info({ ...addresses, stateDirectory: state.path, ...access }, 'coordinator is ready');
    return {
      ...addresses,
      requests: runner,
      reloadTokens() {
        tls?.reload();
        tokens?.reload();
        door.sweep();
      },
      close: () => closeAll(parts, limits.closeGraceMs),
    };
  } catch (error) {
    await closeAll(parts, 0);
    throw error;
  }
}

/** What is open, from the first moment on. */
interface Parts {
  readonly door: Door;
  readonly connections: ConnectionLimit;
  readonly tokens: TokenBook | undefined;
  readonly tls: ServerTls | undefined;
  readonly state: StateDirectory;
  readonly servers: { close(graceMs: number): Promise<void> }[];
  runner?: Runner;
  models?: ModelRequests;
  disk?: DiskWatch;
  bus?: EventPublisher;
  metrics?: ClusterMetrics;
  /** Services whose streams would outlive the close. */
  readonly watched: { close(error: MetatrainError): void }[];
  traces?: { close(): Promise<void> };
  stopSweeping?: () => void;
  closing?: Promise<void>;
}

/**
 * Of the files that the process may open, half are for connections to gRPC; of those a quarter for
 * a caller that has shown no token yet.
 */
function openConnections(
  limits: CoordinatorLimits,
  { tokens, refusals, clock }: { tokens: TokenBook | undefined; refusals: Refusals; clock: Clock },
): ConnectionLimit {
  const connections = Math.min(limits.connections, Math.max(64, Math.floor(maxOpenFiles() / 2)));
  const strangers = Math.floor(connections / 4);
  const { strangerMs } = limits;
  return new ConnectionLimit({ connections, strangers, ...(tokens && { strangerMs }) }, clock, (peer, reason) =>
    refusals.report('a connection', peer, new MetatrainError('QUEUE_FULL', reason)),
  );
}

const sweepMemoryMs = 30_000;

/** What no job has used for a while goes back to the system. */
function openPayloadMemory(maxArrivingBytes: number, parts: Parts, clock: Clock): PayloadMemory {
  const memory = new PayloadMemory(maxArrivingBytes);
  parts.stopSweeping = clock.every(sweepMemoryMs, () => memory.sweep());
  return memory;
}

async function startHttp(
  options: HttpServerOptions,
  parts: Parts,
  { routes, log }: { readonly routes: readonly HttpRoutes[]; readonly log: Logger },
): Promise<HttpServer> {
  const notReady = () => (parts.closing ? 'the coordinator is shutting down' : parts.disk?.notReady);
  const server = await startHttpServer(options, { routes, health: { notReady }, log });
  parts.servers.push(server);
  return server;
}

/** Loads OpenTelemetry, which nobody pays for who traces nothing. */
async function openTraces(
  options: NonNullable<ResolvedOptions['tracing']>,
  parts: Parts,
  dependencies: { readonly clock: Clock; readonly log: Logger },
): Promise<ClusterTraces> {
  const [{ Tracing }, { ClusterTraces }] = await Promise.all([
    import('../shared/tracing.ts'),
    import('./observers/tracing.ts'),
  ]);
  const service = { service: 'metatrain-coordinator', version: packageVersion(), instance: randomId() };
  const tracing = new Tracing(options, service, dependencies);
  const traces = new ClusterTraces(options, { tracing, clock: dependencies.clock });
  parts.traces = {
    close() {
      traces.close();
      return tracing.close();
    },
  };
  return traces;
}

/** Jobs' events come with their records; what happens to workers is told from here. */
const tellOfWorkers = (events: EventLog, log: Logger): Observer =>
  workerEvents((event) => {
    events.append(event).catch((err: unknown) => log.error({ event: event.name, err }, 'an event could not be stored'));
  });

function closeAll(parts: Parts, graceMs: number): Promise<void> {
  const close = async () => {
    const {
      door,
      connections,
      tokens,
      tls,
      state,
      servers,
      watched,
      runner,
      models,
      disk,
      bus,
      metrics,
      traces,
      stopSweeping,
    } = parts;
    disk?.close();
    models?.close();
    stopSweeping?.();
    door.close();
    connections.close();
    tokens?.close();
    tls?.close();
    const checkpointed = runner?.close();
    const shuttingDown = new MetatrainError('SHUTTING_DOWN', 'the coordinator is shutting down; watch again later');
    for (const service of watched) service.close(shuttingDown);
    await Promise.all(servers.map((server) => server.close(graceMs)));
    await checkpointed;
    await traces?.close();
    await bus?.close(graceMs);
    metrics?.close();
    await state.close();
  };
  parts.closing ??= close();
  return parts.closing;
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;
}

/** The program. Resolves to the exit code: 0 when told to end, 1 with one line on stderr on a user's mistake. */
export async function run(args: readonly string[]): Promise<number> {
  const { options, logLevel, logFormat, exitWithParent } = readConfig(args);
  const toldToEnd = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    if (exitWithParent) process.stdin.once('end', resolve).once('error', resolve).resume();
  });
  suitHeapToPayloads();
  let coordinator: Coordinator;
  try {
    coordinator = await startCoordinator(options, {
      log: createLogger('coordinator', { level: logLevel, format: logFormat }),
    });
  } catch (thrown) {
    if (!(thrown instanceof MetatrainError)) throw thrown;
    process.stderr.write(`metatrain coordinator: ${printableLines(thrown.message)}\n`);
    return 1;
  }
  process.on('SIGHUP', () => coordinator.reloadTokens());
  const { address, http, scaler } = coordinator;
  process.stdout.write(`${JSON.stringify({ address, http, scaler })}\n`);
  await toldToEnd;
  await coordinator.close();
  return 0;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exit(await run(process.argv.slice(2)));
}
