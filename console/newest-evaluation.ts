// The newest evaluation: its figures beside the published ones, with both protocols.
import {
  type ComparedRow,
  type Comparison,
  compare,
  divergedText,
  outcomeWords,
  verdictWords,
} from '../shared/comparison.ts';
import type { Evaluation, JobDetail } from '../shared/http-api.ts';
import { alongOtherAxes, axisHead, formatFigure, type Measure, titleWithUnit } from '../shared/measures.ts';
import { formatCount } from '../shared/numbers.ts';
import { cardText, protocolCard, publishedText } from '../shared/protocol.ts';
import { h, put } from './dom.ts';
import { capitalised } from './words.ts';

/** Under the curves. */
export class NewestEvaluation {
  readonly element = h('div', { class: 'comparison', hidden: true });
  readonly #caption = h('p', { class: 'muted' });
  readonly #figures = h('div');
  readonly #protocol = h('dl', { class: 'protocol' });
  #shown = '';

  constructor() {
    this.element.append(h('div', {}, this.#figures, this.#caption), this.#protocol);
  }

  show(job: JobDetail): void {
    const { evaluations, spec, state } = job;
    const newest = evaluations.at(-1);
    const shown = `${evaluations.length} ${newest?.step} ${state}`;
    if (!newest || shown === this.#shown) return;
    this.#shown = shown;
    this.element.hidden = false;
    const count = `${evaluations.length} ${evaluations.length === 1 ? 'evaluation' : 'evaluations'} so far`;
    const rings = spec.published ? ', rings the published figures' : '';
    put(
      this.#caption,
      `${count}. In the curves the band is the newest one's 95 % interval, pale lines are earlier ones${rings}.`,
    );
    const comparison = compare({ ...job, evaluation: newest });
    const { measure } = comparison;
    const others = measure ? alongOtherAxes(newest.measures, measure).map(axisTable) : [];
    put(this.#figures, comparisonTable(comparison, newest, job) ?? 'Nothing was measured.', ...others);
    put(this.#protocol, ...protocolLines(comparison, newest, job));
  }
}

function comparisonTable(
  { measure, rows }: Comparison,
  { step }: Evaluation,
  { spec: { published } }: JobDetail,
): HTMLElement | undefined {
  if (!measure) return undefined;
  const hasAxis = measure.axis !== '';
  const rowOf = ({ point, ours, published: figure, verdict }: ComparedRow) => {
    const words = verdict && verdictWords(verdict);
    return h(
      'tr',
      {},
      hasAxis && h('th', { scope: 'row', class: 'number' }, point),
      h('td', { class: 'number' }, formatFigure(measure, ours.mean, ours.halfWidth95)),
      published && h('td', { class: 'number' }, figure ? formatFigure(measure, figure.mean, figure.halfWidth95) : ''),
      published && h('td', { class: words && `tone-${words.tone}` }, words?.text ?? ''),
    );
  };
  const heads = [...(hasAxis ? [capitalised(axisHead(measure))] : []), 'Ours', ...(published ? ['Published'] : [])];
  const caption = `${titleWithUnit(measure)}, mean ± 95 %, after meta-step ${formatCount(step)}`;
  return scrollingTable(
    'The newest evaluation',
    h('caption', {}, caption),
    headRow(...heads.map((title) => h('th', { scope: 'col', class: 'number' }, title)), published && h('td')),
    h('tbody', {}, ...rows.map(rowOf)),
  );
}

/** Measures of one axis side by side. */
function axisTable(measures: readonly Measure[]): HTMLElement {
  const [head] = measures as [Measure, ...Measure[]];
  const title = capitalised(axisHead(head));
  const rowOf = (point: string, i: number) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, point),
      ...measures.map((measure) =>
        h(
          'td',
          { class: 'number' },
          formatFigure(measure, measure.estimates[i]!.mean, measure.estimates[i]!.halfWidth95),
        ),
      ),
    );
  return scrollingTable(
    `The newest evaluation by ${head.axis}`,
    h('caption', {}, `By ${head.axis}, mean ± 95 %`),
    headRow(
      h('th', { scope: 'col' }, title),
      ...measures.map((measure) => h('th', { scope: 'col', class: 'number' }, titleWithUnit(measure))),
    ),
    h('tbody', {}, ...head.points.map(rowOf)),
  );
}

const headRow = (...cells: readonly (HTMLElement | undefined | false)[]) => h('thead', {}, h('tr', {}, ...cells));

/** A table that scrolls sideways where the page is narrow. */
const scrollingTable = (label: string, ...children: readonly HTMLElement[]): HTMLElement =>
  h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label }, h('table', {}, ...children));

/** Warnings beside the figures. */
function protocolLines(comparison: Comparison, evaluation: Evaluation, job: JobDetail): HTMLElement[] {
  const line = (title: string, tone: string | undefined, ...children: (Node | string)[]) =>
    h('div', {}, h('dt', {}, title), h('dd', { class: tone }, ...children));
  const ours = line('Our protocol', undefined, cardText(protocolCard(evaluation.protocol, job.spec, job.words)));
  const diverged = divergedText(evaluation);
  const warning = diverged === undefined ? [] : [line('Diverged', 'tone-doubtful', diverged)];
  const { published } = job.spec;
  if (!published) return [...warning, ours];
  const { differences } = comparison;
  const outcome = outcomeWords(comparison);
  const list = h('ul', {}, ...differences.map((text) => h('li', {}, text)));
  return [
    line('Outcome', `tone-${outcome.tone}`, outcome.text),
    ...warning,
    ours,
    line('Published', undefined, publishedText(published, job.publishedWords)),
    ...(differences.length > 0 ? [line('Differs', undefined, list)] : []),
  ];
}
