// The life of jobs in the core: the order of their work, who comes next, what may be asked of them.
import assert from 'node:assert/strict';
import test from 'node:test';
import { idleReason } from '../../../../coordinator/core/placement.ts';
import { Core, defaultPlan, of, only, statesIn } from './harness.ts';

test('a job runs θ₀, each meta-step, checkpoint, evaluation, success; each batch waits for the one before', () => {
  const core = new Core();
  assert.deepEqual(statesIn(core.submit()), ['queued']);
  let effects = core.connect('w', { slots: 8 });
  assert.deepEqual(statesIn(effects), ['running']);
  const story: string[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    story.push(...of(effects, 'writeCheckpoint').map(({ purpose, step }) => `${purpose} checkpoint ${step}`));
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
    ...['initialize 0+1', 'train 0+4 4+4 8+2', 'train 10+4 14+4 18+2', 'train 20+4 24+4 28+2'],
    ...['final checkpoint 3', 'evaluate 0+4 4+2'],
  ]);
  assert.deepEqual(statesIn(effects), [], 'not before the checkpoint is written');
  assert.deepEqual(statesIn(core.tell({ kind: 'checkpointWritten', jobId: 'j', step: 3 })), ['succeeded']);
  assert.equal(core.state.jobs.size, 0);
});

/** What a worker computes and what is written meanwhile, and the effects after that. */
function storyOf(core: Core, turns: number) {
  let effects = core.connect('w');
  const story: string[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    for (const { purpose, step } of of(effects, 'writeCheckpoint')) story.push(`${purpose} checkpoint ${step}`);
    const lease = only(effects, 'sendLease');
    story.push(`${lease.lease.batch.work} ${lease.lease.batch.step}`);
    core.result(lease);
    effects = core.reduced();
  }
  return { story, effects };
}

test('evaluations and checkpoints come when the plan says, and not twice for one step', () => {
  const core = new Core();
  core.submit({ iterations: 4, batchSize: 4, evaluation: { every: 2, tasks: 4, shardSize: 4 }, checkpointEvery: 2 });
  const { story } = storyOf(core, 7);
  assert.deepEqual(story, [
    ...['initialize 0', 'train 0', 'train 1', 'scheduled checkpoint 2', 'evaluate 2', 'train 2', 'train 3'],
    ...['final checkpoint 4', 'evaluate 4'],
  ]);
});

test('the best checkpoints are read and tested together after the last evaluation, and the job ends after that', () => {
  const core = new Core();
  const evaluation = { every: 2, tasks: 4, shardSize: 4, hasEnsemble: true };
  core.submit({ iterations: 3, batchSize: 4, evaluation, checkpointEvery: 0 });
  const { story, effects } = storyOf(core, 6);
  assert.deepEqual(story, [
    ...['initialize 0', 'train 0', 'train 1', 'evaluated checkpoint 2', 'evaluate 2', 'train 2'],
    ...['final checkpoint 3', 'evaluate 3'],
  ]);
  only(effects, 'loadEnsemble');
  core.tell({ kind: 'checkpointWritten', jobId: 'j', step: 3 });
  assert.equal(core.state.jobs.size, 1, 'not before it is tested');
  const sent = only(core.tell({ kind: 'ensembleLoaded', jobId: 'j', members: [2, 3] }), 'sendLease');
  const { batch, paramsVersion } = sent.lease;
  assert.deepEqual([batch.members, batch.step, paramsVersion], [[2, 3], 4, 4]);
  core.result(sent);
  assert.deepEqual(statesIn(core.reduced()), ['succeeded']);
});

test('a job restored after its ensemble was tested does not test it again', () => {
  const plan = { ...defaultPlan, evaluation: { ...defaultPlan.evaluation, hasEnsemble: true } };
  const core = new Core();
  const atEnd = { ...restoredAtEnd, plan, evaluatedSteps: [3], hasFinalCheckpoint: true };
  assert.deepEqual(statesIn(core.tell({ ...atEnd, hasEnsemble: true })), ['running', 'succeeded']);
  const again = new Core().tell(atEnd);
  assert.deepEqual(of(again, 'loadEnsemble').length, 1);
});

test('an evaluation that takes minutes costs no scheduled checkpoint: no recovery checkpoint takes its place', () => {
  const core = new Core();
  core.submit({ iterations: 4, batchSize: 4, evaluation: { every: 2, tasks: 4, shardSize: 4 }, checkpointEvery: 2 });
  let effects = core.initialize(core.connect('w'));
  for (let metaStep = 0; metaStep < 2; metaStep += 1) {
    core.result(only(effects, 'sendLease'));
    effects = core.reduced();
  }
  const evaluation = only(effects, 'sendLease');
  assert.equal(evaluation.lease.batch.work, 'evaluate');
  const checkpoints = [...of(effects, 'writeCheckpoint'), ...of(core.tick(1_000, 90), 'writeCheckpoint')];
  assert.deepEqual(
    checkpoints.map(({ purpose, step }) => `${purpose} ${step}`),
    ['scheduled 2'],
  );
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

test('a job is computed by the engine and on the device that it asks for, mixed or not; another worker is told why it idles', () => {
  for (const isMixed of [false, true]) {
    const core = new Core();
    core.submit({ engine: 'compiled/cuda', isMixed });
    assert.deepEqual(of(core.connect('cpu'), 'sendLease'), []);
    assert.deepEqual(of(core.connect('eager', { engine: 'eager/cuda' }), 'sendLease'), []);
    const reason = idleReason(core.state, core.state.workers.get('cpu')!);
    assert.equal(reason, 'job j asks for compiled/cuda (placement), and this worker offers compiled/cpu');
    const { lease } = only(core.connect('gpu', { engine: 'compiled/cuda' }), 'sendLease');
    assert.equal(lease.worker.workerId, 'gpu');
  }
});

test('a worker that connects again with another device gets leases for that device', () => {
  const core = new Core();
  core.submit({ engine: 'compiled/webgpu' });
  core.connect('w');
  assert.equal(
    only(core.connect('w', { engine: 'compiled/webgpu' }), 'sendLease').lease.worker.engine,
    'compiled/webgpu',
  );
  assert.equal(core.state.idle.size, 0);
});

test('a restored job keeps to its fingerprint and goes on after its step', () => {
  const core = new Core();
  const restored = {
    hasParams: true,
    hasStarted: true,
    isPaused: false,
    hasFinalCheckpoint: false,
    evaluatedSteps: [],
  };
  const plan = { ...defaultPlan, batchSize: 4 };
  const effects = core.tell({ kind: 'jobRestored', plan, step: 2, fingerprint: 'avx512', ...restored });
  assert.match(only(effects, 'changeJobState').reason, /restart, from meta-step 2/);
  assert.deepEqual(of(core.connect('other', { fingerprint: 'avx2' }), 'sendLease'), []);
  const { lease } = only(core.connect('same', { fingerprint: 'avx512' }), 'sendLease');
  assert.deepEqual([lease.batch.work, lease.batch.step, lease.shard.firstTask], ['train', 2, 8]);
});

const restoredAtEnd = {
  kind: 'jobRestored',
  plan: defaultPlan,
  step: 3,
  evaluatedSteps: [] as number[],
  ...{ hasParams: true, hasStarted: true, isPaused: false, hasFinalCheckpoint: false, fingerprint: 'f' },
} as const;

test('a job restored at its end does not repeat its evaluation', () => {
  const core = new Core();
  const effects = core.tell({ ...restoredAtEnd, evaluatedSteps: [3] });
  assert.equal(only(effects, 'writeCheckpoint').purpose, 'final');
});

test('a job restored at its end does not write its final checkpoint again', () => {
  const core = new Core();
  assert.deepEqual(of(core.tell({ ...restoredAtEnd, hasFinalCheckpoint: true }), 'writeCheckpoint'), []);
  const leases = of(core.connect('w', { slots: 2 }), 'sendLease');
  for (const lease of leases) core.result(lease);
  assert.deepEqual(statesIn(core.reduced()), ['succeeded']);
});

test('a job succeeds once its last evaluation and its final checkpoint are both there, in either order', () => {
  for (const isCheckpointFirst of [true, false]) {
    const core = new Core();
    core.tell(restoredAtEnd);
    const leases = of(core.connect('w', { slots: 2 }), 'sendLease');
    const evaluate = () => {
      for (const lease of leases) core.result(lease);
      return statesIn(core.reduced());
    };
    const write = () => statesIn(core.tell({ kind: 'checkpointWritten', jobId: 'j', step: 3 }));
    const [first, second] = isCheckpointFirst ? [write, evaluate] : [evaluate, write];
    assert.deepEqual([first(), second()], [[], ['succeeded']]);
  }
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

test('a new job starts with an equal share: it neither waits for others nor delays them', () => {
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

test('jobs beyond the limit wait, and start in the order of submission', () => {
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
  core.result(first);
  assert.equal(only(core.reduced('a'), 'sendLease').lease.job.plan.jobId, 'b');
});

test('a slot stays with a job whose last result completed a batch, until the reduction gives its next shards', () => {
  const core = new Core();
  core.submit({ jobId: 'a', batchSize: 1, shardSize: 1 });
  core.submit({ jobId: 'b' });
  const first = only(core.connect('w'), 'sendLease');
  assert.deepEqual(of(core.result(first), 'sendLease'), []);
  assert.equal(of(core.reduced('a'), 'sendLease').length, 1);
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

test('without room on the disk every job pauses after its shards in flight, and resumes when there is room', () => {
  const core = new Core();
  core.submit();
  const held = core.initialize(core.connect('w'));
  core.submit({ jobId: 'queued' });
  const effects = core.tell({ kind: 'roomMissing', neededBytes: 100, reason: 'the disk is full' });
  const changes = of(effects, 'changeJobState');
  assert.deepEqual(
    changes.map(({ jobId, state, reason, waitsForRoom }) => ({ jobId, state, reason, waitsForRoom })),
    ['j', 'queued'].map((jobId) => ({
      jobId,
      state: 'paused',
      reason: 'paused until there is room: the disk is full',
      waitsForRoom: true,
    })),
  );
  assert.deepEqual(core.tell({ kind: 'roomMissing', neededBytes: 50, reason: 'still' }), [], 'told once');
  assert.deepEqual(
    core.result(only(held, 'sendLease')).map(({ kind }) => kind),
    ['keepResult'],
    'counted, and nothing is leased',
  );
  assert.throws(() => core.tell({ kind: 'jobResumeRequested', jobId: 'j' }), { code: 'DISK_FULL' });
  assert.deepEqual(core.tell({ kind: 'roomSeen', freeBytes: 99 }), [], 'too little');
  const goingOn = core.tell({ kind: 'roomSeen', freeBytes: 100 });
  assert.deepEqual(statesIn(goingOn), ['running', 'queued']);
  assert.equal(of(goingOn, 'sendLease').length, 1);
});

test('a job whose write waits for another reason than room goes on once the disk takes writes and its own is written', () => {
  const core = new Core();
  core.submit();
  const paused = only(
    core.tell({ kind: 'roomMissing', jobId: 'j', neededBytes: 0, reason: 'EMFILE' }),
    'changeJobState',
  );
  assert.deepEqual([paused.state, paused.reason], ['paused', 'paused until the disk takes writes again: EMFILE']);
  assert.throws(() => core.tell({ kind: 'jobResumeRequested', jobId: 'j' }), {
    code: 'STORAGE_UNAVAILABLE',
    message: /goes on by itself: EMFILE/,
  });
  assert.deepEqual(core.tell({ kind: 'roomSeen', freeBytes: 1e9, stillWaiting: new Set(['j']) }), []);
  const goingOn = only(core.tell({ kind: 'roomSeen', freeBytes: 1e9, stillWaiting: new Set() }), 'changeJobState');
  assert.deepEqual([goingOn.state, goingOn.reason], ['queued', 'resumed: the disk takes writes again']);
});

test('a job that a client pauses while it waits for room stays paused until a client resumes it', () => {
  const core = new Core();
  core.submit();
  core.tell({ kind: 'roomMissing', jobId: 'j', neededBytes: 100, reason: 'full' });
  const paused = only(core.tell({ kind: 'jobPauseRequested', jobId: 'j' }), 'changeJobState');
  assert.deepEqual([paused.state, paused.reason, paused.waitsForRoom], ['paused', 'paused by request', undefined]);
  assert.deepEqual(core.tell({ kind: 'roomSeen', freeBytes: 1e9 }), []);
  assert.deepEqual(statesIn(core.tell({ kind: 'jobResumeRequested', jobId: 'j' })), ['queued']);
});
