// KEDA's external scaler: how many slots could compute at once, on a port of its own. It takes
// nothing, changes nothing and tells one number, so the port has no token and no TLS
// (docs/adr/0028-the-coordinator-is-kedas-scaler.md). Everything has a limit.
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import type { Clock } from '../../shared/clock.ts';
import { ConnectionLimit } from '../../shared/connection-limit.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { ExternalScalerHandlers } from '../../shared/gen/externalscaler/ExternalScaler.ts';
import type { IsActiveResponse } from '../../shared/gen/externalscaler/IsActiveResponse.ts';
import type { ScaledObjectRef__Output } from '../../shared/gen/externalscaler/ScaledObjectRef.ts';
import type { Logger } from '../../shared/log.ts';
import { channelOptions, loadExternalScaler } from '../../shared/wire.ts';
import type { UsefulSlotsOptions } from '../core/useful-slots.ts';
import { listenOn } from './listener.ts';
import { toServiceError, unary } from './status.ts';

/** The figure's name, here and in Prometheus. */
export const usefulSlotsMetric = 'metatrain_useful_slots';

export interface ScalerDependencies {
  /** Slots that could compute at once. */
  readonly usefulSlots: (options: UsefulSlotsOptions) => number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Open StreamIsActive calls. KEDA has one for each ScaledObject. */
const maxStreams = 64;
/** Connections. KEDA's operator has one. */
const maxConnections = 32;
/** Nothing that KEDA sends is larger. */
const maxRequestBytes = 65_536;
/** What no happening tells of, such as a request without a job, is seen this soon. */
const lookEveryMs = 500;

interface Watch {
  readonly call: ServerWritableStream<ScaledObjectRef__Output, IsActiveResponse>;
  readonly options: UsefulSlotsOptions;
  /** Undefined: nothing is written yet. */
  isActive: boolean | undefined;
}

/** Answers KEDA, and tells its streams when there is something to do or nothing any more. */
export class Scaler {
  readonly #dependencies: ScalerDependencies;
  readonly #watches = new Set<Watch>();
  readonly #stopLooking: () => void;

  constructor(dependencies: ScalerDependencies) {
    this.#dependencies = dependencies;
    this.#stopLooking = dependencies.clock.every(lookEveryMs, () => this.look());
  }

  get handlers(): ExternalScalerHandlers {
    const { log } = this.#dependencies;
    const read = (options: UsefulSlotsOptions) => this.#dependencies.usefulSlots(options);
    return {
      IsActive: unary(log, (ref) => ({ result: read(readMetadata(ref)) > 0 })),
      StreamIsActive: (call) => this.#watch(call),
      GetMetricSpec: unary(log, (ref) => {
        const { slotsPerWorker } = readMetadata(ref);
        return {
          metricSpecs: [{ metricName: usefulSlotsMetric, targetSize: slotsPerWorker, targetSizeFloat: slotsPerWorker }],
        };
      }),
      GetMetrics: unary(log, ({ scaledObjectRef, metricName }) => {
        if (metricName !== usefulSlotsMetric) throw invalid('metricName', metricName, usefulSlotsMetric);
        const value = read(readMetadata(scaledObjectRef));
        return { metricValues: [{ metricName, metricValue: value, metricValueFloat: value }] };
      }),
    };
  }

  /** Writes to each stream whose answer has changed. */
  look(): void {
    for (const watch of this.#watches) {
      const isActive = this.#dependencies.usefulSlots(watch.options) > 0;
      // A reader that does not read gets the newest answer once it does.
      if (isActive === watch.isActive || watch.call.writableNeedDrain) continue;
      watch.isActive = isActive;
      watch.call.write({ result: isActive });
    }
  }

  #watch(call: Watch['call']): void {
    try {
      if (this.#watches.size >= maxStreams) {
        throw new MetatrainError('QUEUE_FULL', `${this.#watches.size} StreamIsActive calls are open, the limit`);
      }
      const watch: Watch = { call, options: readMetadata(call.request), isActive: undefined };
      this.#watches.add(watch);
      call.on('cancelled', () => this.#watches.delete(watch));
      this.look();
    } catch (thrown) {
      call.emit('error', toServiceError(thrown, this.#dependencies.log));
    }
  }

  /** Ends the streams; KEDA opens them again. */
  close(error: MetatrainError): void {
    this.#stopLooking();
    for (const { call } of this.#watches) call.emit('error', toServiceError(error, this.#dependencies.log));
    this.#watches.clear();
  }
}

/** @throws MetatrainError `REQUEST_INVALID` */
function readMetadata(ref: ScaledObjectRef__Output | null): UsefulSlotsOptions & { readonly slotsPerWorker: number } {
  const { slotsPerWorker: text = '1', engine } = ref?.scalerMetadata ?? {};
  const slotsPerWorker = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (slotsPerWorker < 1) throw invalid('scalerMetadata.slotsPerWorker', text, 'a whole number from 1 to 9999');
  if (engine !== undefined && !/^[\w-]+\/[\w-]+$/.test(engine)) {
    throw invalid('scalerMetadata.engine', engine, 'an engine and a device, such as compiled/cpu');
  }
  return { slotsPerWorker, ...(engine !== undefined && { engine }) };
}

const invalid = (field: string, got: string, accepted: string) =>
  new MetatrainError('REQUEST_INVALID', `${field}: got ${JSON.stringify(got.slice(0, 100))}; accepted: ${accepted}`);

/**
 * Serves the scaler in plain text.
 *
 * @throws MetatrainError `ADDRESS_IN_USE`, or `REQUEST_INVALID` for an address that cannot be listened on.
 */
export async function startScaler(
  { host, port }: { readonly host: string; readonly port: number },
  scaler: Scaler,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<{ readonly address: string; close(graceMs: number): Promise<void> }> {
  const server = new Server({ ...channelOptions, 'grpc.max_receive_message_length': maxRequestBytes });
  server.addService(loadExternalScaler().service, scaler.handlers);
  const connections = new ConnectionLimit(
    { connections: maxConnections, strangers: maxConnections },
    clock,
    (peer, reason) => log.warn({ peer, reason }, 'a connection to the scaler was closed'),
  );
  const gate = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = await listenOn(host, port, (socket) => {
    if (connections.add(socket)) gate.injectConnection(socket);
  });
  return {
    address: host.includes(':') ? `[${host}]:${listener.port}` : `${host}:${listener.port}`,
    async close(graceMs) {
      listener.close();
      const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      const cancelForce = clock.after(graceMs, () => {
        server.forceShutdown();
        connections.closeAll();
      });
      await ended;
      cancelForce();
      connections.closeAll();
      connections.close();
    },
  };
}
