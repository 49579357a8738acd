// The life of a job: queued → running ⇄ paused → succeeded | failed | cancelled, and inside it the
// order of work: θ₀ → (meta-step → checkpoint where due → evaluation where due)* → final checkpoint
// and final evaluation → (ensemble of the best checkpoints) → succeeded. The final checkpoint is
// begun first: an evaluation that fails must not cost the trained θ. A request that the job's state
// does not allow throws before anything has changed.
import { MetatrainError } from '../../shared/errors.ts';
import type { CheckpointPurpose, CoreEffect, JobFailure } from './effect.ts';
import { ensembleBatch, evaluationBatch, isEvaluated, isEvaluationDue } from './evaluation.ts';
import type { CoreEvent } from './event.ts';
import { cancelLeases } from './leases.ts';
import { batchesOf, initializeBatch } from './meta-steps.ts';
import { measurePace, newPace, nextMetaSteps, stopSpansOf } from './spans.ts';
import type { Batch, CoreState, Job, JobPlan } from './state.ts';
import { waitingLine } from './waiting.ts';

type EventOf<Kind extends CoreEvent['kind']> = Extract<CoreEvent, { kind: Kind }>;

export function submitJob(state: CoreState, { plan }: EventOf<'jobSubmitted'>, effects: CoreEffect[]): void {
  const job = addJob(state, plan);
  effects.push({ kind: 'changeJobState', jobId: plan.jobId, state: 'queued', reason: 'submitted' });
  startNextPhase(state, job, effects);
  admitJobs(state);
}

export function restoreJob(state: CoreState, event: EventOf<'jobRestored'>, effects: CoreEffect[]): void {
  const job = addJob(state, event.plan);
  job.step = event.step;
  job.hasParams = event.hasParams;
  job.hasStarted = event.hasStarted;
  job.status = event.isPaused ? 'paused' : event.hasStarted ? 'running' : 'queued';
  job.fingerprint = event.fingerprint;
  job.lastCheckpoint.step = event.step;
  for (const step of event.evaluatedSteps) job.evaluatedSteps.add(step);
  if (event.hasFinalCheckpoint) job.finalCheckpoint = 'written';
  if (event.hasEnsemble) job.ensemble = 'done';
  const from = `taken up again after a coordinator's restart, from meta-step ${event.step}`;
  const reason = [from, ...(event.leftOut ?? [])].join('; ');
  effects.push({ kind: 'changeJobState', jobId: event.plan.jobId, state: job.status, reason });
  startNextPhase(state, job, effects);
  admitJobs(state);
}

function addJob(state: CoreState, plan: JobPlan): Job {
  state.jobsSeen += 1;
  const job: Job = {
    plan,
    order: state.jobsSeen,
    status: 'queued',
    waitsForBytes: undefined,
    waitsBecause: '',
    wait: undefined,
    hasStarted: false,
    step: 0,
    hasParams: false,
    phase: { kind: 'finishing' },
    ahead: [],
    fingerprint: undefined,
    otherData: new Map(),
    evaluatedSteps: new Set(),
    finalCheckpoint: 'due',
    ensemble: plan.evaluation.hasEnsemble ? 'due' : 'none',
    lastCheckpoint: { step: 0, at: state.now },
    shardMs: {},
    served: 0,
    stretch: undefined,
    pace: newPace(),
  };
  state.jobs.set(plan.jobId, job);
  return job;
}

/**
 * Lets waiting jobs in while there is room, those of the highest priority first, then in order of submission; one of a higher priority
 * than an admitted job takes its place, and the displaced job waits as it is. A newcomer starts level with those of its priority that
 * have been served least.
 */
function admitJobs(state: CoreState): void {
  for (const job of waitingLine(state)) {
    if (state.admitted.size >= state.options.maxRunningJobs) {
      const displaced = leastUrgent(state.admitted);
      if (!displaced || displaced.plan.priority >= job.plan.priority) return;
      state.admitted.delete(displaced);
    }
    let least = Number.POSITIVE_INFINITY;
    for (const other of state.admitted) {
      if (other.plan.priority === job.plan.priority) least = Math.min(least, other.served);
    }
    if (least !== Number.POSITIVE_INFINITY) job.served = Math.max(job.served, least);
    state.admitted.add(job);
  }
}

/** Of the lowest priority, and among those the last submitted. */
function leastUrgent(jobs: Iterable<Job>): Job | undefined {
  let least: Job | undefined;
  for (const job of jobs) {
    const { priority } = job.plan;
    if (!least || priority < least.plan.priority || (priority === least.plan.priority && job.order > least.order)) {
      least = job;
    }
  }
  return least;
}

export function markStarted(job: Job, effects: CoreEffect[]): void {
  if (job.hasStarted) return;
  job.hasStarted = true;
  job.status = 'running';
  effects.push({
    kind: 'changeJobState',
    jobId: job.plan.jobId,
    state: 'running',
    reason: 'its first shard was leased',
  });
}

/** Nothing is in flight: what comes next for this job. */
function startNextPhase(state: CoreState, job: Job, effects: CoreEffect[]): void {
  const { plan, step } = job;
  // Before an evaluation, which may take long: the job file's checkpoint never finds a recovery
  // checkpoint of this step in its place.
  if (step === plan.iterations && job.finalCheckpoint === 'due') {
    job.finalCheckpoint = 'writing';
    writeCheckpoint(state, job, 'final', effects);
  } else if (isCheckpointDue(job)) {
    writeCheckpoint(state, job, 'scheduled', effects);
  } else if (isCandidate(job)) {
    writeCheckpoint(state, job, 'evaluated', effects);
  }
  if (!job.hasParams) {
    job.phase = { kind: 'computing', batch: initializeBatch() };
  } else if (isEvaluationDue(job)) {
    job.phase = { kind: 'computing', batch: evaluationBatch(plan, step) };
  } else if (step === plan.iterations) {
    job.phase = { kind: 'finishing' };
    if (job.ensemble === 'due') {
      job.ensemble = 'loading';
      effects.push({ kind: 'loadEnsemble', jobId: plan.jobId });
    }
    endFinishedJob(state, job, effects);
  } else {
    const batch = job.ahead.shift() ?? nextMetaSteps(state, job);
    job.phase = { kind: 'computing', batch };
    // Begun before its turn, and complete already.
    if (batch.remaining === 0) completeBatch(job, batch, effects);
  }
}

const isCheckpointDue = ({ plan: { checkpointEvery, iterations }, step, lastCheckpoint }: Job): boolean =>
  checkpointEvery > 0 && step > lastCheckpoint.step && step < iterations && step % checkpointEvery === 0;

/** Evaluated here, it may turn out to be one of the best. */
const isCandidate = (job: Job): boolean =>
  job.ensemble !== 'none' && job.step > job.lastCheckpoint.step && isEvaluated(job);

function writeCheckpoint(state: CoreState, job: Job, purpose: CheckpointPurpose, effects: CoreEffect[]): void {
  job.lastCheckpoint = { step: job.step, at: state.now };
  effects.push({ kind: 'writeCheckpoint', jobId: job.plan.jobId, step: job.step, purpose });
}

/** On every tick: a long-running job loses at most `recoveryCheckpointMs` of work to a restart. */
export function writeRecoveryCheckpoints(state: CoreState, effects: CoreEffect[]): void {
  for (const job of state.admitted) {
    const isOld = state.now - job.lastCheckpoint.at >= state.options.recoveryCheckpointMs;
    if (isOld && job.phase.kind === 'computing' && job.step > job.lastCheckpoint.step) {
      writeCheckpoint(state, job, 'recovery', effects);
    }
  }
}

export function completeBatch(job: Job, batch: Batch, effects: CoreEffect[]): void {
  job.phase = { kind: 'reducing', batch };
  effects.push({ kind: 'reduce', jobId: job.plan.jobId, work: batch.work, step: batch.step });
}

export function jobReduced(state: CoreState, { jobId }: EventOf<'reduced'>, effects: CoreEffect[]): void {
  const job = state.jobs.get(jobId);
  if (job?.phase.kind !== 'reducing') return;
  const { batch } = job.phase;
  switch (batch.work) {
    case 'initialize':
      job.hasParams = true;
      break;
    case 'train':
    case 'span':
      job.step += batch.steps;
      measurePace(state, job, batch);
      break;
    case 'evaluate':
      if (job.ensemble === 'computing') job.ensemble = 'done';
      else job.evaluatedSteps.add(job.step);
      break;
    default:
      batch.work satisfies never;
  }
  startNextPhase(state, job, effects);
}

export function ensembleLoaded(state: CoreState, { jobId, members }: EventOf<'ensembleLoaded'>): void {
  const job = state.jobs.get(jobId);
  if (job?.ensemble !== 'loading') return;
  job.ensemble = 'computing';
  // A shard takes as long as those of all members.
  delete job.shardMs.evaluate;
  job.phase = { kind: 'computing', batch: ensembleBatch(job.plan, members) };
}

export function checkpointWritten(
  state: CoreState,
  { jobId, step }: EventOf<'checkpointWritten'>,
  effects: CoreEffect[],
): void {
  const job = state.jobs.get(jobId);
  if (!job || step !== job.plan.iterations) return;
  job.finalCheckpoint = 'written';
  endFinishedJob(state, job, effects);
}

function endFinishedJob(state: CoreState, job: Job, effects: CoreEffect[]): void {
  const isTested = job.ensemble === 'none' || job.ensemble === 'done';
  if (job.phase.kind !== 'finishing' || job.finalCheckpoint !== 'written' || !isTested) return;
  endJob(state, job, 'succeeded', `all ${job.step} meta-steps are applied`, effects);
}

export function failJob(state: CoreState, job: Job, failure: JobFailure, effects: CoreEffect[]): void {
  endJob(state, job, 'failed', failure.message, effects, failure);
}

export function jobBroken(
  state: CoreState,
  { jobId, code, message }: EventOf<'jobBroken'>,
  effects: CoreEffect[],
): void {
  const job = state.jobs.get(jobId);
  if (job) failJob(state, job, { code, message }, effects);
}

function endJob(
  state: CoreState,
  job: Job,
  end: 'succeeded' | 'failed' | 'cancelled',
  reason: string,
  effects: CoreEffect[],
  failure?: JobFailure,
): void {
  const why = { cause: 'jobEnded', reason: `the job has ended: ${end}` } as const;
  for (const batch of batchesOf(job)) {
    for (const { leases } of batch.shards) cancelLeases(state, leases, why, effects);
  }
  state.jobs.delete(job.plan.jobId);
  state.admitted.delete(job);
  const { jobId } = job.plan;
  effects.push({ kind: 'changeJobState', jobId, state: end, reason, ...(failure && { failure }) });
  admitJobs(state);
}

export function cancelJob(state: CoreState, { jobId }: EventOf<'jobCancelRequested'>, effects: CoreEffect[]): void {
  endJob(state, jobOf(state, jobId), 'cancelled', 'cancelled by request', effects);
}

/**
 * Holds the job back after the shards now in flight; their results count. A span ends at the
 * meta-step that it is at.
 */
export function pauseJob(state: CoreState, { jobId }: EventOf<'jobPauseRequested'>, effects: CoreEffect[]): void {
  const job = jobOf(state, jobId);
  if (job.status === 'paused' && job.waitsForBytes === undefined) return;
  job.status = 'paused';
  // What paused by itself now waits to be asked.
  job.waitsForBytes = undefined;
  state.admitted.delete(job);
  effects.push({ kind: 'changeJobState', jobId, state: 'paused', reason: 'paused by request' });
  stopSpansOf(state, job, effects);
  admitJobs(state);
}

export function resumeJob(state: CoreState, { jobId }: EventOf<'jobResumeRequested'>, effects: CoreEffect[]): void {
  const job = jobOf(state, jobId);
  if (job.status !== 'paused') {
    throw new MetatrainError('JOB_NOT_RUNNING', `job ${jobId} is ${job.status}; only a paused job can be resumed`);
  }
  if (job.waitsForBytes !== undefined) {
    const code = job.waitsForBytes > 0 ? 'DISK_FULL' : 'STORAGE_UNAVAILABLE';
    throw new MetatrainError(
      code,
      `job ${jobId} waits for the coordinator's disk and goes on by itself: ${job.waitsBecause}`,
    );
  }
  job.status = job.hasStarted ? 'running' : 'queued';
  effects.push({ kind: 'changeJobState', jobId, state: job.status, reason: 'resumed by request' });
  admitJobs(state);
}

/** Holds jobs back after the shards now in flight; they go on by themselves, unless somebody has paused them as well. */
export function waitForRoom(
  state: CoreState,
  { jobId, neededBytes, reason }: EventOf<'roomMissing'>,
  effects: CoreEffect[],
): void {
  for (const job of state.jobs.values()) {
    if (jobId !== undefined && job.plan.jobId !== jobId) continue;
    if (job.status === 'paused') {
      if (job.waitsForBytes === undefined) continue;
      job.waitsForBytes = Math.max(job.waitsForBytes, neededBytes);
      job.waitsBecause = reason;
      continue;
    }
    job.status = 'paused';
    job.waitsForBytes = neededBytes;
    job.waitsBecause = reason;
    state.admitted.delete(job);
    stopSpansOf(state, job, effects);
    const why = `paused until ${neededBytes > 0 ? 'there is room' : 'the disk takes writes again'}: ${reason}`;
    effects.push({
      kind: 'changeJobState',
      jobId: job.plan.jobId,
      state: 'paused',
      reason: why,
      waitsForRoom: true,
    });
  }
  admitJobs(state);
}

export function goOn(state: CoreState, { freeBytes, stillWaiting }: EventOf<'roomSeen'>, effects: CoreEffect[]): void {
  for (const job of state.jobs.values()) {
    if (job.waitsForBytes === undefined || job.waitsForBytes > freeBytes) continue;
    if (stillWaiting?.has(job.plan.jobId)) continue;
    const reason = `resumed: ${job.waitsForBytes > 0 ? 'there is room on the disk' : 'the disk takes writes'} again`;
    job.waitsForBytes = undefined;
    job.status = job.hasStarted ? 'running' : 'queued';
    effects.push({ kind: 'changeJobState', jobId: job.plan.jobId, state: job.status, reason });
  }
  admitJobs(state);
}

function jobOf(state: CoreState, jobId: string): Job {
  const job = state.jobs.get(jobId);
  if (!job) throw new MetatrainError('JOB_NOT_RUNNING', `job ${jobId} has ended`);
  return job;
}
