// A job's progress as one line. `JobView` holds a watcher's state after the events so far. The
// reducer and the rendering are pure, so that the live line and the plain lines show the same.
import { printable, printableRecord } from '../../../shared/foreign-text.ts';
import { headline, valueText } from '../../../shared/measures.ts';
import { formatCount, formatDuration, formatRate } from '../../../shared/numbers.ts';
import { evaluatedText } from '../../../shared/protocol.ts';
import type { Job, JobEvent, JobState, MetaStepSummary } from '../../records.ts';
import { plainStyle, type Style, truncate, widthOf } from './text.ts';

export interface JobView {
  readonly jobId: string;
  readonly name: string;
  readonly state: JobState;
  readonly step: number;
  readonly iterations: number;
  readonly summary?: MetaStepSummary;
}

export function viewOf(job: Job): JobView {
  return printableRecord({
    jobId: job.jobId,
    name: job.name,
    state: job.state,
    step: job.steps,
    iterations: job.iterations,
    ...(job.lastMetaStep ? { summary: job.lastMetaStep } : {}),
  });
}

export function applyEvent(view: JobView, received: JobEvent): JobView {
  const event = printableRecord(received);
  switch (event.kind) {
    case 'stateChanged':
      return { ...view, state: event.state };
    case 'metaStep':
      return { ...view, summary: event.summary, step: event.summary.step, iterations: event.summary.iterations };
    case 'evaluated':
    case 'checkpointWritten':
    case 'shardRetried':
      return view;
    default:
      return event satisfies never;
  }
}

/** @param width characters at most; what matters least is left out first. Default: no limit. */
export function progressLine(view: JobView, width = Number.POSITIVE_INFINITY, style: Style = plainStyle): string {
  const { summary } = view;
  const isRunning = view.state === 'RUNNING';
  const share = view.iterations > 0 ? view.step / view.iterations : 0;
  const parts: { readonly text: string; readonly importance: number }[] = [
    { text: style.bold(view.name), importance: 7 },
    { text: colouredState(view.state, style), importance: 8 },
    { text: `${formatCount(view.step)}/${formatCount(view.iterations)}`, importance: 9 },
    { text: `${Math.floor(100 * share)} %`, importance: 2 },
  ];
  if (summary) {
    for (const [i, measure] of summary.measures.entries()) {
      parts.push({ text: valueText(measure), importance: i === 0 ? 6 : 5 });
    }
    if (isRunning) {
      parts.push({ text: `${formatRate(summary.tasksPerSecond)} tasks/s`, importance: 3 });
      // An evaluation follows the last meta-step, and the rate of meta-steps does not predict its
      // length. The first meta-step waits for compilation and predicts nothing.
      if (view.step === view.iterations) parts.push({ text: 'evaluating', importance: 4 });
      else if (summary.step > 1) parts.push({ text: `ETA ${formatDuration(summary.etaSeconds)}`, importance: 4 });
    }
  }
  let kept = parts;
  const lineOf = () => kept.map(({ text }) => text).join('  ');
  while (widthOf(lineOf()) > width && kept.length > 1) {
    const least = Math.min(...kept.map(({ importance }) => importance));
    kept = kept.filter(({ importance }) => importance !== least);
  }
  return widthOf(lineOf()) > width
    ? truncate(`${formatCount(view.step)}/${formatCount(view.iterations)}`, width)
    : lineOf();
}

/**
 * A separate line for events such as an evaluation; undefined for an event that the progress line
 * shows.
 */
export function noteFor(received: JobEvent, jobName: string): string | undefined {
  const event = printableRecord(received);
  const name = printable(jobName);
  switch (event.kind) {
    case 'stateChanged':
      return `${name}  ${event.state.toLowerCase()}${event.reason ? `: ${event.reason}` : ''}`;
    case 'evaluated':
      return `${name}  evaluated ${evaluatedText(event.evaluation)}: ${headline(event.evaluation.measures)}`;
    case 'checkpointWritten':
      return `${name}  checkpoint after ${formatCount(event.checkpoint.step)} meta-steps`;
    case 'shardRetried': {
      const { shard, metaStep, workerId, reason } = event.retried;
      return `${name}  shard ${shard} of meta-step ${metaStep} is computed again (worker ${workerId}: ${reason})`;
    }
    case 'metaStep':
      return undefined;
    default:
      return event satisfies never;
  }
}

export function colouredState(state: JobState, style: Style): string {
  const word = state.toLowerCase();
  switch (state) {
    case 'SUCCEEDED':
      return style.green(word);
    case 'FAILED':
      return style.red(word);
    case 'PAUSED':
    case 'CANCELLED':
      return style.yellow(word);
    case 'QUEUED':
    case 'RUNNING':
      return word;
    default:
      return state satisfies never;
  }
}
