// How gRPC serves: with the TLS files that were read, or without any.
import { ServerCredentials } from '@grpc/grpc-js';
import type { ServerPems } from '../access/exposure.ts';

export function serverCredentials(pems: ServerPems | undefined): ServerCredentials {
  if (!pems) return ServerCredentials.createInsecure();
  const { cert, key, clientCa } = pems;
  return ServerCredentials.createSsl(
    clientCa ?? null,
    [{ cert_chain: cert, private_key: key }],
    clientCa !== undefined,
  );
}
