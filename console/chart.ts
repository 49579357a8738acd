// A line chart: uPlot with our axes (shared/axis.ts), colours from the style sheet, and a reading of any point by mouse or by keyboard.
import uPlot from 'uplot';
import { type Scale, scaleFor, ticksFor } from '../shared/axis.ts';
import { h, setAttribute, setText } from './dom.ts';

export type Colour = 'accent' | 'muted' | 'faint' | 'good';

export interface Line {
  readonly label: string;
  readonly values: readonly (number | null)[];
  readonly colour: Colour;
  /** In pixels; default 1.5. */
  readonly width?: number;
  /** Half of the 95 % interval, drawn as a band. */
  readonly halfWidths?: readonly (number | null)[];
  /** For comparison only: not read out. */
  readonly isQuiet?: boolean;
  /** Marks only: the values are few and nothing lies between them. */
  readonly isMarks?: boolean;
}

export interface ChartOptions {
  readonly title: string;
  /** Of what is across, such as `meta-step`. */
  readonly across: string;
  readonly format: (value: number) => string;
  /** A logarithmic axis helps where values span orders of magnitude. Default: where they do. */
  readonly scale?: Scale;
}

const height = 190;
const tickGapPixels = { across: 64, up: 34 };

export class Chart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #reading = h('span', { class: 'reading' });
  readonly #box: HTMLElement;
  #plot: uPlot | undefined;
  /** What the plot was made for: another shape needs another plot. */
  #shape = '';
  #across: readonly number[] = [];
  #lines: readonly Line[] = [];

  constructor(options: ChartOptions) {
    this.#options = options;
    const { title } = options;
    this.#box = h('div', {
      class: 'chart-box',
      role: 'slider',
      tabindex: '0',
      'aria-label': `${title}: arrow keys read its points`,
      'aria-valuemin': '0',
      onkeydown: (event: KeyboardEvent) => this.#move(event),
      onblur: () => this.#plot?.setCursor({ left: -10, top: -10 }),
    });
    this.element = h(
      'figure',
      { class: 'chart', hidden: true },
      h('figcaption', {}, h('span', { class: 'chart-title' }, title), this.#reading),
      this.#box,
    );
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.#box);
    const rebuild = () => this.#draw(true);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', rebuild);
  }

  /** @param across ascending; every line has a value, or null, for each. */
  show(across: readonly number[], lines: readonly Line[]): void {
    this.#across = across;
    this.#lines = lines;
    this.element.hidden = across.length === 0 || lines.length === 0;
    if (!this.element.hidden) this.#draw(false);
  }

  #draw(mustRebuild: boolean): void {
    if (this.element.hidden) return;
    const values = this.#lines.flatMap((line) => line.values.filter((value) => value !== null));
    const scale = this.#options.scale ?? scaleFor(values);
    const shape = `${scale} ${this.#lines.map((line) => `${line.label} ${line.colour} ${line.isMarks} ${line.halfWidths !== undefined}`)}`;
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
    const { format } = this.#options;
    const colour = (name: string) => getComputedStyle(this.#box).getPropertyValue(`--${name}`).trim();
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    for (const line of this.#lines) {
      const stroke = colour(line.colour);
      series.push({
        label: line.label,
        stroke,
        width: line.width ?? 1.5,
        spanGaps: true,
        ...(line.isMarks
          ? { paths: () => null, points: { show: true, size: 8, width: 2, stroke, fill: colour('surface') } }
          : { points: { show: line.values.length === 1 } }),
      });
      if (!line.halfWidths) continue;
      const first = series.length;
      for (const edge of ['upper', 'lower']) series.push({ label: `${line.label} ${edge}`, points: { show: false } });
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
    const { across, format } = this.#options;
    const values = this.#lines.flatMap(({ label, values: all, halfWidths, isQuiet }) => {
      const value = all[index] ?? null;
      if (value === null || isQuiet) return [];
      const half = halfWidths?.[index] ?? null;
      const figure = half === null ? format(value) : `${format(value)} ± ${format(half)}`;
      return [this.#lines.length === 1 ? figure : `${label} ${figure}`];
    });
    const text = `${across} ${x.toLocaleString('en-US')}: ${values.join(', ')}`;
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
