// The HTTP server of a process: health, metrics and, on the coordinator, the console. Every route
// states its callers; a route that does not is closed. Errors become JSON with a stable code.
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { maxOpenFiles } from './connection-limit.ts';
import { asMetatrainError, type ErrorCode, httpStatusOf, MetatrainError } from './errors.ts';
import { type Exchange, HttpFront } from './http-front/front.ts';
import type { Asked, Piece } from './http-front/protocol.ts';
import { maxSpecBytes } from './job-spec/index.ts';
import type { Logger } from './log.ts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /**
   * PEM. With `clientCa`, a client without a certificate of that authority gets the health routes
   * only.
   */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer; readonly clientCa?: Buffer };
}

/**
 * What routes find in `context.env`. Bodies bypass Hono's requests and responses: reading theirs
 * transfers an ArrayBuffer, and after the first transfer V8 checks every access to a typed array,
 * in the whole process (docs/adr/0018).
 */
export interface Visit {
  /** The client's address. */
  readonly peer: string;
  /** The client has shown a certificate of `clientCa`. */
  readonly isAuthorized: boolean;
  /**
   * Reads the request's body, and writes an answer piece by piece. After `begin`, the route's
   * return value is not sent.
   */
  readonly exchange: Exchange;
  /** The body that `answer` sets. */
  answer?: Piece;
}

type Visited = Pick<Context<{ Bindings: Visit }>, 'env' | 'body'>;

/**
 * A route returns this to answer with a body.
 *
 * @param status default 200.
 * @param headers besides those that were set before.
 */
export function answer(
  context: Visited,
  body: Piece,
  {
    status = 200,
    headers = {},
  }: { readonly status?: ContentfulStatusCode; readonly headers?: Record<string, string> } = {},
): Response {
  context.env.answer = body;
  return context.body(null, status, headers);
}

/** Answers with a value as JSON. */
export const answerJson = (context: Visited, value: unknown, status?: ContentfulStatusCode): Response =>
  answer(context, JSON.stringify(value), {
    ...(status !== undefined && { status }),
    headers: json,
  });

export type HttpApp = Hono<{ Bindings: Visit }>;

/** Adds routes to the app. */
export type HttpRoutes = (app: HttpApp) => void;

export interface HttpServer {
  /** HOST:PORT. */
  readonly address: string;
  /** New connections use these files, of which there must be as many as before. */
  renewTls(tls: NonNullable<HttpServerOptions['tls']>): void;
  /** Ends open answers after `graceMs`, and frees the port. May be called twice. */
  close(graceMs: number): Promise<void>;
}

/** The process's report on itself. */
export interface Health {
  /** Why the process cannot work, in words; undefined when it can. */
  readonly notReady: () => string | undefined;
}

/** A job file of the largest size in which every byte needs a six-byte escape, and its envelope. */
export const maxBodyBytes = 6 * maxSpecBytes + 4_096;

/** Open at a time: a quarter of the files that the process may open, within these bounds. */
const maxConnections = 8_192;
const fewest = 16;

/** @throws MetatrainError `ADDRESS_IN_USE`, `REQUEST_INVALID` */
export async function startHttpServer(
  { host, port, tls }: HttpServerOptions,
  { routes, health, log }: { readonly routes: readonly HttpRoutes[]; readonly health: Health; readonly log: Logger },
): Promise<HttpServer> {
  const app: HttpApp = new Hono();
  app.onError((thrown, context) => answerError(context, thrown, log));
  app.notFound((context) => answerJson(context, errorBody('NOT_FOUND', `there is no ${context.req.path}`), 404));
  app.get('/healthz', (context) => answer(context, 'ok\n', plainText));
  app.get('/readyz', (context) => {
    const reason = health.notReady();
    if (reason === undefined) return answer(context, 'ready\n', plainText);
    return answer(context, `not ready: ${reason}\n`, { status: 503, ...plainText });
  });
  if (tls?.clientCa) app.use(asksForCertificate);
  for (const add of routes) add(app);
  const front = await HttpFront.open({
    host,
    port,
    tls,
    maxBodyBytes,
    maxConnections: Math.min(maxConnections, Math.max(fewest, Math.floor(maxOpenFiles() / 4))),
    answer: (asked, exchange) => answerWith(app, tls ? 'https' : 'http', asked, exchange),
    log,
  });
  let closing: Promise<void> | undefined;
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${front.port}`,
    renewTls: (renewed) => front.renewTls(renewed),
    close(graceMs) {
      closing ??= front.close(graceMs);
      return closing;
    },
  };
}

async function answerWith(app: HttpApp, scheme: string, asked: Asked, exchange: Exchange): Promise<void> {
  const { method, headers, peer, isAuthorized } = asked;
  const visit: Visit = { peer, isAuthorized, exchange };
  let request: Request;
  try {
    request = new Request(urlOf(scheme, asked), { method, headers: headers as [string, string][] });
  } catch (thrown) {
    // Such as TRACE.
    const { message } = asMetatrainError(thrown);
    exchange.whole(400, Object.entries(json), JSON.stringify(errorBody('REQUEST_INVALID', message)));
    return;
  }
  const response = await app.fetch(request, visit);
  if (exchange.isBegun) return;
  // Our routes set `visit.answer`; a library's response may have a body of its own.
  const answered = visit.answer ?? (response.body ? await response.text() : undefined);
  exchange.whole(response.status, [...response.headers], answered);
}

/**
 * @throws MetatrainError `REQUEST_INVALID` for an invalid Host header: such a header could change
 *   the path of the URL.
 */
function urlOf(scheme: string, { target, headers }: Asked): string {
  if (!target.startsWith('/')) return target;
  const host = headers.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? '';
  if (/^[\w.:[\]-]+$/.test(host)) return `${scheme}://${host}${target}`;
  throw new MetatrainError(
    'REQUEST_INVALID',
    `the Host header: got ${JSON.stringify(host)}; accepted: a host and a port`,
  );
}

const json = { 'content-type': 'application/json' };
const plainText = { headers: { 'content-type': 'text/plain; charset=UTF-8' } };

const asksForCertificate: MiddlewareHandler<{ Bindings: Visit }> = async (context, next) => {
  if (context.env.isAuthorized) return next();
  throw new MetatrainError('UNAUTHENTICATED', 'this address asks for a client certificate');
};

function answerError(context: Context<{ Bindings: Visit }>, thrown: unknown, log: Logger): Response {
  if (thrown instanceof MetatrainError) {
    const { code, message, details } = thrown;
    return answerJson(context, errorBody(code, message, details.problems), httpStatusOf(code));
  }
  log.error({ err: thrown, path: context.req.path }, 'a request failed by our own mistake');
  return answerJson(context, errorBody('INTERNAL', 'internal error; the log has it whole'), 500);
}

/** @param problems of a job file: every field with an invalid value. */
const errorBody = (code: ErrorCode | 'NOT_FOUND', message: string, problems?: unknown) => ({
  error: { code, message, ...(problems !== undefined && { problems }) },
});
