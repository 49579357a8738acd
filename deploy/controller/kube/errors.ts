// The one type for errors between the controller and the API server. Callers decide by `status`, never
// by message text.
import type { ApiStatus } from './objects.ts';

export class KubeError extends Error {
  /** The HTTP status; 0 when no answer came: the network, a timeout, a connection that was cut. */
  readonly status: number;
  /** The API server's word, such as `Expired`, `Conflict` or `NotFound`; empty without one. */
  readonly reason: string;
  /** The server asked for this pause; undefined when it did not. */
  readonly retryAfterMs: number | undefined;

  constructor(
    status: number,
    message: string,
    options: { readonly reason?: string; readonly retryAfterMs?: number; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KubeError';
    this.status = status;
    this.reason = options.reason ?? '';
    this.retryAfterMs = options.retryAfterMs;
  }

  static ofStatus(httpStatus: number, body: ApiStatus, what: string, retryAfter?: string): KubeError {
    const seconds = Number(retryAfter ?? body.details?.retryAfterSeconds ?? Number.NaN);
    return new KubeError(body.code ?? httpStatus, `${what}: ${body.message ?? `HTTP ${httpStatus}`}`, {
      reason: body.reason ?? '',
      ...(Number.isFinite(seconds) && { retryAfterMs: 1_000 * seconds }),
    });
  }
}

export const statusOf = (thrown: unknown): number | undefined =>
  thrown instanceof KubeError ? thrown.status : undefined;

/** The resource version is too old (etcd was compacted): list again. */
export const isGone = (thrown: unknown): boolean => statusOf(thrown) === 410;

/** The object has changed, or is another object of this name: read it again. */
export const isConflict = (thrown: unknown): boolean => statusOf(thrown) === 409;

export const isMissing = (thrown: unknown): boolean => statusOf(thrown) === 404;

export const isForbidden = (thrown: unknown): boolean => statusOf(thrown) === 403;
