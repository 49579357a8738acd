// Who may call an HTTP route: what the gRPC door is to the services. A route of the coordinator that is not public names the roles of which
// a token must have one; where the coordinator asks for no tokens, everybody may do everything.
import { createMiddleware } from 'hono/factory';
import type { Role } from '../../shared/tokens.ts';
import { anybody, authenticate, type Caller, demandRole } from '../authentication.ts';
import type { TokenBook } from '../token-book.ts';

export interface Visitor extends Caller {
  /** False once the token has expired or was withdrawn: a stream must not outlive its permission. */
  readonly stillHolds: () => boolean;
}

export class Gate {
  readonly #tokens: TokenBook | undefined;

  /** @param tokens undefined: everybody may do everything. */
  constructor(tokens: TokenBook | undefined) {
    this.#tokens = tokens;
  }

  get asksForTokens(): boolean {
    return this.#tokens !== undefined;
  }

  /** The handlers after it find who calls in `context.var.visitor`. They throw MetatrainErrors `UNAUTHENTICATED` and `FORBIDDEN`. */
  admits(...roles: readonly Role[]) {
    const tokens = this.#tokens;
    return createMiddleware<{ Variables: { visitor: Visitor } }>(async (context, next) => {
      if (tokens) {
        const header = context.req.header('authorization');
        const entry = authenticate(tokens, header === undefined ? [] : [header]);
        demandRole(entry, roles, context.req.path);
        const { name } = entry;
        context.set('visitor', { name, roles: new Set(entry.roles), stillHolds: () => tokens.stillHolds(entry) });
      } else {
        context.set('visitor', { ...anybody, stillHolds: () => true });
      }
      await next();
    });
  }
}
