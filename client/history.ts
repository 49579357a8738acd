// Sorts a job's events: the meta-step summaries for the curve, and all other events. Pure.
import type { JobEvent, MetaStepSummary } from './records.ts';

export interface JobHistory {
  /** Ascending in `step`, each once. */
  readonly metaSteps: readonly MetaStepSummary[];
  /** Every other event, in order. */
  readonly story: readonly StoryEvent[];
}

export type StoryEvent = Exclude<JobEvent, { readonly kind: 'metaStep' }>;

/** @param events of one job, in order. After a restart meta-steps are applied again: then the later report counts. */
export function historyOf(events: readonly JobEvent[]): JobHistory {
  const metaSteps: MetaStepSummary[] = [];
  const story: StoryEvent[] = [];
  for (const event of events) {
    if (event.kind !== 'metaStep') {
      story.push(event);
      continue;
    }
    while ((metaSteps.at(-1)?.step ?? -1) >= event.summary.step) metaSteps.pop();
    metaSteps.push(event.summary);
  }
  return { metaSteps, story };
}
