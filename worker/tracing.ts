// The worker's part of a traced shard: the inner loop as a child of the coordinator's span, and in it the wait for a thread, the run, and each program
// that was compiled for it. An observer: a shard whose lease brings no trace, or one that cannot be read, leaves nothing. Bounded by the leases held.
import type { Span, Tracing } from '../shared/tracing.ts';
import type { CompileReport } from './engine/engine.ts';
import type { WorkerObserver } from './observer.ts';
import type { Lease } from './session-state.ts';

interface ShardTrace {
  readonly innerLoop: Span;
  readonly queue: Span;
  run?: Span;
}

export class ShardTraces {
  readonly #workerId: string;
  readonly #tracing: Tracing;
  readonly #shards = new Map<string, ShardTrace>();

  /** @param tracing is closed by `close`. */
  constructor({ workerId }: { readonly workerId: string }, tracing: Tracing) {
    this.#workerId = workerId;
    this.#tracing = tracing;
  }

  readonly observer: WorkerObserver = {
    shardTaken: ({ lease }) => this.#take(lease),
    resultSent: ({ lease, isHeld }) => {
      const innerLoop = isHeld ? this.#startInnerLoop(lease) : undefined;
      if (innerLoop) this.#tracing.end(innerLoop, { outcome: 'held' });
    },
    shardStarted: ({ leaseId }) => {
      const shard = this.#shards.get(leaseId);
      if (!shard) return;
      this.#tracing.end(shard.queue, {});
      shard.run = this.#tracing.start('run', { parent: shard.innerLoop });
    },
    compiled: ({ leaseId, report }) => this.#recordProgram(leaseId, report),
    shardFinished: ({ leaseId, computeMs, engineMs }) =>
      this.#end(leaseId, { outcome: 'finished', computeMs, engineMs }),
    shardFailed: ({ leaseId, failure: { code, message } }) => this.#end(leaseId, { outcome: 'failed', code }, message),
    shardCancelled: ({ leaseId }) => this.#end(leaseId, { outcome: 'cancelled' }),
  };

  /** Ends what is open and sends what is left, for a moment. May be called twice. */
  close(): Promise<void> {
    for (const leaseId of [...this.#shards.keys()]) this.#end(leaseId, { outcome: 'interrupted' });
    return this.#tracing.close();
  }

  #take(lease: Lease): void {
    const innerLoop = this.#startInnerLoop(lease);
    if (!innerLoop?.isRecording()) return;
    this.#shards.set(lease.leaseId, { innerLoop, queue: this.#tracing.start('queue', { parent: innerLoop }) });
  }

  #startInnerLoop({ leaseId, jobId, work, shard, traceparent }: Lease): Span | undefined {
    const parent = traceparent === '' ? undefined : this.#tracing.readTraceparent(traceparent);
    if (!parent) return undefined;
    const workerId = this.#workerId;
    const facts = 'shard' in work ? { tasks: work.shard.taskCount, paramsVersion: work.paramsVersion } : {};
    const attributes = { jobId, leaseId, workerId, work: work.kind, shard, ...facts };
    return this.#tracing.start('inner-loop', { parent, attributes });
  }

  #recordProgram(leaseId: string | undefined, report: CompileReport): void {
    const run = leaseId === undefined ? undefined : this.#shards.get(leaseId)?.run;
    if (!run) return;
    const { program, taskCount, isSessionShared, traceMs, optimizeMs, sessionMs } = report;
    const at = this.#tracing.now() - (traceMs + optimizeMs + sessionMs);
    const attributes = { program, taskCount, isSessionShared, traceMs, optimizeMs, sessionMs };
    this.#tracing.end(this.#tracing.start('program', { parent: run, at, attributes }), {});
  }

  #end(leaseId: string, attributes: Record<string, string | number>, error?: string): void {
    const shard = this.#shards.get(leaseId);
    if (!shard) return;
    this.#shards.delete(leaseId);
    this.#tracing.end(shard.run ?? shard.queue, {}, error);
    this.#tracing.end(shard.innerLoop, attributes, error);
  }
}
