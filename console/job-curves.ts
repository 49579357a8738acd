// A job's curves as its events tell them: what was reported of its meta-steps, a bounded number of it, and its evaluations.
import type { JobDetail, MetaStepSummary } from '../shared/http-api.ts';
import { type Chart, chartsOf } from '../shared/job-charts.ts';
import { ChartView } from '../shared/web/chart.ts';
import { h, KeyedElements, setAttribute } from './dom.ts';

/** Points that are kept; beyond it every second one of the older half goes. */
const maxPoints = 4_000;

export class JobCurves {
  readonly training = new ChartGrid();
  readonly adaptation = new ChartGrid();
  #summaries: MetaStepSummary[] = [];

  clear(): void {
    this.#summaries = [];
  }

  /** After a restart meta-steps are applied again: then the later report counts. */
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

/** The charts that there are, each kept while it is there. */
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
