// Draws a chart of shared/job-charts.ts: uPlot with our axes, colours from the style sheet, and a reading of any point by mouse or by keyboard.
import uPlot from 'uplot';
import { type Scale, ticksFor } from '../shared/axis.ts';
import { type Chart as ChartFacts, type ChartSeries, headingOf } from '../shared/job-charts.ts';
import { formatValue } from '../shared/numbers.ts';
import { h, KeyedElements, setAttribute, setText } from './dom.ts';

/** One line, beside the places across that all of a chart's lines share. */
interface Line {
  readonly series: ChartSeries;
  readonly values: readonly (number | null)[];
  readonly halfWidths: readonly (number | null)[] | undefined;
}

const colours = { main: 'accent', earlier: 'faint', published: 'good' } as const;
const depths = { earlier: 0, main: 1, published: 2 } as const;

const formatOf = ({ unit }: ChartFacts): ((value: number) => string) =>
  unit === '%' ? (value) => `${value.toFixed(1)} %` : formatValue;

const height = 190;
const tickGapPixels = { across: 64, up: 34 };

class Chart {
  readonly element: HTMLElement;
  readonly #reading = h('span', { class: 'reading' });
  readonly #box: HTMLElement;
  #chart: ChartFacts;
  #plot: uPlot | undefined;
  /** What the plot was made for: another shape needs another plot. */
  #shape = '';
  #across: readonly number[] = [];
  #lines: readonly Line[] = [];

  constructor(chart: ChartFacts) {
    this.#chart = chart;
    const heading = headingOf(chart);
    this.#box = h('div', {
      class: 'chart-box',
      role: 'slider',
      tabindex: '0',
      'aria-label': `${heading}: arrow keys read its points`,
      'aria-valuemin': '0',
      onkeydown: (event: KeyboardEvent) => this.#move(event),
      onblur: () => this.#plot?.setCursor({ left: -10, top: -10 }),
    });
    this.element = h(
      'figure',
      { class: 'chart' },
      h('figcaption', {}, h('span', { class: 'chart-title', title: chart.about }, chart.title), this.#reading),
      this.#box,
    );
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.#box);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw(true));
  }

  /** @param chart of the same id as before. The element is in the page. */
  update(chart: ChartFacts): void {
    this.#chart = chart;
    this.#across = [...new Set(chart.series.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
    const place = new Map(this.#across.map((x, i) => [x, i]));
    // The main one is drawn over the earlier ones.
    this.#lines = [...chart.series]
      .sort((a, b) => depths[a.role] - depths[b.role])
      .map((series) => {
        const values: (number | null)[] = this.#across.map(() => null);
        const halfWidths: (number | null)[] = this.#across.map(() => null);
        for (const { x, y, halfWidth95 = null } of series.points) {
          const at = place.get(x)!;
          values[at] = y;
          halfWidths[at] = halfWidth95;
        }
        const hasBand = series.role === 'main' && halfWidths.some((half) => half !== null);
        return { series, values, halfWidths: hasBand ? halfWidths : undefined };
      });
    this.#draw(false);
  }

  #draw(mustRebuild: boolean): void {
    if (this.#across.length === 0) return;
    const { scale } = this.#chart;
    const shape = `${scale} ${this.#lines.map(({ series, halfWidths }) => `${series.role} ${halfWidths !== undefined}`)}`;
    const data = this.#data(scale);
    if (this.#plot && shape === this.#shape && !mustRebuild) this.#plot.setData(data);
    else {
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#plotOptions(scale), data, this.#box);
      this.#shape = shape;
    }
    setAttribute(this.#box, 'aria-valuemax', String(this.#across.length - 1));
    if ((this.#plot.cursor.idx ?? null) === null) this.#read(this.#across.length - 1);
  }

  /** Each line is one series, or three with its band: mean, upper and lower bound. */
  #data(scale: Scale): uPlot.AlignedData {
    const rows: (number | null)[][] = this.#lines.flatMap(({ values, halfWidths }) => {
      if (!halfWidths) return [[...values]];
      const bound = (sign: number) =>
        values.map((value, i) => {
          if (value === null) return null;
          const edge = value + sign * (halfWidths[i] ?? 0);
          // A logarithmic axis has no zero.
          return scale === 'log' ? Math.max(edge, value / 10) : edge;
        });
      return [[...values], bound(1), bound(-1)];
    });
    return [[...this.#across], ...rows] as uPlot.AlignedData;
  }

  #size(): { readonly width: number; readonly height: number } {
    return { width: Math.max(this.#box.clientWidth, 120), height };
  }

  #plotOptions(scale: Scale): uPlot.Options {
    const format = formatOf(this.#chart);
    const { isMarked } = this.#chart;
    const colour = (name: string) => getComputedStyle(this.#box).getPropertyValue(`--${name}`).trim();
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    for (const {
      series: { label, role },
      values,
      halfWidths,
    } of this.#lines) {
      const stroke = colour(colours[role]);
      series.push({
        label,
        stroke,
        width: role === 'main' ? (isMarked ? 2.5 : 1.5) : 1.25,
        spanGaps: true,
        ...(role === 'published'
          ? { paths: () => null, points: { show: true, size: 8, width: 2, stroke, fill: colour('surface') } }
          : { points: { show: values.length === 1 } }),
      });
      if (!halfWidths) continue;
      const first = series.length;
      for (const edge of ['upper', 'lower']) series.push({ label: `${label} ${edge}`, points: { show: false } });
      bands.push({ series: [first, first + 1], fill: colour('band') });
    }
    const axis = { stroke: colour('muted'), font: `11px ${getComputedStyle(this.#box).fontFamily}` };
    const grid = { stroke: colour('line'), width: 1 };
    const labelled = (kind: Scale, isAcross: boolean): Pick<uPlot.Axis, 'splits' | 'values' | 'filter'> => {
      const ticks = (plot: uPlot, low: number, high: number) => {
        const pixels = isAcross ? plot.width : plot.height;
        const count = Math.max(2, Math.floor(pixels / (isAcross ? tickGapPixels.across : tickGapPixels.up)));
        return ticksFor(low, high, kind, count, isAcross);
      };
      let shown: ReturnType<typeof ticksFor> = [];
      return {
        splits: (plot, _, low, high) => {
          shown = ticks(plot, low, high);
          return shown.map(({ value }) => value);
        },
        values: (_, splits) =>
          splits.map((split) => shown.find(({ value }) => value === split)?.label ?? format(split)),
        filter: (_, splits) => splits,
      };
    };
    return {
      ...this.#size(),
      series,
      bands,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: false },
        y: { distr: scale === 'log' ? 3 : 1, range: (_, low, high) => padded(low, high, scale) },
      },
      axes: [
        { ...axis, grid: { show: false }, ticks: { ...grid, size: 4 }, ...labelled('linear', true), size: 28 },
        { ...axis, grid, ticks: { show: false }, ...labelled(scale, false), size: 56 },
      ],
      hooks: { setCursor: [(plot) => this.#read(plot.cursor.idx ?? this.#across.length - 1)] },
    };
  }

  #move(event: KeyboardEvent): void {
    const last = this.#across.length - 1;
    const at = this.#plot?.cursor.idx ?? last;
    const step = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: at - step, ArrowRight: at + step, Home: 0, End: last }[event.key];
    if (to === undefined || !this.#plot) return;
    event.preventDefault();
    const x = this.#across[Math.min(Math.max(to, 0), last)];
    if (x !== undefined) this.#plot.setCursor({ left: this.#plot.valToPos(x, 'x'), top: 10 });
  }

  /** Says what the lines are at a point. */
  #read(index: number): void {
    const x = this.#across[index];
    if (x === undefined) return;
    const { x: across } = this.#chart;
    const format = formatOf(this.#chart);
    const figures = this.#lines.flatMap(({ series: { role }, values, halfWidths }) => {
      const value = values[index] ?? null;
      if (value === null || role === 'earlier') return [];
      const half = halfWidths?.[index] ?? null;
      const figure = half === null ? format(value) : `${format(value)} ± ${format(half)}`;
      return [role === 'published' ? `published ${figure}` : figure];
    });
    const text = `${across} ${x.toLocaleString('en-US')}: ${figures.join(', ')}`;
    setText(this.#reading, text);
    setAttribute(this.#box, 'aria-valuenow', String(index));
    setAttribute(this.#box, 'aria-valuetext', text);
  }
}

/** A little room above and below; a flat line in the middle. */
function padded(low: number | null, high: number | null, scale: Scale): [number, number] {
  if (low === null || high === null) return [0, 1];
  if (scale === 'log') return [low / 1.15, high * 1.15];
  const room = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

/** The charts that there are, each kept while it is there. */
export class ChartGrid {
  readonly element = h('div', { class: 'charts' });
  readonly #charts = new KeyedElements<ChartFacts>(this.element, (facts) => {
    const chart = new Chart(facts);
    return { element: chart.element, update: (next) => chart.update(next) };
  });

  show(charts: readonly ChartFacts[]): void {
    setAttribute(this.element, 'data-count', String(charts.length));
    this.#charts.show(charts, ({ id }) => id);
  }
}
