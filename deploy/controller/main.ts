// The controller process: configuration → API server and coordinator → election → controller. No
// logic of its own. Prints `{"identity": …}` on stdout once it has started; exits 0 after SIGTERM or
// SIGINT, with the Lease released, and 1 when it cannot start.
import { constants } from 'node:os';
import { MetatrainClient } from '../../client/metatrain-client.ts';
import { realClock } from '../../shared/clock.ts';
import { connectionTo } from '../../shared/connection.ts';
import { asMetatrainError } from '../../shared/errors.ts';
import { startHttpServer } from '../../shared/http-server.ts';
import { createLogger } from '../../shared/log.ts';
import { metricsRoutes } from '../../shared/metrics/routes.ts';
import { randomFraction, randomId } from '../../shared/rng.ts';
import { readConfig } from './config.ts';
import { Controller } from './controller.ts';
import { inClusterAccess, kubeconfigAccess } from './kube/access.ts';
import { ApiClient } from './kube/api-client.ts';
import { Leader } from './kube/leader.ts';
import { ControllerMetrics } from './metrics.ts';
import { leaseName } from './permissions.ts';

/** Without an answer for longer than this, the API server is out of reach. */
const apiPatienceMs = 15_000;

const config = readConfig(process.argv.slice(2));
const { identity } = config;
const log = createLogger('controller', { level: config.logLevel, format: config.logFormat, fields: { identity } });
const stop = new AbortController();

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    log.info({ signal }, 'stops');
    for (const second of ['SIGTERM', 'SIGINT'] as const) {
      process.on(second, () => process.exit(128 + constants.signals[second]));
    }
    stop.abort();
  });
}

try {
  const { kubeconfig, inCluster, coordinator: address } = config;
  const access =
    kubeconfig === undefined ? inClusterAccess(inCluster.host, inCluster.port) : kubeconfigAccess(kubeconfig);
  const namespace = config.namespace ?? access.namespace;
  const metrics = new ControllerMetrics();
  let answeredMs = realClock.elapsedMs();
  const api = new ApiClient(access, realClock, {
    onAnswer(method, status) {
      metrics.answered(method, status);
      if (status > 0) answeredMs = realClock.elapsedMs();
    },
  });
  const client = new MetatrainClient({
    address,
    connection: connectionTo(address, config.connection, ({ message }) =>
      log.error({ reason: message }, 'a file of the connection is bad; its content before that stays'),
    ),
    deadlineMs: 5_000,
  });
  const leader = new Leader({ namespace, name: leaseName, identity }, { api, clock: realClock, log });
  let controller: Controller | undefined;
  metrics.attend({
    isLeading: () => leader.isLeading,
    isInStep: () => controller?.isInStep ?? false,
    isCoordinatorReachable: () => controller?.isCoordinatorReachable ?? false,
    queued: () => controller?.queued ?? 0,
    states: () => controller?.states() ?? new Map(),
  });
  const notReady = () => {
    const problem = leader.problem ?? controller?.problem;
    if (problem !== undefined) return problem;
    const silentMs = realClock.elapsedMs() - answeredMs;
    return silentMs > apiPatienceMs
      ? `no answer from ${access.server.host} for ${Math.round(silentMs / 1_000)} s`
      : undefined;
  };
  const server =
    config.http &&
    (await startHttpServer(config.http, { routes: [metricsRoutes(metrics.meter)], health: { notReady }, log }));
  log.info({ namespace, coordinator: address, server: access.server.href, http: server?.address }, 'has started');
  process.stdout.write(`${JSON.stringify({ identity, http: server?.address })}\n`);
  await leader.run(async (signal) => {
    controller = new Controller(
      { namespace, giveUpMs: config.giveUpMs, identity },
      { api, client, clock: realClock, log, metrics, randomFraction, randomName: () => randomId(8) },
    );
    await controller.run(signal);
    controller = undefined;
  }, stop.signal);
  client.close();
  api.close();
  await server?.close(0);
  log.info('has stopped');
  process.exitCode = 0;
} catch (thrown) {
  const { code, message } = asMetatrainError(thrown);
  log.fatal({ code, err: thrown }, message);
  process.exitCode = 1;
}
process.exit();
