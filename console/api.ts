// Calls the coordinator: JSON requests and event streams, each with the user's token. The token is
// only in this tab's session storage and in the authorization header.
import type { ClusterEvent } from '../shared/cluster-event.ts';
import type { ApiError, JobEvent, StreamedEvents } from '../shared/http-api.ts';
import { after } from './clock.ts';
import { addressOf } from './place.ts';

/**
 * The coordinator sends a message at least every 15 s. A stream without messages for longer ends,
 * and its reader opens another one.
 */
const longestSilenceMs = 45_000;

const tokenKey = 'metatrain.token';

export const storedToken = (): string | undefined => sessionStorage.getItem(tokenKey) ?? undefined;
export const storeToken = (token: string): void => sessionStorage.setItem(tokenKey, token);
export const forgetToken = (): void => sessionStorage.removeItem(tokenKey);

/** The coordinator's error code, or `UNREACHABLE` if it did not answer. */
export class ApiFailure extends Error {
  readonly code: string;
  readonly problems: NonNullable<ApiError['problems']>;

  constructor({ code, message, problems = [] }: ApiError) {
    super(message);
    this.code = code;
    this.problems = problems;
  }
}

async function ask(path: string, options: RequestInit): Promise<Response> {
  const token = storedToken();
  const headers = { ...options.headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  let response: Response;
  try {
    response = await fetch(addressOf(`/api/v1${path}`), { ...options, headers, cache: 'no-store' });
  } catch (cause) {
    if (options.signal?.aborted) throw cause;
    throw new ApiFailure({ code: 'UNREACHABLE', message: 'the coordinator does not answer' });
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { error?: ApiError };
  throw new ApiFailure(body.error ?? { code: 'UNREACHABLE', message: `the coordinator answered ${response.status}` });
}

/** @throws ApiFailure */
export async function get<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  return (await ask(path, { ...(signal && { signal }) })).json() as Promise<Answer>;
}

/** @throws ApiFailure */
export async function post<Answer>(path: string, body: object = {}): Promise<Answer> {
  const headers = { 'content-type': 'application/json' };
  return (await ask(path, { method: 'POST', headers, body: JSON.stringify(body) })).json() as Promise<Answer>;
}

/** @throws ApiFailure */
export async function getBlob(path: string): Promise<Blob> {
  return (await ask(path, {})).blob();
}

export type Streamed<Event extends ClusterEvent | JobEvent> = {
  [Kind in keyof StreamedEvents<Event>]: { readonly kind: Kind; readonly data: StreamedEvents<Event>[Kind] };
}[keyof StreamedEvents<Event>];

/** The messages of a stream until it ends. EventSource cannot send a token. @throws ApiFailure */
export async function* stream<Event extends ClusterEvent | JobEvent>(
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Streamed<Event>, void> {
  const { body } = await ask(path, { signal });
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    let piece: ReadableStreamReadResult<string>;
    const stopWaiting = after(longestSilenceMs, () => void reader.cancel());
    try {
      piece = await reader.read();
    } catch (cause) {
      if (signal.aborted) throw cause;
      throw new ApiFailure({ code: 'UNREACHABLE', message: 'the connection to the coordinator broke' });
    } finally {
      stopWaiting();
    }
    if (piece.done) return;
    const blocks = (rest + piece.value).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const kind = /^event: (.+)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (kind !== undefined && data !== undefined) yield { kind, data: JSON.parse(data) } as Streamed<Event>;
    }
  }
}
