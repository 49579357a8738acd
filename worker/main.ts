// The worker process: configuration → compute pool → session. No logic of its own. Prints `{"workerId": …}` on stdout once connected;
// exits 0 after a drain, 1 when it was refused or cannot compute. With --check it compares its engine with the reference instead.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { identitiesOf, loadRegistry } from '../learning/load.ts';
import { firstExpiry } from '../shared/certificate-expiry.ts';
import { realClock } from '../shared/clock.ts';
import { connectionTo, readPem } from '../shared/connection.ts';
import { asMetatrainError } from '../shared/errors.ts';
import { printableLines } from '../shared/foreign-text.ts';
import { suitHeapToPayloads } from '../shared/heap.ts';
import { startHttpServer } from '../shared/http-server.ts';
import { createLogger } from '../shared/log.ts';
import { metricsRoutes } from '../shared/metrics/routes.ts';
import { everyone } from '../shared/observers.ts';
import { RenewedFiles } from '../shared/renewed-files.ts';
import { randomFraction } from '../shared/rng.ts';
import type { TracingOptions } from '../shared/tracing-options.ts';
import { packageRoot } from '../shared/wire.ts';
import { ComputePool } from './compute/pool.ts';
import { readConfig, setNativeVariables, type WorkerConfig } from './config.ts';
import { deviceFacts } from './engine/devices.ts';
import { explainJob, renderExplanation } from './explain.ts';
import { WorkerMetrics } from './metrics.ts';
import type { WorkerObserver } from './observer.ts';
import { Session } from './session.ts';
import { defaultSessionTimes } from './session-state.ts';
import { streamsTo } from './session-stream.ts';
import type { ShardTraces } from './tracing.ts';

const config = readConfig(process.argv.slice(2));
const { workerId, slots, memoryBytes, dataDirectories, drainGraceMs, giveUpMs } = config;
const memoryLimitBytes = Math.floor(memoryBytes / slots);
const log = createLogger('worker', { level: config.logLevel, format: config.logFormat, fields: { workerId } });
const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };

if (config.exitWithParent) {
  process.stdin.on('close', () => process.exit(0));
  process.stdin.resume();
}

setNativeVariables(config);
suitHeapToPayloads();

if (config.explain) {
  try {
    const { explain } = config;
    const registry = await loadRegistry(config.plugins);
    const where = { registry, dataDirectories, memoryLimitBytes, engine: engineOf(config) };
    const explanation = await explainJob({ ...explain, ...where });
    process.stdout.write(config.json ? `${JSON.stringify(explanation)}\n` : renderExplanation(explanation, explain));
    process.exitCode = 0;
  } catch (thrown) {
    process.stderr.write(`metatrain worker: ${printableLines(asMetatrainError(thrown).message)}\n`);
    process.exitCode = 1;
  }
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  process.exit();
}

try {
  const engine = engineOf(config);
  const { facts } = engine;
  if (config.check) {
    const { checkEngine, renderCheck } = await import('./check.ts');
    const result = await checkEngine(engine);
    process.stdout.write(`${config.json ? JSON.stringify(result) : renderCheck(result)}\n`);
    process.exit(result.passed ? 0 : 1);
  }
  // First: a flag that is wrong is told before a thread is started.
  const { plugins } = await loadRegistry(config.plugins);
  const connection = connectionTo(config.coordinator, config.connection, ({ message }) =>
    log.error({ reason: message }, 'a file of the connection is bad; its content before that stays'),
  );
  const { kind: device } = facts;
  const { tlsCert } = config.connection;
  // Read for each connection, and so looked at for each scrape.
  const certificate =
    tlsCert === undefined ? undefined : new RenewedFiles([tlsCert], () => firstExpiry(readPem('--tls-cert', tlsCert)));
  const certificateExpiresAt = () => {
    certificate?.look();
    return certificate?.value;
  };
  const metrics =
    config.http &&
    new WorkerMetrics({ workerId, version, engine: config.engine, device, memoryBytes, certificateExpiresAt });
  const traces = config.tracing && (await openTraces(config.tracing));
  const observer: WorkerObserver = everyone([
    ...(metrics ? [metrics.observer] : []),
    ...(traces ? [traces.observer] : []),
  ]);
  const pool = await ComputePool.start(
    { slots, dataDirectories, memoryLimitBytes, engine, plugins: identitiesOf(plugins) },
    { clock: realClock, log, observer },
  );
  log.debug({ fingerprint: pool.fingerprint, slots, memoryLimitBytes, dataDirectories }, 'ready to compute');
  const session = new Session(
    {
      workerId,
      version,
      offer: { engine: config.engine, device: facts, plugins },
      times: { ...defaultSessionTimes, giveUpMs },
    },
    {
      openStream: streamsTo(config.coordinator, connection),
      pool,
      clock: realClock,
      log,
      randomFraction,
      observer,
      onConnected: () => process.stdout.write(`${JSON.stringify({ workerId, http: server?.address })}\n`),
    },
  );
  const notReady = () => session.notReady();
  metrics?.attend({
    census: () => pool.census(),
    isConnected: () => notReady() === undefined,
    peakResidentBytes: () => process.resourceUsage().maxRSS * 1_024,
  });
  const server =
    config.http && metrics
      ? await startHttpServer(config.http, { routes: [metricsRoutes(metrics.meter)], health: { notReady }, log })
      : undefined;
  if (server) log.info({ http: server.address }, 'metrics and health are served');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      for (const second of ['SIGTERM', 'SIGINT'] as const) {
        process.on(second, () => process.exit(128 + constants.signals[second]));
      }
      session.drain(signal, drainGraceMs);
    });
  }
  const end = await session.run();
  log[end.exitCode === 0 ? 'info' : 'error']({ exitCode: end.exitCode }, end.message);
  process.exitCode = end.exitCode;
  await server?.close(0);
  await Promise.all([pool.close(), traces?.close()]);
} catch (thrown) {
  const { code, message } = asMetatrainError(thrown);
  if (config.check) reportFailedCheck(code, message);
  else log.fatal({ code }, message);
  process.exitCode = 1;
}
process.exit();

/** One line for people, and one object for the program that asked for `--json`. */
function reportFailedCheck(code: string, message: string): void {
  process.stderr.write(`error: ${printableLines(message)}\n`);
  if (config.json) process.stdout.write(`${JSON.stringify({ passed: false, error: { code, message } })}\n`);
}

/** Loads OpenTelemetry, which nobody pays for who traces nothing. */
async function openTraces(options: TracingOptions): Promise<ShardTraces> {
  const [{ Tracing }, { ShardTraces }] = await Promise.all([import('../shared/tracing.ts'), import('./tracing.ts')]);
  const service = { service: 'metatrain-worker', version, instance: workerId };
  return new ShardTraces({ workerId }, new Tracing(options, service, { clock: realClock, log }));
}

function engineOf({ engine, device, visibility, tensorflow }: WorkerConfig) {
  return { engine, device, facts: deviceFacts(device, visibility), tensorflow };
}
