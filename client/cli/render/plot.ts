// Draws a curve with characters: dots of braille (2 × 4 in a cell), or `'`, `.` and `:` if only
// ASCII is possible. Works with any width and without colour. Knows nothing about jobs. Pure;
// golden-tested.
import { type Scale, scaleFor, type Tick, ticksFor } from '../../../shared/axis.ts';
import { plainStyle, type Style, truncate } from './text.ts';

export interface PlotPoint {
  readonly x: number;
  readonly y: number;
  /** Drawn as a bar from y − halfWidth to y + halfWidth. */
  readonly halfWidth?: number | undefined;
}

export interface Plot {
  readonly title: string;
  /** A line below the title: the measure. */
  readonly note: string;
  /** Ascending in x, which counts from 0. Where they are denser than the dots, each column shows their median. Values that are not finite are left out. */
  readonly line: readonly PlotPoint[];
  /**
   * Whether the points are kinds, and so are drawn as bars from 0 without a line between them. Default: no.
   */
  readonly isOfKinds?: boolean;
  /** Whether each point of the line is marked: for few points. */
  readonly isMarked?: boolean;
  /** Beside the line, each with a mark of its own kind. */
  readonly others?: readonly PlotPoint[];
  /** Default: chosen from the values. */
  readonly scale?: Scale;
  /** Of x = 0, 1, … where x is no count. */
  readonly pointNames?: readonly string[];
}

export interface PlotOptions {
  /** Characters of a line, at most. */
  readonly width: number;
  /** Lines of the curve itself. Default 9. */
  readonly height?: number;
  readonly characters: 'unicode' | 'ascii';
  readonly style?: Style;
}

const glyphs = {
  unicode: { columns: 2, rows: 4, wall: '│', tick: '┤', corner: '└', floor: '─', foot: '┬', ours: '●', other: '◆' },
  ascii: { columns: 1, rows: 2, wall: '|', tick: '+', corner: '+', floor: '-', foot: '+', ours: 'o', other: 'x' },
} as const;

type Glyphs = (typeof glyphs)[keyof typeof glyphs];

/** The mark of the points beside the line, for a legend. */
export const otherMark = (characters: PlotOptions['characters']): string => glyphs[characters].other;

const leastColumns = 10;

/** Title, note, the curve with its axes; the last lines are the horizontal axis. Never wider than `width` from 24 characters on. */
export function renderPlot(plot: Plot, options: PlotOptions): string {
  const { width, height = 9, characters, style = plainStyle } = options;
  const glyph = glyphs[characters];
  const isFinitePoint = ({ x, y }: PlotPoint) => Number.isFinite(x) && Number.isFinite(y);
  const points = plot.line.filter(isFinitePoint);
  const others = (plot.others ?? []).filter(isFinitePoint);
  const head = [style.bold(truncate(plot.title, width)), style.dim(truncate(plot.note, width))];
  if (points.length === 0) return head.join('\n');

  const xHigh = Math.max(points.at(-1)!.x, ...others.map(({ x }) => x), 1);
  // Thinned for the full width, because the width of the labels is known only later: a column may
  // have a dot or two too many.
  const line = thinned(points, xHigh, width * glyph.columns);
  const frame = frameOf(line, plot.isOfKinds ? [...others, { x: 0, y: 0 }] : others, plot.scale, height);
  const columns = Math.max(leastColumns, width - frame.margin - 1);
  const canvas = new Canvas(columns, height, glyph);
  const place = { x: (x: number) => x / xHigh, y: frame.place };
  draw(canvas, line, others, place, plot);

  const rows = canvas.lines().map((dots, row) => {
    const tick = frame.ticks.find(({ value }) => canvas.rowOf(frame.place(value)) === row);
    const label = (tick?.label ?? '').padStart(frame.margin);
    return `${style.dim(label + (tick ? glyph.tick : glyph.wall))}${dots}`.trimEnd();
  });
  const [floor, labels] = floorLines(xHigh, columns, glyph, plot.pointNames);
  const margin = ' '.repeat(frame.margin);
  const last = `${margin} ${labels}`.trimEnd();
  return [...head, ...rows, style.dim(`${margin}${glyph.corner}${floor}`), style.dim(last)].join('\n');
}

/** The vertical axis. */
interface Frame {
  /** Value → share of the height, 0 at the bottom. */
  readonly place: (value: number) => number;
  readonly ticks: readonly Tick[];
  /** Characters of the widest label. */
  readonly margin: number;
}

function frameOf(
  line: readonly PlotPoint[],
  others: readonly PlotPoint[],
  wanted: Scale | undefined,
  height: number,
): Frame {
  const ends = [...line, ...others].flatMap(({ y, halfWidth = 0 }) => [y - halfWidth, y + halfWidth]);
  const scale = wanted ?? scaleFor(ends);
  const map = scale === 'log' ? Math.log10 : (value: number) => value;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const end of ends) {
    // On a logarithmic axis, an interval that reaches below zero ends at the bottom.
    if (scale === 'log' && end <= 0) continue;
    low = Math.min(low, end);
    high = Math.max(high, end);
  }
  // A flat line is in the middle.
  const spread = map(high) - map(low) || Math.abs(map(high)) || 1;
  const pad = high === low ? spread / 2 : 0;
  const [bottom, top] = [map(low) - pad, map(high) + pad];
  const unmap = (value: number) => (scale === 'log' ? 10 ** value : value);
  const ticks = ticksFor(unmap(bottom), unmap(top), scale, Math.max(2, Math.floor(height / 3)));
  return {
    place: (value) => (scale === 'log' && value <= 0 ? 0 : (map(value) - bottom) / (top - bottom)),
    ticks,
    margin: Math.max(...ticks.map(({ label }) => label.length), 1),
  };
}

/** At most one point a column of dots: the median of those that fall into it, since one bad meta-batch must not look like a trend. */
function thinned(points: readonly PlotPoint[], high: number, columns: number): readonly PlotPoint[] {
  if (points.length <= columns) return points;
  const bins = new Map<number, PlotPoint[]>();
  for (const point of points) {
    const column = Math.min(columns - 1, Math.floor((point.x / high) * columns));
    const bin = bins.get(column);
    if (bin) bin.push(point);
    else bins.set(column, [point]);
  }
  return [...bins.values()].map((bin) => bin.sort((a, b) => a.y - b.y)[Math.floor(bin.length / 2)]!);
}

interface Placing {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

function draw(
  canvas: Canvas,
  line: readonly PlotPoint[],
  others: readonly PlotPoint[],
  place: Placing,
  { isMarked = false, isOfKinds = false }: Plot,
): void {
  let before: PlotPoint | undefined;
  for (const point of line) {
    const from = isOfKinds ? { x: point.x, y: 0 } : (before ?? point);
    canvas.line(place.x(from.x), place.y(from.y), place.x(point.x), place.y(point.y));
    before = point;
  }
  for (const { x, y, halfWidth } of [...line, ...others]) {
    if (halfWidth) canvas.line(place.x(x), place.y(y - halfWidth), place.x(x), place.y(y + halfWidth));
  }
  if (isMarked) for (const { x, y } of line) canvas.mark(place.x(x), place.y(y), 'ours');
  for (const { x, y } of others) canvas.mark(place.x(x), place.y(y), 'other');
}

/** Dots and marks on a grid of cells; positions are shares of its width and height, from the left and from the bottom. */
class Canvas {
  readonly #columns: number;
  readonly #height: number;
  readonly #glyph: Glyphs;
  readonly #dots: Uint8Array;
  readonly #marks = new Map<number, string>();

  constructor(columns: number, height: number, glyph: Glyphs) {
    this.#columns = columns;
    this.#height = height;
    this.#glyph = glyph;
    this.#dots = new Uint8Array(columns * height);
  }

  /** The line, from the top, that a height falls into. */
  rowOf(y: number): number {
    return Math.floor(this.#dotOf(1 - y, this.#height * this.#glyph.rows) / this.#glyph.rows);
  }

  line(fromX: number, fromY: number, toX: number, toY: number): void {
    const [x0, y0] = this.#dotAt(fromX, fromY);
    const [x1, y1] = this.#dotAt(toX, toY);
    const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
    for (let i = 0; i <= steps; i += 1) {
      this.#dot(Math.round(x0 + ((x1 - x0) * i) / steps), Math.round(y0 + ((y1 - y0) * i) / steps));
    }
  }

  mark(x: number, y: number, kind: 'ours' | 'other'): void {
    const [dotX] = this.#dotAt(x, y);
    this.#marks.set(this.rowOf(y) * this.#columns + Math.floor(dotX / this.#glyph.columns), this.#glyph[kind]);
  }

  lines(): string[] {
    const character = this.#glyph.rows === 4 ? brailleOf : asciiOf;
    return Array.from({ length: this.#height }, (_, row) =>
      Array.from({ length: this.#columns }, (_, column) => {
        const cell = row * this.#columns + column;
        return this.#marks.get(cell) ?? character(this.#dots[cell] ?? 0);
      }).join(''),
    );
  }

  #dotAt(x: number, y: number): [x: number, y: number] {
    return [this.#dotOf(x, this.#columns * this.#glyph.columns), this.#dotOf(1 - y, this.#height * this.#glyph.rows)];
  }

  #dotOf(share: number, dots: number): number {
    return Math.min(dots - 1, Math.max(0, Math.round(share * (dots - 1))));
  }

  #dot(x: number, y: number): void {
    const { columns, rows } = this.#glyph;
    const cell = Math.floor(y / rows) * this.#columns + Math.floor(x / columns);
    this.#dots[cell]! |= 1 << ((y % rows) * columns + (x % columns));
  }
}

/** Bit of a dot, row by row from the top left, → bit of its place in Unicode's braille. */
const brailleBits = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];

const brailleOf = (dots: number): string =>
  dots === 0
    ? ' '
    : String.fromCodePoint(0x2800 + brailleBits.reduce((bits, bit, i) => bits | (dots & (1 << i) ? bit : 0), 0));

const asciiOf = (dots: number): string => [' ', "'", '.', ':'][dots] ?? ' ';

function floorLines(
  high: number,
  columns: number,
  glyph: Glyphs,
  names: readonly string[] = [],
): [floor: string, labels: string] {
  const floor = Array.from({ length: columns }, () => glyph.floor as string);
  let labels = '';
  for (const tick of ticksFor(0, high, 'linear', Math.max(2, Math.floor(columns / 14)), true)) {
    const { value } = tick;
    const label = names[value] ?? tick.label;
    const column = Math.round((value / high) * (columns - 1));
    const start = Math.min(Math.max(0, column - Math.floor(label.length / 2)), columns - label.length);
    if (start < 0 || (labels !== '' && start < labels.length + 2)) continue;
    floor[column] = glyph.foot;
    labels = labels.padEnd(start) + label;
  }
  return [floor.join(''), labels];
}
