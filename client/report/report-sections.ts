// The sections of a report, from top to bottom. Each takes the data that it shows and returns
// markup; the template escapes everything. Pure.
import { html } from 'hono/html';
import { stringify } from 'yaml';
import {
  type ComparedRow,
  compare,
  divergedText,
  outcomeWords,
  type Tone,
  verdictWords,
} from '../../shared/comparison.ts';
import { describeData } from '../../shared/data-identity.ts';
import { type Chart, type ChartPoint, headingOf, xText } from '../../shared/job-charts.ts';
import { axisHead, formatFigure, headline, type Measure, pointText, titleWithUnit } from '../../shared/measures.ts';
import { formatBytes, formatCount, formatDuration, formatRate, formatTime, formatValue } from '../../shared/numbers.ts';
import { describePlugin } from '../../shared/plugin-identity.ts';
import { ensembleText, evaluatedText, protocolCard, publishedText } from '../../shared/protocol.ts';
import type { JobHistory, StoryEvent } from '../history.ts';
import type { Job, JobState } from '../records.ts';

export type Markup = ReturnType<typeof html>;

export interface ReportInput {
  readonly job: Job;
  readonly history: JobHistory;
  /** Version of the program that writes the report. */
  readonly version: string;
  readonly writtenAt: Date;
}

/** Most rows of a chart's table. */
const maxRows = 250;

const toneOfState: Readonly<Record<JobState, Tone>> = {
  QUEUED: 'neutral',
  RUNNING: 'neutral',
  PAUSED: 'doubtful',
  SUCCEEDED: 'good',
  FAILED: 'bad',
  CANCELLED: 'doubtful',
};

export function headSection({ job, history, writtenAt }: ReportInput): Markup {
  const { startedAt, endedAt, error } = job;
  const seconds = startedAt ? ((endedAt ?? writtenAt).getTime() - startedAt.getTime()) / 1000 : undefined;
  const evaluation = job.evaluations.at(-1);
  const { measure, rows } = evaluation ? compare({ ...job, evaluation }) : { measure: undefined, rows: [] };
  const last = rows.at(-1);
  const tile = (name: string, value: string, note = '') =>
    html`<div><dt>${name}</dt><dd>${value}${note ? html`<small>${note}</small>` : ''}</dd></div>`;
  return html`<header>
<p class="eyebrow">MetaTrain report · job ${job.jobId}</p>
<div class="title"><h1>${job.name}</h1><span class="state ${toneOfState[job.state]}">${job.state.toLowerCase()}</span></div>
${error ? html`<div class="notice bad"><strong>${error.code}</strong>: ${error.message}</div>` : ''}
<dl class="tiles">
${
  last && evaluation && measure
    ? tile(
        [`${evaluation.protocol.split} ${measure.name}`, pointText(measure.axis, last.point)]
          .filter(Boolean)
          .join(', '),
        `${formatFigure(measure, last.ours.mean, last.ours.halfWidth95)}${measure.unit && ` ${measure.unit}`}`,
        `95 %, ${formatCount(evaluation.protocol.tasks)} tasks`,
      )
    : tile('evaluation', '–', job.endedAt ? 'none was made' : 'none yet')
}
${tile('meta-steps', formatCount(job.steps), `of ${formatCount(job.iterations)}`)}
${tile('time', seconds === undefined ? '–' : formatDuration(seconds), startedAt ? `from ${formatTime(startedAt)}` : 'not started')}
${tile('throughput', throughputOf(job, history.metaSteps), 'training tasks a second, median')}
</dl>
</header>`;
}

function throughputOf(job: Job, metaSteps: ReportInput['history']['metaSteps']): string {
  const rates = metaSteps.map(({ tasksPerSecond }) => tasksPerSecond).sort((a, b) => a - b);
  const median = rates[Math.floor(rates.length / 2)] ?? job.lastMetaStep?.tasksPerSecond;
  return median === undefined ? '–' : formatRate(median);
}

/** The last evaluation beside the published figure, with the protocols of both. */
export function resultSection(job: Job, charts: readonly Markup[]): Markup {
  const { spec } = job;
  const { published } = spec;
  const evaluation = job.evaluations.at(-1);
  if (!evaluation) {
    const when = job.endedAt ? 'The job ended before its first evaluation.' : 'There has been no evaluation yet.';
    const sought = published
      ? html`<dl class="facts"><dt>to match</dt><dd>${publishedText(published, job.publishedWords)}</dd></dl>`
      : '';
    return html`<section><h2>Result</h2><p class="soft">${when}</p>${sought}</section>`;
  }
  const comparison = compare({ ...job, evaluation });
  const { measure, rows, differences } = comparison;
  const outcome = published && outcomeWords(comparison);
  const diverged = divergedText(evaluation);
  const hasPublished = rows.some((row) => row.published);
  const table =
    measure &&
    html`<div class="scroll"><table>
<thead><tr>${measure.axis && html`<th class="number">${axisHead(measure)}</th>`}<th class="number">ours</th>${
      hasPublished ? html`<th class="number">published</th><th>verdict</th>` : ''
    }</tr></thead>
<tbody>${rows.map((row) => resultRow(row, measure, hasPublished))}</tbody>
</table></div>`;
  return html`<section>
<h2>Result</h2>
<p>${measure ? titleWithUnit(measure) : 'Nothing was measured'}, mean over ${formatCount(evaluation.protocol.tasks)} ${evaluation.protocol.split} tasks ± 95 %,
${evaluatedText(evaluation)}.</p>
${diverged === undefined ? '' : html`<p class="verdict doubtful">${diverged}.</p>`}${outcome ? html`<p class="verdict ${outcome.tone}">${outcome.text}.</p>` : ''}
${charts.length === 1 ? html`<div class="charts">${table}${charts}</div>` : html`${table}<div class="charts">${charts}</div>`}
<h2>Protocol</h2>
<dl class="facts card">
${Object.entries(protocolCard(evaluation.protocol, spec, job.words)).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
${published ? html`<dt class="apart">published</dt><dd class="apart">${publishedText(published, job.publishedWords)}</dd>` : ''}
${
  published
    ? html`<dt>differs</dt><dd>${
        differences.length > 0
          ? html`<ul>${differences.map((difference) => html`<li>${difference}</li>`)}</ul>`
          : 'in nothing that is known'
      }</dd>`
    : ''
}
</dl>
</section>`;
}

function resultRow({ point, ours, published, verdict }: ComparedRow, measure: Measure, isWide: boolean) {
  const words = verdict && verdictWords(verdict);
  return html`<tr>${measure.axis && html`<td class="number">${point}</td>`}<td class="number">${formatFigure(measure, ours.mean, ours.halfWidth95)}</td>${
    isWide
      ? html`<td class="number">${published ? formatFigure(measure, published.mean, published.halfWidth95) : ''}</td><td class="${
          words?.tone ?? ''
        }">${words?.text ?? ''}</td>`
      : ''
  }</tr>`;
}

/**
 * An element that the script draws into, and a table of the numbers for readers who cannot see the
 * chart.
 */
export function chartFigure(chart: Chart): Markup {
  const { id, about, x, unit, scale, series } = chart;
  const ending = unit ? `, ${unit}` : '';
  const xs = [...new Set(series.flatMap(({ points }) => points.map((point) => point.x)))].sort((a, b) => a - b);
  const stride = Math.ceil(xs.length / maxRows);
  const shown = xs.filter((_, i) => i % stride === 0 || i === xs.length - 1);
  const columns = series.map(({ label, points }) => ({ label, at: new Map(points.map((point) => [point.x, point])) }));
  const cell = (point: ChartPoint | undefined) =>
    point
      ? `${formatValue(point.y)}${point.halfWidth95 === undefined ? '' : ` ± ${formatValue(point.halfWidth95)}`}`
      : '';
  return html`<figure>
<figcaption><h3>${headingOf(chart)}</h3>${about}${scale === 'log' ? '; logarithmic scale' : ''}</figcaption>
<p class="reading"></p>
<div class="chart-box" data-chart="${id}" role="img" aria-label="${headingOf(chart)}: ${about}. The table below has the numbers."></div>
<details><summary>Numbers${stride > 1 ? `: every ${ordinal(stride)} of ${formatCount(xs.length)}` : ''}</summary>
<div class="scroll"><table><thead><tr><th class="number">${x}</th>${columns.map(
    ({ label }) => html`<th class="number">${label}${ending}</th>`,
  )}</tr></thead>
<tbody>${shown.map(
    (value) =>
      html`<tr><td class="number">${xText(chart, value)}</td>${columns.map(({ at }) => html`<td class="number">${cell(at.get(value))}</td>`)}</tr>`,
  )}</tbody></table></div></details>
</figure>`;
}

const ordinal = (count: number): string => (count === 2 ? '2nd' : count === 3 ? '3rd' : `${count}th`);

export const jobFileSection = ({ spec, overrides }: Job): Markup =>
  html`<section><h2>Job file, with every default</h2>${
    overrides.length > 0 ? html`<p>Changed with --set: ${overrides.join(', ')}.</p>` : ''
  }<pre>${stringify(spec, { indent: 2, lineWidth: 0 }).trimEnd()}</pre></section>`;

export function checkpointSection({ checkpoints }: Job): Markup {
  const table = html`<div class="scroll"><table class="wide">
<thead><tr><th class="number">meta-step</th><th class="number">size</th><th>SHA-256 of the file</th><th>SHA-256 of the parameters</th></tr></thead>
<tbody>${checkpoints.map(
    ({ step, bytes, sha256, paramsSha256 }) =>
      html`<tr><td class="number">${formatCount(step)}</td><td class="number">${formatBytes(bytes)}</td><td><code>${sha256}</code></td><td><code>${paramsSha256}</code></td></tr>`,
  )}</tbody></table></div>`;
  return html`<section><h2>Checkpoints</h2>${checkpoints.length > 0 ? table : html`<p class="soft">None is kept.</p>`}</section>`;
}

export function eventSection(story: readonly StoryEvent[]): Markup {
  const rows = story.map((event) => {
    const { what, detail, tone } = eventWords(event);
    return html`<tr><td class="time">${formatTime(event.time)}</td><td class="${tone}">${what}</td><td>${detail}</td></tr>`;
  });
  return html`<section><h2>Events</h2>
<div class="scroll"><table class="wide"><thead><tr><th>time</th><th>event</th><th>details</th></tr></thead><tbody>${rows}</tbody></table></div>
</section>`;
}

function eventWords(event: StoryEvent): { readonly what: string; readonly detail: string; readonly tone: Tone } {
  switch (event.kind) {
    case 'stateChanged':
      return { what: event.state.toLowerCase(), detail: event.reason, tone: toneOfState[event.state] };
    case 'evaluated': {
      const { measures, step, protocol } = event.evaluation;
      const tested = ensembleText(protocol) || `meta-step ${formatCount(step)}`;
      return { what: 'evaluated', detail: `${tested}: ${headline(measures)}`, tone: 'neutral' };
    }
    case 'checkpointWritten': {
      const { step, bytes } = event.checkpoint;
      return { what: 'checkpoint', detail: `meta-step ${formatCount(step)}, ${formatBytes(bytes)}`, tone: 'neutral' };
    }
    case 'shardRetried': {
      const { metaStep, shard, workerId, reason } = event.retried;
      const detail = `shard ${shard} of meta-step ${formatCount(metaStep)}, worker ${workerId}: ${reason}`;
      return { what: 'shard computed again', detail, tone: 'doubtful' };
    }
    default:
      return event satisfies never;
  }
}

export function identitySection({ job, version }: ReportInput): Markup {
  return html`<section><h2>Identity</h2>
<dl class="facts">
<dt>job</dt><dd><code>${job.jobId}</code></dd>
<dt>parameters</dt><dd>${job.paramsSha256 ? html`<code>${job.paramsSha256}</code> (SHA-256, after ${formatCount(job.steps)} meta-steps)` : 'none yet'}</dd>
<dt>engine</dt><dd>${job.engineFingerprint ? html`<code>${job.engineFingerprint}</code>` : 'not chosen yet'}</dd>${
    job.data.length > 0 ? html`\n<dt>data</dt><dd><code>${describeData(job.data)}</code></dd>` : ''
  }${job.plugins.length > 0 ? html`\n<dt>plugins</dt><dd><code>${job.plugins.map(describePlugin).join(', ')}</code></dd>` : ''}
<dt>equal bytes</dt><dd>${
    job.mixedFingerprints
      ? 'not promised: workers of several engine fingerprints took part'
      : 'the same job file, seed and data give these parameters again on any cluster of this engine'
  }</dd>
${job.skippedTasks > 0 ? html`<dt>left out</dt><dd>${formatCount(job.skippedTasks)} tasks whose result was not finite</dd>` : ''}
<dt>MetaTrain</dt><dd>${version}</dd>
</dl></section>`;
}
