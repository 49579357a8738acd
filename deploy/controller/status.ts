// The status of a resource, made from the facts about its job. Pure. While the coordinator is away, the
// status keeps the last figures and its state is `Unknown`: a job is never shown as running because it
// once was.
import { boundText, printableRecord } from '../../shared/foreign-text.ts';
import { headline, isOfSeveralKinds, valueText } from '../../shared/measures.ts';
import { formatCount, formatDuration } from '../../shared/numbers.ts';
import { type Claim, type Claims, conditionsOf, maxMessageBytes, no, reasonWord, unknown, yes } from './conditions.ts';
import type { Condition } from './kube/objects.ts';
import {
  conditionOf,
  isFinished,
  type MetaTrainJob,
  type MetaTrainJobStatus,
  type ShownMeasure,
  type ShownState,
  wantsSuspension,
} from './resource.ts';
import type { Reachability, SeenJob, SeenWorker, Sighting, Trouble } from './sighting.ts';

/** The facts from which a status is made. */
export interface StatusFacts {
  readonly resource: MetaTrainJob;
  readonly sighting: Sighting;
  readonly trouble: Trouble | undefined;
  readonly coordinator: Reachability;
  /** Undefined before the first look. */
  readonly workers: readonly SeenWorker[] | undefined;
  /** Why worker pods are not running, in words. */
  readonly podProblems: readonly string[];
  /** The job is not submitted before it is resumed. */
  readonly isHeld: boolean;
  /** Wall clock, milliseconds. */
  readonly now: number;
}

export const waitsForWorkers: ReadonlySet<string> = new Set([
  'noWorker',
  'otherPlugin',
  'otherEngine',
  'otherData',
  'workersHeld',
]);

export function statusFor(facts: StatusFacts): MetaTrainJobStatus {
  const { resource, sighting, isHeld, coordinator, now } = facts;
  const before = resource.status ?? {};
  if (isFinished(before)) return before;
  const { generation } = resource.metadata;
  const parts = partsFor(facts, before);
  const known = claimsOf(before.conditions ?? []).CoordinatorReachable;
  const claims = { ...parts.claims, CoordinatorReachable: isHeld ? undefined : reachabilityClaim(coordinator, known) };
  const { state, fields } = parts;
  const isOver = claims.Complete?.status === 'True' || claims.Failed?.status === 'True';
  const shown = isOver ? { ...claims, WorkersAvailable: undefined, CoordinatorReachable: undefined } : claims;
  const observedAt = sighting.kind === 'seen' ? iso(sighting.at) : before.observedAt;
  const status = withoutUndefined({
    ...(generation !== undefined && { observedGeneration: generation }),
    ...fields,
    observedAt,
    state,
    conditions: conditionsOf(shown, before.conditions ?? [], { now: iso(now), generation }),
  });
  // Workers and jobs chose some of its texts, and terminals show them.
  return printableRecord({ ...status, ...boundTexts(status) });
}

interface Parts {
  readonly state: ShownState;
  readonly fields: { readonly [Name in keyof MetaTrainJobStatus]?: MetaTrainJobStatus[Name] | undefined };
  readonly claims: Claims;
}

function partsFor(facts: StatusFacts, before: MetaTrainJobStatus): Parts {
  const { sighting, coordinator, isHeld, now } = facts;
  if (isHeld) {
    return {
      state: 'Paused',
      fields: { message: 'suspended before it was submitted' },
      claims: {
        ...notStarted,
        Accepted: unknown('NotSubmitted', 'the job is submitted when it is resumed (spec.suspend: false)'),
        Suspended: yes('Suspended', 'spec.suspend is true'),
      },
    };
  }
  switch (sighting.kind) {
    case 'refused': {
      const { code, message } = sighting;
      const reason = reasonWord(code);
      return {
        state: 'Refused',
        fields: { message, completionTime: iso(now) },
        claims: { ...notStarted, Accepted: no(reason, message), Failed: yes('Refused', message) },
      };
    }
    case 'seen':
      return isLongAway(coordinator) ? awayParts(before, coordinator) : seenParts(facts, sighting.job, before);
    case 'unseen':
    case 'forgotten':
      if (coordinator.kind === 'away' && (coordinator.isLong || !before.state)) return awayParts(before, coordinator);
      return pendingParts(facts, before);
    default:
      return sighting satisfies never;
  }
}

const notStarted: Claims = {
  Running: no('NotStarted'),
  Suspended: no('NotSuspended'),
  Complete: no('NotFinished'),
  Failed: no('NotFinished'),
};

/** Of the other texts that a job or a plugin chose. */
const maxTextBytes = 512;

function boundTexts({ message, measure, measures }: MetaTrainJobStatus): Partial<MetaTrainJobStatus> {
  const bound = (value: unknown) => (typeof value === 'string' ? boundText(value, maxTextBytes) : value);
  const boundFields = (shown: ShownMeasure) =>
    Object.fromEntries(Object.entries(shown).map(([field, value]) => [field, bound(value)])) as unknown as ShownMeasure;
  return {
    ...(message !== undefined && { message: boundText(message, maxMessageBytes) }),
    ...(measure !== undefined && { measure: boundText(measure, maxTextBytes) }),
    ...(measures && { measures: measures.map(boundFields) }),
  };
}

/** Without news, the status stays as it is. */
function pendingParts({ trouble }: StatusFacts, before: MetaTrainJobStatus): Parts {
  const { observedGeneration: _, observedAt: __, state = 'Pending', conditions = [], ...fields } = before;
  const claims: Claims = { Accepted: unknown('Submitting'), ...notStarted, ...claimsOf(conditions) };
  if (!trouble) return { state, fields, claims };
  const { code, message } = trouble;
  return {
    state,
    fields: { ...fields, message },
    claims: fields.jobId === undefined ? { ...claims, Accepted: no(reasonWord(code), message) } : claims,
  };
}

function awayParts(before: MetaTrainJobStatus, { message }: Extract<Reachability, { kind: 'away' }>): Parts {
  const { observedGeneration: _, observedAt: __, conditions = [], eta: ___, ...fields } = before;
  const gone = unknown('CoordinatorUnreachable', message);
  return {
    state: before.jobId === undefined ? 'Pending' : 'Unknown',
    fields: { ...fields, message: `the coordinator does not answer: ${message}` },
    claims: {
      Accepted: unknown('Submitting'),
      ...notStarted,
      ...claimsOf(conditions),
      ...(before.jobId !== undefined && { Running: gone, WorkersAvailable: gone }),
    },
  };
}

function seenParts(facts: StatusFacts, job: SeenJob, before: MetaTrainJobStatus): Parts {
  const { trouble } = facts;
  const state = shownStates[job.state];
  const isOver = job.endedAt !== undefined;
  return {
    state,
    fields: {
      jobId: job.jobId,
      step: job.steps,
      steps: job.iterations,
      progress: `${formatCount(job.steps)}/${formatCount(job.iterations)}`,
      progressPercent: job.iterations > 0 ? Math.floor((100 * job.steps) / job.iterations) : 0,
      eta: etaOf(job),
      startTime: job.startedAt && seconds(job.startedAt),
      completionTime: job.endedAt && seconds(job.endedAt),
      paramsSha256: isOver ? job.paramsSha256 : undefined,
      measures: shownMeasures(job) ?? before.measures,
      measure: measureText(job) ?? before.measure,
      message: trouble?.message ?? messageOf(job),
    },
    claims: {
      Accepted: acceptedClaim(job, before),
      Running: runningClaim(job),
      Suspended: suspendedClaim(job, facts.resource),
      Complete: job.state === 'SUCCEEDED' ? yes('Succeeded', messageOf(job)) : no('NotFinished'),
      Failed: failedClaim(job, facts.resource),
      WorkersAvailable: workersClaim(facts, job),
    },
  };
}

const shownStates = {
  QUEUED: 'Queued',
  RUNNING: 'Running',
  PAUSED: 'Paused',
  SUCCEEDED: 'Succeeded',
  FAILED: 'Failed',
  CANCELLED: 'Cancelled',
} as const satisfies Record<SeenJob['state'], ShownState>;

function acceptedClaim({ jobId }: SeenJob, before: MetaTrainJobStatus): Claim {
  const earlier = conditionOf(before, 'Accepted');
  if (before.jobId !== undefined && before.jobId !== jobId) {
    return yes('SubmittedAgain', `job ${jobId}; the coordinator had no record of job ${before.jobId}`);
  }
  const isToldAlready = earlier?.status === 'True' && earlier.message.startsWith(`job ${jobId}`);
  return isToldAlready ? yes(earlier.reason, earlier.message) : yes('Submitted', `job ${jobId}`);
}

function runningClaim({ state, waiting }: SeenJob): Claim {
  if (state === 'QUEUED') return no('Queued', waiting?.message ?? 'waits for its turn');
  if (state === 'PAUSED') return no('Suspended', waiting?.message);
  if (state !== 'RUNNING') return no('Finished');
  // Jobs that share workers wait for each other all the time.
  if (waiting && waiting.reason !== 'workersBusy') return no(reasonWord(waiting.reason), waiting.message);
  return yes('Training');
}

/** A job that waits for room on the coordinator's disk is paused too, but nobody has suspended it. */
export const isPausedByRequest = ({ state, waiting }: SeenJob): boolean =>
  state === 'PAUSED' && waiting?.reason !== 'disk';

function suspendedClaim(job: SeenJob, resource: MetaTrainJob): Claim {
  if (isPausedByRequest(job)) return yes('Suspended', 'shards in flight were finished; no step is lost');
  return no(wantsSuspension(resource) && job.endedAt === undefined ? 'Suspending' : 'NotSuspended');
}

function failedClaim(job: SeenJob, resource: MetaTrainJob): Claim {
  if (job.state === 'FAILED') return yes(reasonWord(job.error?.code ?? 'FAILED'), job.error?.message ?? '');
  if (job.state !== 'CANCELLED') return no('NotFinished');
  const isLate = hasPassedDeadline(resource, job, job.endedAt?.getTime() ?? 0);
  return isLate ? yes('DeadlineExceeded', deadlineMessage(resource)) : yes('Cancelled', 'the job was cancelled');
}

const deadlineMessage = ({ spec }: MetaTrainJob): string =>
  `cancelled after ${formatDuration(spec.activeDeadlineSeconds ?? 0)} (spec.activeDeadlineSeconds)`;

/** The deadline on the wall clock; undefined without one, before the start and while suspended. */
export function deadlineOf(resource: MetaTrainJob, job: SeenJob): number | undefined {
  const { activeDeadlineSeconds } = resource.spec;
  if (activeDeadlineSeconds === undefined || !job.startedAt || isPausedByRequest(job)) return undefined;
  const suspended = conditionOf(resource.status, 'Suspended');
  const resumedAt = suspended?.status === 'False' ? Date.parse(suspended.lastTransitionTime) : Number.POSITIVE_INFINITY;
  // The time counts from the resumption, which the status does not show yet.
  if (suspended && !Number.isFinite(resumedAt)) return undefined;
  return Math.max(job.startedAt.getTime(), suspended ? resumedAt : 0) + 1_000 * activeDeadlineSeconds;
}

/** A second less, since the API's times have no fractions. */
const hasPassedDeadline = (resource: MetaTrainJob, job: SeenJob, at: number): boolean =>
  at + 1_000 >= (deadlineOf(resource, job) ?? Number.POSITIVE_INFINITY);

function workersClaim({ resource, workers, podProblems }: StatusFacts, { waiting }: SeenJob): Claim | undefined {
  if (!workers) return undefined;
  const { engine = 'compiled', device = 'cpu' } = placementOf(resource);
  const fitting = workers.filter((worker) => worker.engine === engine && worker.device === device && !worker.isHeld);
  const count = `${fitting.length} of ${workers.length} connected workers can compute it`;
  const problems = podProblems.length > 0 ? `; ${podProblems.join('; ')}` : '';
  if (waiting && waitsForWorkers.has(waiting.reason)) {
    return no(reasonWord(waiting.reason), `${count}; ${waiting.message}${problems}`);
  }
  return fitting.length > 0 ? yes('WorkersConnected', `${count}${problems}`) : no('NoWorker', `${count}${problems}`);
}

function placementOf({ spec }: MetaTrainJob): { readonly engine?: string; readonly device?: string } {
  const { placement } = spec.job;
  return typeof placement === 'object' && placement !== null ? placement : {};
}

/** A coordinator that restarts is away for a moment; the status does not show that. */
function reachabilityClaim(coordinator: Reachability, known: Claim = unknown('NotAsked')): Claim {
  switch (coordinator.kind) {
    case 'unasked':
      return known;
    case 'reachable':
      return yes('Answers');
    case 'away':
      return coordinator.isLong ? no(reasonWord(coordinator.code), coordinator.message) : known;
    default:
      return coordinator satisfies never;
  }
}

const isLongAway = (coordinator: Reachability): coordinator is Extract<Reachability, { kind: 'away' }> =>
  coordinator.kind === 'away' && coordinator.isLong;

const messageOf = ({ error, waiting, verdict }: SeenJob): string | undefined =>
  error?.message ?? verdict ?? waiting?.message;

function etaOf({ state, steps, iterations, lastMetaStep, waiting }: SeenJob): string | undefined {
  if (state !== 'RUNNING' || !lastMetaStep || (waiting && waiting.reason !== 'workersBusy')) return undefined;
  return steps < iterations ? formatDuration(lastMetaStep.etaSeconds) : 'evaluating';
}

function shownMeasures({ measures }: SeenJob): readonly ShownMeasure[] | undefined {
  if (measures.length === 0) return undefined;
  return measures.flatMap(({ name, title, axis, points, unit, better, estimates }) => {
    const first = isOfSeveralKinds(points) ? 0 : estimates.length - 1;
    return estimates.slice(first).flatMap(({ mean, halfWidth95 }, at) => {
      // JSON has no NaN; only the text shows a measure that is not finite.
      if (!Number.isFinite(mean) || !Number.isFinite(halfWidth95)) return [];
      const texts = { title, axis, point: points[first + at] ?? '', unit, better };
      return [{ name, ...filled(texts), mean, halfWidth95 }];
    });
  });
}

const filled = (texts: Readonly<Record<string, string>>): Partial<ShownMeasure> =>
  Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== ''));

function measureText({ measures, lastMetaStep }: SeenJob): string | undefined {
  if (measures.length > 0) return headline(measures);
  const [first] = lastMetaStep?.measures ?? [];
  return first && `training ${valueText(first)}`;
}

function claimsOf(conditions: readonly Condition[]): Claims {
  return Object.fromEntries(conditions.map(({ type, status, reason, message }) => [type, { status, reason, message }]));
}

const iso = (at: number): string => seconds(new Date(at));
/** metav1.Time has no fractions. */
const seconds = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;

function withoutUndefined(
  status: { readonly [Name in keyof MetaTrainJobStatus]: MetaTrainJobStatus[Name] | undefined },
) {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== undefined)) as MetaTrainJobStatus;
}
