// Requests to a Kubernetes API server over node:https: JSON in, JSON out, each with a deadline, and
// watches line by line. Knows no resource and retries nothing; every failure is a KubeError.
// Connections are kept and shared; one that stays silent past a deadline is closed and not used again.
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Clock } from '../../../shared/clock.ts';
import type { KubeAccess } from './access.ts';
import { KubeError } from './errors.ts';
import type { ApiStatus, KubeList, KubeObject, WatchEvent } from './objects.ts';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface KubeRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  /** Default application/json. */
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  /** Default: the client's. */
  readonly deadlineMs?: number;
}

export interface ApiClientOptions {
  /** For the whole answer of every request but a list (10,000 ms) and a watch. Default 3,000 ms. */
  readonly deadlineMs?: number;
  readonly userAgent?: string;
  /** Called after each request, with 0 as the status when no answer came. */
  readonly onAnswer?: (method: string, status: number, elapsedMs: number) => void;
}

export interface WatchOptions {
  readonly resourceVersion: string;
  readonly query?: Query;
  /** The server is asked to end the watch after this time; a moment later it counts as silent. */
  readonly seconds: number;
  readonly signal: AbortSignal;
}

const maxAnswerBytes = 64 * 1_048_576;
const maxLineBytes = 8 * 1_048_576;
const pageSize = 500;
const listDeadlineMs = 10_000;
const silenceGraceMs = 700;

export class ApiClient {
  readonly #access: KubeAccess;
  readonly #clock: Clock;
  readonly #options: ApiClientOptions;
  readonly #agent: HttpsAgent | HttpAgent;

  constructor(access: KubeAccess, clock: Clock, options: ApiClientOptions = {}) {
    this.#access = access;
    this.#clock = clock;
    this.#options = options;
    const Agent = access.server.protocol === 'http:' ? HttpAgent : HttpsAgent;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 64, maxFreeSockets: 8, scheduling: 'lifo' });
  }

  /** @throws KubeError */
  async request<Answer>(request: KubeRequest): Promise<Answer> {
    const { method = 'GET', path, signal } = request;
    const what = `${method} ${path}`;
    const deadline = this.#deadline(request.deadlineMs ?? this.#options.deadlineMs ?? 3_000, signal);
    const begunMs = this.#clock.elapsedMs();
    let status = 0;
    let isWhole = false;
    try {
      const response = await this.#open(request, deadline.signal);
      status = response.statusCode ?? 0;
      const text = await textOf(response);
      isWhole = true;
      if (status >= 200 && status < 300) return parseAnswer<Answer>(text, what);
      throw KubeError.ofStatus(status, statusBody(text), what, response.headers['retry-after']);
    } catch (thrown) {
      signal?.throwIfAborted();
      if (deadline.isOver()) this.#dropIdleConnections();
      throw asKubeError(thrown, deadline.isOver() ? `${what}: no answer in time` : what);
    } finally {
      deadline.end(isWhole);
      this.#options.onAnswer?.(method, status, this.#clock.elapsedMs() - begunMs);
    }
  }

  /** All pages, as one list of one moment. @throws KubeError, 410 when the pages took too long */
  async list<Item extends KubeObject>(path: string, query: Query, signal?: AbortSignal): Promise<KubeList<Item>> {
    const items: Item[] = [];
    let token: string | undefined;
    for (;;) {
      const page: KubeList<Item> = await this.request({
        path,
        query: { ...query, limit: pageSize, continue: token },
        signal,
        deadlineMs: listDeadlineMs,
      });
      items.push(...page.items);
      token = page.metadata.continue || undefined;
      if (token === undefined) return { metadata: page.metadata, items };
    }
  }

  /**
   * One watch. Ends without an error when the server ends it in time.
   *
   * @throws KubeError: 410 when the version is too old; 0 when the connection is lost, or when the
   *   server has not ended the watch in time, since then it may be silent for ever.
   */
  async *watch<Item extends KubeObject>(path: string, options: WatchOptions): AsyncGenerator<WatchEvent<Item>, void> {
    const { resourceVersion, seconds, signal } = options;
    const what = `WATCH ${path}`;
    const deadline = this.#deadline(1_000 * seconds + silenceGraceMs, signal);
    const begunMs = this.#clock.elapsedMs();
    let status = 0;
    let isWhole = false;
    try {
      const query = {
        ...options.query,
        watch: true,
        resourceVersion,
        allowWatchBookmarks: true,
        timeoutSeconds: seconds,
      };
      const response = await this.#open({ path, query }, deadline.signal);
      status = response.statusCode ?? 0;
      if (status !== 200) throw KubeError.ofStatus(status, statusBody(await textOf(response)), what);
      for await (const line of linesOf(response)) {
        const event = parseAnswer<WatchEvent<Item>>(line, what);
        if (event.type === 'ERROR') throw KubeError.ofStatus(500, event.object, what);
        yield event;
      }
      isWhole = true;
    } catch (thrown) {
      signal.throwIfAborted();
      if (deadline.isOver()) this.#dropIdleConnections();
      throw asKubeError(thrown, deadline.isOver() ? `${what}: silent` : what);
    } finally {
      deadline.end(isWhole);
      this.#options.onAnswer?.('WATCH', status, this.#clock.elapsedMs() - begunMs);
    }
  }

  /** Closes the connections that are kept. May be called twice. */
  close(): void {
    this.#agent.destroy();
  }

  #open(request: KubeRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const { method = 'GET', path, query = {}, body, contentType = 'application/json' } = request;
    const { server, credentials } = this.#access;
    const { token, tls } = credentials();
    const url = new URL(`${server.pathname.replace(/\/$/, '')}${path}`, server);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const options = {
      method,
      agent: this.#agent,
      signal,
      headers: {
        accept: 'application/json',
        'user-agent': this.#options.userAgent ?? 'metatrain-controller',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(payload && { 'content-type': contentType, 'content-length': payload.byteLength }),
      },
    };
    return new Promise((resolve, reject) => {
      const isPlain = server.protocol === 'http:';
      const call = isPlain ? httpRequest(url, options) : httpsRequest(url, { ...options, ...tls });
      call.once('response', resolve);
      call.once('error', reject);
      call.end(payload);
    });
  }

  /** One connection was silent: the idle ones may be, too. */
  #dropIdleConnections(): void {
    for (const sockets of Object.values(this.#agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  /** Aborts at the deadline, or with the caller's signal. */
  #deadline(ms: number, caller: AbortSignal | undefined) {
    const controller = new AbortController();
    let isOver = false;
    const abort = () => controller.abort();
    const cancel = this.#clock.after(ms, () => {
      isOver = true;
      abort();
    });
    if (caller?.aborted) abort();
    else caller?.addEventListener('abort', abort, { once: true });
    return {
      signal: controller.signal,
      isOver: () => isOver,
      /** Closes the connection of an answer that was not read to its end. */
      end(isWhole: boolean) {
        cancel();
        caller?.removeEventListener('abort', abort);
        if (!isWhole) abort();
      },
    };
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.byteLength;
    if (bytes > maxAnswerBytes) throw new KubeError(0, `an answer of more than ${maxAnswerBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of response as AsyncIterable<Buffer>) {
    rest = rest.byteLength === 0 ? piece : Buffer.concat([rest, piece]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = rest.subarray(0, end).toString('utf8').trim();
      rest = rest.subarray(end + 1);
      if (line !== '') yield line;
    }
    if (rest.byteLength > maxLineBytes) throw new KubeError(0, `a line of more than ${maxLineBytes} bytes`);
  }
}

function parseAnswer<Answer>(text: string, what: string): Answer {
  try {
    return JSON.parse(text) as Answer;
  } catch (cause) {
    throw new KubeError(0, `${what}: the answer is no JSON`, { cause });
  }
}

/** An error's body; a proxy in between may answer in another form. */
function statusBody(text: string): ApiStatus {
  try {
    const { kind, code, reason, message, details } = JSON.parse(text) as ApiStatus;
    return kind === 'Status' ? ({ code, reason, message, details } as ApiStatus) : {};
  } catch {
    return {};
  }
}

function asKubeError(thrown: unknown, what: string): KubeError {
  if (thrown instanceof KubeError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new KubeError(0, message === 'The operation was aborted' ? what : `${what}: ${message}`, { cause: thrown });
}
