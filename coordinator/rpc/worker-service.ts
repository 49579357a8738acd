// WorkerService: one stream a worker. Hello first, with the right protocol version; then messages become calls of the runner, and its
// orders become messages. Decides nothing about leases. A peer that breaks the protocol loses its stream, with a status that says why.
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '../../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import { boundText, maxWorkerTextBytes } from '../../shared/foreign-text.ts';
import type { CoordinatorMessage } from '../../shared/gen/metatrain/v1/CoordinatorMessage.ts';
import type { ShardResult__Output } from '../../shared/gen/metatrain/v1/ShardResult.ts';
import type { WorkerMessage__Output } from '../../shared/gen/metatrain/v1/WorkerMessage.ts';
import type { WorkerServiceHandlers } from '../../shared/gen/metatrain/v1/WorkerService.ts';
import type { Logger } from '../../shared/log.ts';
import { PayloadInbox } from '../../shared/payload-inbox.ts';
import type { PluginIdentity } from '../../shared/plugin-identity.ts';
import { maxPayloadBytes, protocolVersion } from '../../shared/wire.ts';
import type { AnyLease, Lease } from '../core/state.ts';
import type { TakenPayload } from '../jobs/result-checks.ts';
import type { Runner } from '../runner/runner.ts';
import type { PayloadMemory } from '../workers/payload-memory.ts';
import type { LeaseOrder, RequestOrder, WorkerDevice, WorkerLink } from '../workers/worker-link.ts';
import { callerOf } from './caller.ts';
import { Outbox, type OutgoingMessage } from './outbox.ts';
import { learnerMessages, requestLane, requestMessages } from './request-messages.ts';
import { toServiceError } from './status.ts';
import { boundFailure, checkHello, deviceOf, heldShards, invalid, maxSlots, shardProgress } from './worker-input.ts';
import { carryMessages, jobOpenedMessage, leaseMessage, packMessages, paramsMessages } from './worker-messages.ts';

export interface WorkerServiceOptions {
  readonly heartbeatIntervalMs: number;
  /** MetaTrain's version, for people. */
  readonly version: string;
  /** Workers connected at once, at most. */
  readonly maxWorkers: number;
}

interface WorkerServiceDependencies {
  readonly runner: Runner;
  readonly clock: Clock;
  readonly log: Logger;
  readonly memory: PayloadMemory;
  /** The W3C traceparent that goes with a lease; empty: it is not traced. Default: none is. */
  readonly traceLease?: ((lease: Lease) => string) | undefined;
}

/** Worker ids that are connected: with whose token, and on which stream. */
type WorkerNames = Map<string, { readonly client: string; readonly connection: number }>;

type WorkerCall = ServerDuplexStream<WorkerMessage__Output, CoordinatorMessage>;

const helloTimeoutMs = 10_000;
const maxWaitingMessages = 16_384;
/** Learners that a worker is told to keep, beside those of its leases. */
const maxLearners = 8;

export function workerService(
  options: WorkerServiceOptions,
  dependencies: WorkerServiceDependencies,
): WorkerServiceHandlers {
  let connections = 0;
  let open = 0;
  const names: WorkerNames = new Map();
  return {
    Connect(call) {
      if (open >= options.maxWorkers) {
        const error = new MetatrainError('QUEUE_FULL', `${open} workers are connected, the limit of this coordinator`);
        call.emit('error', toServiceError(error, dependencies.log));
        return;
      }
      open += 1;
      connections += 1;
      new WorkerStream(call, connections, options, dependencies, names, () => {
        open -= 1;
      });
    },
  };
}

class WorkerStream implements WorkerLink {
  readonly connection: number;
  readonly connectedAt: number;
  readonly address: string;
  workerId = '';
  engine = '';
  device: WorkerDevice = { kind: '', name: '', memoryBytes: 0, driver: '' };
  fingerprint = '';
  plugins: readonly PluginIdentity[] = [];
  slots = 0;
  computesSpans = false;
  version = '';
  readonly #call: WorkerCall;
  readonly #options: WorkerServiceOptions;
  readonly #runner: Runner;
  readonly #log: Logger;
  readonly #traceLease: (lease: Lease) => string;
  readonly #outbox: Outbox;
  readonly #cancelHelloTimeout: () => void;
  readonly #names: WorkerNames;
  readonly #onClosed: () => void;
  #phase: 'greeting' | 'serving' | 'closed' = 'greeting';
  readonly #memory: PayloadMemory;
  readonly #payloads: PayloadInbox;
  /** What the worker has been told of each job. */
  readonly #jobs = new Map<string, { hasLayout: boolean; paramsVersion: number }>();

  /** Learners that are open there, the least recently used first. */
  readonly #learners = new Set<string>();

  constructor(
    call: WorkerCall,
    connection: number,
    options: WorkerServiceOptions,
    { runner, clock, log, memory, traceLease = () => '' }: WorkerServiceDependencies,
    names: WorkerNames,
    onClosed: () => void,
  ) {
    this.#call = call;
    this.connection = connection;
    this.connectedAt = clock.now();
    this.address = call.getPeer();
    this.#options = options;
    this.#runner = runner;
    this.#log = log;
    this.#traceLease = traceLease;
    this.#names = names;
    this.#onClosed = onClosed;
    this.#memory = memory;
    this.#payloads = new PayloadInbox(
      { payloadBytes: maxPayloadBytes, payloads: maxSlots },
      { allocate: (bytes, held) => this.#allocate(bytes, held), release: (bytes) => memory.drop(bytes) },
    );
    this.#outbox = new Outbox((message, done) => this.#write(message, done), packMessages, maxWaitingMessages);
    this.#cancelHelloTimeout = clock.after(helloTimeoutMs, () =>
      this.close(new MetatrainError('DEADLINE_EXCEEDED', `no hello within ${helloTimeoutMs} ms`)),
    );
    call.on('data', (message: WorkerMessage__Output) => this.#receive(message));
    call.on('end', () => this.#end('the worker ended its stream'));
    call.on('cancelled', () => this.#end('the stream was lost'));
  }

  #write(message: OutgoingMessage, done: () => void): void {
    // The service's serializer takes encoded messages too, which the generated type does not know.
    this.#call.write(message as CoordinatorMessage, done);
  }

  // What the worker says.

  #receive(message: WorkerMessage__Output): void {
    try {
      for (const one of message.batch?.messages ?? [message]) {
        if (this.#phase === 'closed') return;
        if (this.#phase === 'greeting') this.#greet(one);
        else this.#handle(one);
      }
    } catch (thrown) {
      if (!(thrown instanceof MetatrainError)) throw thrown;
      this.close(thrown);
    }
  }

  #greet({ hello }: WorkerMessage__Output): void {
    if (!hello) throw invalid('the first message', 'no hello', 'a hello');
    checkHello(hello);
    this.#takeName(hello.workerId);
    this.#cancelHelloTimeout();
    this.workerId = hello.workerId;
    this.engine = hello.engine || 'compiled';
    this.device = deviceOf(hello);
    this.fingerprint = hello.engineFingerprint;
    this.plugins = hello.plugins;
    this.slots = hello.slots;
    this.computesSpans = hello.spans;
    this.version = boundText(hello.version, 64);
    this.#phase = 'serving';
    const { heartbeatIntervalMs, version: coordinatorVersion } = this.#options;
    this.#outbox.pushUrgent({ welcome: { protocolVersion, heartbeatIntervalMs, coordinatorVersion } });
    this.#outbox.flush();
    this.#runner.connect(this);
  }

  /** A worker that comes again takes its own place; with another token it would take another's place, and its leases. */
  #takeName(workerId: string): void {
    const client = callerOf(this.#call.metadata).name;
    const holder = this.#names.get(workerId);
    if (holder && holder.client !== client) {
      const message = `worker ${workerId} is connected with another token; give this one another --worker-id`;
      throw new MetatrainError('FORBIDDEN', message);
    }
    this.#names.set(workerId, { client, connection: this.connection });
  }

  #handle(message: WorkerMessage__Output): void {
    switch (message.message) {
      case 'heartbeat':
        this.#outbox.pushUrgent({ heartbeatReply: { sequence: message.heartbeat!.sequence } });
        this.#outbox.flush();
        this.#runner.heard(this);
        break;
      case 'payloadChunk':
        this.#payloads.add(message.payloadChunk!);
        break;
      case 'shardResult':
        this.#takeResult(message.shardResult!);
        break;
      case 'shardFailure':
        this.#runner.failure(this, boundFailure(message.shardFailure!));
        break;
      case 'shardProgress':
        this.#runner.progress(this, shardProgress(message.shardProgress!));
        break;
      case 'resultsHeld':
        this.#runner.offered(this, heldShards(message.resultsHeld!));
        break;
      case 'drain':
        this.#runner.drain(this, boundText(message.drain!.reason, maxWorkerTextBytes));
        break;
      case 'hello':
        throw invalid('hello', 'a second one', 'one a stream');
      case 'batch':
        throw invalid('batch', 'a batch in a batch', 'messages of other kinds');
      case undefined:
        throw invalid('message', 'none that is known', 'one of WorkerMessage');
      default:
        message.message satisfies never;
    }
  }

  /**
   * What a worker announces is not believed: a payload is as large as the job of one of its leases
   * says, and there is one a lease.
   */
  #allocate(payloadBytes: number, held: number): Buffer {
    const expected = this.#runner.payloadsExpected(this, payloadBytes);
    if (held < expected) return this.#memory.allocate(payloadBytes);
    const accepted = expected > 0 ? `${expected} of that size, one a lease` : 'what a lease of this worker calls for';
    throw invalid('payload_bytes', String(payloadBytes), accepted);
  }

  #takeResult(result: ShardResult__Output): void {
    const left = new Set(payloadNamesOf(result));
    this.#runner.result(this, result, (sha256) => {
      left.delete(sha256);
      return this.#takePayload(sha256);
    });
    // A result that did not count has left its payloads behind.
    for (const sha256 of left) this.#payloads.drop(sha256);
  }

  #takePayload(sha256: Uint8Array): TakenPayload {
    const bytes = this.#payloads.take(sha256);
    this.#memory.arrived(bytes);
    return { bytes, release: () => this.#memory.release(bytes) };
  }

  #end(reason: string): void {
    if (this.#phase === 'closed') return;
    const wasServing = this.#phase === 'serving';
    this.#becomeClosed();
    this.#call.end();
    if (wasServing) this.#runner.disconnect(this, reason);
  }

  #becomeClosed(): void {
    this.#phase = 'closed';
    this.#cancelHelloTimeout();
    this.#outbox.clear();
    this.#payloads.close();
    this.#jobs.clear();
    this.#learners.clear();
    if (this.#names.get(this.workerId)?.connection === this.connection) this.#names.delete(this.workerId);
    this.#onClosed();
  }

  // What the runner orders.

  sendLease(order: LeaseOrder): number {
    const { jobId } = order.lease.job.plan;
    let payloadBytes = 0;
    this.#order(() => {
      const told = this.#jobs.get(jobId) ?? { hasLayout: false, paramsVersion: -1 };
      if (!this.#jobs.has(jobId) || (order.layout && !told.hasLayout)) {
        this.#outbox.push(jobId, [jobOpenedMessage(jobId, order)]);
        told.hasLayout = order.layout !== undefined;
        this.#jobs.set(jobId, told);
      }
      const { metaParams } = order;
      if (metaParams && metaParams.step !== told.paramsVersion) {
        this.#outbox.push(jobId, paramsMessages(order.lease.job, metaParams));
        told.paramsVersion = metaParams.step;
        payloadBytes = metaParams.vector.byteLength;
      }
      const carried = order.carried ?? order.span?.optimizer;
      const carry = carried ? carryMessages(carried) : [];
      payloadBytes += carried?.vector.byteLength ?? 0;
      const lease = leaseMessage(order, this.#traceLease(order.lease));
      this.#outbox.push(jobId, [...carry, lease], order.lease.leaseId);
    });
    return payloadBytes;
  }

  sendRequest(order: RequestOrder): void {
    this.#order(() => {
      this.#openLearner(order);
      this.#outbox.push(requestLane, requestMessages(order), order.lease.leaseId);
    });
  }

  #openLearner({ learner, lease }: RequestOrder): void {
    const { learnerId } = learner;
    const isOpen = this.#learners.delete(learnerId);
    this.#learners.add(learnerId);
    // Where the request has failed here before, θ may not have been taken: it is sent again.
    if (isOpen && !lease.request.failures.some(({ workerId }) => workerId === this.workerId)) return;
    const inUse = learnersOf(lease.worker.leases);
    for (const oldest of this.#learners) {
      if (this.#learners.size <= maxLearners) break;
      if (inUse.has(oldest)) continue;
      this.#learners.delete(oldest);
      this.#outbox.push(requestLane, [{ learnerClosed: { learnerId: oldest } }]);
    }
    this.#outbox.push(requestLane, learnerMessages(learner));
  }

  cancelLease(leaseId: string, reason: string): void {
    this.#order(() => {
      const leaseCancelled = { leaseId, reason: boundText(reason, maxWorkerTextBytes) };
      this.#outbox.cancelLease(leaseId, { leaseCancelled });
    });
  }

  stopSpan(leaseId: string): void {
    this.#order(() => this.#outbox.pushUrgent({ spanStopped: { leaseId } }));
  }

  closeJob(jobId: string): void {
    if (!this.#jobs.delete(jobId)) return;
    this.#order(() => {
      this.#outbox.dropLane(jobId);
      this.#outbox.push(jobId, [{ jobClosed: { jobId } }]);
    });
  }

  /** A full outbox means that the worker does not read: it loses its stream, and nobody else waits. */
  #order(push: () => void): void {
    if (this.#phase !== 'serving') return;
    try {
      push();
    } catch (thrown) {
      const error = asMetatrainError(thrown);
      this.close(error);
      this.#runner.disconnect(this, error.message);
    }
  }

  flush(): void {
    if (this.#phase === 'serving') this.#outbox.flush();
  }

  close(error: MetatrainError): void {
    if (this.#phase === 'closed') return;
    const wasServing = this.#phase === 'serving';
    this.#log.info({ workerId: this.workerId, code: error.code, reason: error.message }, 'stream closed');
    this.#becomeClosed();
    this.#call.emit('error', toServiceError(error, this.#log));
    if (wasServing) this.#runner.disconnect(this, error.message);
  }
}

const payloadNamesOf = ({ initialize, train, span, adapt, predict }: ShardResult__Output): Uint8Array[] =>
  [(initialize ?? train ?? span ?? adapt?.state ?? predict)?.payloadSha256, train?.carrySha256].filter(
    (name) => name !== undefined,
  );

function learnersOf(leases: Iterable<AnyLease>): Set<string> {
  const learners = new Set<string>();
  for (const lease of leases) if (lease.kind === 'request') learners.add(lease.request.plan.learnerId);
  return learners;
}
