// The console's words for states, times, rates and events. Pure except for the user's time zone.
import { type ClusterEvent, nameOf } from '../shared/cluster-event.ts';
import type { Evaluation, JobEvent, JobRow, MetaStepSummary } from '../shared/http-api.ts';
import { headline, valueText } from '../shared/measures.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from '../shared/numbers.ts';
import { ensembleText } from '../shared/protocol.ts';
import type { Waiting } from '../shared/waiting.ts';
import { now } from './clock.ts';
import { h } from './dom.ts';

export const nothing = '–';

export const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

export const hasEnded = (state: JobRow['state']): boolean => ['succeeded', 'failed', 'cancelled'].includes(state);

/** A state as a word and a mark, so that the colour adds nothing new. */
export const stateBadge = (state: string): HTMLElement => h('span', { class: `state state-${state}` }, state);

/** In a word or two, under a job's state. */
export function waitText({ reason }: Waiting): string {
  switch (reason) {
    case 'paused':
      return 'by request';
    case 'disk':
      return 'no room on the disk';
    case 'queue':
      return 'other jobs first';
    case 'noWorker':
      return 'no worker for it';
    case 'otherPlugin':
      return 'no worker with its plugin';
    case 'otherEngine':
      return 'no worker of its engine';
    case 'otherData':
      return 'no worker with its data';
    case 'workersHeld':
      return 'its workers are held back';
    case 'workersBusy':
      return 'its workers are busy';
    default:
      // Of a newer coordinator.
      return reason satisfies never;
  }
}

/** The time of day; with the date where that is not today. */
export function timeElement(iso: string): HTMLTimeElement {
  const time = new Date(iso);
  const ofDay = time.toLocaleTimeString('en-GB');
  const isRecent = new Date(now()).toDateString() === time.toDateString();
  const text = isRecent ? ofDay : `${time.toLocaleDateString('en-CA')} ${ofDay}`;
  return h('time', { datetime: iso, title: time.toString() }, text);
}

/** How the newest meta-batch went, such as `loss 0.0696, accuracy 97.5 %`. A line breaks only between measures. */
export const measuresText = (summary: MetaStepSummary | undefined): string =>
  summary?.measures.map((measure) => valueText(measure).replaceAll(' ', '\u00a0')).join(', ') || nothing;

/** What an ended job has reached in its last evaluation; of the others, how the newest meta-batch went. */
export const resultText = ({ state, lastEvaluation, lastMetaStep }: JobRow): string =>
  hasEnded(state) && lastEvaluation ? headline(lastEvaluation.measures) : measuresText(lastMetaStep);

export const paceText = (summary: MetaStepSummary | undefined): string =>
  summary ? formatRate(summary.metaStepsPerSecond) : nothing;

/** Time until the last meta-step for a running job; duration of an ended job. */
export function etaText({ state, lastMetaStep, startedAt, endedAt }: JobRow): string {
  // The first meta-step waits for compilation and predicts nothing.
  if (state === 'running' && lastMetaStep && lastMetaStep.step > 1)
    return `${formatDuration(lastMetaStep.etaSeconds)} left`;
  if (startedAt === undefined || endedAt === undefined) return nothing;
  return `took ${formatDuration((Date.parse(endedAt) - Date.parse(startedAt)) / 1_000)}`;
}

/** The event without its subject. */
export function clusterEventText(event: ClusterEvent): string {
  switch (event.type) {
    case 'metatrain.v1.job.state_changed':
      return stateText(event.data);
    case 'metatrain.v1.job.evaluated':
      return evaluatedText(event.data);
    case 'metatrain.v1.job.checkpoint_written':
      return checkpointText(event.data);
    case 'metatrain.v1.job.shard_retried':
      return retriedText(event.data);
    case 'metatrain.v1.job.meta_steps_applied':
      return `meta-step ${formatCount(event.data.step)}`;
    case 'metatrain.v1.worker.connected': {
      const { engine, device, slots } = event.data;
      return `connected: ${engine} on ${device.name || device.kind}, ${slots} ${slots === 1 ? 'slot' : 'slots'}`;
    }
    case 'metatrain.v1.worker.disconnected':
      return `disconnected: ${event.data.reason}`;
    case 'metatrain.v1.worker.drain_started':
      return `drains: ${event.data.reason}`;
    case 'metatrain.v1.worker.quarantined':
      return `quarantined for ${formatDuration(event.data.coolDownMs / 1_000)}: ${event.data.reason}`;
    case 'metatrain.v1.worker.let_back':
      return `let back: ${event.data.reason}`;
    default:
      // An event of a coordinator that is newer than this page.
      return nameOf(event);
  }
}

export function jobEventText(event: JobEvent): string {
  switch (event.kind) {
    case 'stateChanged':
      return stateText(event);
    case 'evaluated':
      return evaluatedText(event.evaluation);
    case 'checkpointWritten':
      return checkpointText(event.checkpoint);
    case 'shardRetried':
      return retriedText(event);
    case 'metaStep':
      return `meta-step ${formatCount(event.summary.step)}`;
    default:
      return event satisfies never;
  }
}

interface StateChange {
  readonly state: string;
  readonly reason: string;
}

const stateText = ({ state, reason }: StateChange): string =>
  reason === '' || reason === state ? state : `${state}: ${reason}`;

const evaluatedText = ({ step, protocol, measures }: Pick<Evaluation, 'step' | 'protocol' | 'measures'>): string =>
  `evaluated ${ensembleText(protocol) || `at meta-step ${formatCount(step)}`}: ${headline(measures)}`;

const checkpointText = ({ step, bytes }: { readonly step: number; readonly bytes: number }): string =>
  `checkpoint at meta-step ${formatCount(step)}, ${formatBytes(bytes)}`;

interface Retry {
  readonly metaStep: number;
  readonly shard: number;
  readonly workerId: string;
  readonly reason: string;
}

const retriedText = ({ metaStep, shard, workerId, reason }: Retry): string =>
  `shard ${shard} of meta-step ${formatCount(metaStep)} goes to another worker: ${workerId}: ${reason}`;
