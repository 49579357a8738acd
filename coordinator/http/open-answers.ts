// Answers that stay open: event streams and downloads. Written no faster than they are read, so one costs a message of memory and no more; one whose
// reader stops reading is dropped, and one whose token no longer holds ends. Counted, in all and by client.
import type { Context } from 'hono';
import type { Clock } from '../../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { Exchange } from '../../shared/http-front/front.ts';
import type { Piece } from '../../shared/http-front/protocol.ts';
import type { Visit } from '../../shared/http-server.ts';
import type { Logger } from '../../shared/log.ts';
import type { Visitor } from './gate.ts';

export interface OpenAnswersOptions {
  /** Open at once. */
  readonly answers: number;
  /** The same of one client, where clients have tokens. */
  readonly answersPerClient: number;
  /** How long a reader may read nothing of what was written. */
  readonly stallMs: number;
}

export interface Pouring {
  readonly headers: Readonly<Record<string, string>>;
  /** What is written after the last chunk. The error is why the coordinator ends the answer; without last words the connection breaks on one. */
  readonly lastWords?: (error: MetatrainError | undefined) => string;
  /** Written when nothing was for a while. */
  readonly stillHere?: string;
}

interface OpenAnswer {
  readonly path: string;
  readonly visitor: Visitor;
  readonly exchange: Exchange;
  /** Aborted when the client is gone, or with the reason why we end it. */
  readonly over: AbortController;
  readonly stillHere: string | undefined;
  /** Undefined while the reader keeps up. */
  blockedAt: number | undefined;
  wroteAt: number;
}

const sweepEveryMs = 1_000;

/** After how long without a word a stream says that it is still there: before a proxy gives it up. */
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
   * Answers with the chunks, one when the one before has been read.
   *
   * @param chunksUntil ends when its signal does. What it throws before the first chunk becomes the answer.
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
        // One ahead, so that what is found wrong after the last chunk still breaks the answer before it is whole.
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
      // Its finally blocks free what it holds.
      await chunks.return?.();
    }
  }

  /** Resolves when what was written has left, or the answer is over. */
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

  /** Ends what must not go on, and says to the silent that we are still here. */
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
