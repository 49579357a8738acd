// The two streams of a command. Results go to stdout; notes, logs and progress go to stderr, so
// that a script reads only results. On a terminal, progress is a block of live lines at the bottom
// that is redrawn in place. Elsewhere, a line is printed from time to time. The only control
// characters in the output are line breaks and the colours of `Style`; renderers escape line breaks
// inside a field.
import { realClock } from '../../shared/clock.ts';
import { printableJson } from '../../shared/foreign-text.ts';
import { printableText, type Style, styleFor } from './render/text.ts';

export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface TerminalOptions {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** The environment, for NO_COLOR, FORCE_COLOR, TERM and the locale. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Milliseconds; replaced in tests. */
  readonly now?: () => number;
}

/** Minimum interval between progress lines that cannot be redrawn. */
const calmMs = 10_000;
/** Minimum interval between two redraws of live lines. */
const redrawMs = 80;
const widthWithoutTerminal = 100;

export class Terminal {
  readonly #options: TerminalOptions;
  readonly #now: () => number;
  readonly #live = new Map<string, (width: number) => string>();
  readonly #lastPrinted = new Map<string, number>();
  #drawnLines = 0;
  #lastDrawn = Number.NEGATIVE_INFINITY;

  constructor(options: TerminalOptions) {
    this.#options = options;
    this.#now = options.now ?? realClock.elapsedMs;
  }

  /** For what goes to stdout. */
  get style(): Style {
    return styleFor(this.#hasColour(this.#options.stdout));
  }

  /** For what goes to stderr. */
  get noteStyle(): Style {
    return styleFor(this.notesHaveColour);
  }

  get notesHaveColour(): boolean {
    return this.#hasColour(this.#options.stderr);
  }

  /** Whether Unicode can be shown. An unset locale allows it, because containers have none. */
  get hasUnicode(): boolean {
    const { LC_ALL, LC_CTYPE, LANG, TERM } = this.#options.environment;
    const locale = LC_ALL || LC_CTYPE || LANG;
    return TERM !== 'dumb' && TERM !== 'linux' && (!locale || /utf-?8/i.test(locale));
  }

  /** Characters on a line of stdout. */
  get width(): number {
    return this.#options.stdout.columns || widthWithoutTerminal;
  }

  /** Characters on a line of a table. What is not read on a terminal has no limit. */
  get tableWidth(): number {
    return this.#options.stdout.isTTY ? this.width : Number.POSITIVE_INFINITY;
  }

  /** Whether progress is redrawn in place. */
  get isLive(): boolean {
    return this.#options.stderr.isTTY === true && this.#options.environment.TERM !== 'dumb';
  }

  /** A line of the result. */
  print(text: string): void {
    this.#aroundLiveLines(() => this.#options.stdout.write(`${printableText(text)}\n`));
  }

  /** The result of a command with `--json`: one object on one line. */
  printJson(value: unknown): void {
    this.print(printableJson(JSON.stringify(value)));
  }

  /** A line for the person, not part of the result. */
  note(text: string): void {
    this.#aroundLiveLines(() => this.#options.stderr.write(`${printableText(text)}\n`));
  }

  /** Shows the newest progress for a key; `line` gets the maximum width. */
  progress(key: string, line: (width: number) => string): void {
    if (this.isLive) {
      this.#live.set(key, line);
      if (this.#now() - this.#lastDrawn >= redrawMs) this.#redraw();
      return;
    }
    const last = this.#lastPrinted.get(key);
    if (last !== undefined && this.#now() - last < calmMs) return;
    this.#lastPrinted.set(key, this.#now());
    this.#options.stderr.write(`${printableText(line(Number.POSITIVE_INFINITY))}\n`);
  }

  /** Removes a key's live line. */
  endProgress(key: string): void {
    if (!this.#live.delete(key)) return;
    this.#erase();
    this.#redraw();
  }

  #aroundLiveLines(write: () => void): void {
    this.#erase();
    write();
    if (this.#live.size > 0) this.#redraw();
  }

  #redraw(): void {
    this.#erase();
    // One column less: a full line makes some terminals wrap, and then the block could not be
    // erased.
    const width = (this.#options.stderr.columns || widthWithoutTerminal) - 1;
    const lines = [...this.#live.values()].map((line) => printableText(line(width)));
    if (lines.length > 0) this.#options.stderr.write(`${lines.join('\n')}\n`);
    this.#drawnLines = lines.length;
    this.#lastDrawn = this.#now();
  }

  #erase(): void {
    if (this.#drawnLines > 0) this.#options.stderr.write(`\u001b[${this.#drawnLines}A\u001b[0J`);
    this.#drawnLines = 0;
  }

  #hasColour(stream: OutputStream): boolean {
    const { NO_COLOR, FORCE_COLOR, TERM } = this.#options.environment;
    if (NO_COLOR) return false;
    if (FORCE_COLOR && FORCE_COLOR !== '0') return true;
    return stream.isTTY === true && TERM !== 'dumb';
  }
}
