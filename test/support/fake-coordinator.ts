// A coordinator under a test's control, behind a real gRPC server: records every message of every
// worker in order, and answers only on request.
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceError,
  type status,
} from '@grpc/grpc-js';
import type { ErrorCode } from '../../shared/errors.ts';
import type { CoordinatorMessage } from '../../shared/gen/metatrain/v1/CoordinatorMessage.ts';
import type { WorkerMessage__Output } from '../../shared/gen/metatrain/v1/WorkerMessage.ts';
import type { WorkerServiceHandlers } from '../../shared/gen/metatrain/v1/WorkerService.ts';
import { bytesOfVector, chunksOf, sha256 } from '../../shared/tensor-codec.ts';
import { channelOptions, codeMetadataKey, protocolVersion, WorkerService } from '../../shared/wire.ts';
import { Mailbox } from './mailbox.ts';

type Call = ServerDuplexStream<WorkerMessage__Output, CoordinatorMessage>;
type MessageKind = NonNullable<WorkerMessage__Output['message']>;
type Content<Kind extends MessageKind> = NonNullable<WorkerMessage__Output[Kind]>;

/** One worker's stream. */
export class FakeConnection {
  readonly call: Call;
  /** Every received message, in order. */
  readonly heard: WorkerMessage__Output[] = [];
  readonly #inbox = new Mailbox<WorkerMessage__Output>();
  readonly ended: Promise<void>;
  answersHeartbeats = true;

  constructor(call: Call) {
    this.call = call;
    this.ended = new Promise((resolve) => {
      call.on('end', () => {
        call.end();
        resolve();
      });
      call.on('cancelled', resolve);
      call.on('error', () => resolve());
    });
    call.on('data', (whole: WorkerMessage__Output) => {
      for (const message of whole.batch?.messages ?? [whole]) {
        this.heard.push(message);
        this.#inbox.put(message);
        if (message.heartbeat && this.answersHeartbeats) {
          call.write({ heartbeatReply: { sequence: message.heartbeat.sequence } });
        }
      }
    });
  }

  /** The next message of this kind; skips others. */
  async next<Kind extends MessageKind>(kind: Kind): Promise<Content<Kind>> {
    for (;;) {
      const message = await this.#inbox.take(`a ${kind} message`);
      if (message.message === kind) return message[kind] as Content<Kind>;
    }
  }

  send(message: CoordinatorMessage): void {
    this.call.write(message);
  }

  /** Waits for the hello and welcomes it. */
  async welcome(heartbeatIntervalMs = 200, version = protocolVersion): Promise<Content<'hello'>> {
    const hello = await this.next('hello');
    this.send({ welcome: { protocolVersion: version, heartbeatIntervalMs, coordinatorVersion: 'test' } });
    return hello;
  }

  sendParams(jobId: string, paramsVersion: number, vector: Float32Array): void {
    const bytes = bytesOfVector(vector);
    for (const payloadChunk of chunksOf(bytes)) this.send({ payloadChunk });
    this.send({ paramsAnnounced: { jobId, paramsVersion, payloadSha256: sha256(bytes) } });
  }

  /**
   * @param named the coordinator's own error code; without it the status could come from a proxy.
   */
  refuse(code: status, details: string, named?: ErrorCode): void {
    const metadata = new Metadata();
    if (named !== undefined) metadata.set(codeMetadataKey, named);
    this.call.emit('error', { code, details, metadata } as ServiceError);
  }
}

export class FakeCoordinator {
  readonly #server: Server;
  readonly #connections: Mailbox<FakeConnection>;
  readonly address: string;

  private constructor(server: Server, connections: Mailbox<FakeConnection>, address: string) {
    this.#server = server;
    this.#connections = connections;
    this.address = address;
  }

  /** @param port 0 takes any free port. */
  static async listen(port = 0): Promise<FakeCoordinator> {
    const server = new Server(channelOptions);
    const connections = new Mailbox<FakeConnection>();
    const handlers: WorkerServiceHandlers = {
      Connect: (call) => connections.put(new FakeConnection(call as unknown as Call)),
    };
    server.addService(WorkerService.service, handlers);
    const bound = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, boundPort) =>
        error ? reject(error) : resolve(boundPort),
      ),
    );
    return new FakeCoordinator(server, connections, `127.0.0.1:${bound}`);
  }

  get port(): number {
    return Number(this.address.split(':').at(-1));
  }

  /** The next worker's connection. */
  connection(): Promise<FakeConnection> {
    return this.#connections.take('a connection');
  }

  /** Cuts every stream, as a crash would. */
  close(): void {
    this.#server.forceShutdown();
  }
}
