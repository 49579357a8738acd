// A job as one self-contained HTML file: curves, the result beside the published figure, protocol,
// job file, checkpoints, events, identity. All text is escaped. The content security policy allows
// only the file's own script, by its hash. Pure.
import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';
import { type Chart, chartsOf } from '../../shared/job-charts.ts';
import { formatTime } from '../../shared/numbers.ts';
import type { Job } from '../records.ts';
import {
  chartFigure,
  checkpointSection,
  eventSection,
  headSection,
  identitySection,
  jobFileSection,
  type Markup,
  type ReportInput,
  resultSection,
} from './report-sections.ts';

export interface ReportAssets {
  /** Draws the charts; loads nothing else. */
  readonly script: string;
  readonly style: string;
}

/** The whole file, for a job in any state. */
export async function renderReport(input: ReportInput, assets: ReportAssets): Promise<string> {
  const { job, history, version, writtenAt } = input;
  const { evaluations, spec, name } = job;
  const charts = chartsOf({ metaSteps: history.metaSteps, evaluations, published: spec.published });
  const data = { version, writtenAt, job, metaSteps: history.metaSteps, story: history.story };
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(assets)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="MetaTrain ${version}">
<title>${name} · MetaTrain report</title>
<style>${raw(assets.style)}</style>
</head>
<body>
${headSection(input)}
<main>
${resultSection(job, figuresOf(charts, 'adaptation-'))}
${trainingSection(job, charts)}
${jobFileSection(job)}
${checkpointSection(job)}
${eventSection(history.story)}
${identitySection(input)}
</main>
<footer>Written by MetaTrain ${version} on ${formatTime(writtenAt)}. The data behind every
curve is in this file, as JSON, in its element <code>report-data</code>.</footer>
<script type="application/json" id="report-data">${json(data)}</script>
<script type="application/json" id="charts">${json(charts)}</script>
<script>${raw(assets.script)}</script>
</body>
</html>
`;
  return String(await page);
}

const figuresOf = (charts: readonly Chart[], prefix: string): Markup[] =>
  charts.filter(({ id }) => id.startsWith(prefix)).map(chartFigure);

function trainingSection(job: Job, charts: readonly Chart[]): Markup {
  const shown = charts.filter(({ id }) => !id.startsWith('adaptation-'));
  const nothing = html`<p class="soft">${job.steps === 0 ? 'No meta-step has been applied' : 'No meta-step has been reported'}${
    job.endedAt ? '.' : ' yet.'
  }</p>`;
  return html`<section>
<h2>Training</h2>
${shown.length > 0 ? html`<div class="charts">${shown.map(chartFigure)}</div>` : nothing}
</section>`;
}

/**
 * JSON for a script element must contain nothing that ends the element. `<` occurs only inside JSON
 * strings, which may escape it.
 */
const json = (value: unknown) => raw(JSON.stringify(value).replaceAll('<', '\\u003c'));

function policy({ script, style }: ReportAssets): string {
  const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  return [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}
