// The worker's connection as a state machine: pure decisions, no socket, no clock, no tensor. Events go in, orders come out; time passes
// only with events. Invariant: the outcome of a lease is sent at most once, on the stream that granted it, and never after its cancellation.
// A shard whose stream is lost is computed to its end: the same work, leased again, takes it over.
import { PassingMap, PassingSet } from '../shared/passing.ts';
import { protocolVersion } from '../shared/wire.ts';
import type { ShardWork, StartProgress } from './compute/shard.ts';

export interface Lease {
  readonly leaseId: string;
  /** What has to be open here for it: the job, or a request's learner. */
  readonly jobId: string;
  /** Whose work it is, where it is not the job's. */
  readonly requestId?: string;
  readonly work: ShardWork;
  /** Index of the shard in its batch. */
  readonly shard: number;
  /** Equal keys mean equal results: the job, the kind of work, θ's hash and the tasks; or the request. */
  readonly workKey: string;
  /** W3C Trace Context of the coordinator's span, as it came; empty: not traced. */
  readonly traceparent: string;
}

export interface HeldLease {
  readonly lease: Lease;
  /** The lease for which the shard was begun: names the computation. */
  readonly computation: string;
  progress: Omit<StartProgress, 'leaseId'>;
}

/** Why a stream ended. */
export interface StreamEnd {
  /** The name of a gRPC status for what the other side or the network said, an `ErrorCode` for what this side found. */
  readonly code: string;
  readonly message: string;
  /**
   * The coordinator itself ended the stream with an error. False: a proxy, the network or this side
   * did, or nobody said why.
   */
  readonly isFromCoordinator: boolean;
  /** A token was refused, and another is there since: the next stream shows that one. Default false. */
  readonly isRenewed?: boolean;
}

export type SessionEvent =
  | { readonly kind: 'started' }
  | { readonly kind: 'ticked' }
  /** A message came, of any kind: a sign of life. What it says follows as an event of its own where it matters here. */
  | { readonly kind: 'heard' }
  | { readonly kind: 'welcomed'; readonly protocolVersion: number; readonly heartbeatIntervalMs: number }
  | { readonly kind: 'heartbeatReplied'; readonly sequence: number }
  | { readonly kind: 'leased'; readonly lease: Lease }
  | { readonly kind: 'leaseCancelled'; readonly leaseId: string }
  | { readonly kind: 'spanStopped'; readonly leaseId: string }
  /** `leaseId`: the computation's. */
  | ({ readonly kind: 'startingChanged' } & StartProgress)
  /** `leaseId`: the computation's. */
  | { readonly kind: 'shardEnded'; readonly leaseId: string }
  | { readonly kind: 'jobClosed'; readonly jobId: string }
  /** The stream is closed, by whomever. `jitter`: a random fraction. */
  | { readonly kind: 'streamEnded'; readonly end: StreamEnd; readonly jitter: number }
  /** From a signal, or from the coordinator. */
  | { readonly kind: 'drainRequested'; readonly reason: string; readonly graceMs: number }
  /** This worker cannot compute any more. */
  | { readonly kind: 'computeFailed'; readonly message: string };

export type SessionOrder =
  /** Open a stream and say hello. */
  | { readonly kind: 'connect' }
  | { readonly kind: 'sendHeartbeat'; readonly sequence: number }
  | { readonly kind: 'runShard'; readonly lease: Lease }
  /** `leaseId`: the computation's. */
  | { readonly kind: 'cancelShard'; readonly leaseId: string }
  /** End the span with the meta-step that it is at. `leaseId`: the computation's. */
  | { readonly kind: 'stopSpan'; readonly leaseId: string }
  | ({ readonly kind: 'sendProgress' } & StartProgress)
  /** The outcome that came with this event, as the lease's. */
  | { readonly kind: 'sendOutcome'; readonly leaseId: string }
  | { readonly kind: 'sendDrain'; readonly reason: string; readonly graceMs: number }
  /** End our half of the stream once everything queued has been written. */
  | { readonly kind: 'finishStream' }
  /** Drop the stream at once; answered by `streamEnded`. */
  | { readonly kind: 'abandonStream'; readonly end: StreamEnd }
  | { readonly kind: 'reportWelcome'; readonly isFirst: boolean }
  | { readonly kind: 'reportRetry'; readonly end: StreamEnd; readonly delayMs: number }
  | { readonly kind: 'exit'; readonly exitCode: number; readonly message: string };

type Phase =
  | { readonly kind: 'idle' }
  /** Hello is said; Welcome must come before `until`. */
  | { readonly kind: 'greeting'; readonly until: number }
  | { readonly kind: 'serving' }
  /**
   * No new leases are wanted; those held are finished before `until`. The coordinator may have
   * granted one before it knew: all of those are here with the reply to the heartbeat `last`, which
   * is waited for until `lastUntil`.
   */
  | {
      readonly kind: 'draining';
      readonly until: number;
      readonly last: number;
      readonly lastUntil: number;
      readonly isLastReplied: boolean;
    }
  /** Everything is sent; the coordinator closes the stream before `until`. */
  | { readonly kind: 'leaving'; readonly until: number }
  | { readonly kind: 'waiting'; readonly until: number }
  | { readonly kind: 'ended' };

export interface SessionTimes {
  readonly welcomeTimeoutMs: number;
  readonly leaveTimeoutMs: number;
  readonly missedHeartbeats: number;
  /** The first wait before a new connection; doubled by every failure, up to `retryLongestMs`. Jitter takes up to half of it off. */
  readonly retryFirstMs: number;
  readonly retryLongestMs: number;
  /** Without a coordinator for this long, the worker gives up. */
  readonly giveUpMs: number;
}

export const defaultSessionTimes: SessionTimes = {
  welcomeTimeoutMs: 10_000,
  leaveTimeoutMs: 2_000,
  missedHeartbeats: 3,
  retryFirstMs: 100,
  retryLongestMs: 5_000,
  giveUpMs: 600_000,
};

/**
 * What another attempt would meet again, where the coordinator itself says so: a proxy's 401 or 404 has
 * the same status and may pass.
 */
const fatalEnds: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'FAILED_PRECONDITION',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'PROTOCOL_MISMATCH',
]);

export class SessionState {
  readonly #times: SessionTimes;
  #phase: Phase = { kind: 'idle' };
  readonly #leases = new PassingMap<string, HeldLease>();
  /** Shards whose streams are gone and that are still computed. */
  readonly #orphans = new PassingSet<HeldLease>();
  #isWelcomedOnce = false;
  /** Attempts since a coordinator last answered a heartbeat. */
  #failures = 0;
  #aloneSince = 0;
  #heartbeatIntervalMs = 0;
  #heardAt = 0;
  #heartbeatAt = 0;
  #sequence = 0;

  constructor(times: SessionTimes) {
    this.#times = times;
  }

  get phase(): Phase['kind'] {
    return this.#phase.kind;
  }

  /** Leases that are held and unanswered. */
  get leases(): Pick<PassingMap<string, HeldLease>, 'get' | 'has' | 'size'> {
    return this.#leases;
  }

  /** @param now milliseconds, never less than at the event before. */
  step(event: SessionEvent, now: number): SessionOrder[] {
    if (this.#phase.kind === 'ended') return [];
    switch (event.kind) {
      case 'started':
        this.#aloneSince = now;
        return this.#connect(now);
      case 'ticked':
        return this.#tick(now);
      case 'welcomed':
        return this.#welcome(event.protocolVersion, event.heartbeatIntervalMs, now);
      case 'heartbeatReplied':
        this.#failures = 0;
        if (this.#phase.kind !== 'draining' || event.sequence < this.#phase.last) return [];
        this.#phase = { ...this.#phase, isLastReplied: true };
        return this.#leaveWhenDone(now);
      case 'heard':
        this.#heardAt = now;
        return [];
      case 'leased':
        return this.#isConnected() ? this.#take(event.lease) : [];
      case 'leaseCancelled': {
        const held = this.#leases.get(event.leaseId);
        if (!held) return [];
        this.#leases.delete(event.leaseId);
        return [{ kind: 'cancelShard', leaseId: held.computation }, ...this.#leaveWhenDone(now)];
      }
      case 'spanStopped': {
        const held = this.#leases.get(event.leaseId);
        return held ? [{ kind: 'stopSpan', leaseId: held.computation }] : [];
      }
      case 'startingChanged':
        return this.#noteProgress(event);
      case 'shardEnded':
        return this.#endShard(event.leaseId, now);
      case 'jobClosed':
        return this.#cancelWhere(({ lease }) => lease.jobId === event.jobId);
      case 'streamEnded':
        return this.#endStream(event.end, event.jitter, now);
      case 'drainRequested':
        return this.#drain(event.reason, event.graceMs, now);
      case 'computeFailed':
        return this.#exit(1, event.message);
      default:
        return event satisfies never;
    }
  }

  #isConnected(): boolean {
    return this.#phase.kind === 'serving' || this.#phase.kind === 'draining';
  }

  /** A shard that is still computed for a lost lease is taken over. */
  #take(lease: Lease): SessionOrder[] {
    for (const orphan of this.#orphans) {
      if (orphan.lease.workKey !== lease.workKey) continue;
      this.#orphans.delete(orphan);
      const { computation, progress } = orphan;
      const { leaseId } = lease;
      this.#leases.set(leaseId, { lease, computation, progress });
      return progress.isStarting ? [{ kind: 'sendProgress', leaseId, ...progress }] : [];
    }
    const progress = { isStarting: false, isReopening: false };
    this.#leases.set(lease.leaseId, { lease, computation: lease.leaseId, progress });
    return [{ kind: 'runShard', lease }];
  }

  #noteProgress({ leaseId: computation, isStarting, isReopening }: StartProgress): SessionOrder[] {
    const progress = { isStarting, isReopening };
    const orders: SessionOrder[] = [];
    for (const [leaseId, held] of this.#leases) {
      if (held.computation !== computation) continue;
      held.progress = progress;
      orders.push({ kind: 'sendProgress', leaseId, ...progress });
    }
    for (const orphan of this.#orphans) if (orphan.computation === computation) orphan.progress = progress;
    return orders;
  }

  #endShard(computation: string, now: number): SessionOrder[] {
    for (const [leaseId, held] of this.#leases) {
      if (held.computation !== computation) continue;
      this.#leases.delete(leaseId);
      return [{ kind: 'sendOutcome', leaseId }, ...this.#leaveWhenDone(now)];
    }
    for (const orphan of this.#orphans) if (orphan.computation === computation) this.#orphans.delete(orphan);
    return [];
  }

  #cancelWhere(matches: (held: HeldLease) => boolean): SessionOrder[] {
    const cancelled = [...this.#leases.values(), ...this.#orphans].filter(matches);
    for (const held of cancelled) {
      this.#leases.delete(held.lease.leaseId);
      this.#orphans.delete(held);
    }
    return cancelled.map(({ computation }) => ({ kind: 'cancelShard', leaseId: computation }));
  }

  #connect(now: number): SessionOrder[] {
    this.#phase = { kind: 'greeting', until: now + this.#times.welcomeTimeoutMs };
    return [{ kind: 'connect' }];
  }

  #welcome(version: number, heartbeatIntervalMs: number, now: number): SessionOrder[] {
    if (this.#phase.kind !== 'greeting') return [];
    if (version !== protocolVersion) {
      const message = `the coordinator speaks protocol version ${version}; this worker speaks ${protocolVersion}`;
      return [{ kind: 'abandonStream', end: { code: 'PROTOCOL_MISMATCH', message, isFromCoordinator: true } }];
    }
    this.#phase = { kind: 'serving' };
    this.#heartbeatIntervalMs = heartbeatIntervalMs;
    this.#heardAt = now;
    this.#heartbeatAt = now + heartbeatIntervalMs;
    const isFirst = !this.#isWelcomedOnce;
    this.#isWelcomedOnce = true;
    return [{ kind: 'reportWelcome', isFirst }];
  }

  #tick(now: number): SessionOrder[] {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'greeting':
        if (now < phase.until) return [];
        return this.#abandon(`no welcome within ${this.#times.welcomeTimeoutMs} ms`);
      case 'waiting':
        return now < phase.until ? [] : this.#connect(now);
      case 'leaving':
        return now < phase.until ? [] : this.#exit(0, 'left; the coordinator did not close the stream');
      case 'draining':
        if (now >= phase.until) {
          return this.#exit(0, `left after the grace period; shards given back: ${this.#leases.size}`);
        }
        if (now >= phase.lastUntil) this.#phase = { ...phase, isLastReplied: true };
        return [...this.#beat(now), ...this.#leaveWhenDone(now)];
      case 'serving':
        return this.#beat(now);
      case 'idle':
      case 'ended':
        return [];
      default:
        return phase satisfies never;
    }
  }

  #beat(now: number): SessionOrder[] {
    const silentMs = now - this.#heardAt;
    if (silentMs > this.#heartbeatIntervalMs * this.#times.missedHeartbeats) {
      return this.#abandon(`no answer to heartbeats for ${Math.round(silentMs)} ms`);
    }
    if (now < this.#heartbeatAt) return [];
    this.#heartbeatAt = now + this.#heartbeatIntervalMs;
    this.#sequence += 1;
    return [{ kind: 'sendHeartbeat', sequence: this.#sequence }];
  }

  #abandon(message: string): SessionOrder[] {
    return [{ kind: 'abandonStream', end: { code: 'DEADLINE_EXCEEDED', message, isFromCoordinator: false } }];
  }

  #drain(reason: string, graceMs: number, now: number): SessionOrder[] {
    switch (this.#phase.kind) {
      case 'serving':
        this.#sequence += 1;
        this.#phase = {
          kind: 'draining',
          until: now + graceMs,
          last: this.#sequence,
          lastUntil: now + this.#times.leaveTimeoutMs,
          isLastReplied: false,
        };
        return [
          { kind: 'sendDrain', reason, graceMs },
          { kind: 'sendHeartbeat', sequence: this.#sequence },
        ];
      case 'draining':
      case 'leaving':
        return [];
      default:
        return this.#exit(0, `left without a coordinator: ${reason}`);
    }
  }

  #leaveWhenDone(now: number): SessionOrder[] {
    if (this.#phase.kind !== 'draining' || !this.#phase.isLastReplied || this.#leases.size > 0) return [];
    this.#phase = { kind: 'leaving', until: now + this.#times.leaveTimeoutMs };
    return [{ kind: 'finishStream' }];
  }

  #endStream(end: StreamEnd, jitter: number, now: number): SessionOrder[] {
    const wasConnected = this.#isConnected();
    const wasLeaving = this.#phase.kind === 'leaving' || this.#phase.kind === 'draining';
    const all = () => this.#cancelWhere(() => true);
    if (end.isFromCoordinator && fatalEnds.has(end.code) && !end.isRenewed)
      return [...all(), ...this.#exit(1, `refused by the coordinator: ${end.message}`)];
    if (wasLeaving) return [...all(), ...this.#exit(0, 'left')];
    if (wasConnected) this.#aloneSince = now;
    if (now - this.#aloneSince >= this.#times.giveUpMs) {
      const message = `no coordinator for ${Math.round((now - this.#aloneSince) / 1000)} s; the last answer: ${end.message}`;
      return [...all(), ...this.#exit(1, message)];
    }
    // The coordinator has given these shards back, or is gone; a coordinator that leases them again may get this worker's result.
    for (const held of this.#leases.values()) this.#orphans.add(held);
    this.#leases.clear();
    const { retryFirstMs, retryLongestMs } = this.#times;
    const longestMs = Math.min(retryLongestMs, retryFirstMs * 2 ** Math.min(this.#failures, 30));
    const delayMs = longestMs * (1 - jitter / 2);
    this.#failures += 1;
    this.#phase = { kind: 'waiting', until: now + delayMs };
    return [{ kind: 'reportRetry', end, delayMs }];
  }

  #exit(exitCode: number, message: string): SessionOrder[] {
    this.#phase = { kind: 'ended' };
    return [{ kind: 'exit', exitCode, message }];
  }
}
