// HTTP in a separate thread: the process answers requests but writes to no client itself. In one
// thread, HTTP and gRPC would use the same functions of Node's streams with different classes, and
// V8 would make these functions slower for both: 3 % of a small meta-step (ADR 18).
import { Worker } from 'node:worker_threads';
import { realClock } from '../clock.ts';
import { MetatrainError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Asked, FromFront, FrontData, FrontTls, Headers, Piece, ToFront } from './protocol.ts';

/**
 * One request's body, and its answer: either sent at once, or begun and then written piece by
 * piece. Anything written after its end is dropped.
 */
export class Exchange {
  readonly #id: number;
  readonly #tell: (message: ToFront) => void;
  readonly #over = new AbortController();
  /** One function for every piece under way. */
  readonly #waiting: (() => void)[] = [];
  #takeBody: ((bytes: Uint8Array) => void) | undefined;
  #isBegun = false;

  constructor(id: number, tell: (message: ToFront) => void) {
    this.#id = id;
    this.#tell = tell;
  }

  /** Aborted once the client is gone or has the whole answer. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  get isBegun(): boolean {
    return this.#isBegun;
  }

  /**
   * The request's body: at most one byte more than `maxBytes`, empty if the client leaves
   * first. Call it once, and only for clients that are allowed to send a body.
   *
   * @param maxBytes default: the server's `maxBodyBytes`.
   */
  async body(maxBytes?: number): Promise<Uint8Array> {
    if (this.over.aborted) return nothing;
    this.#tell({ kind: 'readBody', id: this.#id, maxBytes });
    return new Promise((resolve) => (this.#takeBody = resolve));
  }

  whole(status: number, headers: Headers, body: Piece | undefined): void {
    this.#tell({ kind: 'answer', id: this.#id, status, headers, body });
  }

  begin(headers: Headers): void {
    this.#isBegun = true;
    this.#tell({ kind: 'begin', id: this.#id, headers });
  }

  /** Resolves when the client has read enough, or the answer is over. */
  async write(piece: Piece): Promise<void> {
    if (this.over.aborted) return;
    this.#tell({ kind: 'piece', id: this.#id, piece });
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Ends the answer. A client that is behind is cut off, since it would not read the last words
   * either.
   */
  end(lastWords?: string): void {
    this.#tell({ kind: 'end', id: this.#id, lastWords });
  }

  /** Breaks the connection, so the client sees that the answer is incomplete. */
  break(): void {
    this.#tell({ kind: 'break', id: this.#id });
  }

  /** Called by the front only. */
  bodyCame(bytes: Uint8Array): void {
    this.#takeBody?.(bytes);
  }

  /** Called by the front only. */
  left(): void {
    this.#waiting.shift()?.();
  }

  /** Called by the front only. */
  gone(): void {
    this.#over.abort();
    this.#takeBody?.(nothing);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

const nothing = new Uint8Array();

export interface HttpFrontOptions extends FrontData {
  /** Never rejects. When it resolves, the answer is sent or begun. */
  readonly answer: (asked: Asked, exchange: Exchange) => Promise<void>;
  readonly log: Logger;
  /** The thread's script; a test may replace it. */
  readonly threadFile?: URL;
}

const againAfterMs = 1_000;

export class HttpFront {
  readonly #options: HttpFrontOptions;
  readonly #open = new Map<number, Exchange>();
  #thread: Worker | undefined;
  #port: number;
  #isServing = false;
  #tls: FrontData['tls'];

  private constructor(options: HttpFrontOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#tls = options.tls;
  }

  /**
   * Resolves when the server listens.
   *
   * @throws MetatrainError `ADDRESS_IN_USE`, `REQUEST_INVALID`
   */
  static async open(options: HttpFrontOptions): Promise<HttpFront> {
    const front = new HttpFront(options);
    await front.#start();
    front.#isServing = true;
    return front;
  }

  get port(): number {
    return this.#port;
  }

  /** For the connections from now on, also those of a thread that is started again. */
  renewTls(tls: FrontTls): void {
    this.#tls = tls;
    this.#tell({ kind: 'renewTls', tls });
  }

  /** Ends open answers after `graceMs`, and frees the port. */
  async close(graceMs: number): Promise<void> {
    this.#isServing = false;
    const thread = this.#thread;
    if (!thread) return;
    const ended = new Promise((resolve) => thread.once('exit', resolve));
    this.#tell({ kind: 'close', graceMs });
    await ended;
  }

  async #start(): Promise<void> {
    const { host, maxBodyBytes, maxConnections, threadFile } = this.#options;
    const workerData: FrontData = { host, port: this.#port, tls: this.#tls, maxBodyBytes, maxConnections };
    const thread = new Worker(threadFile ?? new URL('./thread.js', import.meta.url), { workerData, name: 'http' });
    this.#thread = thread;
    await new Promise<void>((resolve, reject) => {
      let cause: unknown;
      thread.on('error', (error) => (cause = error));
      thread.on('message', (message: FromFront) => {
        if (message.kind === 'listening') {
          this.#port = message.port;
          resolve();
        } else if (message.kind === 'notListening') {
          reject(cannotListen(`${host}:${this.#port}`, message));
        } else {
          this.#hear(message);
        }
      });
      thread.once('exit', () => {
        reject(new MetatrainError('INTERNAL', 'the thread that serves HTTP ended', { cause }));
        this.#ended(cause);
      });
    });
  }

  #tell(message: ToFront): void {
    this.#thread?.postMessage(message);
  }

  #hear(message: Exclude<FromFront, { kind: 'listening' | 'notListening' }>): void {
    const { id } = message;
    switch (message.kind) {
      case 'asked': {
        const exchange = new Exchange(id, (told) => this.#tell(told));
        this.#open.set(id, exchange);
        void this.#options.answer(message, exchange);
        break;
      }
      case 'body':
        this.#open.get(id)?.bodyCame(message.bytes);
        break;
      case 'left':
        this.#open.get(id)?.left();
        break;
      case 'gone':
        this.#open.get(id)?.gone();
        this.#open.delete(id);
        break;
      default:
        message satisfies never;
    }
  }

  /**
   * Replaces a thread that ended without being asked to: the cluster goes on, and clients may try
   * again.
   */
  #ended(cause: unknown): void {
    this.#thread = undefined;
    for (const exchange of this.#open.values()) exchange.gone();
    this.#open.clear();
    if (!this.#isServing) return;
    this.#options.log.error({ err: cause }, 'the thread that serves HTTP ended; it starts again');
    realClock.after(againAfterMs, () => {
      // If the start fails, the new thread's end calls this function again.
      if (this.#isServing) this.#start().catch(() => undefined);
    });
  }
}

function cannotListen(
  address: string,
  { code, message }: Extract<FromFront, { kind: 'notListening' }>,
): MetatrainError {
  if (code === 'EADDRINUSE') {
    return new MetatrainError('ADDRESS_IN_USE', `cannot serve HTTP on ${address}: another program listens there`);
  }
  return new MetatrainError('REQUEST_INVALID', `cannot serve HTTP on ${address}: ${message}`);
}
