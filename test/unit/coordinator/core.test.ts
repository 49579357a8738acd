// The core, event by event: what it orders, and what it refuses. Time passes only by the events' own.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { CoreEffect } from '../../../coordinator/core/effect.ts';
import type { CoreEvent } from '../../../coordinator/core/event.ts';
import { idleReason } from '../../../coordinator/core/placement.ts';
import { type CoreOptions, createState, defaultCoreOptions, type JobPlan } from '../../../coordinator/core/state.ts';
import { step } from '../../../coordinator/core/step.ts';

type EffectOf<Kind extends CoreEffect['kind']> = Extract<CoreEffect, { kind: Kind }>;
type Without<Event> = Event extends CoreEvent ? Omit<Event, 'at'> : never;

const defaultPlan: JobPlan = {
  jobId: 'j',
  iterations: 3,
  batchSize: 10,
  shardSize: 4,
  evaluation: { every: 0, tasks: 6 },
  checkpointEvery: 0,
  isMixed: false,
  onNonFinite: 'fail',
};

/** A core, its time, and what it has ordered. */
class Core {
  readonly state;
  now = 1_000;
  readonly #connections = new Map<string, number>();
  #lastConnection = 0;

  constructor(options: Partial<CoreOptions> = {}) {
    this.state = createState({ ...defaultCoreOptions, startId: 's', ...options });
  }

  tell(event: Without<CoreEvent>): CoreEffect[] {
    return step(this.state, { ...event, at: this.now } as CoreEvent);
  }

  submit(plan: Partial<JobPlan> = {}): CoreEffect[] {
    return this.tell({ kind: 'jobSubmitted', plan: { ...defaultPlan, ...plan } });
  }

  connect(workerId: string, { slots = 1, fingerprint = 'f' } = {}): CoreEffect[] {
    this.#lastConnection += 1;
    this.#connections.set(workerId, this.#lastConnection);
    return this.tell({ kind: 'workerConnected', ...this.from(workerId), fingerprint, slots });
  }

  from(workerId: string): { readonly workerId: string; readonly connection: number } {
    return { workerId, connection: this.#connections.get(workerId) ?? 0 };
  }

  /** The worker's result of a lease, after `elapsedMs`. */
  result({ lease }: EffectOf<'sendLease'>, elapsedMs = 0, nonFiniteTasks: readonly number[] = []): CoreEffect[] {
    this.now += elapsedMs;
    const { worker, leaseId, batch } = lease;
    const from = { workerId: worker.workerId, connection: worker.connection };
    return this.tell({ kind: 'resultArrived', ...from, leaseId, work: batch.work, nonFiniteTasks });
  }

  fail({ lease }: EffectOf<'sendLease'>, message: string, isPermanent = false, code = 'INTERNAL'): CoreEffect[] {
    const { worker, leaseId } = lease;
    const from = { workerId: worker.workerId, connection: worker.connection };
    return this.tell({ kind: 'shardFailed', ...from, leaseId, code, message, isPermanent });
  }

  reduced(jobId = 'j'): CoreEffect[] {
    return this.tell({ kind: 'reduced', jobId });
  }

  /** Ticks `times` times, `everyMs` apart, with a heartbeat of each worker. */
  tick(everyMs: number, times = 1): CoreEffect[] {
    const effects: CoreEffect[] = [];
    for (let i = 0; i < times; i += 1) {
      this.now += everyMs;
      for (const workerId of this.state.workers.keys()) this.tell({ kind: 'workerSeen', ...this.from(workerId) });
      effects.push(...this.tell({ kind: 'tick' }));
    }
    return effects;
  }

  /** Past θ₀: the effects that follow the reduction of the first shard, which `workerId` computes at once. */
  initialize(effects: readonly CoreEffect[], jobId = 'j'): CoreEffect[] {
    for (const lease of of(effects, 'sendLease').filter(({ lease }) => lease.job.plan.jobId === jobId))
      this.result(lease);
    return this.reduced(jobId);
  }
}

const of = <Kind extends CoreEffect['kind']>(effects: readonly CoreEffect[], kind: Kind): EffectOf<Kind>[] =>
  effects.filter((effect): effect is EffectOf<Kind> => effect.kind === kind);

const only = <Kind extends CoreEffect['kind']>(effects: readonly CoreEffect[], kind: Kind): EffectOf<Kind> => {
  const found = of(effects, kind);
  assert.equal(found.length, 1, `one ${kind} among ${effects.map((effect) => effect.kind).join(', ')}`);
  return found[0]!;
};

const statesIn = (effects: readonly CoreEffect[]): string[] => of(effects, 'changeJobState').map(({ state }) => state);

test('a job goes θ₀, meta-step by meta-step, evaluation, checkpoint, success; each batch waits for the one before', () => {
  const core = new Core();
  assert.deepEqual(statesIn(core.submit()), ['queued']);
  let effects = core.connect('w', { slots: 8 });
  assert.deepEqual(statesIn(effects), ['running']);
  const story: string[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    const leases = of(effects, 'sendLease');
    const tasks = leases.map(({ lease }) => `${lease.shard.firstTask}+${lease.shard.taskCount}`).join(' ');
    story.push(`${leases[0]?.lease.batch.work} ${tasks}`);
    // In any order: the last result alone completes the batch.
    const results = leases.toReversed().map((lease) => core.result(lease));
    for (const earlier of results.slice(0, -1)) assert.deepEqual(of(earlier, 'reduce'), []);
    assert.equal(of(results.at(-1) ?? [], 'reduce').length, 1);
    effects = core.reduced();
  }
  assert.deepEqual(story, [
    ...['initialize 0+1', 'train 0+4 4+4 8+2', 'train 10+4 14+4 18+2', 'train 20+4 24+4 28+2', 'evaluate 0+4 4+2'],
  ]);
  assert.deepEqual(only(effects, 'writeCheckpoint'), {
    kind: 'writeCheckpoint',
    jobId: 'j',
    step: 3,
    purpose: 'final',
  });
  assert.deepEqual(statesIn(effects), [], 'not before the checkpoint is written');
  assert.deepEqual(statesIn(core.tell({ kind: 'checkpointWritten', jobId: 'j', step: 3 })), ['succeeded']);
  assert.equal(core.state.jobs.size, 0);
});

test('evaluations and checkpoints come when the plan says, and not twice for one step', () => {
  const core = new Core();
  core.submit({ iterations: 4, batchSize: 4, evaluation: { every: 2, tasks: 4 }, checkpointEvery: 2 });
  let effects = core.connect('w');
  const story: string[] = [];
  for (let turn = 0; turn < 7; turn += 1) {
    for (const { purpose, step } of of(effects, 'writeCheckpoint')) story.push(`${purpose} checkpoint ${step}`);
    const lease = only(effects, 'sendLease');
    story.push(`${lease.lease.batch.work} ${lease.lease.batch.step}`);
    core.result(lease);
    effects = core.reduced();
  }
  for (const { purpose, step } of of(effects, 'writeCheckpoint')) story.push(`${purpose} checkpoint ${step}`);
  assert.deepEqual(story, [
    ...['initialize 0', 'train 0', 'train 1', 'evaluate 2', 'scheduled checkpoint 2', 'train 2', 'train 3'],
    ...['evaluate 4', 'final checkpoint 4'],
  ]);
});

test('the first lease waits for the compiler; later ones for eight times the measured time, within floor and ceiling', () => {
  const core = new Core({ leaseFloorMs: 100, leaseCeilingMs: 5_000, leaseFirstMs: 3_000 });
  core.submit({ iterations: 100, batchSize: 1, shardSize: 1 });
  let effects = core.connect('w');
  const deadlines: number[] = [];
  for (const elapsedMs of [0, 50, 50, 100, 5, 5_000]) {
    const sent = only(effects, 'sendLease');
    assert.equal(sent.lease.deadlineAt, core.now + sent.deadlineMs);
    deadlines.push(sent.deadlineMs);
    core.result(sent, elapsedMs);
    effects = core.reduced();
  }
  deadlines.push(only(effects, 'sendLease').deadlineMs);
  // Means of the training shards' times, the newest a fifth: 50, 50, 60, 49, 1039.2.
  assert.deepEqual(deadlines, [3_000, 3_000, 400, 400, 480, 392, 5_000]);
});

test('every failure doubles the shard’s next deadline', () => {
  const core = new Core({ leaseFirstMs: 1_000, leaseFloorMs: 1 });
  core.submit();
  let effects = core.connect('w');
  const deadlines: number[] = [];
  for (let attempt = 1; attempt <= 4; attempt += 1) {
    const sent = only(effects, 'sendLease');
    assert.equal(sent.lease.attempt, attempt);
    deadlines.push(sent.deadlineMs);
    effects = core.fail(sent, 'no');
  }
  assert.deepEqual(deadlines, [1_000, 2_000, 4_000, 8_000]);
});

test('a lease that outlives its deadline is cancelled, and its shard goes to another worker', () => {
  const core = new Core({ leaseFirstMs: 10_000, leaseFloorMs: 1 });
  core.submit();
  const first = only(core.connect('slow'), 'sendLease');
  core.connect('other');
  assert.deepEqual(core.tick(1_000, 9), []);
  const effects = core.tick(1_000);
  assert.equal(only(effects, 'cancelLease').lease, first.lease);
  assert.match(only(effects, 'reportRetry').reason, /no result within the lease's 10000 ms/);
  const second = only(effects, 'sendLease');
  assert.equal(second.lease.worker.workerId, 'other');
  const late = core.result(first);
  assert.match(only(late, 'dropResult').reason, /no result within the lease's 10000 ms/);
  assert.equal(of(core.result(second), 'keepResult').length, 1, 'the shard counts once');
});

test('a worker that misses three heartbeats loses its lease; its result is then nobody’s', () => {
  const core = new Core({ heartbeatIntervalMs: 100 });
  core.submit();
  const sent = only(core.connect('w'), 'sendLease');
  for (let beat = 0; beat < 3; beat += 1) {
    core.now += 100;
    assert.deepEqual(core.tell({ kind: 'tick' }), [], `${beat + 1} missed`);
  }
  core.now += 1;
  const effects = core.tell({ kind: 'tick' });
  assert.equal(only(effects, 'disconnectWorker').code, 'DEADLINE_EXCEEDED');
  assert.match(only(effects, 'reportRetry').reason, /no heartbeat from worker w for 301 ms/);
  assert.equal(of(core.result(sent), 'dropResult').length, 1);
});

test('a coordinator that stood still blames nobody for it', () => {
  const core = new Core({ heartbeatIntervalMs: 100, leaseFirstMs: 1_000 });
  core.submit();
  const sent = only(core.connect('w'), 'sendLease');
  core.tick(100);
  core.now += 60_000;
  assert.deepEqual(core.tell({ kind: 'tick' }), []);
  assert.equal(of(core.result(sent), 'keepResult').length, 1);
});

test('a clock that is set back stops nothing and expires nothing', () => {
  const core = new Core({ leaseFirstMs: 10_000 });
  core.submit();
  const sent = only(core.connect('w'), 'sendLease');
  core.tick(1_000);
  core.now -= 3_600_000;
  assert.deepEqual(core.tick(1_000, 5), []);
  assert.equal(of(core.result(sent), 'keepResult').length, 1);
});

test('a shard that fails on three workers fails the job, with the message of each', () => {
  const core = new Core();
  core.submit();
  let effects = core.connect('a');
  core.connect('b');
  core.connect('c');
  const tried: string[] = [];
  for (const name of ['first', 'second', 'third']) {
    const sent = only(effects, 'sendLease');
    tried.push(sent.lease.worker.workerId);
    effects = core.fail(sent, `${name} reason`);
  }
  assert.deepEqual(tried, ['a', 'b', 'c'], 'never twice on one while another is there');
  const { state, failure } = only(effects, 'changeJobState');
  assert.equal(state, 'failed');
  assert.equal(failure?.code, 'SHARD_FAILED');
  assert.equal(
    failure?.message,
    'the shard that makes the first meta-parameters failed 3 times. a: first reason; b: second reason; c: third reason',
  );
});

test('a worker that is alone gets the shard again, ten times at most', () => {
  const core = new Core();
  core.submit();
  let effects = core.connect('w');
  for (let attempt = 1; attempt <= 10; attempt += 1) effects = core.fail(only(effects, 'sendLease'), 'no');
  assert.match(only(effects, 'changeJobState').reason, /failed 10 times\. w: no$/);
});

test('a shard that kills whoever computes it ends its job, not the cluster', () => {
  const core = new Core();
  core.submit();
  let effects: CoreEffect[] = [];
  for (let attempt = 1; attempt <= 10; attempt += 1) {
    assert.equal(of(core.connect('w'), 'sendLease').length, 1);
    effects = core.tell({ kind: 'workerDisconnected', ...core.from('w'), reason: 'the stream broke' });
  }
  assert.match(only(effects, 'changeJobState').reason, /lost 10 times with its worker, the last time w/);
});

test('a failure that every worker would have fails the job at once, under its own code', () => {
  const core = new Core();
  core.submit();
  const effects = core.fail(only(core.connect('w'), 'sendLease'), 'task.ways: got 900', true, 'REQUEST_INVALID');
  const { failure } = only(effects, 'changeJobState');
  assert.deepEqual(failure, { code: 'REQUEST_INVALID', message: 'task.ways: got 900' });
});

test('a task that is not finite fails the job, or is left to the sum to skip, as the job says', () => {
  for (const [onNonFinite, kinds] of [
    ['fail', ['changeJobState']],
    ['skip', ['keepResult', 'reduce']],
  ] as const) {
    const core = new Core();
    core.submit({ onNonFinite, batchSize: 4 });
    const sent = only(core.initialize(core.connect('w')), 'sendLease');
    const effects = core.result(sent, 0, [2]);
    assert.deepEqual(
      effects.map(({ kind }) => kind),
      kinds,
    );
    if (onNonFinite === 'fail') {
      const message = /the meta-gradient of training task 2 is not finite, in shard 0 of meta-step 0 \(tasks 0 to 3\)/;
      assert.match(only(effects, 'changeJobState').failure?.message ?? '', message);
    }
  }
});

test('a result of other work than was leased is a failure of its worker', () => {
  const core = new Core();
  core.submit();
  const { lease } = only(core.connect('w'), 'sendLease');
  const result = { leaseId: lease.leaseId, work: 'train', nonFiniteTasks: [] } as const;
  const effects = core.tell({ kind: 'resultArrived', ...core.from('w'), ...result });
  assert.match(only(effects, 'reportRetry').reason, /answered initialize work with a result of train work/);
});

test('a second stream of a worker fences the first off; what the first still says counts for nothing', () => {
  const core = new Core();
  core.submit();
  const old = only(core.connect('w'), 'sendLease');
  const oldStream = core.from('w');
  const effects = core.connect('w');
  assert.deepEqual(
    [only(effects, 'disconnectWorker').connection, only(effects, 'disconnectWorker').code],
    [oldStream.connection, 'WORKER_FENCED'],
  );
  assert.equal(of(core.result(old), 'dropResult').length, 1);
  assert.deepEqual(core.tell({ kind: 'workerDisconnected', ...oldStream, reason: 'late news' }), []);
  assert.ok(core.state.workers.has('w'));
});

test('a draining worker keeps what it holds and gets nothing more', () => {
  const core = new Core();
  core.submit({ batchSize: 4, shardSize: 1 });
  const leases = of(core.initialize(core.connect('w', { slots: 2 })), 'sendLease');
  assert.equal(leases.length, 2);
  core.tell({ kind: 'workerDraining', ...core.from('w') });
  for (const lease of leases)
    assert.deepEqual(
      core.result(lease).map(({ kind }) => kind),
      ['keepResult'],
    );
  assert.equal(idleReason(core.state, core.state.workers.get('w')!), 'draining: takes no new lease');
});

test('a job keeps to the fingerprint of its first result; another worker idles and is told why', () => {
  const core = new Core();
  core.submit({ batchSize: 8 });
  core.initialize(core.connect('same', { fingerprint: 'avx512' }));
  assert.deepEqual(of(core.connect('other', { fingerprint: 'avx2', slots: 4 }), 'sendLease'), []);
  const reason = idleReason(core.state, core.state.workers.get('other')!);
  assert.equal(reason, 'job j keeps to the engine fingerprint avx512 (placement.mixed: true lifts that)');
});

test('placement.mixed lets every fingerprint take part', () => {
  const core = new Core();
  core.submit({ batchSize: 8, isMixed: true });
  core.initialize(core.connect('same', { fingerprint: 'avx512' }));
  assert.equal(of(core.connect('other', { fingerprint: 'avx2' }), 'sendLease').length, 1);
});

test('a restored job keeps to its fingerprint and goes on after its step', () => {
  const core = new Core();
  const restored = { hasParams: true, hasStarted: true, isPaused: false, evaluatedSteps: [] };
  const plan = { ...defaultPlan, batchSize: 4 };
  const effects = core.tell({ kind: 'jobRestored', plan, step: 2, fingerprint: 'avx512', ...restored });
  assert.match(only(effects, 'changeJobState').reason, /restart, from meta-step 2/);
  assert.deepEqual(of(core.connect('other', { fingerprint: 'avx2' }), 'sendLease'), []);
  const { lease } = only(core.connect('same', { fingerprint: 'avx512' }), 'sendLease');
  assert.deepEqual([lease.batch.work, lease.batch.step, lease.shard.firstTask], ['train', 2, 8]);
});

test('a job restored at its end does not evaluate again what is evaluated', () => {
  const core = new Core();
  const restored = { hasParams: true, hasStarted: true, isPaused: false, fingerprint: 'f' };
  const effects = core.tell({ kind: 'jobRestored', plan: defaultPlan, step: 3, evaluatedSteps: [3], ...restored });
  assert.equal(only(effects, 'writeCheckpoint').purpose, 'final');
});

test('two jobs share one worker by computing time, not by shards', () => {
  const core = new Core();
  // Many shards a meta-step: between two meta-steps a job has nothing to lease, and the other takes the slot whatever its share.
  const plan = { iterations: 1_000, batchSize: 1_000, shardSize: 1 };
  core.submit({ ...plan, jobId: 'slow' });
  core.submit({ ...plan, jobId: 'quick' });
  let effects = core.connect('w');
  const usedMs: Record<string, number> = { slow: 0, quick: 0 };
  for (let shard = 0; shard < 1_000; shard += 1) {
    const sent = only(effects, 'sendLease');
    const { jobId } = sent.lease.job.plan;
    const elapsedMs = jobId === 'slow' ? 90 : 10;
    usedMs[jobId] = (usedMs[jobId] ?? 0) + elapsedMs;
    const next = core.result(sent, elapsedMs);
    effects = [...next, ...core.reduced(jobId)];
  }
  const share = usedMs.slow! / (usedMs.slow! + usedMs.quick!);
  assert.ok(Math.abs(share - 0.5) < 0.02, `the slow job had ${(100 * share).toFixed(1)} % of the time`);
});

test('a newcomer starts level with the others: it neither waits for them nor holds them up', () => {
  const core = new Core();
  const plan = { iterations: 1_000, batchSize: 1, shardSize: 1 };
  core.submit({ ...plan, jobId: 'old' });
  let effects = core.connect('w');
  const turn = () => {
    const sent = only(effects, 'sendLease');
    const { jobId } = sent.lease.job.plan;
    effects = [...core.result(sent, 10), ...core.reduced(jobId)];
    return jobId;
  };
  for (let i = 0; i < 100; i += 1) turn();
  core.submit({ ...plan, jobId: 'new' });
  const turns = Array.from({ length: 40 }, turn);
  const ofNew = turns.filter((jobId) => jobId === 'new').length;
  assert.ok(ofNew >= 18 && ofNew <= 22, `${ofNew} of 40`);
  assert.ok(turns.slice(0, 4).includes('new') && turns.slice(4, 8).includes('old'));
});

test('jobs beyond the limit wait their turn, and the first to come is the first to be let in', () => {
  const core = new Core({ maxRunningJobs: 1 });
  for (const jobId of ['a', 'b', 'c']) core.submit({ jobId });
  const { lease } = only(core.connect('w'), 'sendLease');
  assert.equal(lease.job.plan.jobId, 'a');
  const effects = core.tell({ kind: 'jobCancelRequested', jobId: 'a' });
  assert.equal(only(effects, 'cancelLease').lease, lease);
  assert.equal(only(effects, 'sendLease').lease.job.plan.jobId, 'b');
});

test('a paused job gives no lease and keeps the results in flight; resumed it goes on where it was', () => {
  const core = new Core();
  core.submit({ batchSize: 8 });
  const sent = only(core.initialize(core.connect('w')), 'sendLease');
  assert.deepEqual(statesIn(core.tell({ kind: 'jobPauseRequested', jobId: 'j' })), ['paused']);
  assert.deepEqual(core.tell({ kind: 'jobPauseRequested', jobId: 'j' }), [], 'to pause twice is to pause');
  assert.deepEqual(
    core.result(sent).map(({ kind }) => kind),
    ['keepResult'],
  );
  const effects = core.tell({ kind: 'jobResumeRequested', jobId: 'j' });
  assert.deepEqual(statesIn(effects), ['running']);
  assert.equal(only(effects, 'sendLease').lease.shard.index, 1);
});

test('a paused job makes room for one that waits', () => {
  const core = new Core({ maxRunningJobs: 1 });
  core.submit({ jobId: 'a' });
  core.submit({ jobId: 'b' });
  const first = only(core.connect('w'), 'sendLease');
  core.tell({ kind: 'jobPauseRequested', jobId: 'a' });
  assert.equal(only(core.result(first), 'sendLease').lease.job.plan.jobId, 'b');
});

test('what a job’s state does not allow is refused and changes nothing', () => {
  const core = new Core();
  core.submit();
  const before = structuredClone([...core.state.jobs.values()]);
  assert.throws(() => core.tell({ kind: 'jobResumeRequested', jobId: 'j' }), {
    code: 'JOB_NOT_RUNNING',
    message: 'job j is queued; only a paused job can be resumed',
  });
  for (const kind of ['jobCancelRequested', 'jobPauseRequested', 'jobResumeRequested'] as const) {
    assert.throws(() => core.tell({ kind, jobId: 'ended' }), { code: 'JOB_NOT_RUNNING', message: /has ended/ });
  }
  assert.deepEqual([...core.state.jobs.values()], before);
});

test('a cancelled job takes its leases back; late results of it are dropped with the reason', () => {
  const core = new Core();
  core.submit();
  const sent = only(core.connect('w'), 'sendLease');
  const effects = core.tell({ kind: 'jobCancelRequested', jobId: 'j' });
  assert.deepEqual(
    effects.map(({ kind }) => kind),
    ['cancelLease', 'changeJobState'],
  );
  assert.equal(only(core.result(sent), 'dropResult').reason, 'the job has ended: cancelled');
  assert.deepEqual(core.reduced(), [], 'a reduction that was under way ends in nothing');
});

test('while a slot idles the slow tail is computed twice; the first result counts and the other lease is cancelled', () => {
  const core = new Core({ duplicateFloorMs: 100, heartbeatIntervalMs: 50 });
  core.submit({ batchSize: 8 });
  const leases = of(core.initialize([...core.connect('a'), ...core.connect('b')]), 'sendLease');
  assert.equal(leases.length, 2);
  const [quick, slow] = leases;
  assert.ok(quick && slow);
  assert.deepEqual(
    core.result(quick, 40).map(({ kind }) => kind),
    ['keepResult'],
  );
  assert.deepEqual(core.tick(50), [], '90 ms: twice the measured 40 ms, but not yet the floor of 100 ms');
  const twin = only(core.tick(50), 'sendLease');
  assert.equal(twin.lease.shard, slow.lease.shard);
  assert.notEqual(twin.lease.worker, slow.lease.worker);
  assert.deepEqual(core.tick(50, 5), [], 'twice, not three times');
  const effects = core.result(twin);
  assert.equal(only(effects, 'cancelLease').lease, slow.lease);
  assert.equal(of(effects, 'reduce').length, 1);
  assert.equal(of(core.result(slow), 'dropResult').length, 1);
});

test('a long meta-step is checkpointed for a restart once a minute, not more', () => {
  const core = new Core({ recoveryCheckpointMs: 60_000, leaseFirstMs: 1e9, leaseFloorMs: 1e9, leaseCeilingMs: 1e9 });
  core.submit({ batchSize: 4 });
  const first = only(core.initialize(core.connect('w')), 'sendLease');
  assert.deepEqual(of(core.tick(2_000, 60), 'writeCheckpoint'), [], 'nothing has been learned since the start');
  core.result(first);
  core.reduced();
  const written = of(core.tick(2_000, 45), 'writeCheckpoint');
  assert.deepEqual(written, [{ kind: 'writeCheckpoint', jobId: 'j', step: 1, purpose: 'recovery' }]);
});
