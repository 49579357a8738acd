// How a job's meta-steps are computed: shared among workers, or several at a time by one worker.

export interface JobPace {
  /** Several whole meta-steps at a time are leased to one worker. */
  readonly spans: boolean;
  /** Why, for people. */
  readonly reason: string;
  /** Measured milliseconds of a meta-step in a span, and of one that is shared; absent until measured. */
  readonly spanMs?: number;
  readonly sharedMs?: number;
}

/** In one line, such as `in spans, 0.42 ms a meta-step (shared 1.9 ms): a span measured faster`. */
export function paceText({ spans, reason, spanMs, sharedMs }: JobPace): string {
  const [now, other] = spans ? [spanMs, sharedMs] : [sharedMs, spanMs];
  const pace = now === undefined ? '' : `, ${milliseconds(now)} a meta-step`;
  const beside = other === undefined ? '' : ` (${spans ? 'shared' : 'in a span'} ${milliseconds(other)})`;
  return `${spans ? 'in spans' : 'shared'}${pace}${beside}: ${reason}`;
}

const milliseconds = (ms: number): string => `${ms.toPrecision(2)} ms`;
