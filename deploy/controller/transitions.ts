// Compares two statuses of one resource: whether and how soon the new one must be written, and which
// Kubernetes Events report the difference. Pure.
import type { Condition } from './kube/objects.ts';
import { conditionOf, type MetaTrainJobStatus } from './resource.ts';

/** `now`: something has happened. `soon`: only figures have moved. `later`: only the time of the last look. */
export type Urgency = 'now' | 'soon' | 'later' | 'none';

export function urgencyOf(before: MetaTrainJobStatus | undefined, after: MetaTrainJobStatus): Urgency {
  if (before === undefined) return 'now';
  if (essence(before) !== essence(after)) return 'now';
  if (figures(before) !== figures(after)) return 'soon';
  return before.observedAt === after.observedAt ? 'none' : 'later';
}

const essence = ({
  state,
  jobId,
  observedGeneration,
  completionTime,
  paramsSha256,
  conditions = [],
}: MetaTrainJobStatus) =>
  stable([
    state,
    jobId,
    observedGeneration,
    completionTime,
    paramsSha256,
    conditions.map(({ type, status, reason }) => [type, status, reason]),
  ]);

const figures = ({ observedAt: _, ...rest }: MetaTrainJobStatus) => stable(rest);

/** The API server returns fields in an order of its own. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) =>
    typeof field === 'object' && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  );
}

/** A merge patch: `null` takes a field away. */
export function statusPatch(
  before: MetaTrainJobStatus | undefined,
  after: MetaTrainJobStatus,
): Record<string, unknown> {
  const gone = Object.keys(before ?? {}).filter((field) => !(field in after));
  return { ...Object.fromEntries(gone.map((field) => [field, null])), ...after };
}

export interface Told {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase. */
  readonly reason: string;
  readonly note: string;
}

/** Roughly in the order in which the changes happen. */
export function eventsBetween(before: MetaTrainJobStatus | undefined, after: MetaTrainJobStatus): Told[] {
  const told: Told[] = [];
  const tell = (type: Told['type'], reason: string, note: string) => told.push({ type, reason, note });
  const change = (
    name: string,
  ): { readonly from: Condition['status'] | undefined; readonly to: Condition } | undefined => {
    const from = conditionOf(before, name);
    const to = conditionOf(after, name);
    return to && (to.status !== from?.status || to.reason !== from.reason) ? { from: from?.status, to } : undefined;
  };

  const accepted = change('Accepted');
  if (accepted?.to.status === 'True') {
    tell(accepted.to.reason === 'SubmittedAgain' ? 'Warning' : 'Normal', accepted.to.reason, accepted.to.message);
  }
  if (accepted?.to.status === 'False') tell('Warning', `NotAccepted`, `${accepted.to.reason}: ${accepted.to.message}`);

  const reachable = change('CoordinatorReachable');
  if (reachable?.to.status === 'False') tell('Warning', 'CoordinatorUnreachable', reachable.to.message);
  if (reachable?.to.status === 'True' && reachable.from === 'False')
    tell('Normal', 'CoordinatorReachable', 'it answers again');

  const suspended = change('Suspended');
  if (suspended?.to.status === 'True') tell('Normal', 'Suspended', suspended.to.message);
  if (suspended?.to.status === 'False' && suspended.from === 'True') tell('Normal', 'Resumed', 'spec.suspend is false');

  const workers = change('WorkersAvailable');
  if (workers?.to.status === 'False') tell('Warning', workers.to.reason, workers.to.message);

  const running = change('Running');
  if (running?.to.status === 'True') tell('Normal', 'Running', 'the job computes');

  const complete = change('Complete');
  if (complete?.to.status === 'True') {
    const { progress = '', paramsSha256 = '', measure = '' } = after;
    tell(
      'Normal',
      'Completed',
      [`${progress} meta-steps`, measure, `paramsSha256 ${paramsSha256}`].filter(Boolean).join('; '),
    );
  }
  const failed = change('Failed');
  if (failed?.to.status === 'True') tell('Warning', failed.to.reason, failed.to.message);
  return told;
}
