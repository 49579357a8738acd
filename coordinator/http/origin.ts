// Which pages may call the API. A page of another origin must not use this machine's access to a
// coordinator without tokens: neither by posting across origins nor by pointing its own host name
// at our address (DNS rebinding). There are no cookies and no CORS answers.
import { isIP } from 'node:net';
import type { MiddlewareHandler } from 'hono';
import { MetatrainError } from '../../shared/errors.ts';
import { isLoopback } from '../../shared/loopback.ts';

export interface OriginOptions {
  /** The host of `--http`. */
  readonly host: string;
  /**
   * Where browsers find the console when a proxy serves it under another name, such as
   * `https://metatrain.example`.
   */
  readonly publicOrigin: string | undefined;
  /**
   * Then a page under another name has no token: browsers keep the token by origin, and only our
   * own page sends it.
   */
  readonly asksForTokens: boolean;
}

/** Throws MetatrainErrors `FORBIDDEN`, and `REQUEST_INVALID` for a POST whose body is not JSON. */
export function refuseForeign({ host: own, publicOrigin, asksForTokens }: OriginOptions): MiddlewareHandler {
  const ownNames = [own.toLowerCase(), ...(publicOrigin === undefined ? [] : [new URL(publicOrigin).hostname])];
  return async (context, next) => {
    const host = context.req.header('host') ?? '';
    if (!asksForTokens && !isOwnName(nameOf(host), ownNames)) {
      throw new MetatrainError(
        'FORBIDDEN',
        `host: got ${JSON.stringify(host.slice(0, 100))}; accepted by a coordinator that asks for no tokens: localhost, an IP address, or ` +
          'the host that it was given with --http or --public-origin',
      );
    }
    const origin = context.req.header('origin');
    if (origin !== undefined && hostOfOrigin(origin) !== host.toLowerCase() && origin !== publicOrigin) {
      const got = JSON.stringify(origin.slice(0, 100));
      const accepted = publicOrigin ?? 'none';
      throw new MetatrainError(
        'FORBIDDEN',
        `origin: got ${got}; accepted: the host that was asked for, ${JSON.stringify(host.slice(0, 100))}, and the coordinator's ` +
          `--public-origin, ${accepted}; behind a proxy give the coordinator the address that browsers use`,
      );
    }
    const type = context.req.header('content-type');
    if (context.req.method === 'POST' && !/^application\/json *(;|$)/i.test(type ?? '')) {
      const got = type === undefined ? 'none' : JSON.stringify(type.slice(0, 100));
      throw new MetatrainError('REQUEST_INVALID', `content-type: got ${got}; accepted: application/json`);
    }
    await next();
  };
}

/**
 * Rebinding needs a name, so addresses are safe, and so are names that only this machine or its
 * operator controls.
 */
const isOwnName = (name: string, own: readonly string[]): boolean =>
  isLoopback(name) || isIP(name) !== 0 || own.includes(name);

/** The name in a Host header: lower case, without port and brackets; empty if there is none. */
function nameOf(host: string): string {
  const url = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined;
  return url && url.pathname === '/' && url.username === '' ? url.hostname.replace(/^\[(.*)\]$/, '$1') : '';
}

const hostOfOrigin = (origin: string): string => (URL.canParse(origin) ? new URL(origin).host : '');
