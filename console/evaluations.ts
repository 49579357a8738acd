// What adaptation gains: one curve an evaluation over the inner steps, the newest beside the published figure, and the protocol under which both hold.
import {
  type ComparedRow,
  type Comparison,
  compare,
  formatFigure,
  measureName,
  outcomeWords,
  protocolText,
  verdictWords,
} from '../shared/comparison.ts';
import type { Evaluation, JobDetail } from '../shared/http-api.ts';
import { formatCount, formatPercent, formatValue } from '../shared/numbers.ts';
import { Chart, type Line } from './chart.ts';
import { h, put } from './dom.ts';

/** Curves in one chart; more would hide each other. */
const maxCurves = 8;

export class Evaluations {
  readonly element: HTMLElement;
  readonly #loss = new Chart({ title: 'Loss by inner step', across: 'inner step', format: formatValue });
  readonly #accuracy = new Chart({
    title: 'Accuracy by inner step',
    across: 'inner step',
    format: (value) => formatPercent(value),
    scale: 'linear',
  });
  readonly #empty = h('p', { class: 'empty card' }, 'Nothing has been evaluated yet.');
  readonly #caption = h('p', { class: 'muted' });
  readonly #figures = h('div', { class: 'comparison' });
  readonly #protocol = h('dl', { class: 'protocol' });
  #shown = '';

  constructor() {
    const charts = h('div', { class: 'adaptation-charts' }, this.#accuracy.element, this.#loss.element, this.#caption);
    this.element = h('div', {}, this.#empty, h('div', { class: 'adaptation' }, charts, this.#figures), this.#protocol);
  }

  show(job: JobDetail): void {
    const { evaluations, spec } = job;
    const newest = evaluations.at(-1);
    const shown = `${evaluations.length} ${newest?.step}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#empty.hidden = newest !== undefined;
    if (!newest) return;
    const curves = spread(evaluations, maxCurves);
    this.#loss.show(...this.#curves(curves, 'loss', job));
    this.#accuracy.show(...this.#curves(curves, 'accuracy', job));
    const which =
      evaluations.length > curves.length
        ? `${curves.length} of ${evaluations.length} evaluations`
        : plural(evaluations.length, 'evaluation');
    const published = spec.published ? '; rings are the published figures' : '';
    put(
      this.#caption,
      `${which}, mean over ${formatCount(newest.protocol.tasks)} ${newest.protocol.split} tasks; the strong line is that of meta-step ` +
        `${formatCount(newest.step)}, with its 95 % interval${published}.`,
    );
    const comparison = comparisonOf(newest, job);
    put(this.#figures, comparisonTable(comparison, newest, job));
    put(this.#protocol, ...protocolLines(comparison, newest, job));
  }

  #curves(curves: readonly Evaluation[], metric: 'loss' | 'accuracy', { spec }: JobDetail): [number[], Line[]] {
    const of = (evaluation: Evaluation) =>
      metric === 'loss' ? evaluation.lossByInnerStep : evaluation.accuracyByInnerStep;
    const length = Math.max(...curves.map((evaluation) => of(evaluation).length));
    if (length === 0) return [[], []];
    const across = Array.from({ length }, (_, innerStep) => innerStep);
    const lines = curves.map((evaluation, i): Line => {
      const isNewest = i === curves.length - 1;
      const estimates = of(evaluation);
      return {
        label: isNewest ? 'ours' : `meta-step ${formatCount(evaluation.step)}`,
        values: across.map((innerStep) => estimates[innerStep]?.mean ?? null),
        colour: isNewest ? 'accent' : 'faint',
        width: isNewest ? 2.5 : 1.25,
        isQuiet: !isNewest,
        ...(isNewest && { halfWidths: across.map((innerStep) => estimates[innerStep]?.halfWidth95 ?? null) }),
      };
    });
    const { published } = spec;
    if (published?.metric === metric) {
      const values = across.map((innerStep) => published.byInnerStep[innerStep]?.mean ?? null);
      lines.push({ label: 'published', values, colour: 'good', isMarks: true });
    }
    return [across, lines];
  }
}

/** At most `count`, evenly, the first and the last among them. */
function spread<Item>(items: readonly Item[], count: number): Item[] {
  if (items.length <= count) return [...items];
  const indices = Array.from({ length: count }, (_, i) => Math.round((i * (items.length - 1)) / (count - 1)));
  return indices.flatMap((index) => items[index] ?? []);
}

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

function comparisonOf({ accuracyByInnerStep, lossByInnerStep }: Evaluation, { spec }: JobDetail): Comparison {
  const hasAccuracy = accuracyByInnerStep.length > 0;
  return compare({ lossByInnerStep, ...(hasAccuracy && { accuracyByInnerStep }) }, spec.published);
}

function comparisonTable({ metric, rows }: Comparison, { step }: Evaluation, { spec }: JobDetail): HTMLElement {
  const { published } = spec;
  const rowOf = ({ innerSteps, ours, published: figure, verdict }: ComparedRow) => {
    const words = verdict && verdictWords(verdict);
    return h(
      'tr',
      {},
      h('th', { scope: 'row', class: 'number' }, String(innerSteps)),
      h('td', { class: 'number' }, formatFigure(metric, ours.mean, ours.halfWidth95)),
      published && h('td', { class: 'number' }, figure ? formatFigure(metric, figure.mean, figure.halfWidth95) : ''),
      published && h('td', { class: words && `tone-${words.tone}` }, words?.text ?? ''),
    );
  };
  const heads = ['Inner steps', 'Ours', ...(published ? ['Published'] : [])];
  const caption = `${measureName(metric, spec)}, mean ± 95 %, after meta-step ${formatCount(step)}`;
  return h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'The newest evaluation by inner step' },
    h(
      'table',
      {},
      h('caption', {}, caption),
      h(
        'thead',
        {},
        h('tr', {}, ...heads.map((title) => h('th', { scope: 'col', class: 'number' }, title)), published && h('td')),
      ),
      h('tbody', {}, ...rows.map(rowOf)),
    ),
  );
}

/** What is to be known before the figures are believed. */
function protocolLines(comparison: Comparison, { protocol }: Evaluation, { spec }: JobDetail): HTMLElement[] {
  const line = (title: string, tone: string | undefined, ...children: (Node | string)[]) =>
    h('div', {}, h('dt', {}, title), h('dd', { class: tone }, ...children));
  const ours = line('Our protocol', undefined, protocolText(protocol, spec));
  const { published } = spec;
  if (!published) return [ours];
  const { source, differences } = published;
  const outcome = outcomeWords(comparison, differences.length);
  const list = h('ul', {}, ...differences.map((text) => h('li', {}, text)));
  return [
    line('Outcome', `tone-${outcome.tone}`, outcome.text),
    ours,
    line('Published', undefined, `${source}. ${published.protocol}`),
    ...(differences.length > 0 ? [line('Differs', undefined, list)] : []),
  ];
}
