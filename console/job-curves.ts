// A job's curves from its events: a bounded number of meta-step summaries, and its evaluations.
import type { JobDetail, MetaStepSummary } from '../shared/http-api.ts';
import { type Chart, chartsOf } from '../shared/job-charts.ts';
import { ChartView } from '../shared/web/chart.ts';
import { h, KeyedElements, setAttribute } from './dom.ts';

/** Maximum number of points; above it, every second point of the older half is removed. */
const maxPoints = 4_000;

export class JobCurves {
  readonly training = new ChartGrid();
  readonly adaptation = new ChartGrid();
  #summaries: MetaStepSummary[] = [];

  clear(): void {
    this.#summaries = [];
  }

  /** After a restart, meta-steps are applied again; the later report counts. */
  add(summary: MetaStepSummary): void {
    while ((this.#summaries.at(-1)?.step ?? -1) >= summary.step) this.#summaries.pop();
    this.#summaries.push(summary);
    if (this.#summaries.length <= maxPoints) return;
    const half = maxPoints / 2;
    this.#summaries = this.#summaries.filter((_, i) => i > half || i % 2 === 0);
  }

  draw({ evaluations, spec: { published } }: JobDetail): void {
    const charts = chartsOf({ metaSteps: this.#summaries, evaluations, published });
    const isOfEvaluation = ({ id }: { readonly id: string }) => /^(adaptation|evaluation)-/.test(id);
    this.training.show(charts.filter((chart) => !isOfEvaluation(chart)));
    this.adaptation.show(charts.filter(isOfEvaluation));
  }

  get hasMetaSteps(): boolean {
    return this.#summaries.length > 0;
  }
}

/** The present charts; each keeps its element. */
class ChartGrid {
  readonly element = h('div', { class: 'charts' });
  readonly #charts = new KeyedElements<Chart>(this.element, ({ title, about }) => {
    const box = h('div', { class: 'chart-box' });
    const reading = h('p', { class: 'reading' });
    const view = new ChartView(box, reading);
    const element = h('figure', { class: 'chart' }, h('figcaption', { title: about }, title), reading, box);
    return { element, update: (chart) => view.show(chart) };
  });

  show(charts: readonly Chart[]): void {
    setAttribute(this.element, 'data-count', String(charts.length));
    this.#charts.show(charts, ({ id }) => id);
  }
}
