// One connection to NATS and its JetStream stream; the only file that knows the client library. A
// lost connection is not restored, since messages that a library sends again may overtake new ones:
// the caller opens a fresh connection.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  ErrorCode,
  headers,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from 'nats';
import { hostOf } from '../../shared/address.ts';
import { type ClusterEvent, sequenceOf } from '../../shared/cluster-event.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import { allSubjects, subjectOf } from './subjects.ts';

export interface NatsPlace {
  /** `nats://HOST:PORT` or `tls://HOST:PORT`. */
  readonly server: string;
  /** How the coordinator authenticates. Default: not at all. */
  readonly identity:
    | { readonly kind: 'nobody' }
    /**
     * File with a user's JWT and seed (`.creds`), read again for every connection, so it can be
     * renewed.
     */
    | { readonly kind: 'credentials'; readonly file: string }
    | { readonly kind: 'user'; readonly user: string; readonly password: string }
    | { readonly kind: 'token'; readonly token: string };
  /**
   * PEM files, read again for every connection. Undefined: encrypted only when the server demands
   * it.
   */
  readonly tls: TlsFiles | undefined;
  readonly stream: StreamLimits;
}

export interface TlsFiles {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Limits of a stream that is made here. An existing stream keeps its own. */
export interface StreamLimits {
  readonly name: string;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly maxMessages: number;
}

export interface BusConnection {
  /** The server that answered. */
  readonly server: string;
  /** Resolves with the reason when the connection is over. */
  readonly closed: Promise<string>;
  /** Sequence of the stream's last event if that event came from this source; else 0. */
  lastPublished(source: string): Promise<number>;
  /**
   * Resolves to true when the stream has the event, now or from before, and to false when the event
   * is larger than the server accepts.
   *
   * @throws MetatrainError
   */
  publish(event: ClusterEvent): Promise<boolean>;
  /** May be called twice. */
  close(): Promise<void>;
}

const connectTimeoutMs = 10_000;
const answerTimeoutMs = 5_000;
/** A server that does not answer is given up after twice this. */
const pingIntervalMs = 10_000;
/** How long the stream remembers the ids of its events. */
const duplicateWindowMs = 600_000;

/**
 * Connects, and makes the stream if it is missing.
 *
 * @throws MetatrainError with the reason in words, never with a secret.
 */
export async function connectToNats(place: NatsPlace, log: Logger): Promise<BusConnection> {
  const { stream } = place;
  let connection: NatsConnection;
  try {
    connection = await connect(connectionOptions(place));
  } catch (thrown) {
    throw inWords(thrown, `no connection to ${place.server}`);
  }
  try {
    const manager = await connection.jetstreamManager({ checkAPI: false, timeout: answerTimeoutMs });
    await ensureStream(manager, stream, log);
    return new NatsBusConnection(connection, manager, stream.name);
  } catch (thrown) {
    await connection.close();
    throw inWords(thrown, `stream ${stream.name}`);
  }
}

function connectionOptions({ server, identity, tls }: NatsPlace): ConnectionOptions {
  const address = server.replace(/^\w+:\/\//, '');
  const host = hostOf(address);
  return {
    servers: address,
    name: 'metatrain coordinator',
    timeout: connectTimeoutMs,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    reconnect: false,
    ...(identity.kind === 'credentials' && { authenticator: credsAuthenticator(readFileSync(identity.file)) }),
    ...(identity.kind === 'user' && { user: identity.user, pass: identity.password }),
    ...(identity.kind === 'token' && { token: identity.token }),
    ...(tls && {
      tls: {
        ...(tls.ca !== undefined && { caFile: tls.ca }),
        ...(tls.cert !== undefined && { certFile: tls.cert }),
        ...(tls.key !== undefined && { keyFile: tls.key }),
        // The library checks a certificate against a host name only. Without this, it would check
        // an address against `localhost`.
        ...(isIP(host) !== 0 && { host }),
      },
    }),
  };
}

async function ensureStream(manager: JetStreamManager, limits: StreamLimits, log: Logger): Promise<void> {
  const asked: Partial<StreamConfig> & { name: string } = {
    name: limits.name,
    description: 'What happens in MetaTrain clusters: CloudEvents 1.0',
    subjects: [allSubjects],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    max_age: nanos(limits.maxAgeMs),
    max_bytes: limits.maxBytes,
    max_msgs: limits.maxMessages,
    duplicate_window: nanos(Math.min(duplicateWindowMs, limits.maxAgeMs)),
  };
  try {
    const { config } = await manager.streams.info(limits.name);
    const others = (['max_age', 'max_bytes', 'max_msgs'] as const).filter((limit) => config[limit] !== asked[limit]);
    if (others.length > 0) {
      log.info(
        { stream: limits.name, limits: others },
        'the NATS stream has other limits than asked for and keeps them',
      );
    }
  } catch (thrown) {
    if (!(thrown instanceof NatsError && thrown.api_error?.code === 404)) throw thrown;
    await manager.streams.add(asked);
    log.info({ stream: limits.name, subjects: allSubjects }, 'made the NATS stream');
  }
}

class NatsBusConnection implements BusConnection {
  readonly server: string;
  readonly closed: Promise<string>;
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #jetStream: JetStreamClient;
  readonly #stream: string;

  constructor(connection: NatsConnection, manager: JetStreamManager, stream: string) {
    this.#connection = connection;
    this.#manager = manager;
    this.#stream = stream;
    this.#jetStream = connection.jetstream({ timeout: answerTimeoutMs });
    this.server = connection.getServer();
    this.closed = connection.closed().then((error) => (error ? wordsOf(error) : 'the connection to NATS was closed'));
  }

  async lastPublished(source: string): Promise<number> {
    try {
      const message = await this.#manager.streams.getMessage(this.#stream, { last_by_subj: allSubjects });
      const event = message.json<ClusterEvent>();
      return event.source === source ? sequenceOf(event) : 0;
    } catch {
      // The stream is empty, or we may not read it. Then its memory of event ids alone prevents
      // duplicates.
      return 0;
    }
  }

  async publish(event: ClusterEvent): Promise<boolean> {
    const contentType = headers();
    contentType.set('content-type', 'application/cloudevents+json; charset=UTF-8');
    const options = { msgID: event.id, headers: contentType, expect: { streamName: this.#stream } };
    try {
      await this.#jetStream.publish(subjectOf(event), JSON.stringify(event), options);
      return true;
    } catch (thrown) {
      if (thrown instanceof NatsError && thrown.code === ErrorCode.MaxPayloadExceeded) return false;
      throw inWords(thrown, `event ${event.id}`);
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

/** Turns the library's error into a MetatrainError. */
function inWords(thrown: unknown, what: string): MetatrainError {
  return new MetatrainError('NOT_READY', `${what}: ${wordsOf(thrown)}`, { cause: thrown });
}

function wordsOf(thrown: unknown): string {
  if (!(thrown instanceof NatsError)) return asMetatrainError(thrown).message;
  const { code, message, chainedError, api_error: refused } = thrown;
  if (refused?.err_code === jetStreamOffForAccount) return 'JetStream is not enabled for this account';
  if (refused) return `${refused.description} (JetStream error ${refused.err_code ?? refused.code})`;
  if (code === '503') {
    return `the server has no JetStream, or no stream takes ${allSubjects}; start nats-server with --jetstream`;
  }
  const reason = chainedError?.message;
  return reason === undefined || reason === message ? message : `${message}: ${reason}`;
}

const jetStreamOffForAccount = 10_039;
