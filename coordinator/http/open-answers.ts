// Answers that stay open: event streams and downloads. Written no faster than they are read, so one costs a message of memory and no more; one whose
// reader stops reading is dropped, and one whose token no longer holds ends. Counted, in all and by client.
import type { ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import type { Clock } from '../../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
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

type Chunk = string | Uint8Array;

interface OpenAnswer {
  readonly path: string;
  readonly visitor: Visitor;
  readonly outgoing: ServerResponse;
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
    context: Context<{ Bindings: HttpBindings; Variables: { visitor: Visitor } }>,
    { headers, lastWords, stillHere }: Pouring,
    chunksUntil: (over: AbortSignal) => AsyncIterable<Chunk>,
  ): Promise<Response> {
    if (context.req.method === 'HEAD') return context.body(null, 200, headers);
    const { outgoing } = context.env as { outgoing: ServerResponse };
    const answer = this.#admit(context.req.path, context.var.visitor, outgoing, stillHere);
    const chunks = chunksUntil(answer.over.signal)[Symbol.asyncIterator]();
    let first: IteratorResult<Chunk>;
    try {
      first = await chunks.next();
    } catch (thrown) {
      this.#open.delete(answer);
      throw thrown;
    }
    outgoing.writeHead(200, headers);
    void this.#pourRest(answer, first, chunks, lastWords);
    return RESPONSE_ALREADY_SENT;
  }

  #admit(path: string, visitor: Visitor, outgoing: ServerResponse, stillHere: string | undefined): OpenAnswer {
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
    const answer: OpenAnswer = { path, visitor, outgoing, over, stillHere, blockedAt: undefined, wroteAt };
    outgoing.once('close', () => over.abort());
    outgoing.on('drain', () => {
      answer.blockedAt = undefined;
    });
    this.#open.add(answer);
    return answer;
  }

  async #pourRest(
    answer: OpenAnswer,
    first: IteratorResult<Chunk>,
    chunks: AsyncIterator<Chunk>,
    lastWords: Pouring['lastWords'],
  ): Promise<void> {
    const { outgoing, over, path } = answer;
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
      if (!outgoing.destroyed) outgoing.end(lastWords?.(undefined));
    } catch (thrown) {
      const error = asMetatrainError(thrown);
      if (error.code === 'INTERNAL') this.#log.error({ err: thrown, path }, 'an answer failed by our own mistake');
      // Whoever does not read would not read the last words either.
      if (lastWords && answer.blockedAt === undefined) outgoing.end(lastWords(error));
      else outgoing.destroy();
    } finally {
      this.#open.delete(answer);
      // Its finally blocks free what it holds.
      await chunks.return?.();
    }
  }

  /** Resolves when what was written has left, or the answer is over. */
  async #write(answer: OpenAnswer, chunk: Chunk): Promise<void> {
    const { outgoing, over } = answer;
    if (outgoing.destroyed) return;
    answer.wroteAt = this.#clock.elapsedMs();
    if (outgoing.write(chunk)) return;
    answer.blockedAt = answer.wroteAt;
    await new Promise<void>((resolve) => {
      const done = () => {
        outgoing.off('drain', done);
        over.signal.removeEventListener('abort', done);
        resolve();
      };
      outgoing.on('drain', done);
      over.signal.addEventListener('abort', done);
    });
  }

  /** Ends what must not go on, and says to the silent that we are still here. */
  sweep(): void {
    const now = this.#clock.elapsedMs();
    const { stallMs } = this.#options;
    for (const answer of [...this.#open]) {
      const { outgoing, over, visitor, path, blockedAt, stillHere } = answer;
      if (!visitor.stillHolds()) {
        this.#log.warn({ path, client: visitor.name }, 'an answer ends: its token has expired or was withdrawn');
        over.abort(new MetatrainError('UNAUTHENTICATED', `the token of ${visitor.name} has expired or was withdrawn`));
      } else if (blockedAt !== undefined && now - blockedAt >= stallMs) {
        this.#log.warn({ path, client: visitor.name }, 'an answer is dropped: its reader does not read');
        outgoing.destroy();
      } else if (blockedAt === undefined && stillHere !== undefined && now - answer.wroteAt >= silenceMs) {
        answer.wroteAt = now;
        if (!outgoing.write(stillHere)) answer.blockedAt = now;
      }
    }
  }

  close(error: MetatrainError): void {
    this.#stopSweeping();
    for (const { over } of [...this.#open]) over.abort(error);
  }
}
