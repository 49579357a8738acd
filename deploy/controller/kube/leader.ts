// Elects one active controller among several, by a Lease. A controller takes the Lease by writing it
// with the version that it has read. The others may take it once it has not changed for its duration,
// by their own clocks. A holder that cannot renew it in time stops before that. Nothing depends on it
// for safety: idempotency keys and resource versions prevent double effects.
import { type Clock, delay } from '../../../shared/clock.ts';
import type { Logger } from '../../../shared/log.ts';
import type { ApiClient } from './api-client.ts';
import { isConflict, isMissing } from './errors.ts';
import type { Lease } from './objects.ts';

export interface LeaderOptions {
  readonly namespace: string;
  readonly name: string;
  /** Unique: the pod's name and uid. */
  readonly identity: string;
  /** Default 8 s; the holder stops when it could not renew for three quarters of it. */
  readonly durationSeconds?: number;
  /** Default 1,000 ms. */
  readonly retryMs?: number;
}

interface Dependencies {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Longer than a restart of the API server takes. */
const patienceMs = 15_000;

export class Leader {
  readonly #options: Required<LeaderOptions>;
  readonly #dependencies: Dependencies;
  /** The Lease as last read, and when this content was first seen. */
  #seen: { readonly lease: Lease; readonly mark: string; readonly sinceMs: number } | undefined;
  #isLeading = false;
  #failure: { readonly message: string; readonly sinceMs: number; readonly toldMs: number } | undefined;

  constructor(options: LeaderOptions, dependencies: Dependencies) {
    this.#options = { durationSeconds: 8, retryMs: 1_000, ...options };
    this.#dependencies = dependencies;
  }

  get isLeading(): boolean {
    return this.#isLeading;
  }

  /** Why the Lease could not be read or written for longer than a restart takes; undefined when it can. */
  get problem(): string | undefined {
    if (!this.#failure) return undefined;
    const { message, sinceMs } = this.#failure;
    return this.#dependencies.clock.elapsedMs() - sinceMs > patienceMs ? message : undefined;
  }

  /** Another's name while another leads. */
  get holder(): string {
    return this.#seen?.lease.spec?.holderIdentity ?? '';
  }

  /**
   * Stands for election until `signal` is aborted, and then releases the Lease.
   *
   * @param lead the work, while this process holds the Lease; its signal is aborted when it must
   *   stop, and `lead` is awaited. It may be called several times.
   */
  async run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { retryMs } = this.#options;
    while (!signal.aborted) {
      if (await this.#acquire(signal)) await this.#lead(lead, signal);
      else await delay(retryMs, signal).catch(() => undefined);
    }
  }

  async #lead(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { log } = this.#dependencies;
    const stop = new AbortController();
    const abort = () => stop.abort();
    signal.addEventListener('abort', abort, { once: true });
    this.#isLeading = true;
    log.info({ identity: this.#options.identity }, 'leads');
    const work = lead(stop.signal).finally(abort);
    // It is awaited below, also when it fails.
    work.catch(() => undefined);
    try {
      await this.#renewUntilLost(stop.signal);
    } finally {
      this.#isLeading = false;
      signal.removeEventListener('abort', abort);
      abort();
      // An error of ours in the work ends the process.
      await work;
    }
    if (signal.aborted) await this.#release();
  }

  async #renewUntilLost(signal: AbortSignal): Promise<void> {
    const { durationSeconds, retryMs } = this.#options;
    const { clock, log } = this.#dependencies;
    let renewedMs = clock.elapsedMs();
    while (!signal.aborted) {
      await delay(retryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const begunMs = clock.elapsedMs();
      if (await this.#acquire(signal)) renewedMs = begunMs;
      else if (!this.#isOurs() || clock.elapsedMs() - renewedMs > 750 * durationSeconds) {
        log.warn({ holder: this.holder }, 'has lost the Lease, and stands by');
        return;
      }
    }
  }

  /** Takes or renews the Lease where that is allowed. False when another holds it, or nothing could be written. */
  async #acquire(signal: AbortSignal): Promise<boolean> {
    const { api } = this.#dependencies;
    try {
      const known = (this.#isLeading && this.#seen?.lease) || (await this.#read(signal));
      if (known && !this.#mayTake(known)) return false;
      const written = await (known
        ? api.request<Lease>({ method: 'PUT', path: this.#path, body: this.#renewed(known), signal })
        : api.request<Lease>({ method: 'POST', path: this.#collection, body: this.#renewed(undefined), signal }));
      this.#see(written);
      return true;
    } catch (thrown) {
      if (signal.aborted) return false;
      // Another controller was faster, or our last write arrived and its answer was lost.
      if (isConflict(thrown)) await this.#read(signal).catch(() => undefined);
      else this.#tell(thrown);
      return false;
    }
  }

  async #read(signal?: AbortSignal): Promise<Lease | undefined> {
    try {
      const lease = await this.#dependencies.api.request<Lease>({ path: this.#path, signal });
      this.#see(lease);
      return lease;
    } catch (thrown) {
      if (isMissing(thrown)) return undefined;
      throw thrown;
    }
  }

  /** A failure that lasts is logged as a warning now and then. */
  #tell(thrown: unknown): void {
    const { clock, log } = this.#dependencies;
    const nowMs = clock.elapsedMs();
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const { sinceMs = nowMs, toldMs = nowMs } = this.#failure ?? {};
    const isDue = nowMs - toldMs > patienceMs;
    log[isDue ? 'warn' : 'debug']({ err: thrown }, 'the Lease cannot be read or written; trying again');
    this.#failure = { message, sinceMs, toldMs: isDue ? nowMs : toldMs };
  }

  #see(lease: Lease): void {
    this.#failure = undefined;
    const { holderIdentity = '', renewTime = '', leaseTransitions = 0 } = lease.spec ?? {};
    const mark = `${holderIdentity} ${renewTime} ${leaseTransitions}`;
    const sinceMs = this.#seen?.mark === mark ? this.#seen.sinceMs : this.#dependencies.clock.elapsedMs();
    this.#seen = { lease, mark, sinceMs };
  }

  #isOurs(): boolean {
    return this.holder === this.#options.identity;
  }

  #mayTake({ spec }: Lease): boolean {
    const holder = spec?.holderIdentity ?? '';
    if (holder === '' || holder === this.#options.identity) return true;
    const unchangedMs = this.#dependencies.clock.elapsedMs() - (this.#seen?.sinceMs ?? 0);
    return unchangedMs > 1_000 * (spec?.leaseDurationSeconds ?? this.#options.durationSeconds);
  }

  #renewed(known: Lease | undefined): Lease {
    const { name, namespace, identity, durationSeconds } = this.#options;
    // MicroTime wants six digits.
    const now = new Date(this.#dependencies.clock.now()).toISOString().replace('Z', '000Z');
    const isNew = known?.spec?.holderIdentity !== identity;
    const transitions = known?.spec?.leaseTransitions ?? 0;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace, ...(known && { resourceVersion: known.metadata.resourceVersion ?? '' }) },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: durationSeconds,
        acquireTime: isNew ? now : (known?.spec?.acquireTime ?? now),
        renewTime: now,
        leaseTransitions: isNew && known ? transitions + 1 : transitions,
      },
    };
  }

  /** So that another need not wait for the end of its duration. */
  async #release(): Promise<void> {
    const { api, log } = this.#dependencies;
    const lease = this.#seen?.lease;
    if (!lease || !this.#isOurs()) return;
    const body = { ...this.#renewed(lease), spec: { ...this.#renewed(lease).spec, holderIdentity: '' } };
    try {
      this.#see(await api.request<Lease>({ method: 'PUT', path: this.#path, body }));
      log.info('has released the Lease');
    } catch (thrown) {
      log.debug({ err: thrown }, 'the Lease could not be released');
    }
  }

  get #collection(): string {
    return `/apis/coordination.k8s.io/v1/namespaces/${this.#options.namespace}/leases`;
  }

  get #path(): string {
    return `${this.#collection}/${this.#options.name}`;
  }
}
