// Checks who may call an HTTP route, as the gRPC door does for the services. Every route that is
// not public names the roles that it accepts; a token must have one of them. Without tokens, every
// caller may do everything.
import { createMiddleware } from 'hono/factory';
import type { Visit } from '../../shared/http-server.ts';
import type { Role } from '../../shared/tokens.ts';
import { anybody, authenticate, type Caller, demandRole } from '../access/authentication.ts';
import type { Refusals } from '../access/refusals.ts';
import type { TokenBook } from '../access/token-book.ts';

export interface Visitor extends Caller {
  /** False once the token has expired or was withdrawn: a stream must not outlive its token. */
  readonly stillHolds: () => boolean;
}

export class Gate {
  readonly #tokens: TokenBook | undefined;
  readonly #refusals: Refusals;

  /** @param tokens undefined: every caller may do everything. */
  constructor(tokens: TokenBook | undefined, refusals: Refusals) {
    this.#tokens = tokens;
    this.#refusals = refusals;
  }

  get asksForTokens(): boolean {
    return this.#tokens !== undefined;
  }

  /**
   * Later handlers find the caller in `context.var.visitor`. Throws MetatrainErrors
   * `UNAUTHENTICATED` and `FORBIDDEN`.
   */
  admits(...roles: readonly Role[]) {
    return createMiddleware<{ Bindings: Visit; Variables: { visitor: Visitor } }>(async (context, next) => {
      const { path } = context.req;
      try {
        context.set('visitor', this.#admit(path, context.req.header('authorization'), roles));
      } catch (thrown) {
        this.#refusals.report(path, context.env.peer, thrown);
        throw thrown;
      }
      await next();
    });
  }

  #admit(path: string, header: string | undefined, roles: readonly Role[]): Visitor {
    const tokens = this.#tokens;
    if (!tokens) return { ...anybody, stillHolds: () => true };
    const entry = authenticate(tokens, header === undefined ? [] : [header]);
    demandRole(entry, roles, path);
    return { name: entry.name, roles: new Set(entry.roles), stillHolds: () => tokens.stillHolds(entry) };
  }
}
