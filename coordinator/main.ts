// The coordinator put together: state directory → job book → runner → gRPC server, no logic of its own. Imported, it is `startCoordinator`;
// run as a program, it prints one line of JSON with its address when it is ready and exits 0 on SIGTERM or SIGINT.
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, realClock } from '../shared/clock.ts';
import { MetatrainError } from '../shared/errors.ts';
import { letHeapGrow } from '../shared/heap.ts';
import { createLogger, type Logger, silentLogger } from '../shared/log.ts';
import { randomId } from '../shared/rng.ts';
import { packageRoot } from '../shared/wire.ts';
import { Checkpointing } from './checkpointing.ts';
import { readConfig } from './config.ts';
import { JobBook } from './job-book.ts';
import { type CoordinatorOptions, resolveOptions } from './options.ts';
import { clusterService } from './rpc/cluster-service.ts';
import { Door } from './rpc/door.ts';
import { refuseExposure, serverCredentials } from './rpc/exposure.ts';
import { jobService } from './rpc/job-service.ts';
import { startServer } from './rpc/server.ts';
import { workerService } from './rpc/worker-service.ts';
import { Runner } from './runner.ts';
import { StateDirectory } from './store/state-directory.ts';
import { TokenBook } from './token-book.ts';

export type { CoordinatorOptions };

export interface CoordinatorDependencies {
  readonly clock?: Clock;
  readonly log?: Logger;
}

export interface Coordinator {
  /** HOST:PORT. */
  readonly address: string;
  /** Takes the tokens file as it is now, and ends the calls of tokens that it no longer holds. */
  reloadTokens(): void;
  /** Ends streams and watches, checkpoints what runs, frees the port and the state directory. May be called twice. */
  close(): Promise<void>;
}

/**
 * A coordinator that serves and has taken up the jobs that had not ended.
 *
 * @throws MetatrainError `ADDRESS_IN_USE`; `NOT_READY` when another coordinator uses the state directory; `REQUEST_INVALID`;
 *   `DATA_CORRUPT` when the job database cannot be read.
 */
export async function startCoordinator(
  options: CoordinatorOptions,
  { clock = realClock, log = silentLogger }: CoordinatorDependencies = {},
): Promise<Coordinator> {
  const { stateDirectory, host, port, security, limits, core } = resolveOptions(options);
  refuseExposure(host, security, log);
  const credentials = serverCredentials(security);
  const tokens = security.tokensFile === undefined ? undefined : TokenBook.open(security.tokensFile, { clock, log });
  const door = new Door(limits, { tokens, clock, log });
  const closeDoor = () => {
    door.close();
    tokens?.close();
  };
  const state = await StateDirectory.open(stateDirectory);
  let runner: Runner | undefined;
  try {
    const book = new JobBook(state.jobs, limits, log, (jobId) => void state.checkpoints.removeJob(jobId));
    const checkpointing = new Checkpointing(state.checkpoints, book, log);
    runner = new Runner({ ...core, startId: randomId(4) }, { book, checkpointing, clock, log });
    const jobs = jobService({ runner, book, checkpoints: state.checkpoints, log });
    const { heartbeatIntervalMs } = core;
    const { payloadBytes: maxPayloadBytes, workers: maxWorkers } = limits;
    const workers = workerService(
      { heartbeatIntervalMs, version: packageVersion(), maxPayloadBytes, maxWorkers },
      { runner, clock, log },
    );
    await runner.start();
    const cluster = clusterService({ runner, log });
    const server = await startServer(host, port, { jobs: jobs.handlers, cluster, workers }, { credentials, door });
    const access = { tls: security.tls !== undefined, tokens: tokens !== undefined };
    log.info({ address: server.address, stateDirectory: state.path, ...access }, 'coordinator is ready');
    const close = closeOnce(runner, jobs, server, state, limits.closeGraceMs);
    return {
      address: server.address,
      reloadTokens() {
        tokens?.reload();
        door.sweep();
      },
      close() {
        closeDoor();
        return close();
      },
    };
  } catch (error) {
    closeDoor();
    await runner?.close();
    await state.close();
    throw error;
  }
}

function closeOnce(
  runner: Runner,
  jobs: { close(error: MetatrainError): void },
  server: { close(graceMs: number): Promise<void> },
  state: StateDirectory,
  graceMs: number,
): () => Promise<void> {
  let closing: Promise<void> | undefined;
  const close = async () => {
    const checkpointed = runner.close();
    jobs.close(new MetatrainError('SHUTTING_DOWN', 'the coordinator is shutting down; watch again later'));
    await server.close(graceMs);
    await checkpointed;
    await state.close();
  };
  return () => {
    closing ??= close();
    return closing;
  };
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;
}

/** The program. Resolves to the exit code: 0 when told to end, 1 with one line on stderr on a user's mistake. */
export async function run(args: readonly string[]): Promise<number> {
  const { options, logLevel, exitWithParent } = readConfig(args);
  const toldToEnd = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    if (exitWithParent) process.stdin.once('end', resolve).once('error', resolve).resume();
  });
  letHeapGrow();
  let coordinator: Coordinator;
  try {
    coordinator = await startCoordinator(options, { log: createLogger('coordinator', logLevel) });
  } catch (thrown) {
    if (!(thrown instanceof MetatrainError)) throw thrown;
    process.stderr.write(`metatrain coordinator: ${thrown.message}\n`);
    return 1;
  }
  process.on('SIGHUP', () => coordinator.reloadTokens());
  process.stdout.write(`${JSON.stringify({ address: coordinator.address })}\n`);
  await toldToEnd;
  await coordinator.close();
  return 0;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exit(await run(process.argv.slice(2)));
}
