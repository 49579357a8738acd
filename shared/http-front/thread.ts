// The entry of the HTTP front's thread: accepts requests, reads a body on request, and writes
// answers. Decides nothing. Uses nothing but Node's own server, since time in this thread is lost
// for the cluster's computation.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import { realClock } from '../clock.ts';
import { ConnectionLimit, peerOf } from '../connection-limit.ts';
import type { FromFront, FrontData, FrontTls, Headers, Piece, ToFront } from './protocol.ts';

interface Open {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

if (!parentPort) throw new Error('shared/http-front/thread is started by the front, not by hand');
const port = parentPort;
const { host, port: askedPort, tls, maxBodyBytes, maxConnections } = workerData as FrontData;
const open = new Map<number, Open>();
let asked = 0;

const tell = (message: FromFront): void => port.postMessage(message);

function take(incoming: IncomingMessage, outgoing: ServerResponse): void {
  asked += 1;
  const id = asked;
  open.set(id, { incoming, outgoing });
  outgoing.once('close', () => {
    open.delete(id);
    tell({ kind: 'gone', id });
  });
  const { method = '', url: target = '', rawHeaders, socket } = incoming;
  const { remoteAddress: peer = 'unknown', authorized } = socket as TLSSocket;
  tell({ kind: 'asked', id, method, target, headers: inPairs(rawHeaders), peer, isAuthorized: authorized === true });
}

const inPairs = (raw: readonly string[]): Headers =>
  raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? ''] as const] : []));

async function readBody(id: number, maxBytes: number, incoming: IncomingMessage): Promise<void> {
  try {
    tell({ kind: 'body', id, bytes: await beginningOf(incoming, maxBytes) });
  } catch {
    // The client left in the middle. The close of its answer reports that.
  }
}

/**
 * The body, or its first bytes up to one more than allowed. The rest is read and dropped, so that
 * the client gets the answer.
 */
async function beginningOf(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    if (bytes <= maxBytes) chunks.push(chunk);
    bytes += chunk.byteLength;
  }
  return new Uint8Array(Buffer.concat(chunks).subarray(0, maxBytes + 1));
}

function hear(message: ToFront): void {
  if (message.kind === 'close') {
    close(message.graceMs);
    return;
  }
  if (message.kind === 'renewTls') {
    if ('setSecureContext' in server) server.setSecureContext(contextOf(message.tls));
    return;
  }
  const known = open.get(message.id);
  if (!known) return;
  const { incoming, outgoing } = known;
  switch (message.kind) {
    case 'readBody':
      void readBody(message.id, message.maxBytes ?? maxBodyBytes, incoming);
      break;
    case 'answer':
      outgoing.statusCode = message.status;
      for (const [name, value] of message.headers) outgoing.appendHeader(name, value);
      // An answer to HEAD states the length, too.
      if (message.body !== undefined) outgoing.setHeader('content-length', Buffer.byteLength(message.body));
      outgoing.end(message.body);
      break;
    case 'begin':
      // The code that began the stream counts and limits it.
      connections.trust(peerOf(incoming.socket));
      outgoing.once('close', () => connections.distrust(peerOf(incoming.socket)));
      outgoing.writeHead(200, Object.fromEntries(message.headers));
      break;
    case 'piece':
      write(message.id, outgoing, message.piece);
      break;
    case 'end':
      if (outgoing.writableNeedDrain) outgoing.destroy();
      else outgoing.end(message.lastWords);
      break;
    case 'break':
      outgoing.destroy();
      break;
    default:
      message satisfies never;
  }
}

function write(id: number, outgoing: ServerResponse, piece: Piece): void {
  const left = () => tell({ kind: 'left', id });
  if (outgoing.write(piece)) left();
  else outgoing.once('drain', left);
}

function close(graceMs: number): void {
  // The thread ends when it has nothing left to do.
  server.close(() => port.close());
  server.closeIdleConnections();
  AbortSignal.timeout(graceMs).addEventListener('abort', () => server.closeAllConnections(), { once: true });
}

/** How long a client may be silent, or send half a request. */
const patience = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 1_000 };

const connections = new ConnectionLimit(
  { connections: maxConnections, strangers: maxConnections },
  realClock,
  () => undefined,
);

const contextOf = ({ cert, key, clientCa }: FrontTls) => ({
  cert: Buffer.from(cert),
  key: Buffer.from(key),
  ...(clientCa && { ca: Buffer.from(clientCa) }),
});

const server = tls
  ? createSecureServer(
      {
        ...patience,
        ...contextOf(tls),
        ...(tls.clientCa && { requestCert: true, rejectUnauthorized: false }),
      },
      take,
    )
  : createServer(patience, take);
server.on('connection', (socket) => connections.add(socket));
server.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  // A connection could not be accepted for want of files or memory. The client may try again.
  if (server.listening) return;
  tell({ kind: 'notListening', code, message });
  port.close();
});
server.listen(askedPort, host, () => tell({ kind: 'listening', port: (server.address() as AddressInfo).port }));
port.on('message', hear);
