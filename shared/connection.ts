// How a client or worker connects to its coordinator: encryption, certificate, token and proxy.
// Never sends a token where others could read it. Reads the files that the flags name; errors name
// the file and never its content.
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, type SecureContext } from 'node:tls';
import { ChannelCredentials, type ChannelOptions, InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { hostOf, isDestination } from './address.ts';
import { asMetatrainError, MetatrainError } from './errors.ts';
import { excerpt } from './foreign-text.ts';
import { isLoopback } from './loopback.ts';
import { readNamedFile } from './named-file.ts';
import { proxyTo } from './proxy.ts';
import { isSecret } from './tokens.ts';
import { type ServerIdentity, whyUnreachable } from './unreachable.ts';

/** Fields are undefined where a flag was not given. */
export interface ConnectionOptions {
  /** PEM file of the authorities that may vouch for the coordinator, or `system` for those that Node trusts. Turns encryption on. */
  readonly tlsCa?: string | undefined;
  /** PEM files of the certificate that is shown to the coordinator (mutual TLS), and of its key. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** File that holds a token's secret and nothing else. */
  readonly tokenFile?: string | undefined;
  /** The secret itself; `tokenFile` goes before it. */
  readonly token?: string | undefined;
  /**
   * Names of which the coordinator's certificate must have one, where it is reached by another address.
   * The first is asked for. Default: the address's host.
   */
  readonly serverNames?: readonly string[] | undefined;
  /** Allows a token to be sent unencrypted beyond this machine. */
  readonly insecure?: boolean | undefined;
}

export interface Connection {
  readonly credentials: ChannelCredentials;
  /** Adds the token to every call. */
  readonly interceptors: Interceptor[];
  /** To be added to the channel's: no proxy where none may be used. */
  readonly channelOptions: ChannelOptions;
  /**
   * A sentence with the reason why the coordinator does not answer, and the remedy. Undefined if it
   * answers now.
   */
  readonly whyUnreachable: () => Promise<string | undefined>;
}

/**
 * @param address HOST:PORT.
 * @throws MetatrainError `REQUEST_INVALID` with the flag or file and what is accepted.
 */
export function connectionTo(address: string, options: ConnectionOptions = {}): Connection {
  const { tlsCa, tlsCert, tlsKey, insecure } = options;
  if (!isDestination(address)) {
    throw invalid(
      `the coordinator's address: got ${excerpt(address, 100)}; accepted: HOST:PORT, such as 127.0.0.1:7420`,
    );
  }
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw invalid('--tls-cert and --tls-key go together');
  if (tlsCert !== undefined && tlsCa === undefined) {
    throw invalid('--tls-cert needs --tls-ca: FILE, or `system` for the authorities that Node trusts');
  }
  const token = tokenOf(options);
  if (token !== undefined && tlsCa === undefined && !insecure && !isLoopback(hostOf(address))) {
    throw invalid(
      `a token would travel to ${address} unencrypted, where others can read it; give --tls-ca FILE, ` +
        'or --insecure to send it nevertheless',
    );
  }
  const pems = tlsCa === undefined ? undefined : readPems(tlsCa, tlsCert, tlsKey);
  const proxy = proxyTo(address);
  const identity = identityOf(hostOf(address), options.serverNames);
  return {
    credentials: pems
      ? ChannelCredentials.createSsl(pems.ca, pems.key, pems.cert, { checkServerIdentity: identity.check })
      : ChannelCredentials.createInsecure(),
    interceptors: token === undefined ? [] : [bearer(token)],
    channelOptions: {
      ...(proxy === undefined && { 'grpc.enable_http_proxy': 0 }),
      ...(pems && identity.asked !== hostOf(address) && { 'grpc.ssl_target_name_override': identity.asked }),
    },
    whyUnreachable: () =>
      whyUnreachable({ address, proxy, tls: pems && { ...pems, identity, hasCertificate: pems.cert !== null } }),
  };
}

function identityOf(host: string, names: readonly string[] = [host]): ServerIdentity {
  const [first = host] = names;
  return {
    names,
    asked: isIP(first) === 0 ? first : nameOfNobody,
    check(_, certificate) {
      const errors = names.map((name) => checkServerIdentity(name, certificate));
      return errors.includes(undefined) ? undefined : errors[0];
    },
  };
}

/**
 * TLS sends the server the requested name, and an IP address is not allowed as a name (RFC 6066).
 * grpc-js sends it anyway and Node warns, so this code sends an unused name (RFC 2606). The
 * certificate is checked against the address.
 */
const nameOfNobody = 'address.invalid';

interface Pems {
  /** Null: those that Node trusts. */
  readonly ca: Buffer | null;
  readonly cert: Buffer | null;
  readonly key: Buffer | null;
  readonly context: SecureContext;
}

function readPems(ca: string, cert: string | undefined, key: string | undefined): Pems {
  const own =
    cert === undefined || key === undefined
      ? { key: null, cert: null }
      : { key: readPem('--tls-key', key), cert: readPem('--tls-cert', cert) };
  const authorities = ca === 'system' ? null : readPem('--tls-ca', ca);
  return { ca: authorities, ...own, context: checkPem(authorities, own.cert, own.key, [ca, cert, key]) };
}

/** @throws MetatrainError `REQUEST_INVALID` naming the flag and the file. */
export function readPem(flag: string, file: string): Buffer {
  const pem = readNamedFile(flag, file);
  if (!pem.includes('-----BEGIN ')) throw invalid(`${flag}: ${file} is no PEM file (metatrain certs makes them)`);
  return pem;
}

/** @throws MetatrainError `REQUEST_INVALID` when a certificate and a key do not belong together or cannot be read. */
export function checkPem(
  ca: Buffer | null,
  cert: Buffer | null,
  key: Buffer | null,
  files: readonly (string | undefined)[],
): SecureContext {
  try {
    return createSecureContext({ ...(ca && { ca }), ...(cert && key && { cert, key }) });
  } catch (cause) {
    const named = files.filter((file) => file !== undefined).join(', ');
    throw invalid(`the TLS files ${named} cannot be used together: ${asMetatrainError(cause).message}`);
  }
}

function tokenOf({ tokenFile, token }: ConnectionOptions): string | undefined {
  const secret = tokenFile === undefined ? token : readNamedFile('--token-file', tokenFile).toString('utf8');
  if (secret === undefined) return undefined;
  if (isSecret(secret.trim())) return secret.trim();
  const where = tokenFile === undefined ? 'METATRAIN_TOKEN' : `--token-file ${tokenFile}`;
  throw invalid(`${where}: got something else; accepted: one secret as metatrain token create prints it, mt_…`);
}

function bearer(secret: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set('authorization', `Bearer ${secret}`);
        next(metadata, listener);
      },
    });
}

const invalid = (message: string) => new MetatrainError('REQUEST_INVALID', message);
