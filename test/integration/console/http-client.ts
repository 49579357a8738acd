// Plain HTTP for tests of the API: one request with any headers, and event streams as they come.
import { request } from 'node:http';
import { Mailbox } from '../../support/mailbox.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  /** @throws when the body is no JSON */
  json<Shape = { error: { code: string; message: string } }>(): Shape;
}

export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** @param address HOST:PORT. Unlike fetch it lets any header through, Host and Origin too. */
export function ask(
  address: string,
  path: string,
  { method = 'GET', headers = {}, body }: Asking = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request(`http://${address}${path}`, { method, headers, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => {
        const whole = Buffer.concat(pieces);
        const { statusCode: status = 0, headers: answered } = response;
        resolve({ status, headers: answered, body: whole, json: () => JSON.parse(whole.toString()) });
      });
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

export const post = (address: string, path: string, body: object = {}, headers: Asking['headers'] = {}) =>
  ask(address, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

export interface ServerSentEvent {
  readonly kind: string;
  readonly id?: string;
  readonly data: unknown;
}

export class EventStream {
  readonly #events = new Mailbox<ServerSentEvent>();
  readonly #passed: ServerSentEvent[] = [];
  readonly #leave = new AbortController();
  /** Resolves when the server ended it. */
  readonly ended: Promise<void>;

  private constructor(response: Response) {
    this.ended = this.#read(response);
    this.ended.catch(() => undefined);
  }

  /** @throws with the answer when there is no stream */
  static async open(address: string, path: string, headers: Record<string, string> = {}): Promise<EventStream> {
    const response = await fetch(`http://${address}${path}`, { headers });
    if (!response.ok) throw new Error(await response.text());
    return new EventStream(response);
  }

  async #read(response: Response): Promise<void> {
    let rest = '';
    const text = response.body?.pipeThrough(new TextDecoderStream());
    if (!text) return;
    const reader = text.getReader();
    this.#leave.signal.addEventListener('abort', () => void reader.cancel().catch(() => undefined));
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
        const [kind, data, id] = [field('event'), field('data'), field('id')];
        if (kind !== undefined && data !== undefined)
          this.#events.put({ kind, data: JSON.parse(data), ...(id !== undefined && { id }) });
      }
    }
  }

  /** The first event of a kind that nobody took; what comes before it can still be taken. */
  async next(kind: string, isWanted: (data: never) => boolean = () => true): Promise<ServerSentEvent> {
    const isIt = (event: ServerSentEvent) => event.kind === kind && isWanted(event.data as never);
    const passed = this.#passed.findIndex(isIt);
    if (passed >= 0) return this.#passed.splice(passed, 1)[0]!;
    for (;;) {
      const event = await this.#events.take(`a server-sent event "${kind}"`);
      if (isIt(event)) return event;
      this.#passed.push(event);
    }
  }

  leave(): void {
    this.#leave.abort();
  }
}
