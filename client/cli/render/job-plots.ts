// A job's charts in a terminal. Pure; golden-tested.
import { printableRecord } from '../../../shared/foreign-text.ts';
import { type Chart, chartsOf, headingOf } from '../../../shared/job-charts.ts';
import type { JobHistory } from '../../history.ts';
import { hasEnded, type Job } from '../../records.ts';
import { otherMark, type PlotOptions, renderPlot } from './plot.ts';
import { progressLine, viewOf } from './progress.ts';
import { plainStyle } from './text.ts';

export function renderJobPlots(received: Job, { metaSteps }: JobHistory, options: PlotOptions): string {
  const job = printableRecord(received);
  const { width, style = plainStyle, characters } = options;
  const { evaluations, spec } = job;
  const charts = chartsOf({ metaSteps, evaluations, published: spec.published }).map(printableRecord);
  const plots = charts.length > 0 ? charts.map((chart) => renderChart(chart, options)) : [nothingYet(job)];
  const error = job.error ? [`error  ${style.red(job.error.message)}`] : [];
  const text = [progressLine(viewOf(job), width, style), ...error, ...plots].join('\n\n');
  return characters === 'ascii' ? text.replaceAll('…', '.') : text;
}

function nothingYet({ state }: Job): string {
  return hasEnded(state)
    ? `No curves: the job ended (${state.toLowerCase()}) before its first meta-step was reported.`
    : `No curves yet: the job is ${state.toLowerCase()}, and no meta-step has been reported.`;
}

/** The main series, and what was published; earlier ones would be hard to tell apart. */
function renderChart(chart: Chart, options: PlotOptions): string {
  const pointsOf = (role: 'main' | 'published') =>
    chart.series
      .filter((one) => one.role === role)
      .flatMap(({ points }) => points.map(({ halfWidth95, ...point }) => ({ ...point, halfWidth: halfWidth95 })));
  const { scale, isMarked, isOfKinds = false, pointNames = [] } = chart;
  const others = pointsOf('published');
  const title = `${headingOf(chart)}${scale === 'log' ? ', log' : ''}`;
  const about = options.characters === 'ascii' ? chart.about.replaceAll('±', '+/-') : chart.about;
  const note = others.length > 0 ? `${otherMark(options.characters)} published; ${about}` : about;
  return renderPlot({ title, note, line: pointsOf('main'), others, scale, isMarked, isOfKinds, pointNames }, options);
}
