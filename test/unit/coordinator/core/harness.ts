// A core to tell events to, and ways to look at what it orders.
import assert from 'node:assert/strict';
import type { CoreEffect } from '../../../../coordinator/core/effect.ts';
import type { CoreEvent, Untimed } from '../../../../coordinator/core/event.ts';
import {
  anyLeaseOf,
  type CoreOptions,
  createState,
  defaultCoreOptions,
  type JobPlan,
  type Lease,
} from '../../../../coordinator/core/state.ts';
import { step } from '../../../../coordinator/core/step.ts';
import type { PluginIdentity } from '../../../../shared/plugin-identity.ts';

/** An effect beside the lease that it names, as it is when the effect is performed: a shard's, unless the test submits requests. */
type Seen<Effect> = Effect extends { kind: 'sendLease' | 'cancelLease' | 'keepResult' | 'reportRetry' }
  ? Effect & { readonly lease: Lease }
  : Effect;
export type SeenEffect = Seen<CoreEffect>;
export type EffectOf<Kind extends CoreEffect['kind']> = Extract<SeenEffect, { kind: Kind }>;

/** As every job is unless a test says otherwise. */
export const defaultPlan = {
  jobId: 'j',
  iterations: 3,
  batchSize: 10,
  shardSize: 4,
  evaluation: { every: 0, tasks: 6, shardSize: 4 },
  checkpointEvery: 0,
  isMixed: false,
  onNonFinite: 'fail',
  priority: 1,
  maxStaleness: 0,
  engine: 'compiled/cpu',
  plugins: [],
} as JobPlan;

/** A core, its time, and its workers' streams. */
export class Core {
  readonly state;
  now = 1_000;
  readonly #connections = new Map<string, number>();
  #lastConnection = 0;

  constructor(options: Partial<CoreOptions> = {}) {
    this.state = createState({ ...defaultCoreOptions, startId: 's', ...options });
  }

  tell(event: Untimed): SeenEffect[] {
    return step(this.state, { ...event, at: this.now } as CoreEvent).map((effect) => this.#see(effect));
  }

  #see(effect: CoreEffect): SeenEffect {
    const namesLease = 'leaseId' in effect && effect.kind !== 'dropResult';
    return (namesLease ? { ...effect, lease: anyLeaseOf(this.state, effect.leaseId) } : effect) as SeenEffect;
  }

  submit(plan: Partial<JobPlan> = {}): SeenEffect[] {
    return this.tell({ kind: 'jobSubmitted', plan: { ...defaultPlan, ...plan } });
  }

  connect(
    workerId: string,
    { slots = 1, fingerprint = 'f', engine = 'compiled/cpu', plugins = [] as readonly PluginIdentity[] } = {},
  ): SeenEffect[] {
    this.#lastConnection += 1;
    this.#connections.set(workerId, this.#lastConnection);
    const hello = { kind: 'workerConnected', ...this.from(workerId), engine, fingerprint, plugins, slots };
    return this.tell(hello as Untimed);
  }

  from(workerId: string): { readonly workerId: string; readonly connection: number } {
    return { workerId, connection: this.#connections.get(workerId) ?? 0 };
  }

  /** The worker's result of a lease, after `elapsedMs`. */
  result({ lease }: EffectOf<'sendLease'>, elapsedMs = 0, nonFiniteTasks: readonly number[] = []): SeenEffect[] {
    this.now += elapsedMs;
    const { worker, leaseId, batch } = lease;
    const from = { workerId: worker.workerId, connection: worker.connection };
    return this.tell({ kind: 'resultArrived', ...from, leaseId, work: batch.work, nonFiniteTasks });
  }

  fail({ lease }: EffectOf<'sendLease'>, message: string, isPermanent = false, code = 'INTERNAL'): SeenEffect[] {
    const { worker, leaseId } = lease;
    const from = { workerId: worker.workerId, connection: worker.connection };
    const failure = { kind: 'shardFailed', ...from, leaseId, code, message, isPermanent, isRejected: false };
    return this.tell(failure as Untimed);
  }

  reduced(jobId = 'j'): SeenEffect[] {
    return this.tell({ kind: 'reduced', jobId });
  }

  /** Ticks `times` times, `everyMs` apart, with a heartbeat of each worker. */
  tick(everyMs: number, times = 1): SeenEffect[] {
    const effects: SeenEffect[] = [];
    for (let i = 0; i < times; i += 1) {
      this.now += everyMs;
      for (const workerId of this.state.workers.keys()) this.tell({ kind: 'workerSeen', ...this.from(workerId) });
      effects.push(...this.tell({ kind: 'tick' }));
    }
    return effects;
  }

  /** Past θ₀: the effects that follow the reduction of the first shard, which `workerId` computes at once. */
  initialize(effects: readonly SeenEffect[], jobId = 'j'): SeenEffect[] {
    for (const lease of of(effects, 'sendLease').filter(({ lease }) => lease.job.plan.jobId === jobId))
      this.result(lease);
    return this.reduced(jobId);
  }
}

export const of = <Kind extends CoreEffect['kind']>(effects: readonly SeenEffect[], kind: Kind): EffectOf<Kind>[] =>
  effects.filter((effect): effect is EffectOf<Kind> => effect.kind === kind);

export const only = <Kind extends CoreEffect['kind']>(effects: readonly SeenEffect[], kind: Kind): EffectOf<Kind> => {
  const found = of(effects, kind);
  assert.equal(found.length, 1, `one ${kind} among ${effects.map((effect) => effect.kind).join(', ')}`);
  return found[0]!;
};

export const statesIn = (effects: readonly SeenEffect[]): string[] =>
  of(effects, 'changeJobState').map(({ state }) => state);
