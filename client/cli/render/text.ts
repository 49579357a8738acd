// Text in columns and in colour. Pure: the caller decides about colour and width.
import { printableLines } from '../../../shared/foreign-text.ts';

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  red(text: string): string;
}

const sgr = (on: number, off: number) => (text: string) => `\u001b[${on}m${text}\u001b[${off}m`;
const same = (text: string) => text;

export const plainStyle: Style = { bold: same, dim: same, green: same, yellow: same, red: same };
const colourStyle: Style = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  green: sgr(32, 39),
  yellow: sgr(33, 39),
  red: sgr(31, 39),
};

export const styleFor = (hasColour: boolean): Style => (hasColour ? colourStyle : plainStyle);

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colour is made of.
const colourCodes = /\u001b\[(?:0|1|2|22|[349]\d|10\d)m/g;

/**
 * `text` with its line breaks and colours; every other control, invisible or bidirectional character is
 * escaped.
 */
export function printableText(text: string): string {
  const colours = text.match(colourCodes) ?? [];
  return text
    .split(colourCodes)
    .map((part, i) => printableLines(part) + (colours[i] ?? ''))
    .join('');
}

/** Characters that `text` takes on the screen. */
export const widthOf = (text: string): number => [...text.replace(colourCodes, '')].length;

/** `text` without colour, cut to `width` characters; a cut is marked. */
export function truncate(text: string, width: number): string {
  const characters = [...text];
  if (characters.length <= width) return text;
  return width < 1 ? '' : `${characters.slice(0, width - 1).join('')}…`;
}

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** The columns with the least are left out of a table that is too wide. Default: it always stays. */
  readonly importance?: number;
}

/**
 * Rows under their titles, two spaces between columns, no line longer than it must be.
 *
 * @param indent spaces before each line. Default 0.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: Style = plainStyle,
  indent = 0,
): string {
  const widths = columns.map(({ title }, i) => Math.max(widthOf(title), ...rows.map((row) => widthOf(row[i] ?? ''))));
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, i) => pad(cells[i] ?? '', widths[i] ?? 0, align))
      .join('  ')
      .trimEnd();
  const head = style.dim(line(columns.map(({ title }) => title)));
  return [head, ...rows.map(line)].map((text) => ' '.repeat(indent) + text).join('\n');
}

/** A last column that is cut keeps at least so many characters as long as another one can be left out. */
const shortestLast = 30;

/**
 * A table of at most `width` characters: the last column is cut, and the least important columns are
 * left out.
 */
export function fittingTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  style: Style = plainStyle,
): string {
  const text = table(columns, rows, style);
  const tooMuch = widestLine(text) - width;
  if (tooMuch <= 0) return text;
  const last = columns.length - 1;
  const longest = Math.max(...rows.map((row) => widthOf(row[last] ?? '')));
  const kept = Math.max(longest - tooMuch, columns[last]?.title.length ?? 0);
  const least = Math.min(...columns.map(({ importance = Number.POSITIVE_INFINITY }) => importance));
  if (kept < Math.min(longest, shortestLast) && least < Number.POSITIVE_INFINITY) {
    const left = columns.findLastIndex(({ importance }) => importance === least);
    const others = rows.map((row) => without(row, left));
    return fittingTable(without(columns, left), others, width, style);
  }
  const cut = rows.map((row) => [...row.slice(0, last), truncate(row[last] ?? '', kept)]);
  return table(columns, cut, style);
}

const widestLine = (text: string): number => Math.max(...text.split('\n').map(widthOf));

const without = <Item>(items: readonly Item[], index: number): Item[] => items.filter((_, i) => i !== index);

function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const spaces = ' '.repeat(Math.max(width - widthOf(text), 0));
  return align === 'right' ? spaces + text : text + spaces;
}

/** Names and values under each other, the values aligned. Values with several lines stay aligned. */
export function fields(pairs: readonly (readonly [name: string, value: string])[], style: Style, indent = 0): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  const margin = ' '.repeat(indent);
  return pairs
    .map(([name, value]) => {
      const hanging = value.replaceAll('\n', `\n${margin}${' '.repeat(width + 2)}`);
      return `${margin}${style.dim(name.padEnd(width))}  ${hanging}`;
    })
    .join('\n');
}

/** Breaks `text` at spaces so that lines fit `width`; a longer word keeps its line. */
export function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join('\n');
}
