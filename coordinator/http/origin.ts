// Which pages may talk to the API. A page of another origin must not use this machine's access to a coordinator that asks for no tokens: neither by
// posting across origins nor by giving its own name our address (DNS rebinding). There are no cookies and no CORS answers.
import { isIP } from 'node:net';
import type { MiddlewareHandler } from 'hono';
import { MetatrainError } from '../../shared/errors.ts';
import { isLoopback } from '../../shared/loopback.ts';

export interface OriginOptions {
  /** That of `--http`. */
  readonly host: string;
  /** A page of another name then has no token: a token is kept by origin, and is sent by our own page alone. */
  readonly asksForTokens: boolean;
}

/** Throws MetatrainErrors `FORBIDDEN`, and `REQUEST_INVALID` for a POST whose body is not JSON. */
export function refuseForeign({ host: own, asksForTokens }: OriginOptions): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header('host') ?? '';
    if (!asksForTokens && !isOwnName(nameOf(host), own.toLowerCase())) {
      throw new MetatrainError(
        'FORBIDDEN',
        `host: got ${JSON.stringify(host.slice(0, 100))}; accepted by a coordinator that asks for no tokens: localhost, an IP address, or ` +
          'the host that it was given with --http',
      );
    }
    const origin = context.req.header('origin');
    if (origin !== undefined && hostOfOrigin(origin) !== host.toLowerCase()) {
      const got = JSON.stringify(origin.slice(0, 100));
      throw new MetatrainError('FORBIDDEN', `origin: got ${got}; accepted: pages that this coordinator served`);
    }
    const type = context.req.header('content-type');
    if (context.req.method === 'POST' && !/^application\/json *(;|$)/i.test(type ?? '')) {
      const got = type === undefined ? 'none' : JSON.stringify(type.slice(0, 100));
      throw new MetatrainError('REQUEST_INVALID', `content-type: got ${got}; accepted: application/json`);
    }
    await next();
  };
}

/** An address cannot be rebound; a name can, unless it is one that only this machine decides about or the operator chose. */
const isOwnName = (name: string, own: string): boolean => isLoopback(name) || isIP(name) !== 0 || name === own;

/** Of a Host header, lower case, without port and brackets; empty for none. */
function nameOf(host: string): string {
  const url = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined;
  return url && url.pathname === '/' && url.username === '' ? url.hostname.replace(/^\[(.*)\]$/, '$1') : '';
}

const hostOfOrigin = (origin: string): string => (URL.canParse(origin) ? new URL(origin).host : '');
