// How gRPC serves: with the TLS files as they are now, or without any. Renewed files count for
// connections that are made from then on; those that are open stay.
import { ServerCredentials } from '@grpc/grpc-js';
import type { ServerPems } from '../access/exposure.ts';
import type { ServerTls } from '../access/server-tls.ts';

export function serverCredentials(tls: ServerTls | undefined): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure();
  const credentials = new RenewableCredentials(tls.pems);
  tls.attend((pems) => credentials.renew(pems));
  return credentials;
}

/** Credentials that can be renewed while a server uses them. */
class RenewableCredentials extends ServerCredentials {
  constructor(pems: ServerPems) {
    super({ requestCert: pems.clientCa !== undefined }, contextOf(pems));
  }

  /** @param pems with an authority of clients exactly where there was one before. */
  renew(pems: ServerPems): void {
    this.updateSecureContextOptions(contextOf(pems));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

const contextOf = ({ cert, key, clientCa }: ServerPems) => ({ cert, key, ...(clientCa && { ca: clientCa }) });
