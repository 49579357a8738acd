// A real nats-server on a port of its own, which a test can kill and start again, and a reader of
// its stream. Everything is removed when the test ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ConnectionOptions, connect, type NatsConnection } from 'nats';
import type { ClusterEvent } from '../../shared/cluster-event.ts';
import { pathOf } from './needs.ts';

/** A consumer fails after waiting this long for an event. */
const patienceMs = 60_000;

export interface NatsServerOptions {
  /** Configuration besides the address and JetStream. */
  readonly config?: string;
  /** Default true, with storage in files. */
  readonly hasJetStream?: boolean;
  /** Options of the tests' own consumers. */
  readonly client?: Partial<ConnectionOptions>;
}

/** An event as stored in the stream. */
export interface StreamMessage {
  readonly subject: string;
  readonly messageId: string;
  readonly contentType: string;
  readonly event: ClusterEvent;
}

export class NatsServer {
  readonly #options: NatsServerOptions;
  readonly #directory: string;
  #process: ChildProcess | undefined;
  #port = 0;

  private constructor(options: NatsServerOptions) {
    this.#options = options;
    this.#directory = mkdtempSync(join(tmpdir(), 'metatrain-nats-'));
  }

  static async start(test: TestContext, options: NatsServerOptions = {}): Promise<NatsServer> {
    const server = new NatsServer(options);
    test.after(async () => {
      await server.kill();
      rmSync(server.#directory, { recursive: true, force: true });
    });
    await server.start();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** Starts on the port of the first start. */
  async start({ hasJetStream = this.#options.hasJetStream ?? true } = {}): Promise<void> {
    const file = join(this.#directory, 'server.conf');
    const jetStream = hasJetStream ? `jetstream { store_dir: "${join(this.#directory, 'jetstream')}" }` : '';
    const listen = `listen: "127.0.0.1:${this.#port === 0 ? -1 : this.#port}"`;
    writeFileSync(file, [listen, jetStream, this.#options.config ?? ''].join('\n'));
    const child = spawn(pathOf('nats-server'), ['--config', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    let log = '';
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`nats-server ended: ${log}`)));
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        log += text;
        if (log.includes('Server is ready')) resolve();
      });
    });
    this.#port = Number(/client connections on 127\.0\.0\.1:(\d+)/.exec(log)?.[1]);
  }

  /** Kills with SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /**
   * The stream's messages from the first to the first for which `isLast` holds. Waits for that one.
   */
  async messages(isLast: (event: ClusterEvent) => boolean, stream = 'METATRAIN'): Promise<StreamMessage[]> {
    return this.use(async (connection) => {
      const consumer = await connection.jetstream().consumers.get(stream);
      const found: StreamMessage[] = [];
      const deadline = setTimeout(() => void connection.close(), patienceMs);
      for await (const message of await consumer.consume()) {
        const event = message.json<ClusterEvent>();
        const [messageId, contentType] = ['Nats-Msg-Id', 'content-type'].map(
          (name) => message.headers?.get(name) ?? '',
        );
        found.push({ subject: message.subject, messageId: messageId ?? '', contentType: contentType ?? '', event });
        if (isLast(event)) break;
      }
      clearTimeout(deadline);
      return found;
    });
  }

  async use<Result>(act: (connection: NatsConnection) => Promise<Result>): Promise<Result> {
    const connection = await connect({ servers: `127.0.0.1:${this.#port}`, ...this.#options.client });
    try {
      return await act(connection);
    } finally {
      await connection.close();
    }
  }
}
