// How training went, live, over the meta-steps: meta-loss and accuracy (of the queries, after adaptation), meta-gradient norm, pace.
import type { MetaStepSummary } from '../shared/http-api.ts';
import { formatPercent, formatRate, formatValue } from '../shared/numbers.ts';
import { Chart } from './chart.ts';
import { h } from './dom.ts';

/** Points that are kept; beyond it every second one of the older half goes. */
const maxPoints = 4_000;

export class TrainingCharts {
  readonly element: HTMLElement;
  readonly #caption = h(
    'p',
    { class: 'muted' },
    'By meta-step: loss and accuracy are of the queries, after adaptation; the norm is before clipping.',
  );
  readonly #empty = h('p', { class: 'empty card' });
  readonly #charts: readonly (readonly [Chart, (summary: MetaStepSummary) => number | undefined])[];
  #summaries: MetaStepSummary[] = [];

  constructor() {
    const across = 'meta-step';
    this.#charts = [
      [new Chart({ title: 'Meta-loss', across, format: formatValue }), ({ queryLoss }) => queryLoss],
      [
        new Chart({
          title: 'Query accuracy',
          across,
          format: (value) => formatPercent(value),
          scale: 'linear',
        }),
        ({ queryAccuracy }) => queryAccuracy,
      ],
      [
        new Chart({ title: 'Meta-gradient norm', across, format: formatValue }),
        ({ metaGradientNorm }) => metaGradientNorm,
      ],
      [
        new Chart({ title: 'Tasks a second', across, format: formatRate, scale: 'linear' }),
        ({ tasksPerSecond }) => tasksPerSecond,
      ],
    ];
    this.element = h(
      'div',
      {},
      h('div', { class: 'charts' }, ...this.#charts.map(([{ element }]) => element)),
      this.#caption,
      this.#empty,
    );
  }

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

  /** @param whyNone said where there is nothing to draw. */
  draw(whyNone: string): void {
    const steps = this.#summaries.map(({ step }) => step);
    for (const [chart, measure] of this.#charts) {
      const values = this.#summaries.map((summary) => measure(summary) ?? null);
      const isMeasured = values.some((value) => value !== null && Number.isFinite(value));
      chart.show(isMeasured ? steps : [], [{ label: '', values, colour: 'accent' }]);
    }
    this.#empty.hidden = steps.length > 0;
    this.#caption.hidden = steps.length === 0;
    this.#empty.textContent = whyNone;
  }
}
