// The compute threads of one worker process. Queues shards, gives one to each free thread, and
// reports every shard's outcome once, unless it was cancelled. If a thread dies, its shard fails
// and the thread is replaced, so that no job's program ends the pool. Threads that die without a
// shard are replaced a limited number of times. The agent's event loop never computes.
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import type { ObserverOf } from '../../shared/observers.ts';
import '../engine/onnx/telemetry.ts';
import { ParamsStore } from './params-store.ts';
import { type PoolCensus, type PoolHappenings, type SlotState, slotStates } from './pool-happening.ts';
import { type FromThread, isSameOpening, type Opening, type ThreadData } from './protocol.ts';
import { failureOf, type ShardOutcome, type ShardWork, type StartProgress } from './shard.ts';
import { newSlot, release, type Shard, type Slot, stop, tell, threadError } from './slot.ts';

export interface ComputePoolOptions extends ThreadData {
  /** Number of compute threads, and so of shards at a time. */
  readonly slots: number;
  /** The thread's script; a test may replace it. */
  readonly threadFile?: URL;
  /** JavaScript heap of one thread; Node's own limit when absent. */
  readonly threadHeapMegabytes?: number;
}

export interface ComputePoolDependencies {
  readonly clock: Clock;
  readonly log: Logger;
  /** Default: no observer. */
  readonly observer?: ObserverOf<PoolHappenings>;
}

export interface ComputePoolListener {
  onOutcome(outcome: ShardOutcome): void;
  onProgress(progress: StartProgress): void;
  /** No thread lives, and no new thread stayed alive: the pool runs nothing any more. */
  onExhausted(error: MetatrainError): void;
}

/**
 * A slot is given up when this many of its threads in a row die without a shard: then the cause is
 * this machine, not a job.
 */
const idleDeathsPerSlot = 3;
/**
 * Shards that wait for a thread, per slot: more than a coordinator that counts slots ever sends.
 */
const queuedPerSlot = 16;
/** A thread still busy with a cancelled shard after this long is replaced. */
const cancelGraceMs = 30_000;
/**
 * A thread that compiles at that time gets this much longer, since the job's next shard needs the
 * program.
 */
const compileGraceMs = 1_800_000;
const startTimeoutMs = 120_000;
const stopTimeoutMs = 5_000;

export class ComputePool {
  readonly #options: ComputePoolOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #observer: ObserverOf<PoolHappenings>;
  readonly #slots: Slot[] = [];
  readonly #queue: Shard[] = [];
  readonly #openings = new Map<string, Opening>();
  readonly #params = new ParamsStore();
  #listener: ComputePoolListener | undefined;
  #fingerprint = '';
  #isClosing = false;
  #whenStarted: ((error?: MetatrainError) => void) | undefined;

  private constructor(options: ComputePoolOptions, dependencies: ComputePoolDependencies) {
    this.#options = options;
    this.#clock = dependencies.clock;
    this.#log = dependencies.log;
    this.#observer = dependencies.observer ?? {};
  }

  /**
   * Starts every thread and waits until all are ready.
   *
   * @throws MetatrainError with the reason of a thread that fails to start.
   */
  static async start(options: ComputePoolOptions, dependencies: ComputePoolDependencies): Promise<ComputePool> {
    const pool = new ComputePool(options, dependencies);
    const cancelTimeout = dependencies.clock.after(startTimeoutMs, () =>
      pool.#whenStarted?.(
        new MetatrainError('INTERNAL', `the compute threads took over ${startTimeoutMs} ms to start`),
      ),
    );
    try {
      await new Promise<void>((resolve, reject) => {
        pool.#whenStarted = (error) => (error ? reject(error) : resolve());
        for (let number = 0; number < options.slots; number += 1) pool.#addSlot(number);
      });
    } catch (error) {
      await pool.close();
      throw error;
    } finally {
      cancelTimeout();
      pool.#whenStarted = undefined;
    }
    return pool;
  }

  /** The engine's, equal in every thread. */
  get fingerprint(): string {
    return this.#fingerprint;
  }

  get slots(): number {
    return this.#options.slots;
  }

  census(): PoolCensus {
    const slots = Object.fromEntries(slotStates.map((state) => [state, 0])) as Record<SlotState, number>;
    for (const { state } of this.#slots) slots[state] += 1;
    const predictedBytes = this.#slots.reduce((sum, slot) => sum + slot.predictedBytes, 0);
    return { slots, queued: this.#queue.length, predictedBytes };
  }

  /** Sets the only listener. Call it before the first shard. */
  listen(listener: ComputePoolListener): void {
    this.#listener = listener;
  }

  /** A job that is open in the same way stays as it is, programs and all; otherwise it starts anew. */
  openJob(jobId: string, job: Omit<Opening, 'kind'>): void {
    this.#open(jobId, { kind: 'job', ...job });
  }

  /**
   * As a job, under its id: a job file whose θ is put as version 0. Requests run on it.
   */
  openLearner(learnerId: string, learner: Omit<Opening, 'kind'>): void {
    this.#open(learnerId, { kind: 'learner', ...learner });
  }

  #open(jobId: string, opening: Opening): void {
    const before = this.#openings.get(jobId);
    if (before && isSameOpening(before, opening)) return;
    if (before) this.closeJob(jobId);
    this.#openings.set(jobId, opening);
    for (const slot of this.#slots) tell(slot, { kind: 'openJob', jobId, opening });
  }

  /** Cancels the shards of the job, or the requests of the learner, and frees its programs and parameters. */
  closeJob(jobId: string): void {
    this.#openings.delete(jobId);
    this.#params.forget(jobId);
    for (const { leaseId } of this.#shards().filter((shard) => shard.jobId === jobId)) this.cancel(leaseId);
    for (const slot of this.#slots) {
      slot.openPrograms.delete(jobId);
      slot.evictedPrograms.delete(jobId);
      tell(slot, { kind: 'closeJob', jobId });
    }
  }

  /** Copies θ of the version. */
  putParams(jobId: string, version: number, bytes: Uint8Array): void {
    if (this.#openings.has(jobId)) this.#params.put(jobId, version, bytes);
  }

  /**
   * Drops every job's parameters but not the programs: a new connection sends the parameters that
   * it needs.
   */
  forgetParams(): void {
    this.#params.forgetAll();
  }

  /** Runs the shard when a thread is free. Errors become its outcome. */
  run(leaseId: string, jobId: string, work: ShardWork): void {
    try {
      if (!this.#openings.has(jobId))
        throw new MetatrainError('JOB_UNKNOWN', `job ${jobId} is not open on this worker`);
      const limit = queuedPerSlot * this.slots;
      if (this.#queue.length >= limit) throw new MetatrainError('QUEUE_FULL', `${limit} shards are waiting already`);
      const params = work.kind === 'initialize' ? undefined : this.#params.hold(jobId, work.paramsVersion);
      const stop = work.kind === 'span' ? new Int32Array(new SharedArrayBuffer(4)) : undefined;
      this.#queue.push({ leaseId, jobId, work, params, stop, isCancelled: false, hasWaited: false });
    } catch (thrown) {
      const failure = failureOf(thrown);
      this.#observer.shardFailed?.({ leaseId, work: work.kind, failure });
      this.#listener?.onOutcome({ kind: 'failed', leaseId, failure });
      return;
    }
    this.#dispatch();
    const last = this.#queue.at(-1);
    if (last?.leaseId !== leaseId) return;
    last.hasWaited = true;
    this.#listener?.onProgress({ leaseId, isStarting: true, isReopening: false });
  }

  /** The span ends with the meta-step that it is at. Unknown leases are ignored. */
  stopSpan(leaseId: string): void {
    const shard = this.#shards().find((candidate) => candidate.leaseId === leaseId);
    if (shard) stop(shard);
  }

  /** The shard's outcome is no longer reported. Unknown leases are ignored. */
  cancel(leaseId: string): void {
    const waiting = this.#queue.findIndex((shard) => shard.leaseId === leaseId);
    if (waiting >= 0) {
      const [shard] = this.#queue.splice(waiting, 1);
      shard?.params?.release();
      if (shard) this.#observer.shardCancelled?.({ leaseId, work: shard.work.kind });
      return;
    }
    const slot = this.#slots.find(({ shard }) => shard?.leaseId === leaseId);
    const shard = slot?.shard;
    if (!slot || !shard || shard.isCancelled) return;
    shard.isCancelled = true;
    stop(shard);
    this.#observer.shardCancelled?.({ leaseId, work: shard.work.kind });
    this.#replaceUnlessDone(slot, shard, cancelGraceMs);
  }

  #replaceUnlessDone(slot: Slot, shard: Shard, graceMs: number): void {
    this.#clock.after(graceMs, () => {
      if (slot.shard !== shard || this.#isClosing) return;
      if (slot.isCompiling && graceMs < compileGraceMs) {
        this.#replaceUnlessDone(slot, shard, compileGraceMs);
        return;
      }
      const { jobId, leaseId } = shard;
      this.#log.warn({ slot: slot.number, jobId, leaseId }, 'a cancelled shard does not end: its thread is replaced');
      void slot.thread.terminate();
      this.#replace(slot);
    });
  }

  /** Gives every thread a few seconds to free its resources, then ends it. May be called twice. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#queue.length = 0;
    for (const shard of this.#shards()) stop(shard);
    await Promise.all(this.#slots.map((slot) => this.#stop(slot)));
  }

  #shards(): Shard[] {
    return [...this.#queue, ...this.#slots.flatMap(({ shard }) => shard ?? [])];
  }

  #addSlot(number: number): void {
    const slot = newSlot(number, this.#startThread());
    this.#slots.push(slot);
    this.#attend(slot);
  }

  #startThread(): Worker {
    const { threadFile, threadHeapMegabytes, dataDirectories, memoryLimitBytes, engine, plugins } = this.#options;
    const workerData: ThreadData = {
      dataDirectories,
      ...(memoryLimitBytes !== undefined && { memoryLimitBytes }),
      ...(engine && { engine }),
      ...(plugins && { plugins }),
    };
    return new Worker(threadFile ?? new URL('./thread.js', import.meta.url), {
      workerData,
      ...(threadHeapMegabytes && { resourceLimits: { maxOldGenerationSizeMb: threadHeapMegabytes } }),
    });
  }

  #attend(slot: Slot): void {
    const { thread } = slot;
    thread.on('message', (message: FromThread) => {
      if (slot.thread === thread) this.#handle(slot, message);
    });
    thread.on('error', (error: NodeJS.ErrnoException) => {
      if (slot.thread === thread) slot.failure = threadError(error);
    });
    thread.on('exit', (exitCode) => {
      if (slot.thread === thread) this.#threadExited(slot, exitCode);
    });
  }

  #handle(slot: Slot, message: FromThread): void {
    switch (message.kind) {
      case 'ready':
        this.#threadReady(slot, message.fingerprint);
        break;
      case 'unable':
        slot.failure = new MetatrainError(message.failure.code, message.failure.message);
        return;
      case 'compiled':
        this.#log.debug({ slot: slot.number, jobId: message.jobId, ...message.report }, 'compiled a program');
        this.#observer.compiled?.({ leaseId: slot.shard?.leaseId, report: message.report });
        return;
      case 'compiling':
      case 'computing': {
        slot.isCompiling = message.kind === 'compiling';
        const { shard, isCompiling: isStarting } = slot;
        if (!shard || shard.isCancelled) return;
        const isReopening = slot.evictedPrograms.has(shard.jobId);
        this.#listener?.onProgress({ leaseId: shard.leaseId, isStarting, isReopening });
        return;
      }
      case 'opened':
        // The job may have been closed in the meantime.
        if (this.#openings.has(message.jobId)) slot.openPrograms.add(message.jobId);
        this.#observer.programOpened?.({});
        return;
      case 'evicted':
        slot.openPrograms.delete(message.jobId);
        if (this.#openings.has(message.jobId)) slot.evictedPrograms.add(message.jobId);
        this.#log.debug({ slot: slot.number, jobId: message.jobId }, 'closed a program to make room for another');
        this.#observer.programEvicted?.({});
        return;
      case 'crew': {
        const { shard } = slot;
        if (shard?.work.kind !== 'span' || shard.leaseId !== message.leaseId) return;
        slot.crew = { memory: message.crew, helpersMissing: shard.work.span.threads - 1 };
        this.#recruit();
        return;
      }
      case 'helped':
        slot.helps = undefined;
        slot.state = 'idle';
        this.#dispatch();
        return;
      case 'memory':
        slot.predictedBytes = message.predictedBytes;
        return;
      case 'finished':
      case 'failed': {
        const shard = release(slot);
        slot.state = 'idle';
        this.#dispatch();
        if (!shard || shard.isCancelled) return;
        this.#observeOutcome(shard, message);
        this.#listener?.onOutcome(message);
        return;
      }
      default:
        message satisfies never;
    }
  }

  #observeOutcome({ leaseId, work: { kind: work } }: Shard, outcome: ShardOutcome): void {
    if (outcome.kind === 'failed') {
      this.#observer.shardFailed?.({ leaseId, work, failure: outcome.failure });
    } else {
      const { computeMs, engineMs } = outcome;
      this.#observer.shardFinished?.({ leaseId, work, computeMs, engineMs });
    }
  }

  #threadReady(slot: Slot, fingerprint: string): void {
    if (this.#isClosing) return;
    this.#fingerprint ||= fingerprint;
    if (fingerprint !== this.#fingerprint) {
      throw new Error(`compute threads of one process differ: ${this.#fingerprint} and ${fingerprint}`);
    }
    slot.state = 'idle';
    for (const [jobId, opening] of this.#openings) tell(slot, { kind: 'openJob', jobId, opening });
    if (this.#slots.every(({ state }) => state !== 'starting')) this.#whenStarted?.();
    this.#dispatch();
  }

  #threadExited(slot: Slot, exitCode: number): void {
    slot.state = 'gone';
    if (this.#isClosing) return;
    const error = slot.failure ?? new MetatrainError('INTERNAL', `the compute thread exited with code ${exitCode}`);
    if (this.#whenStarted) {
      this.#whenStarted(error);
      return;
    }
    const shard = release(slot);
    slot.idleDeaths = shard ? 0 : slot.idleDeaths + 1;
    slot.predictedBytes = 0;
    this.#observer.threadDied?.({});
    this.#log.error({ slot: slot.number, jobId: shard?.jobId, code: error.code }, error.message);
    if (slot.idleDeaths < idleDeathsPerSlot) this.#replace(slot);
    if (shard && !shard.isCancelled) {
      const { leaseId, work } = shard;
      const message = `the compute thread died: ${error.message}`;
      const failure = { code: error.code, message, permanent: false };
      this.#observer.shardFailed?.({ leaseId, work: work.kind, failure });
      this.#listener?.onOutcome({ kind: 'failed', leaseId, failure });
    }
    if (this.#slots.every(({ state }) => state === 'gone')) {
      const message = `every compute thread died ${idleDeathsPerSlot} times without a shard; the last: ${error.message}`;
      this.#listener?.onExhausted(new MetatrainError(error.code, message));
    }
  }

  #replace(slot: Slot): void {
    release(slot);
    slot.state = 'starting';
    slot.openPrograms.clear();
    slot.evictedPrograms.clear();
    slot.isCompiling = false;
    slot.predictedBytes = 0;
    slot.failure = undefined;
    slot.thread = this.#startThread();
    this.#attend(slot);
  }

  #dispatch(): void {
    for (;;) {
      const shard = this.#queue[0];
      const slot = shard && this.#freeSlotFor(shard.jobId);
      if (!slot) break;
      this.#queue.shift();
      slot.state = 'busy';
      slot.shard = shard;
      slot.idleDeaths = 0;
      const { leaseId, jobId, work } = shard;
      if (shard.hasWaited) this.#listener?.onProgress({ leaseId, isStarting: false, isReopening: false });
      this.#observer.shardStarted?.({ leaseId });
      tell(slot, {
        kind: 'runShard',
        leaseId,
        jobId,
        work,
        ...(shard.params && { params: shard.params.buffer }),
        ...(shard.stop && { stop: shard.stop.buffer as SharedArrayBuffer }),
      });
    }
    this.#recruit();
  }

  /** Threads that nothing waits for help the spans that want them. */
  #recruit(): void {
    if (this.#queue.length > 0) return;
    for (const { crew, shard } of this.#slots) {
      while (crew && shard && !shard.isCancelled && crew.helpersMissing > 0) {
        const helper = this.#freeSlotFor(shard.jobId);
        if (!helper) return;
        crew.helpersMissing -= 1;
        helper.state = 'busy';
        helper.helps = crew.memory;
        tell(helper, { kind: 'helpSpan', jobId: shard.jobId, crew: crew.memory });
      }
    }
  }

  /** A thread in which the job's program is open, else the thread with the fewest open programs. */
  #freeSlotFor(jobId: string): Slot | undefined {
    let free: Slot | undefined;
    for (const slot of this.#slots) {
      if (slot.state !== 'idle') continue;
      if (slot.openPrograms.has(jobId)) return slot;
      if (!free || slot.openPrograms.size < free.openPrograms.size) free = slot;
    }
    return free;
  }

  async #stop(slot: Slot): Promise<void> {
    release(slot);
    if (slot.state === 'gone') return;
    const { thread } = slot;
    const exited = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
    tell(slot, { kind: 'stop' });
    const cancelTimeout = this.#clock.after(stopTimeoutMs, () => void thread.terminate());
    await exited;
    cancelTimeout();
    slot.state = 'gone';
  }
}
