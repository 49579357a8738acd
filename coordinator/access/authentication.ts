// Identifies the caller from the authorization header and checks its roles, for gRPC and for HTTP
// alike. No answer contains any part of a secret.
import { MetatrainError } from '../../shared/errors.ts';
import { type Role, roles, type TokenEntry } from '../../shared/tokens.ts';
import type { TokenBook } from './token-book.ts';

export interface Caller {
  /** The token's name; empty when the coordinator runs without tokens. */
  readonly name: string;
  readonly roles: ReadonlySet<Role>;
}

/** Every caller, when the coordinator runs without tokens. */
export const anybody: Caller = { name: '', roles: new Set(roles) };

/**
 * @param headers the values of the call's authorization header. @throws MetatrainError
 *   `UNAUTHENTICATED`
 */
export function authenticate(tokens: TokenBook, headers: readonly string[]): TokenEntry {
  if (headers.length === 0) {
    throw new MetatrainError(
      'UNAUTHENTICATED',
      'this coordinator asks for a token: --token-file FILE or METATRAIN_TOKEN (in any client: authorization: Bearer mt_…)',
    );
  }
  const secret = headers.length === 1 ? /^Bearer +(\S{1,200})$/i.exec(headers[0] ?? '')?.[1] : undefined;
  if (secret === undefined) {
    throw new MetatrainError('UNAUTHENTICATED', 'authorization: got something else; accepted: one Bearer token');
  }
  const entry = tokens.find(secret);
  if (!entry) throw new MetatrainError('UNAUTHENTICATED', 'this coordinator does not know the token');
  if (tokens.hasExpired(entry)) {
    const { name, expiresAt } = entry;
    throw new MetatrainError(
      'UNAUTHENTICATED',
      `the token of ${name} expired at ${new Date(expiresAt ?? 0).toISOString()}; make another with metatrain token create`,
    );
  }
  return entry;
}

/** @throws MetatrainError `FORBIDDEN` */
export function demandRole({ name, roles: given }: TokenEntry, accepted: readonly Role[], what: string): void {
  if (given.some((role) => accepted.includes(role))) return;
  throw new MetatrainError(
    'FORBIDDEN',
    `${what} asks for the role ${accepted.join(' or ')}; the token of ${name} has: ${given.join(', ')}`,
  );
}
