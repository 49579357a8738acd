// A job's curves for a terminal: how training went, and what adaptation gains, with the published figures beside it. Pure; golden-tested.
import { scaleFor } from '../../../shared/axis.ts';
import type { Estimate } from '../../../shared/comparison.ts';
import { formatCount } from '../../../shared/numbers.ts';
import type { JobHistory } from '../../history.ts';
import { type Evaluation, hasEnded, type Job, type MetaStepSummary } from '../../records.ts';
import { otherMark, type PlotOptions, type PlotPoint, renderPlot } from './plot.ts';
import { progressLine, viewOf } from './progress.ts';
import { plainStyle } from './text.ts';

export function renderJobPlots(job: Job, { metaSteps }: JobHistory, options: PlotOptions): string {
  const { width, style = plainStyle, characters } = options;
  const plots = [...trainingPlots(metaSteps, options), ...evaluationPlots(job, options)];
  const text = [progressLine(viewOf(job), width, style), ...(plots.length > 0 ? plots : [nothingYet(job)])].join(
    '\n\n',
  );
  return characters === 'ascii' ? text.replaceAll('±', '+/-') : text;
}

function nothingYet({ state }: Job): string {
  return hasEnded(state)
    ? `No curves: the job ended (${state.toLowerCase()}) before its first meta-step was reported.`
    : `No curves yet: the job is ${state.toLowerCase()}, and no meta-step has been reported.`;
}

function trainingPlots(metaSteps: readonly MetaStepSummary[], options: PlotOptions): string[] {
  const plot = (title: string, measure: (summary: MetaStepSummary) => number | undefined, scale?: 'linear') => {
    const line = metaSteps.flatMap((summary): PlotPoint[] => {
      const y = measure(summary);
      return y === undefined ? [] : [{ x: summary.step, y }];
    });
    return line.length > 0 ? [titled(title, { line }, options, scale)] : [];
  };
  return [
    ...plot('Meta-loss: query loss after adaptation, by meta-step', ({ queryLoss }) => queryLoss),
    ...plot(
      'Query accuracy after adaptation, %, by meta-step',
      ({ queryAccuracy }) => percent(queryAccuracy),
      'linear',
    ),
    ...plot('Meta-gradient norm before clipping, by meta-step', ({ metaGradientNorm }) => metaGradientNorm),
  ];
}

function evaluationPlots({ evaluations, spec }: Job, options: PlotOptions): string[] {
  const latest = evaluations.at(-1);
  if (!latest) return [];
  const { published } = spec;
  const plots: string[] = [];
  for (const metric of ['accuracy', 'loss'] as const) {
    const estimates = estimatesOf(latest, metric);
    if (!estimates) continue;
    const unit = metric === 'accuracy' ? 100 : 1;
    const name = `${latest.protocol.split === 'test' ? 'Test' : 'Validation'} ${metric}${metric === 'accuracy' ? ', %' : ''}`;
    const scale = metric === 'accuracy' ? 'linear' : undefined;
    const figures = published?.metric === metric ? Object.entries(published.byInnerStep) : [];
    const others = figures.map(([steps, { mean, halfWidth95 }]) => ({
      x: Number(steps),
      y: mean * unit,
      halfWidth: (halfWidth95 ?? 0) * unit,
    }));
    const legend = others.length > 0 ? `; ${otherMark(options.characters)} published` : '';
    const title = `${name} ± 95 %, by inner step, after ${formatCount(latest.step)} meta-steps${legend}`;
    const line = estimates.map((estimate, x) => pointOf(x, estimate, unit));
    plots.push(titled(title, { line, others, isMarked: true }, options, scale));
    const steps = latest.protocol.innerSteps;
    const overTime = evaluations.flatMap((evaluation): PlotPoint[] => {
      const estimate = estimatesOf(evaluation, metric)?.[steps];
      return estimate ? [pointOf(evaluation.step, estimate, unit)] : [];
    });
    if (overTime.length > 1) {
      const after = `after ${steps} inner ${steps === 1 ? 'step' : 'steps'}`;
      plots.push(titled(`${name} ± 95 % ${after}, by meta-step`, { line: overTime, isMarked: true }, options, scale));
    }
  }
  return plots;
}

function titled(
  title: string,
  curves: { readonly line: readonly PlotPoint[]; readonly others?: readonly PlotPoint[]; readonly isMarked?: boolean },
  options: PlotOptions,
  wanted?: 'linear',
): string {
  const scale = wanted ?? scaleFor([...curves.line, ...(curves.others ?? [])].map(({ y }) => y));
  return renderPlot({ ...curves, scale, title: scale === 'log' ? `${title} (log)` : title }, options);
}

const estimatesOf = (evaluation: Evaluation, metric: 'loss' | 'accuracy'): readonly Estimate[] | undefined =>
  metric === 'accuracy' ? evaluation.accuracyByInnerStep : evaluation.lossByInnerStep;

const pointOf = (x: number, { mean, halfWidth95 }: Estimate, unit: number): PlotPoint => ({
  x,
  y: mean * unit,
  halfWidth: halfWidth95 * unit,
});

const percent = (share: number | undefined): number | undefined => (share === undefined ? undefined : 100 * share);
