// A proxy of HTTP/2 in front of a coordinator: forwards every stream, and on request answers
// instead of the coordinator, resets open streams, or forwards nothing. Unencrypted.
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { Mailbox } from './mailbox.ts';

export class Entrance {
  readonly address: string;
  /** The HTTP statuses that it answered instead of forwarding, in order. */
  readonly refused: number[] = [];
  readonly #server: Http2Server;
  readonly #upstream: ClientHttp2Session;
  readonly #refusals: number[] = [];
  readonly #arrivals = new Mailbox<string>();
  #withheld = 0;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #open = new Set<ServerHttp2Stream>();

  private constructor(server: Http2Server, upstream: ClientHttp2Session) {
    this.#server = server;
    this.#upstream = upstream;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
    });
    server.on('stream', (stream, headers) => this.#take(stream, headers));
  }

  /** @param upstream HOST:PORT of the coordinator. */
  static async listen(context: TestContext, upstream: string): Promise<Entrance> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const session = connect(`http://${upstream}`);
    session.on('error', () => {});
    const entrance = new Entrance(server, session);
    context.after(() => entrance.#close());
    return entrance;
  }

  /**
   * Answers the next stream with this status, in HTML as a web server does. May be called several
   * times.
   */
  refuseNext(httpStatus: number): void {
    this.#refusals.push(httpStatus);
  }

  /** Leaves the next stream without an answer and without an error. */
  withholdNext(): void {
    this.#withheld += 1;
  }

  /** The path of the next stream that is forwarded or withheld. */
  arrival(): Promise<string> {
    return this.#arrivals.take('a stream');
  }

  /** Ends every open stream with this error code of HTTP/2. */
  resetStreams(code: number): void {
    for (const stream of this.#open) stream.close(code);
  }

  #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => {});
    const httpStatus = this.#refusals.shift();
    if (httpStatus !== undefined) {
      this.refused.push(httpStatus);
      stream.respond({ ':status': httpStatus, 'content-type': 'text/html' });
      stream.end('<h1>no</h1>');
      return;
    }
    this.#open.add(stream);
    stream.on('close', () => this.#open.delete(stream));
    if (this.#withheld > 0) this.#withheld -= 1;
    else this.#forward(stream, headers);
    this.#arrivals.put(headers[':path'] ?? '');
  }

  #forward(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (this.#upstream.closed) {
      stream.respond({ ':status': 502 }, { endStream: true });
      return;
    }
    const request = this.#upstream.request(headers);
    let trailers: IncomingHttpHeaders = {};
    request.on('error', () => {});
    request.on('response', (answer: IncomingHttpHeaders & IncomingHttpStatusHeader, flags) => {
      if (stream.destroyed) return;
      const isWhole = (flags & endOfStream) !== 0;
      stream.respond(answer, isWhole ? { endStream: true } : { waitForTrailers: true });
    });
    request.on('trailers', (came) => {
      trailers = came;
    });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.on('close', () => request.close());
    stream.pipe(request);
    request.pipe(stream);
  }

  #close(): void {
    this.#upstream.destroy();
    for (const session of this.#sessions) session.destroy();
    this.#server.close();
  }
}

/** END_STREAM, a flag of HTTP/2's frames. */
const endOfStream = 1;
