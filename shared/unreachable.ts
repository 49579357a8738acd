// Finds out why a coordinator does not answer at an address. gRPC reports only the words of other
// libraries. So this file connects once more and examines the system's error code, the certificate
// and the first bytes of the answer. Every reason is one sentence with a remedy.
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type PeerCertificate, type SecureContext, type TLSSocket } from 'node:tls';
import { hostOf } from './address.ts';
import { realClock } from './clock.ts';
import { isLoopback } from './loopback.ts';
import type { HttpProxy } from './proxy.ts';

/** Which server is meant, in TLS. */
export interface ServerIdentity {
  /** Of which the certificate must have one. */
  readonly names: readonly string[];
  /** The name that the server is asked for. */
  readonly asked: string;
  readonly check: (asked: string, certificate: PeerCertificate) => Error | undefined;
}

export interface Destination {
  /** HOST:PORT. */
  readonly address: string;
  readonly proxy: HttpProxy | undefined;
  /** Undefined: the connection is not encrypted. */
  readonly tls:
    | {
        readonly context: SecureContext;
        readonly hasCertificate: boolean;
        readonly identity: ServerIdentity;
      }
    | undefined;
}

/** The result of one look at the address. */
type Sight =
  /**
   * A code of the system or of OpenSSL. Also `ETIMEDOUT` for a server that does not answer, and
   * `ECLOSED` for one that closes the connection.
   */
  | { readonly kind: 'failed'; readonly code: string; readonly isConnected: boolean }
  | { readonly kind: 'untrusted'; readonly code: string; readonly validFrom: string; readonly validTo: string }
  | { readonly kind: 'http2' }
  /** The server answers, but not in HTTP/2, and so not in gRPC. */
  | { readonly kind: 'other' };

const lookMs = 3_000;

/** @returns undefined when a gRPC server answers there now. */
export async function whyUnreachable(destination: Destination): Promise<string | undefined> {
  const { address, proxy, tls } = destination;
  if (proxy) {
    return (
      `no coordinator answers at ${address} through the proxy ${proxy.address} (${proxy.variable}); ` +
      `NO_PROXY=${hostOf(address)} connects without it`
    );
  }
  const sight = await look(address, tls);
  if (sight.kind === 'http2') return undefined;
  if (sight.kind === 'untrusted') return untrusted(address, sight, tls?.identity.names ?? []);
  if (sight.kind === 'failed' && !sight.isConnected) return notConnected(address, sight.code);
  const otherwise = await look(address, tls ? undefined : 'unverified');
  if (otherwise.kind === 'http2') {
    return tls
      ? `the coordinator at ${address} speaks no TLS; leave out --tls-ca (METATRAIN_TLS_CA), or give the coordinator --tls-cert and --tls-key`
      : `the coordinator at ${address} speaks TLS; give --tls-ca FILE with the authority that signed its certificate, or --tls-ca system`;
  }
  if (tls && sight.kind === 'failed' && (isAlert(sight.code) || tls.hasCertificate)) {
    return tls.hasCertificate
      ? `the coordinator at ${address} does not accept this client certificate; give one of its authority with --tls-cert and --tls-key`
      : `the coordinator at ${address} asks for a client certificate; give --tls-cert FILE and --tls-key FILE`;
  }
  if (!tls && otherwise.kind === 'failed' && isAlert(otherwise.code)) {
    return `the coordinator at ${address} speaks TLS and asks for a client certificate; give --tls-ca, --tls-cert and --tls-key`;
  }
  if (sight.kind === 'failed' && sight.code === 'ETIMEDOUT') return `${address} takes the connection and says nothing`;
  return (
    `what listens at ${address} is no gRPC server; give the port of the coordinator's --listen (by default 7420), ` +
    'not that of its console'
  );
}

function notConnected(address: string, code: string): string {
  const host = hostOf(address);
  switch (code) {
    case 'ECONNREFUSED':
      return isLoopback(host)
        ? `nothing listens at ${address}; start a coordinator with \`metatrain up\`, or name another with --coordinator HOST:PORT`
        : `nothing listens at ${address}; check the port, and that the coordinator runs and listens beyond its own machine`;
    case 'ENOTFOUND':
      return `there is no host ${host}; check the name in --coordinator (METATRAIN_COORDINATOR)`;
    case 'EAI_AGAIN':
      return `the name ${host} cannot be looked up now: no name server answers`;
    case 'ETIMEDOUT':
      return `${address} does not answer; the machine may be off, or a firewall in between`;
    default:
      return `${address} cannot be reached (${code}); check the address and the network`;
  }
}

function untrusted(
  address: string,
  { code, validFrom, validTo }: Extract<Sight, { kind: 'untrusted' }>,
  names: readonly string[],
): string {
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return `the certificate of ${address} has expired (it was good until ${validTo}); give the coordinator a new one, such as metatrain certs makes`;
    case 'CERT_NOT_YET_VALID':
      return `the certificate of ${address} is not good before ${validFrom}; check the clocks of both machines`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of ${address} does not name ${names.join(' or ')}; connect by a name that it has, or make one for this name with metatrain certs --host`;
    case 'INVALID_PURPOSE':
      return `the certificate of ${address} is not one for a coordinator; give the coordinator another, such as metatrain certs makes`;
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
      return `no authority of --tls-ca signed the certificate of ${address}; give the file of the authority that did`;
    default:
      return `the certificate of ${address} is not accepted: ${code}`;
  }
}

const isAlert = (code: string): boolean => /_ALERT_/.test(code);

type Trust = NonNullable<Destination['tls']>;

/** @param security undefined: unencrypted; `unverified`: TLS with any server. */
function look(address: string, security: Trust | 'unverified' | undefined): Promise<Sight> {
  const host = hostOf(address);
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  return new Promise((resolve) => {
    let isConnected = false;
    const socket: Socket | TLSSocket =
      security === undefined
        ? connectTcp({ host, port })
        : connectTls({
            host,
            port,
            ALPNProtocols: ['h2'],
            // Checked below: an error would not carry the certificate.
            rejectUnauthorized: false,
            ...(security === 'unverified'
              ? { ...(isIP(host) === 0 && { servername: host }) }
              : {
                  secureContext: security.context,
                  servername: security.identity.asked,
                  checkServerIdentity: security.identity.check,
                }),
          });
    const see = (sight: Sight) => {
      stopWaiting();
      socket.destroy();
      resolve(sight);
    };
    const stopWaiting = realClock.after(lookMs, () => see({ kind: 'failed', code: 'ETIMEDOUT', isConnected }));
    socket.on('error', ({ code = 'EUNKNOWN' }: NodeJS.ErrnoException) => see({ kind: 'failed', code, isConnected }));
    socket.on('close', () => see({ kind: 'failed', code: 'ECLOSED', isConnected }));
    socket.on('connect', () => {
      isConnected = true;
    });
    socket.on(security === undefined ? 'connect' : 'secureConnect', () => {
      const distrust =
        security === undefined || security === 'unverified' ? undefined : distrustOf(socket as TLSSocket);
      if (distrust) see(distrust);
      else socket.write(http2Preface);
    });
    socket.on('data', (bytes: Buffer) => see({ kind: isHttp2(bytes) ? 'http2' : 'other' }));
  });
}

function distrustOf(socket: TLSSocket): Sight | undefined {
  if (socket.authorized) return undefined;
  const { valid_from: validFrom, valid_to: validTo } = socket.getPeerCertificate();
  return { kind: 'untrusted', code: String(socket.authorizationError), validFrom, validTo };
}

/** The client's connection preface and an empty SETTINGS frame (RFC 9113, section 3.4). */
const http2Preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');

/** A server's first frame is SETTINGS, type 4, on stream 0. */
const isHttp2 = (bytes: Buffer): boolean => bytes.length >= 9 && bytes[3] === 4 && bytes.readUInt32BE(5) === 0;
