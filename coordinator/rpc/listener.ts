// Takes the connections of the gRPC server, on every address of a host, and closes those beyond the
// limits before gRPC hears of them.
import { lookup } from 'node:dns/promises';
import { type AddressInfo, createServer, isIP, type Server, type Socket } from 'node:net';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';

export interface Listener {
  readonly port: number;
  /** Takes no more connections; those that are open stay. */
  close(): void;
}

/**
 * @param port 0 takes any free one.
 * @throws MetatrainError `ADDRESS_IN_USE`, or `REQUEST_INVALID` for an address that cannot be listened on.
 */
export async function listenOn(host: string, port: number, take: (socket: Socket) => void): Promise<Listener> {
  const servers: Server[] = [];
  const close = () => {
    for (const server of servers) server.close();
  };
  let bound = port;
  try {
    for (const address of await addressesOf(host)) {
      const server = createServer(take);
      // Of a name's addresses some may not be this machine's, such as ::1 where there is no IPv6.
      const isOptional = servers.length > 0;
      if (!(await listen(server, address, bound, isOptional))) continue;
      servers.push(server);
      bound = (server.address() as AddressInfo).port;
    }
  } catch (cause) {
    close();
    throw cannotListen(host, port, cause);
  }
  return { port: bound, close };
}

async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host)) return [host];
  const found = await lookup(host, { all: true });
  const addresses = new Set(found.map(({ address }) => address));
  // IPv4 first: it is the one that is always there.
  return [...addresses].sort((a, b) => isIP(a) - isIP(b));
}

/** @returns false when the address is not this machine's, and optional. */
function listen(server: Server, host: string, port: number, isOptional: boolean): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // Told again later, when a connection could not be accepted for want of files or memory: it is the
    // client's to try again.
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (isOptional && (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT')) resolve(false);
      else reject(error);
    });
    server.listen({ host, port }, () => resolve(true));
  });
}

function cannotListen(host: string, port: number, cause: unknown): MetatrainError {
  if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') {
    const message = `cannot listen on ${host}:${port}: ${asMetatrainError(cause).message} (--listen HOST:PORT)`;
    return new MetatrainError('REQUEST_INVALID', message, { cause });
  }
  const message = `${host}:${port} is in use; choose another port with --listen HOST:PORT (port 0 takes any free one)`;
  return new MetatrainError('ADDRESS_IN_USE', message, { details: { host, port }, cause });
}
