// The entry of the HTTP front's thread: takes requests, reads a body when it is asked to, and writes what it is told. Decides nothing.
import type { Server, ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import { type HttpBindings, serve } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { FromFront, FrontData, Piece, ToFront } from './protocol.ts';

interface Open {
  readonly request: Request;
  readonly outgoing: ServerResponse;
  readonly answer: (response: Response) => void;
}

if (!parentPort) throw new Error('shared/http-front/thread is started by the front, not by hand');
const port = parentPort;
const { host, port: askedPort, tls, maxBodyBytes } = workerData as FrontData;
const open = new Map<number, Open>();
let asked = 0;

const tell = (message: FromFront): void => port.postMessage(message);

function take(request: Request, { incoming, outgoing }: HttpBindings): Promise<Response> {
  asked += 1;
  const id = asked;
  const answered = new Promise<Response>((answer) => open.set(id, { request, outgoing, answer }));
  outgoing.once('close', () => {
    open.delete(id);
    tell({ kind: 'gone', id });
  });
  const { method, url } = request;
  const { remoteAddress: peer = 'unknown', authorized } = incoming.socket as TLSSocket;
  tell({ kind: 'asked', id, method, url, headers: [...request.headers], peer, isAuthorized: authorized === true });
  return answered;
}

async function readBody(id: number, { method, body }: Request): Promise<void> {
  const hasBody = method !== 'GET' && method !== 'HEAD';
  try {
    tell({ kind: 'body', id, bytes: hasBody ? await beginningOf(body) : new Uint8Array() });
  } catch {
    // The client left in the middle: that it is gone is told when its answer closes.
  }
}

/** Whole, or one byte more than may be; what follows is read and let go, so that the client hears the answer. */
async function beginningOf(body: ReadableStream<Uint8Array> | null): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    if (bytes <= maxBodyBytes) chunks.push(chunk);
    bytes += chunk.byteLength;
  }
  return new Uint8Array(Buffer.concat(chunks).subarray(0, maxBodyBytes + 1));
}

function hear(message: ToFront): void {
  if (message.kind === 'close') {
    close(message.graceMs);
    return;
  }
  const known = open.get(message.id);
  if (!known) return;
  const { request, outgoing, answer } = known;
  switch (message.kind) {
    case 'readBody':
      void readBody(message.id, request);
      break;
    case 'answer': {
      const { status, headers, body } = message;
      const bytes = typeof body === 'string' ? body : body && new Uint8Array(body);
      answer(new Response(bytes ?? null, { status, headers: headers as [string, string][] }));
      break;
    }
    case 'begin':
      outgoing.writeHead(200, Object.fromEntries(message.headers));
      answer(RESPONSE_ALREADY_SENT);
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
  // The thread ends when nothing is left to do.
  server.close(() => port.close());
  server.closeIdleConnections();
  AbortSignal.timeout(graceMs).addEventListener('abort', () => server.closeAllConnections(), { once: true });
}

const secure = tls && {
  createServer: createSecureServer,
  serverOptions: {
    cert: Buffer.from(tls.cert),
    key: Buffer.from(tls.key),
    ...(tls.clientCa && { ca: Buffer.from(tls.clientCa), requestCert: true, rejectUnauthorized: false }),
  },
};
const fetch = (request: Request, bindings: unknown) => take(request, bindings as HttpBindings);
const server = serve({ fetch, hostname: host, port: askedPort, ...secure }, (info) =>
  tell({ kind: 'listening', port: info.port }),
) as Server;
server.once('error', ({ code, message }: NodeJS.ErrnoException) => {
  tell({ kind: 'notListening', code, message });
  port.close();
});
port.on('message', hear);
