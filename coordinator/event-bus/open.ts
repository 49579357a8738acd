// Checks the NATS options, reads the secrets and starts the publisher. A mistake that a person must
// correct (a missing file, a secret that would travel unencrypted) fails the start. An unreachable
// NATS does not.

import { hostOf } from '../../shared/address.ts';
import type { Clock } from '../../shared/clock.ts';
import { checkPem, readPem } from '../../shared/connection.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import { isLoopback } from '../../shared/loopback.ts';
import { readNamedFile } from '../../shared/named-file.ts';
import type { EventLog } from '../store/event-log.ts';
import { connectToNats, type NatsPlace, type StreamLimits, type TlsFiles } from './connection.ts';
import { EventPublisher } from './publisher.ts';

export interface NatsOptions {
  /** `nats://HOST:PORT` or `tls://HOST:PORT`: servers of one cluster, tried in turn. */
  readonly servers: readonly string[];
  /**
   * At most one of three: a `.creds` file; a user with a password; a token. The file of a secret
   * takes precedence over the secret itself.
   */
  readonly credentialsFile?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly tls?: TlsFiles | undefined;
  readonly stream: StreamLimits;
}

interface EventBusDependencies {
  readonly events: EventLog;
  readonly clock: Clock;
  readonly log: Logger;
  /** Allows a password or a token to travel unencrypted beyond this machine. */
  readonly isInsecure: boolean;
}

/** @throws MetatrainError `REQUEST_INVALID` naming the flag or the file. */
export function openEventBus(options: NatsOptions, dependencies: EventBusDependencies): EventPublisher {
  const { events, clock, log, isInsecure } = dependencies;
  const { servers, stream } = options;
  const places = servers.map(
    (server): NatsPlace => ({ server, stream, identity: identityOf(options), tls: tlsOf(options) }),
  );
  if (!isInsecure) for (const place of places) refuseExposure(place);
  let attempts = 0;
  const connect = () => {
    const place = places[attempts % places.length];
    attempts += 1;
    if (!place) throw invalid('--nats: no server is named');
    return connectToNats(place, log);
  };
  const publisher = new EventPublisher({ events, connect, clock, log });
  publisher.start();
  return publisher;
}

function identityOf(options: NatsOptions): NatsPlace['identity'] {
  const { credentialsFile, user, passwordFile, tokenFile } = options;
  if (credentialsFile !== undefined) {
    readSecret('--nats-credentials', credentialsFile);
    return { kind: 'credentials', file: credentialsFile };
  }
  const password = passwordFile === undefined ? options.password : readSecret('--nats-password-file', passwordFile);
  if (user !== undefined) return { kind: 'user', user, password: password ?? '' };
  const token = tokenFile === undefined ? options.token : readSecret('--nats-token-file', tokenFile);
  return token === undefined ? { kind: 'nobody' } : { kind: 'token', token };
}

function readSecret(flag: string, file: string): string {
  const secret = readNamedFile(flag, file).toString('utf8').trim();
  if (secret === '') throw invalid(`${flag}: ${file} is empty`);
  return secret;
}

/**
 * The files are read for every connection. Reading them here as well reports a wrong path at the
 * start.
 */
function tlsOf({ servers, tls: files = {} }: NatsOptions): TlsFiles | undefined {
  const { ca, cert, key } = files;
  const authority = ca === undefined ? null : readPem('--nats-tls-ca', ca);
  const ownCert = cert === undefined ? null : readPem('--nats-tls-cert', cert);
  const ownKey = key === undefined ? null : readPem('--nats-tls-key', key);
  checkPem(authority, ownCert, ownKey, [ca, cert, key]);
  const isAskedFor = (ca ?? cert) !== undefined || servers.some((server) => server.startsWith('tls://'));
  return isAskedFor ? files : undefined;
}

/**
 * Only passwords and tokens travel themselves: a credentials file only signs the server's
 * challenge.
 */
function refuseExposure({ server, identity, tls }: NatsPlace): void {
  if (tls || (identity.kind !== 'user' && identity.kind !== 'token')) return;
  if (isLoopback(hostOf(server.replace(/^\w+:\/\//, '')))) return;
  throw invalid(
    `--nats: a ${identity.kind === 'user' ? 'password' : 'token'} would travel to ${server} unencrypted, where others can read it; ` +
      'give tls:// or --nats-tls-ca FILE, or --insecure to send it nevertheless',
  );
}

const invalid = (message: string) => new MetatrainError('REQUEST_INVALID', message);
