// Draws a chart of shared/job-charts.ts with uPlot, for the console and the report: lines or bars, their
// uncertainty, and one line of text. That text is the legend and the reading of one point: the last
// point, or the point under the pointer or the arrow keys. chart.css has sizes and colours.
import uPlot from 'uplot';
import { type Scale, ticksFor } from '../axis.ts';
import { type Chart, type ChartPoint, headingOf, movingMedian, xText } from '../job-charts.ts';
import { formatValue } from '../numbers.ts';

/** One line of a chart. All lines of a chart share their x values. */
interface Line {
  readonly kind: 'earlier' | 'reported' | 'main' | 'published';
  /** Its name in the legend. */
  readonly label: string;
  readonly points: readonly (ChartPoint | null)[];
  readonly hasBand: boolean;
  readonly hasMarks: boolean;
  /** 0 to 1: older lines are paler. */
  readonly strength: number;
}

/** A curve with unmarked points and at least so many of them is drawn as its moving median. */
const smoothFrom = 60;
/** More marks would hide their line. */
const maxMarks = 50;
const inKey: readonly Line['kind'][] = ['main', 'reported', 'published', 'earlier'];
const tickGapPixels = { across: 64, up: 34 };

/** Charts in the page. A switch from light to dark, or from screen to paper, redraws them all. */
const inPage = new Set<ChartView>();
for (const query of ['(prefers-color-scheme: dark)', 'print']) {
  matchMedia(query).addEventListener('change', () => {
    for (const view of inPage) view.redraw();
  });
}

export class ChartView {
  readonly #box: HTMLElement;
  readonly #reading: HTMLElement;
  #chart: Chart | undefined;
  #plot: uPlot | undefined;
  /** Identifies the plot's structure. Another structure needs a new plot. */
  #shape = '';
  #across: readonly number[] = [];
  #lines: readonly Line[] = [];

  /**
   * @param box has a height of its own, and gets the focus for reading points by keyboard.
   * @param reading element for the text.
   */
  constructor(box: HTMLElement, reading: HTMLElement) {
    this.#box = box;
    this.#reading = reading;
    for (const [name, value] of Object.entries({ role: 'slider', tabindex: '0', 'aria-valuemin': '0' })) {
      box.setAttribute(name, value);
    }
    box.addEventListener('keydown', (event) => this.#move(event));
    box.addEventListener('blur', () => this.#plot?.setCursor({ left: -10, top: -10 }));
    // Also called when the box appears or disappears, and so gains or loses its size.
    new ResizeObserver(() => {
      if (box.isConnected) inPage.add(this);
      else inPage.delete(this);
      const { width, height } = this.#size();
      if (this.#plot && (this.#plot.width !== width || this.#plot.height !== height)) {
        this.#plot.setSize({ width, height });
      }
    }).observe(box);
  }

  /** Replaces the chart with another, such as the same chart with newer data. */
  show(chart: Chart): void {
    this.#chart = chart;
    this.#across = [...new Set(chart.series.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
    this.#lines = linesOf(chart, this.#across);
    if (this.#across.length === 0) return;
    const shape = `${chart.scale} ${chart.pointNames} ${chart.isOfKinds} ${this.#lines.map(({ kind, hasBand, hasMarks }) => `${kind} ${hasBand} ${hasMarks}`)}`;
    if (this.#plot && shape === this.#shape) this.#plot.setData(this.#data(chart));
    else this.redraw();
    this.#shape = shape;
    this.#box.setAttribute('aria-label', `${headingOf(chart)}: arrow keys read its points`);
    this.#box.setAttribute('aria-valuemax', String(this.#across.length - 1));
    this.#read(this.#plot?.cursor.idx ?? this.#across.length - 1);
  }

  /** Draws from scratch with the current colours. */
  redraw(): void {
    if (!this.#chart || this.#across.length === 0) return;
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#plotOptions(this.#chart), this.#data(this.#chart), this.#box);
  }

  /**
   * Each line is one series, or three with its band: upper bound, lower bound, and the line over
   * them.
   */
  #data({ scale }: Chart): uPlot.AlignedData {
    const columns = this.#lines.flatMap(({ points, hasBand }) => [
      ...(hasBand ? [1, 0].map((bound) => points.map((point) => point && boundsOf(point, scale)[bound]!)) : []),
      points.map((point) => point?.y ?? null),
    ]);
    return [[...this.#across], ...columns];
  }

  #size(): { readonly width: number; readonly height: number } {
    return { width: Math.max(this.#box.clientWidth, 120), height: Math.max(this.#box.clientHeight, 80) };
  }

  #plotOptions({ scale, pointNames, isOfKinds = false }: Chart): uPlot.Options {
    const style = getComputedStyle(this.#box);
    const colour = (name: string) => style.getPropertyValue(`--chart-${name}`).trim();
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    for (const { kind, label, hasBand, hasMarks, strength } of this.#lines) {
      if (hasBand) {
        bands.push({ series: [series.length, series.length + 1], fill: colour('band') });
        for (const edge of ['upper', 'lower']) series.push({ label: edge, width: 0, points: { show: false } });
      }
      const stroke = colour(kind);
      series.push({
        label,
        stroke,
        width: kind === 'main' ? 2 : 1.25,
        alpha: strength,
        spanGaps: true,
        ...(kind === 'published'
          ? { paths: () => null, points: { show: true, size: 9, width: 2, stroke, fill: colour('page') } }
          : isOfKinds && kind === 'main'
            ? { paths: uPlot.paths.bars!({ size: [0.5, 64] }), fill: colour('reported'), points: { show: false } }
            : isOfKinds
              ? { paths: () => null, points: { show: true, size: 5, fill: stroke } }
              : { points: { show: hasMarks, size: 6, fill: stroke } }),
      });
    }
    const axis = { stroke: colour('text'), font: `11px ${style.fontFamily}` };
    const grid = { stroke: colour('grid'), width: 1 };
    return {
      ...this.#size(),
      series,
      bands,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: false, range: (_, __, high) => (pointNames ? [-0.5, high + 0.5] : [0, Math.max(high, 1)]) },
        y: { distr: scale === 'log' ? 3 : 1, range: () => rangeUp(this.#chart!) },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          ticks: { ...grid, size: 4 },
          ...labelled('linear', true, pointNames),
          size: 28,
        },
        { ...axis, grid, ticks: { show: false }, ...labelled(scale, false), size: 56 },
      ],
      hooks: {
        // Drawn under the rings.
        drawAxes: [(plot) => this.#drawIntervals(plot, 'published', colour('published'))],
        draw: isOfKinds ? [(plot) => this.#drawIntervals(plot, 'main', colour('main'))] : [],
        setCursor: [(plot) => this.#read(plot.cursor.idx ?? this.#across.length - 1)],
      },
    };
  }

  /** Intervals of published figures, or of bars, drawn singly, since a single point has no band. */
  #drawIntervals(plot: uPlot, of: 'main' | 'published', stroke: string): void {
    const { ctx } = plot;
    ctx.save();
    ctx.strokeStyle = stroke;
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.beginPath();
    for (const point of this.#lines.find(({ kind }) => kind === of)?.points ?? []) {
      if (!point?.halfWidth95) continue;
      const left = plot.valToPos(point.x, 'x', true);
      const [low, high] = boundsOf(point, this.#chart!.scale);
      ctx.moveTo(left, plot.valToPos(low, 'y', true));
      ctx.lineTo(left, plot.valToPos(high, 'y', true));
    }
    ctx.stroke();
    ctx.restore();
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

  /** Writes the values of the lines at a point. Earlier evaluations show only their name. */
  #read(index: number): void {
    const x = this.#across[index];
    if (x === undefined || !this.#chart) return;
    const place = `${this.#chart.x} ${xText(this.#chart, x)}:`;
    const spoken: string[] = [];
    this.#reading.replaceChildren(place);
    for (const wanted of inKey) {
      const line = this.#lines.find(({ kind }) => kind === wanted);
      if (!line) continue;
      const figure = wanted === 'earlier' ? '' : figureOf(line.points[index], this.#chart);
      if (figure) spoken.push(`${line.label} ${figure}`.trim());
      const span = document.createElement('span');
      span.className = wanted;
      span.textContent = `${line.label} ${figure || (wanted === 'earlier' ? '' : '–')}`.trim();
      this.#reading.append(' ', span);
    }
    this.#box.setAttribute('aria-valuenow', String(index));
    this.#box.setAttribute('aria-valuetext', `${place} ${spoken.join(', ')}`);
  }
}

/** From the back to the front. */
function linesOf({ series, isMarked, isOfKinds = false }: Chart, across: readonly number[]): Line[] {
  const line = (kind: Line['kind'], label: string, points: readonly ChartPoint[], strength = 1): Line => {
    const at = new Map(points.map((point) => [point.x, point]));
    const hasBand = kind === 'main' && !isOfKinds && points.some(({ halfWidth95 = 0 }) => halfWidth95 > 0);
    const hasMarks = kind === 'main' && (points.length === 1 || (isMarked && points.length <= maxMarks));
    return { kind, label, points: across.map((x) => at.get(x) ?? null), hasBand, hasMarks, strength };
  };
  const earlier = series.filter(({ role }) => role === 'earlier');
  const pointsOf = (wanted: 'main' | 'published') => series.find(({ role }) => role === wanted)?.points ?? [];
  const [main, published] = [pointsOf('main'), pointsOf('published')];
  const isNoisy = !isMarked && main.length >= smoothFrom;
  return [
    ...earlier.map(({ points }, i) =>
      line('earlier', 'earlier evaluations', points, 0.25 + (0.75 * (i + 1)) / earlier.length),
    ),
    ...(isNoisy ? [line('reported', 'reported', main), line('main', 'median', movingMedian(main))] : []),
    ...(isNoisy ? [] : [line('main', '', main)]),
    ...(published.length > 0 ? [line('published', 'published', published)] : []),
  ];
}

function figureOf(point: ChartPoint | null | undefined, { unit }: Chart): string {
  if (!point) return '';
  const format = unit === '%' ? (value: number) => value.toFixed(1) : formatValue;
  const { y, halfWidth95 } = point;
  return `${format(y)}${halfWidth95 === undefined ? '' : ` ± ${format(halfWidth95)}`}${unit && ` ${unit}`}`;
}

/** Of the 95 % interval. A logarithmic axis has no zero. */
function boundsOf({ y, halfWidth95 = 0 }: ChartPoint, scale: Scale): [low: number, high: number] {
  const low = y - halfWidth95;
  return [scale === 'log' ? Math.max(low, y / 10) : low, y + halfWidth95];
}

/**
 * Includes all that is drawn, with a little room above and below. A flat line lies in the middle.
 * Bars stand on 0.
 */
function rangeUp({ series, scale, isOfKinds }: Chart): [low: number, high: number] {
  let [low, high] = isOfKinds ? [0, 0] : [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { role, points } of series) {
    for (const point of points) {
      const [from, to] = role === 'earlier' ? [point.y, point.y] : boundsOf(point, scale);
      low = Math.min(low, from);
      high = Math.max(high, to);
    }
  }
  if (scale === 'log') return [low / 1.15, high * 1.15];
  const room = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.1 || 1;
  return [isOfKinds && low === 0 ? 0 : low - room, high + room];
}

/**
 * An axis with the ticks that shared/axis.ts chooses, as many as there is room for.
 *
 * @param names of the places 0, 1, …; undefined if the places are counts.
 */
function labelled(
  scale: Scale,
  isAcross: boolean,
  names: readonly string[] = [],
): Pick<uPlot.Axis, 'splits' | 'values' | 'filter'> {
  let shown: ReturnType<typeof ticksFor> = [];
  return {
    splits: ({ width, height }, _, low, high) => {
      const pixels = isAcross ? width / tickGapPixels.across : height / tickGapPixels.up;
      shown = ticksFor(low, high, scale, Math.max(2, Math.floor(pixels)), isAcross);
      return shown.map(({ value }) => value);
    },
    values: () => shown.map(({ value, label }) => names[value] ?? label),
    filter: (_, splits) => splits,
  };
}
