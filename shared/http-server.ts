// The HTTP side of a process: health, metrics and, on the coordinator, the console. Every route says who may call it; one that does not is
// closed. Errors become JSON with a stable code. Knows nothing of what the routes answer.
import type { Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { type HttpBindings, serve } from '@hono/node-server';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { type ErrorCode, httpStatusOf, MetatrainError } from './errors.ts';
import type { Logger } from './log.ts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** PEM. With `clientCa`, whoever shows no certificate of that authority sees nothing but the health. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer; readonly clientCa?: Buffer };
}

export type HttpApp = Hono<{ Bindings: HttpBindings }>;

/** Adds its routes. */
export type HttpRoutes = (app: HttpApp) => void;

export interface HttpServer {
  /** HOST:PORT. */
  readonly address: string;
  /** Ends open answers after `graceMs`, and frees the port. May be called twice. */
  close(graceMs: number): Promise<void>;
}

/** What the process says of itself. */
export interface Health {
  /** Undefined when it can work; else why not, in words. */
  readonly notReady: () => string | undefined;
}

/** @throws MetatrainError `ADDRESS_IN_USE` */
export async function startHttpServer(
  { host, port, tls }: HttpServerOptions,
  { routes, health, log }: { readonly routes: readonly HttpRoutes[]; readonly health: Health; readonly log: Logger },
): Promise<HttpServer> {
  const app: HttpApp = new Hono();
  app.onError((thrown, context) => answerError(context, thrown, log));
  app.notFound((context) => context.json(errorBody('NOT_FOUND', `there is no ${context.req.path}`), 404));
  app.get('/healthz', (context) => context.text('ok\n'));
  app.get('/readyz', (context) => {
    const reason = health.notReady();
    return reason === undefined ? context.text('ready\n') : context.text(`not ready: ${reason}\n`, 503);
  });
  if (tls?.clientCa) app.use(asksForCertificate);
  for (const add of routes) add(app);
  const { server, listening } = listen(app, host, port, tls);
  const boundPort = await listening;
  let closing: Promise<void> | undefined;
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    close(graceMs) {
      closing ??= closeServer(server, graceMs);
      return closing;
    },
  };
}

const asksForCertificate: MiddlewareHandler<{ Bindings: HttpBindings }> = async (context, next) => {
  const { authorized } = context.env.incoming.socket as TLSSocket;
  if (authorized) return next();
  throw new MetatrainError('UNAUTHENTICATED', 'this address asks for a client certificate');
};

function listen(app: HttpApp, host: string, port: number, tls: HttpServerOptions['tls']) {
  const secure = tls && {
    createServer: createSecureServer,
    serverOptions: {
      cert: tls.cert,
      key: tls.key,
      ...(tls.clientCa && { ca: tls.clientCa, requestCert: true, rejectUnauthorized: false }),
    },
  };
  let server: Server | undefined;
  const listening = new Promise<number>((resolve, reject) => {
    server = serve({ fetch: app.fetch, hostname: host, port, ...secure }, (info) => resolve(info.port)) as Server;
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const address = `${host}:${port}`;
      const isTaken = cause.code === 'EADDRINUSE';
      reject(
        isTaken
          ? new MetatrainError('ADDRESS_IN_USE', `cannot serve HTTP on ${address}: another program listens there`, {
              cause,
            })
          : new MetatrainError('REQUEST_INVALID', `cannot serve HTTP on ${address}: ${cause.message}`, { cause }),
      );
    });
  });
  if (!server) throw new Error('serve returns a server');
  return { server, listening };
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timeout = AbortSignal.timeout(graceMs);
  timeout.addEventListener('abort', () => server.closeAllConnections(), { once: true });
  await closed;
}

function answerError(context: Context, thrown: unknown, log: Logger): Response {
  if (thrown instanceof MetatrainError) {
    const { code, message, details } = thrown;
    return context.json(errorBody(code, message, details.problems), httpStatusOf(code));
  }
  log.error({ err: thrown, path: context.req.path }, 'a request failed by our own mistake');
  return context.json(errorBody('INTERNAL', 'internal error; the log has it whole'), 500);
}

/** @param problems of a job file: every field that cannot be. */
const errorBody = (code: ErrorCode | 'NOT_FOUND', message: string, problems?: unknown) => ({
  error: { code, message, ...(problems !== undefined && { problems }) },
});
