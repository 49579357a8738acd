// Logs one JSON object a line to stderr, or readable text on a terminal. A line is written before
// the call returns, so that nothing is lost at an exit. stdout is for results. Field names are the
// same on every line: `jobId`, `workerId`, `metaStep`, `shard`, `leaseId`, `reason`, `code`, `err`.
import { isatty } from 'node:tty';
import { type Logger, pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { printableJson, printableLines, printableRecord } from './foreign-text.ts';

export type { Logger };

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** `auto`: readable where stderr is a terminal, JSON elsewhere. */
export const logFormats = ['auto', 'json', 'pretty'] as const;
export type LogFormat = (typeof logFormats)[number];

export interface LogOptions {
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Default `auto`. */
  readonly format?: LogFormat;
  /** On every line, such as `{ workerId }`. */
  readonly fields?: Readonly<Record<string, string>>;
}

const stderr = 2;

/** @param component `coordinator`, `worker` or a command: on every line. */
export function createLogger(component: string, { level = 'info', format = 'auto', fields }: LogOptions = {}): Logger {
  const destination = pino.destination({ fd: stderr, sync: true });
  const readable = isPretty(format) ? linePrinter(process.stderr.hasColors?.() ?? false) : undefined;
  return pino(
    {
      level,
      base: { component, ...fields },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    // Not pino-pretty's own stream, which writes later: an ending process would lose lines.
    { write: (line: string) => destination.write(readable ? `${readable(line)}\n` : printableJson(line)) },
  );
}

/** Whether lines on this process's stderr are readable text. */
const isPretty = (format: LogFormat): boolean => format === 'pretty' || (format === 'auto' && isatty(stderr));

/**
 * Makes a JSON line of a log readable: time, level, component, message, fields; an error's stack
 * below. Other lines stay as they are. Control characters are escaped, since a log holds names and
 * reasons that workers and clients chose.
 *
 * @param title replaces the component. Default: the line's component.
 */
export function linePrinter(hasColour: boolean, title = '{component}'): (line: string) => string {
  const pretty = prettyFactory({
    colorize: hasColour,
    // In the machine's time zone, like other clocks on the terminal.
    translateTime: 'SYS:HH:MM:ss.l',
    messageFormat: `${title}: {msg}`,
    ignore: 'component',
    singleLine: true,
  });
  return (line) => {
    const entry = entryOf(line);
    return entry ? (pretty(printableEntry(entry)) ?? '').trimEnd() : printableLines(line);
  };
}

type LogEntry = Readonly<Record<string, unknown>>;

/** Undefined for a line that is not from a log. */
function entryOf(line: string): LogEntry | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as LogEntry;
  } catch {
    return undefined;
  }
}

/** Only an error's stack keeps its line breaks. */
function printableEntry(entry: LogEntry): LogEntry {
  const { err } = entry;
  const stack = (err as { readonly stack?: unknown } | undefined)?.stack;
  const shown = printableRecord(entry);
  if (typeof stack !== 'string') return shown;
  return { ...shown, err: { ...(shown.err as LogEntry), stack: printableLines(stack) } };
}

export const silentLogger: Logger = pino({ level: 'silent' });
