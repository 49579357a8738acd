// Decides the next action for one resource: a pure function of the resource, its job, the coordinator
// and the time. It returns one action at a time, because each changes the facts. So the result is the
// same after an event, after a restart and after a lost event.
import { hasEnded } from '../../client/records.ts';
import { hasFinalizer, isFinished, type MetaTrainJob, type MetaTrainJobStatus, wantsSuspension } from './resource.ts';
import type { SeenJob } from './sighting.ts';
import { deadlineOf, isPausedByRequest, type StatusFacts, statusFor } from './status.ts';

export type Action =
  | { readonly kind: 'addFinalizer' }
  /** Under the resource's key, so that a second submission returns the first one's job. */
  | { readonly kind: 'submit' }
  /** Asks for the job by itself. */
  | { readonly kind: 'look'; readonly jobId: string }
  | { readonly kind: 'pause' | 'resume'; readonly jobId: string }
  | { readonly kind: 'cancel'; readonly jobId: string; readonly why: 'deleted' | 'deadline' }
  | { readonly kind: 'removeFinalizer'; readonly why: RemovalReason }
  | { readonly kind: 'deleteResource' };

/** `gaveUp`: the coordinator was away for too long, and the job may go on. */
export type RemovalReason = 'ended' | 'cancelled' | 'refused' | 'gaveUp';

export interface Situation extends Omit<StatusFacts, 'isHeld'> {
  /** How long the deletion of a resource waits for a coordinator that is away. */
  readonly giveUpMs: number;
}

export interface Decision {
  /** Undefined: nothing to do, and the status may be written. */
  readonly action: Action | undefined;
  /** Undefined: it stays as it is. */
  readonly status: MetaTrainJobStatus | undefined;
  /** Wall clock, milliseconds: when to decide again at the latest. */
  readonly againAt: number | undefined;
}

const idle: Decision = { action: undefined, status: undefined, againAt: undefined };

export function decide(situation: Situation): Decision {
  const { resource, coordinator } = situation;
  // A controller that has just started asks within a second; before that, it knows too little.
  if (coordinator.kind === 'unasked' && !isFinished(resource.status)) return idle;
  if (resource.metadata.deletionTimestamp !== undefined) return decideDeletion(situation, resource);
  if (isFinished(resource.status)) return decideAfterEnd(situation, resource);
  return decideJob(situation, resource);
}

function decideJob(situation: Situation, resource: MetaTrainJob): Decision {
  const { sighting, coordinator, now } = situation;
  const isMarked = hasFinalizer(resource);
  const jobId = resource.status?.jobId;
  // With the finalizer, the job may have been submitted even if the status has no job id yet.
  const isHeld = wantsSuspension(resource) && !isMarked && jobId === undefined && sighting.kind === 'unseen';
  const status = statusFor({ ...situation, isHeld });
  const wait: Decision = { ...idle, status };
  const act = (action: Action): Decision => ({ ...idle, action });

  if (isHeld || sighting.kind === 'refused') return wait;
  if (!isMarked) return act({ kind: 'addFinalizer' });
  if (coordinator.kind !== 'reachable') return wait;
  switch (sighting.kind) {
    case 'unseen':
      return act(jobId === undefined ? { kind: 'submit' } : { kind: 'look', jobId });
    case 'forgotten':
      return act({ kind: 'submit' });
    case 'seen': {
      const { job } = sighting;
      if (hasEnded(job.state)) {
        // A list has no hash of the parameters.
        return job.paramsSha256 === undefined && job.steps > 0 ? act({ kind: 'look', jobId: job.jobId }) : wait;
      }
      const deadline = deadlineOf(resource, job);
      if (deadline !== undefined && now >= deadline) return act({ kind: 'cancel', jobId: job.jobId, why: 'deadline' });
      const change = suspensionChange(resource, job);
      if (change) return act({ kind: change, jobId: job.jobId });
      return { action: undefined, status, againAt: deadline };
    }
    default:
      return sighting satisfies never;
  }
}

/** The resource decides, even if somebody has paused or resumed the job by hand. */
function suspensionChange(resource: MetaTrainJob, job: SeenJob): 'pause' | 'resume' | undefined {
  const isPaused = isPausedByRequest(job);
  if (wantsSuspension(resource)) return isPaused ? undefined : 'pause';
  return isPaused ? 'resume' : undefined;
}

/** After the end, the finalizer is removed, and later the resource if it has a time to live. */
function decideAfterEnd({ now }: Situation, resource: MetaTrainJob): Decision {
  if (hasFinalizer(resource)) return { ...idle, action: { kind: 'removeFinalizer', why: 'ended' } };
  const { ttlSecondsAfterFinished } = resource.spec;
  const { completionTime } = resource.status ?? {};
  if (ttlSecondsAfterFinished === undefined || completionTime === undefined) return idle;
  const dueAt = Date.parse(completionTime) + 1_000 * ttlSecondsAfterFinished;
  return now >= dueAt ? { ...idle, action: { kind: 'deleteResource' } } : { ...idle, againAt: dueAt };
}

/** A resource is deleted after its job is cancelled, or after `giveUpMs`. */
function decideDeletion(situation: Situation, resource: MetaTrainJob): Decision {
  const { sighting, coordinator, now, giveUpMs } = situation;
  if (!hasFinalizer(resource)) return idle;
  const act = (action: Action): Decision => ({ ...idle, action });
  if (isFinished(resource.status)) return act({ kind: 'removeFinalizer', why: 'ended' });
  if (sighting.kind === 'refused') return act({ kind: 'removeFinalizer', why: 'refused' });
  const isOver = sighting.kind === 'seen' && hasEnded(sighting.job.state);
  if (isOver) return act({ kind: 'removeFinalizer', why: sighting.job.state === 'CANCELLED' ? 'cancelled' : 'ended' });
  const giveUpAt = Date.parse(resource.metadata.deletionTimestamp ?? '') + giveUpMs;
  if (now >= giveUpAt) return act({ kind: 'removeFinalizer', why: 'gaveUp' });
  if (coordinator.kind !== 'reachable') {
    return { ...idle, status: statusFor({ ...situation, isHeld: false }), againAt: giveUpAt };
  }
  if (sighting.kind === 'seen') return act({ kind: 'cancel', jobId: sighting.job.jobId, why: 'deleted' });
  const jobId = resource.status?.jobId;
  // A controller may have died after a submission and before it wrote the job id. A submission under
  // the same key returns that job. If there is none, it makes one, which is then cancelled.
  return act(jobId === undefined || sighting.kind === 'forgotten' ? { kind: 'submit' } : { kind: 'look', jobId });
}
