// The worker's side of `WorkerService.Connect`: feeds what arrives to the state machine and performs its orders on the stream and the
// compute pool. Decides nothing itself; tensors pass through here, never through the state machine.
import type { Clock } from '../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../shared/errors.ts';
import type { CoordinatorMessage__Output } from '../shared/gen/metatrain/v1/CoordinatorMessage.ts';
import type { JobOpened__Output } from '../shared/gen/metatrain/v1/JobOpened.ts';
import type { LearnerOpened__Output } from '../shared/gen/metatrain/v1/LearnerOpened.ts';
import type { ParamsAnnounced__Output } from '../shared/gen/metatrain/v1/ParamsAnnounced.ts';
import type { ShardLease__Output } from '../shared/gen/metatrain/v1/ShardLease.ts';
import type { Logger } from '../shared/log.ts';
import { PassingMap } from '../shared/passing.ts';
import { PayloadInbox } from '../shared/payload-inbox.ts';
import type { PluginIdentity } from '../shared/plugin-identity.ts';
import { layoutElements } from '../shared/tensor-codec.ts';
import { maxPayloadBytes, maxUnfinishedJobs, protocolVersion } from '../shared/wire.ts';
import type { ComputePool } from './compute/pool.ts';
import type { ShardOutcome } from './compute/shard.ts';
import type { DeviceFacts, EngineName } from './engine/devices.ts';
import { HeldResults } from './held-results.ts';
import type { WorkerObserver } from './observer.ts';
import { heldMessage, type Owner, outcomeMessages, ownerOf, payloadBytesOf, readLease } from './session-messages.ts';
import { Outbox } from './session-outbox.ts';
import { readRequestLease } from './session-requests.ts';
import {
  defaultSessionTimes,
  type Lease,
  type SessionEvent,
  type SessionOrder,
  SessionState,
  type SessionTimes,
} from './session-state.ts';
import type { CoordinatorStream, OpenStream } from './session-stream.ts';

export interface EngineOffer {
  readonly engine: EngineName;
  readonly device: DeviceFacts;
  /** That every compute thread has loaded. Default: none. */
  readonly plugins?: readonly PluginIdentity[];
}

export interface SessionOptions {
  readonly workerId: string;
  /** MetaTrain's version, for people. */
  readonly version: string;
  /** What the pool computes with. Default: compiled, on a cpu of which nothing is known. */
  readonly offer?: EngineOffer;
  readonly times?: SessionTimes;
}

export interface SessionDependencies {
  readonly openStream: OpenStream;
  readonly pool: ComputePool;
  readonly clock: Clock;
  readonly log: Logger;
  /** Jitter of the back-off. */
  readonly randomFraction: () => number;
  /** Called at the first Welcome. */
  readonly onConnected?: () => void;
  /** Told of everything that happens. Default: nobody. */
  readonly observer?: WorkerObserver;
}

export interface SessionEnd {
  readonly exitCode: number;
  readonly message: string;
}

const tickMs = 50;
const maxPayloads = 64;
/** Results kept in case they are asked for again. */
const heldResultsBytes = 64 * 2 ** 20;
/** Versions of θ per job whose hashes are known. */
const keptHashes = 4;

export class Session {
  readonly #options: SessionOptions;
  readonly #dependencies: SessionDependencies;
  readonly #state: SessionState;
  readonly #observer: WorkerObserver;
  /**
   * Elements of the parameters of each open job or learner, in order of opening: beyond `maxUnfinishedJobs` the oldest
   * is closed; undefined until the layout is known.
   */
  readonly #jobs = new Map<string, number | undefined>();
  /** Shards under way, by the lease that began them. */
  readonly #shards = new PassingMap<string, Lease>();
  readonly #held = new HeldResults(heldResultsBytes);
  /** Job → version → SHA-256 of θ, of this stream. */
  readonly #paramsSha256 = new Map<string, PassingMap<number, string>>();
  #payloads = newInbox();
  /** Why a job's newest θ could not be taken: its leases are answered with this. */
  readonly #refusedParams = new Map<string, { readonly version: number; readonly error: MetatrainError }>();
  #stream: CoordinatorStream | undefined;
  #outbox: Outbox | undefined;
  #stopTicking: (() => void) | undefined;
  #resolveEnd: ((end: SessionEnd) => void) | undefined;

  constructor(options: SessionOptions, dependencies: SessionDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#observer = dependencies.observer ?? {};
    this.#state = new SessionState(options.times ?? defaultSessionTimes);
  }

  /** Undefined while a coordinator has welcomed the worker and gives it shards; else why not. */
  notReady(): string | undefined {
    const { phase } = this.#state;
    return phase === 'serving' ? undefined : `no shards are taken: the session is ${phase}`;
  }

  /** Serves until drained, refused or exhausted; leaves the pool open. Once only. */
  run(): Promise<SessionEnd> {
    this.#dependencies.pool.listen({
      onOutcome: (outcome) => this.#endShard(outcome),
      onProgress: (progress) => this.#step({ kind: 'startingChanged', ...progress }),
      onExhausted: ({ message }) => this.#step({ kind: 'computeFailed', message }),
    });
    return new Promise((resolve) => {
      this.#resolveEnd = resolve;
      this.#stopTicking = this.#dependencies.clock.every(tickMs, () => this.#step({ kind: 'ticked' }));
      this.#step({ kind: 'started' });
    });
  }

  /** Takes no new shard, finishes those it holds within the grace period, then ends with exit code 0. */
  drain(reason: string, graceMs: number): void {
    this.#dependencies.log.info({ reason, graceMs, leases: this.#state.leases.size }, 'draining');
    this.#step({ kind: 'drainRequested', reason, graceMs });
  }

  #endShard(outcome: ShardOutcome): void {
    const lease = this.#shards.get(outcome.leaseId);
    // A request is not leased again once its stream is lost: the caller has been answered.
    if (lease?.requestId === undefined && lease && outcome.kind === 'finished') this.#held.put(lease, outcome);
    this.#step({ kind: 'shardEnded', leaseId: outcome.leaseId }, outcome);
    this.#shards.delete(outcome.leaseId);
  }

  #step(event: SessionEvent, outcome?: ShardOutcome): void {
    for (const order of this.#state.step(event, this.#dependencies.clock.elapsedMs())) this.#perform(order, outcome);
  }

  #perform(order: SessionOrder, outcome: ShardOutcome | undefined): void {
    const { pool, log } = this.#dependencies;
    switch (order.kind) {
      case 'connect':
        this.#connect();
        break;
      case 'sendHeartbeat':
        this.#outbox?.sendUrgent({ heartbeat: { sequence: order.sequence } });
        break;
      case 'runShard': {
        const { leaseId, jobId, work } = order.lease;
        this.#shards.set(leaseId, order.lease);
        this.#observer.shardTaken?.({ lease: order.lease });
        pool.run(leaseId, jobId, work);
        break;
      }
      case 'cancelShard':
        this.#shards.delete(order.leaseId);
        pool.cancel(order.leaseId);
        break;
      case 'stopSpan':
        pool.stopSpan(order.leaseId);
        break;
      case 'sendOutcome': {
        const lease = outcome && this.#shards.get(outcome.leaseId);
        if (!outcome || !lease) throw new Error('an outcome is sent only for a lease that is held');
        this.#outbox?.send(outcomeMessages(ownerOf(lease), { ...outcome, leaseId: order.leaseId }));
        if (outcome.kind === 'finished') this.#observeResult(lease, outcome, false);
        break;
      }
      case 'sendProgress': {
        const { leaseId, isStarting, isReopening: reopening } = order;
        this.#outbox?.sendUrgent({
          shardProgress: { leaseId, phase: isStarting ? 'starting' : 'computing', reopening },
        });
        break;
      }
      case 'sendDrain':
        this.#outbox?.sendUrgent({ drain: { reason: order.reason, graceMs: order.graceMs } });
        break;
      case 'finishStream':
        this.#outbox?.end();
        break;
      case 'abandonStream':
        this.#dropStream();
        this.#step({ kind: 'streamEnded', end: order.end, jitter: this.#dependencies.randomFraction() });
        break;
      case 'reportWelcome':
        log.info(order.isFirst ? 'connected' : 'connected again');
        this.#observer.connected?.({});
        if (order.isFirst) this.#dependencies.onConnected?.();
        this.#offerResults();
        return;
      case 'reportRetry': {
        const { end, delayMs } = order;
        this.#observer.disconnected?.({ code: end.code });
        log.warn({ code: end.code, retryMs: Math.round(delayMs) }, `no connection: ${end.message}`);
        return;
      }
      case 'exit':
        this.#dropStream();
        this.#stopTicking?.();
        this.#resolveEnd?.({ exitCode: order.exitCode, message: order.message });
        return;
      default:
        order satisfies never;
    }
  }

  #connect(): void {
    const stream = this.#dependencies.openStream({
      onMessage: (message) => this.#receive(message),
      onEnd: (end) => {
        this.#dropStream();
        this.#step({ kind: 'streamEnded', end, jitter: this.#dependencies.randomFraction() });
      },
    });
    this.#stream = stream;
    this.#outbox = new Outbox(stream);
    const { workerId, version, offer } = this.#options;
    const plugins = offer?.plugins?.map(({ name, sha256 }) => ({ name, sha256 })) ?? [];
    const { fingerprint, slots } = this.#dependencies.pool;
    this.#outbox.sendUrgent({
      hello: {
        protocolVersion,
        workerId,
        engineFingerprint: fingerprint,
        slots,
        version,
        ...offer,
        plugins,
        spans: true,
      },
    });
  }

  /** Parameters go with their stream, since the next one sends anew what it needs; programs stay, being costly and the same. */
  #dropStream(): void {
    this.#outbox?.close();
    this.#stream?.drop();
    this.#stream = undefined;
    this.#outbox = undefined;
    this.#payloads = newInbox();
    this.#refusedParams.clear();
    this.#paramsSha256.clear();
    this.#dependencies.pool.forgetParams();
  }

  #receive(message: CoordinatorMessage__Output): void {
    this.#step({ kind: 'heard' });
    const stream = this.#stream;
    try {
      for (const one of message.batch?.messages ?? [message]) {
        // One before it in the batch may have ended the stream.
        if (this.#stream !== stream) return;
        this.#handle(one);
      }
    } catch (thrown) {
      if (!(thrown instanceof MetatrainError)) throw thrown;
      const message = `the coordinator sent what cannot be: ${thrown.message}`;
      const end = { code: thrown.code, message, isFromCoordinator: false };
      this.#perform({ kind: 'abandonStream', end }, undefined);
    }
  }

  #handle(message: CoordinatorMessage__Output): void {
    switch (message.message) {
      case 'welcome': {
        const { protocolVersion: version, heartbeatIntervalMs } = message.welcome!;
        if (heartbeatIntervalMs < tickMs) {
          const got = `heartbeat_interval_ms: got ${heartbeatIntervalMs}; accepted: at least ${tickMs}`;
          throw new MetatrainError('REQUEST_INVALID', `welcome: ${got}`);
        }
        this.#step({ kind: 'welcomed', protocolVersion: version, heartbeatIntervalMs });
        break;
      }
      case 'heartbeatReply':
        this.#step({ kind: 'heartbeatReplied', sequence: message.heartbeatReply!.sequence });
        break;
      case 'shardLease':
        if (message.shardLease!.requestId === undefined) this.#takeLease(message.shardLease!);
        else this.#takeRequest(message.shardLease!);
        break;
      case 'leaseCancelled':
        this.#step({ kind: 'leaseCancelled', leaseId: message.leaseCancelled!.leaseId });
        break;
      case 'spanStopped':
        this.#step({ kind: 'spanStopped', leaseId: message.spanStopped!.leaseId });
        break;
      case 'drain':
        this.drain(`the coordinator says: ${message.drain!.reason}`, message.drain!.graceMs);
        break;
      case 'payloadChunk':
        this.#payloads.add(message.payloadChunk!);
        break;
      case 'paramsAnnounced':
        this.#takeParams(message.paramsAnnounced!);
        break;
      case 'jobOpened':
        this.#openJob(message.jobOpened!);
        break;
      case 'jobClosed':
        this.#closeJob(message.jobClosed!.jobId);
        break;
      case 'learnerOpened':
        this.#openLearner(message.learnerOpened!);
        break;
      case 'learnerClosed':
        this.#closeJob(message.learnerClosed!.learnerId);
        break;
      case 'batch':
        throw new MetatrainError('REQUEST_INVALID', 'batch: got a batch in a batch; accepted: messages of other kinds');
      case undefined:
        // A message of a newer minor version: known to be none of those that matter.
        break;
      default:
        message.message satisfies never;
    }
  }

  #offerResults(): void {
    const leases = this.#held.leases();
    if (leases.length > 0) this.#outbox?.sendUrgent(heldMessage(leases));
  }

  /** Answered at once where the result is still here, or where θ could not be taken. */
  #takeLease(message: ShardLease__Output): void {
    const lease = this.#readLease(message);
    if (!lease) return;
    const { leaseId, jobId } = lease;
    const held = this.#held.get(lease.workKey);
    const refusal = this.#refusalOf(lease);
    if (held) {
      this.#outbox?.send(outcomeMessages({ jobId }, { ...held, leaseId }, true));
      this.#observeResult(lease, held, true);
    } else if (refusal) {
      this.#refuse({ jobId }, leaseId, refusal);
    } else {
      this.#step({ kind: 'leased', lease });
    }
  }

  /** Refuses a lease whose carried state did not come whole: undefined then. */
  #readLease(message: ShardLease__Output): Lease | undefined {
    let refusal: MetatrainError | undefined;
    const take = (sha256: Uint8Array) => {
      try {
        return this.#payloads.take(sha256);
      } catch (thrown) {
        refusal = asMetatrainError(thrown);
        return Buffer.alloc(0);
      }
    };
    const lease = readLease(message, (jobId, version) => this.#paramsSha256.get(jobId)?.get(version), take);
    if (!refusal) return lease;
    this.#refuse({ jobId: lease.jobId }, lease.leaseId, refusal);
    return undefined;
  }

  /** Answered at once where its learner's θ, or what it brings itself, could not be taken. */
  #takeRequest(message: ShardLease__Output): void {
    const { leaseId, requestId = '' } = message;
    try {
      const lease = readRequestLease(message, (sha256) => this.#payloads.take(sha256));
      const refusal = this.#refusalOf(lease);
      if (refusal) this.#refuse({ requestId }, leaseId, refusal);
      else this.#step({ kind: 'leased', lease });
    } catch (thrown) {
      this.#refuse({ requestId }, leaseId, asMetatrainError(thrown));
    }
  }

  /** Another worker may have room for it, or get it whole. */
  #refuse(owner: Owner, leaseId: string, { code, message }: MetatrainError): void {
    const failure = { code, message, permanent: false };
    this.#outbox?.send(outcomeMessages(owner, { kind: 'failed', leaseId, failure }));
  }

  #refusalOf({ jobId, work }: Lease): MetatrainError | undefined {
    const refused = this.#refusedParams.get(jobId);
    return work.kind !== 'initialize' && refused?.version === work.paramsVersion ? refused.error : undefined;
  }

  #observeResult(lease: Lease, outcome: ShardOutcome, isHeld: boolean): void {
    this.#observer.resultSent?.({ lease, bytes: payloadBytesOf(outcome), isHeld });
  }

  #openJob({ jobId, spec, layout, data: expectedData }: JobOpened__Output): void {
    this.#remember(jobId, layout?.tensors.length ? layoutElements(layout) : undefined);
    this.#observer.jobOpened?.({ jobId, spec });
    this.#dependencies.pool.openJob(jobId, { spec, expectedData });
  }

  #openLearner({ learnerId, spec, paramsSha256, data: expectedData }: LearnerOpened__Output): void {
    this.#remember(learnerId, undefined);
    this.#dependencies.pool.openLearner(learnerId, { spec, expectedData });
    this.#takeParams({ jobId: learnerId, paramsVersion: 0, payloadSha256: paramsSha256 });
  }

  #remember(jobId: string, elements: number | undefined): void {
    this.#jobs.delete(jobId);
    for (const oldest of this.#jobs.keys()) {
      if (this.#jobs.size < maxUnfinishedJobs) break;
      this.#closeJob(oldest);
    }
    this.#jobs.set(jobId, elements);
  }

  /** Of a job, or of a learner. */
  #closeJob(jobId: string): void {
    this.#jobs.delete(jobId);
    this.#paramsSha256.delete(jobId);
    this.#refusedParams.delete(jobId);
    this.#held.forgetJob(jobId);
    this.#step({ kind: 'jobClosed', jobId });
    this.#dependencies.pool.closeJob(jobId);
    this.#observer.jobClosed?.({ jobId });
  }

  /** What is wrong with one job's θ fails that job's shards here; the stream and the other jobs go on. */
  #takeParams({ jobId, paramsVersion, payloadSha256 }: ParamsAnnounced__Output): void {
    this.#refusedParams.delete(jobId);
    try {
      const bytes = this.#payloads.take(payloadSha256);
      checkParamsBytes(bytes.byteLength, this.#jobs.get(jobId));
      this.#dependencies.pool.putParams(jobId, paramsVersion, bytes);
      this.#observer.paramsReceived?.({ bytes: bytes.byteLength });
    } catch (thrown) {
      const { code, message } = asMetatrainError(thrown);
      const error = new MetatrainError(code, `the parameters of version ${paramsVersion} cannot be taken: ${message}`);
      this.#dependencies.log.warn({ jobId, code, reason: message }, 'parameters cannot be taken');
      this.#refusedParams.set(jobId, { version: paramsVersion, error });
      return;
    }
    const hashes = this.#paramsSha256.get(jobId) ?? new PassingMap<number, string>();
    this.#paramsSha256.set(jobId, hashes);
    hashes.set(paramsVersion, payloadSha256.toString('hex'));
    for (const oldest of hashes.keys()) {
      if (hashes.size <= keptHashes) break;
      hashes.delete(oldest);
    }
  }
}

/** @param elements of the job's layout; undefined while that is not known. */
function checkParamsBytes(bytes: number, elements: number | undefined): void {
  const ofOne = 4 * (elements ?? 1);
  if (bytes > 0 && bytes % ofOne === 0) return;
  const accepted =
    elements === undefined ? 'a multiple of 4 bytes' : `${ofOne} bytes, or as much for each member of an ensemble`;
  throw new MetatrainError('REQUEST_INVALID', `got ${bytes} bytes; accepted: ${accepted}`);
}

const newInbox = () => new PayloadInbox({ payloadBytes: maxPayloadBytes, payloads: maxPayloads });
