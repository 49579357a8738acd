// Answers that stay open: event streams and downloads. Written no faster than they are read, so
// each holds one message in memory. An answer is dropped when its reader stops reading, and ends
// when its token expires. Counted in all and by client.
import type { Context } from 'hono';
import type { Clock } from '../../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { Exchange } from '../../shared/http-front/front.ts';
import type { Piece } from '../../shared/http-front/protocol.ts';
import type { Visit } from '../../shared/http-server.ts';
import type { Logger } from '../../shared/log.ts';
import type { Visitor } from './gate.ts';

export interface OpenAnswersOptions {
  /** Open answers at a time. */
  readonly answers: number;
  /** Open answers of one client, where clients have tokens. */
  readonly answersPerClient: number;
  /** How long a reader may take nothing of what was written. */
  readonly stallMs: number;
}

export interface Pouring {
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Text after the last chunk. The error says why the coordinator ends the answer. Without
   * `lastWords`, an error breaks the connection.
   */
  readonly lastWords?: (error: MetatrainError | undefined) => string;
  /** Text for a stream on which nothing was written for a while. */
  readonly stillHere?: string;
}

interface OpenAnswer {
  readonly path: string;
  readonly visitor: Visitor;
  readonly exchange: Exchange;
  /**
   * Aborted when the client disconnects, or with the reason for which the coordinator ends the
   * answer.
   */
  readonly over: AbortController;
  readonly stillHere: string | undefined;
  /** Undefined while the reader keeps up. */
  blockedAt: number | undefined;
  wroteAt: number;
}

const sweepEveryMs = 1_000;

/** After this long without a message a stream sends `stillHere`, before a proxy closes it. */
const silenceMs = 15_000;

export class OpenAnswers {
  readonly #options: OpenAnswersOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #open = new Set<OpenAnswer>();
  readonly #stopSweeping: () => void;

  constructor(options: OpenAnswersOptions, { clock, log }: { readonly clock: Clock; readonly log: Logger }) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#stopSweeping = clock.every(sweepEveryMs, () => this.sweep());
  }

  /**
   * Sends the chunks as the answer. Asks for each chunk once the chunk before was read.
   *
   * @param chunksUntil must end when its signal is aborted. An error before the first chunk becomes
   *   the answer.
   * @throws MetatrainError `QUEUE_FULL`
   */
  async pour(
    context: Context<{ Bindings: Visit; Variables: { visitor: Visitor } }>,
    { headers, lastWords, stillHere }: Pouring,
    chunksUntil: (over: AbortSignal) => AsyncIterable<Piece>,
  ): Promise<Response> {
    if (context.req.method === 'HEAD') return context.body(null, 200, headers);
    const { exchange } = context.env;
    const answer = this.#admit(context.req.path, context.var.visitor, exchange, stillHere);
    const chunks = chunksUntil(answer.over.signal)[Symbol.asyncIterator]();
    let first: IteratorResult<Piece>;
    try {
      first = await chunks.next();
    } catch (thrown) {
      this.#open.delete(answer);
      throw thrown;
    }
    exchange.begin(Object.entries(headers));
    void this.#pourRest(answer, first, chunks, lastWords);
    return context.body(null);
  }

  #admit(path: string, visitor: Visitor, exchange: Exchange, stillHere: string | undefined): OpenAnswer {
    const { answers, answersPerClient } = this.#options;
    if (this.#open.size >= answers) {
      throw new MetatrainError('QUEUE_FULL', `${this.#open.size} streams and downloads are open, the limit over HTTP`);
    }
    const { name } = visitor;
    let ofClient = 0;
    if (name !== '') for (const open of this.#open) if (open.visitor.name === name) ofClient += 1;
    if (ofClient >= answersPerClient) {
      const what = `${name} has ${ofClient} streams and downloads open`;
      throw new MetatrainError('QUEUE_FULL', `${what}, the limit for one client`);
    }
    const over = new AbortController();
    const wroteAt = this.#clock.elapsedMs();
    const answer: OpenAnswer = { path, visitor, exchange, over, stillHere, blockedAt: undefined, wroteAt };
    if (exchange.over.aborted) over.abort();
    exchange.over.addEventListener('abort', () => over.abort(), { once: true });
    this.#open.add(answer);
    return answer;
  }

  async #pourRest(
    answer: OpenAnswer,
    first: IteratorResult<Piece>,
    chunks: AsyncIterator<Piece>,
    lastWords: Pouring['lastWords'],
  ): Promise<void> {
    const { exchange, over, path } = answer;
    try {
      for (let next = first; !next.done && !over.signal.aborted; ) {
        // Reads one chunk ahead, so an error after the last chunk still breaks the answer before it
        // is complete.
        const chunk = next.value;
        if (lastWords) {
          await this.#write(answer, chunk);
          next = await chunks.next();
        } else {
          next = await chunks.next();
          await this.#write(answer, chunk);
        }
      }
      if (over.signal.reason instanceof MetatrainError) throw over.signal.reason;
      exchange.end(lastWords?.(undefined));
    } catch (thrown) {
      const error = asMetatrainError(thrown);
      if (error.code === 'INTERNAL') this.#log.error({ err: thrown, path }, 'an answer failed by our own mistake');
      if (lastWords) exchange.end(lastWords(error));
      else exchange.break();
    } finally {
      this.#open.delete(answer);
      // Runs the generator's finally blocks, which free its resources.
      await chunks.return?.();
    }
  }

  /** Resolves when the chunk was sent, or the answer is over. */
  async #write(answer: OpenAnswer, chunk: Piece): Promise<void> {
    const { exchange, over } = answer;
    answer.wroteAt = this.#clock.elapsedMs();
    answer.blockedAt = answer.wroteAt;
    await new Promise<void>((resolve) => {
      const done = () => {
        over.signal.removeEventListener('abort', done);
        resolve();
      };
      over.signal.addEventListener('abort', done);
      void exchange.write(chunk).then(() => {
        answer.blockedAt = undefined;
        done();
      });
    });
  }

  /** Ends answers that are stalled or no longer allowed, and sends `stillHere` on silent ones. */
  sweep(): void {
    const now = this.#clock.elapsedMs();
    const { stallMs } = this.#options;
    for (const answer of [...this.#open]) {
      const { exchange, over, visitor, path, blockedAt, stillHere } = answer;
      if (!visitor.stillHolds()) {
        this.#log.warn({ path, client: visitor.name }, 'an answer ends: its token has expired or was withdrawn');
        over.abort(new MetatrainError('UNAUTHENTICATED', `the token of ${visitor.name} has expired or was withdrawn`));
      } else if (blockedAt !== undefined && now - blockedAt >= stallMs) {
        this.#log.warn({ path, client: visitor.name }, 'an answer is dropped: its reader does not read');
        exchange.break();
      } else if (blockedAt === undefined && stillHere !== undefined && now - answer.wroteAt >= silenceMs) {
        void this.#write(answer, stillHere);
      }
    }
  }

  close(error: MetatrainError): void {
    this.#stopSweeping();
    for (const { over } of [...this.#open]) over.abort(error);
  }
}
