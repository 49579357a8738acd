// How a client or worker connects to its coordinator: encryption, certificate, token and proxy.
// Never sends a token where others could read it. Reads the files that the flags name, again for each
// new connection or call when they have changed; errors name the file and never its content.
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, type SecureContext } from 'node:tls';
import {
  CallCredentials,
  ChannelCredentials,
  type ChannelOptions,
  InterceptingCall,
  type Interceptor,
} from '@grpc/grpc-js';
import { hostOf, isDestination } from './address.ts';
import { asMetatrainError, MetatrainError } from './errors.ts';
import { excerpt } from './foreign-text.ts';
import { isLoopback } from './loopback.ts';
import { readNamedFile } from './named-file.ts';
import { proxyTo } from './proxy.ts';
import { RenewedFiles } from './renewed-files.ts';
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
  /** Adds the token, as its file has it then, to every call. */
  readonly interceptors: Interceptor[];
  /** Notes the token of now, and later says whether its file holds another one: a refused call may then be tried again. */
  readonly noteToken: () => () => boolean;
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
 * @param onBadFile told when a file has changed and its new content is bad; the content before it stays.
 * @throws MetatrainError `REQUEST_INVALID` with the flag or file and what is accepted.
 */
export function connectionTo(
  address: string,
  options: ConnectionOptions = {},
  onBadFile: (error: MetatrainError) => void = () => {},
): Connection {
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
  const tokens = tokenOf(options, onBadFile);
  if (tokens !== undefined && tlsCa === undefined && !insecure && !isLoopback(hostOf(address))) {
    throw invalid(
      `a token would travel to ${address} unencrypted, where others can read it; give --tls-ca FILE, ` +
        'or --insecure to send it nevertheless',
    );
  }
  const pems = tlsCa === undefined ? undefined : watchPems(tlsCa, { tlsCert, tlsKey }, onBadFile);
  const proxy = proxyTo(address);
  const identity = identityOf(hostOf(address), options.serverNames);
  return {
    credentials: pems ? new RenewingCredentials(pems, identity.check) : ChannelCredentials.createInsecure(),
    interceptors: tokens === undefined ? [] : [bearer(tokens)],
    noteToken() {
      const noted = tokens?.();
      return () => tokens?.() !== noted;
    },
    channelOptions: {
      ...(proxy === undefined && { 'grpc.enable_http_proxy': 0 }),
      ...(pems && identity.asked !== hostOf(address) && { 'grpc.ssl_target_name_override': identity.asked }),
    },
    whyUnreachable() {
      const now = pems?.value;
      return whyUnreachable({ address, proxy, tls: now && { ...now, identity, hasCertificate: now.cert !== null } });
    },
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

function watchPems(
  tlsCa: string,
  { tlsCert, tlsKey }: Pick<ConnectionOptions, 'tlsCert' | 'tlsKey'>,
  onBad: (error: MetatrainError) => void,
): RenewedFiles<Pems> {
  const files = [tlsCa, tlsCert, tlsKey].filter((file) => file !== undefined && file !== 'system') as string[];
  return new RenewedFiles(files, () => readPems(tlsCa, tlsCert, tlsKey), onBad);
}

/** TLS with the files as they are when a connection is made; connections that are open stay. */
class RenewingCredentials extends ChannelCredentials {
  readonly #pems: RenewedFiles<Pems>;
  readonly #check: ServerIdentity['check'];
  #credentials: ChannelCredentials;

  constructor(pems: RenewedFiles<Pems>, check: ServerIdentity['check']) {
    super();
    this.#pems = pems;
    this.#check = check;
    this.#credentials = this.#make();
  }

  #make(): ChannelCredentials {
    const { ca, key, cert } = this.#pems.value;
    return ChannelCredentials.createSsl(ca, key, cert, { checkServerIdentity: this.#check });
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    ...[target, options, calls]: Parameters<ChannelCredentials['_createSecureConnector']>
  ): ReturnType<ChannelCredentials['_createSecureConnector']> {
    return {
      connect: (socket) => {
        if (this.#pems.look()) this.#credentials = this.#make();
        return this.#credentials._createSecureConnector(target, options, calls).connect(socket);
      },
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => calls ?? CallCredentials.createEmpty(),
      destroy() {},
    };
  }
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

/** The secret, as its file has it now; undefined: none was given. */
type Token = () => string;

function tokenOf({ tokenFile, token }: ConnectionOptions, onBad: (error: MetatrainError) => void): Token | undefined {
  if (tokenFile !== undefined) {
    const read = () => secretIn(readNamedFile('--token-file', tokenFile).toString('utf8'), `--token-file ${tokenFile}`);
    const file = new RenewedFiles([tokenFile], read, onBad);
    return () => {
      file.look();
      return file.value;
    };
  }
  if (token === undefined) return undefined;
  const secret = secretIn(token, 'METATRAIN_TOKEN');
  return () => secret;
}

function secretIn(text: string, where: string): string {
  if (isSecret(text.trim())) return text.trim();
  throw invalid(`${where}: got something else; accepted: one secret as metatrain token create prints it, mt_…`);
}

function bearer(token: Token): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set('authorization', `Bearer ${token()}`);
        next(metadata, listener);
      },
    });
}

const invalid = (message: string) => new MetatrainError('REQUEST_INVALID', message);
