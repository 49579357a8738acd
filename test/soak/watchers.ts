// Those who only look: a thousand streams over a few connections, most of them of readers that never read, and a console that stays open, in a real
// browser where there is one.
import { get, type IncomingMessage } from 'node:http';
import { type ClientReadableStream, credentials } from '@grpc/grpc-js';
import { chromium } from 'playwright-core';
import { ClusterService, channelOptions, JobService } from '../../shared/wire.ts';
import { findProgram } from '../support/setup-programs.ts';

/** Of every kind so many streams, over a connection of its own: an unread stream would hold up the others of its connection. */
const streams = { eventsRead: 50, eventsNeverRead: 450, jobRead: 450, jobNeverRead: 50 };

/** HTTP/2's own window: what nobody reads should not fill this process. */
const narrow = { ...channelOptions, 'grpc-node.flow_control_window': 65_535 };

export const watcherCount = Object.values(streams).reduce((sum, count) => sum + count, 0);

export class Watchers {
  readonly #clients: { close(): void }[] = [];
  readonly #streams: ClientReadableStream<unknown>[] = [];
  /** Messages that the reading ones have read. */
  read = 0;
  /** Streams that ended before they were told to, with the reason. */
  readonly lost: string[] = [];
  #isClosed = false;

  /** @param jobId of a job that goes on until the end. */
  constructor(address: string, jobId: string) {
    const events = (isRead: boolean, count: number) => {
      const client = new ClusterService(address, credentials.createInsecure(), isRead ? channelOptions : narrow);
      this.#clients.push(client);
      for (let i = 0; i < count; i += 1) this.#watch(client.watchEvents({}), isRead);
    };
    const job = (isRead: boolean, count: number) => {
      const client = new JobService(address, credentials.createInsecure(), isRead ? channelOptions : narrow);
      this.#clients.push(client);
      for (let i = 0; i < count; i += 1) this.#watch(client.watchJob({ jobId }), isRead);
    };
    events(true, streams.eventsRead);
    events(false, streams.eventsNeverRead);
    job(true, streams.jobRead);
    job(false, streams.jobNeverRead);
  }

  #watch(stream: ClientReadableStream<unknown>, isRead: boolean): void {
    this.#streams.push(stream);
    const lose = (reason: string) => {
      if (!this.#isClosed) this.lost.push(reason);
    };
    stream.on('error', (error: Error) => lose(error.message));
    stream.on('end', () => lose('its stream ended'));
    if (isRead) stream.on('data', () => (this.read += 1));
    else stream.pause();
  }

  close(): void {
    this.#isClosed = true;
    for (const stream of this.#streams) stream.cancel();
    for (const client of this.#clients) client.close();
  }
}

/** An open console: a page of Chromium, or what its page would read. */
export class OpenConsole {
  readonly kind: 'Chromium' | 'server-sent events';
  readonly #close: () => Promise<void>;

  private constructor(kind: OpenConsole['kind'], close: () => Promise<void>) {
    this.kind = kind;
    this.#close = close;
  }

  static async open(http: string): Promise<OpenConsole> {
    const executablePath = findProgram('chromium');
    if (executablePath === undefined) {
      const streams = await Promise.all([1, 2, 3].map(() => readEvents(http)));
      return new OpenConsole('server-sent events', async () => {
        for (const stream of streams) stream.destroy();
      });
    }
    const browser = await chromium.launch({
      executablePath,
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    });
    const page = await browser.newPage();
    await page.goto(`http://${http}/`);
    return new OpenConsole('Chromium', () => browser.close());
  }

  close(): Promise<void> {
    return this.#close();
  }
}

function readEvents(http: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(`http://${http}/api/v1/events`, (response) => {
      response.on('error', () => undefined).resume();
      resolve(response);
    }).on('error', reject);
  });
}
