// One child process of ours: started, awaited until it says it is ready, watched, stopped. Its stdin stays open as the lifeline that
// `--exit-with-parent` watches; it is a process group of its own, so that Ctrl-C reaches it only through us. It never outlives us.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { realClock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ManagedProcessOptions {
  /** For messages, such as `worker 2`. */
  readonly title: string;
  readonly file: string;
  readonly flags: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Each line that it logs. */
  readonly onLog: (line: string) => void;
  /** How long it may take to be ready. Default 60,000 ms. */
  readonly readyWithinMs?: number;
}

const keptLogLines = 20;

const running = new Set<ManagedProcess>();
process.on('exit', () => {
  for (const child of running) child.kill();
});

export class ManagedProcess {
  readonly title: string;
  /** What it printed when it was ready. @throws MetatrainError `NOT_READY` with what it last said, when it ends or takes too long. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  /** Settles once it is gone and its output has been read; never rejects. */
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcess;
  readonly #lastLines: string[] = [];

  constructor(options: ManagedProcessOptions) {
    this.title = options.title;
    this.#child = spawn(process.execPath, [options.file, ...options.flags], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: options.environment,
    });
    running.add(this);
    // A child that is gone while we still write to it, or could not be spawned, is reported by `exited`.
    this.#child.stdin?.on('error', () => {});
    createInterface({ input: this.#child.stderr! }).on('line', (line) => {
      this.#lastLines.push(line);
      if (this.#lastLines.length > keptLogLines) this.#lastLines.shift();
      options.onLog(line);
    });
    this.exited = this.#whenGone();
    this.ready = this.#firstLine(options.readyWithinMs ?? 60_000);
    // Whoever waits handles it; a child that dies before anybody waits must not crash us.
    this.ready.catch(() => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** In words, from how it ended and the last that it said. */
  describe({ code, signal }: ProcessExit): string {
    const how = signal ? `was killed by ${signal}` : `ended with exit code ${code}`;
    const said = lastMessage(this.#lastLines);
    return said ? `${this.title} ${how}: ${said}` : `${this.title} ${how}`;
  }

  /** Asks it to stop; kills it when it has not after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#child.kill('SIGTERM');
    const cancel = realClock.after(graceMs, () => this.kill());
    await this.exited;
    cancel();
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #whenGone(): Promise<ProcessExit> {
    const exit = await new Promise<ProcessExit>((resolve) => {
      this.#child.once('error', (error) => {
        this.#lastLines.push(error.message);
        resolve({ code: null, signal: null });
      });
      this.#child.once('close', (code, signal) => resolve({ code, signal }));
    });
    running.delete(this);
    return exit;
  }

  async #firstLine(readyWithinMs: number): Promise<Readonly<Record<string, unknown>>> {
    const lines = createInterface({ input: this.#child.stdout! });
    let cancel = () => {};
    const tooLate = new Promise<never>((_, reject) => {
      cancel = realClock.after(readyWithinMs, () =>
        reject(new MetatrainError('NOT_READY', `${this.title} was not ready within ${readyWithinMs / 1000} s`)),
      );
    });
    const gone = this.exited.then((exit) => {
      throw new MetatrainError('NOT_READY', `${this.describe(exit)}`);
    });
    try {
      const [line] = (await Promise.race([once(lines, 'line'), gone, tooLate])) as [string];
      return parseReady(line, this.title);
    } finally {
      cancel();
    }
  }
}

function parseReady(line: string, title: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch (cause) {
    throw new MetatrainError('INTERNAL', `${title} said "${line}" instead of its ready line`, { cause });
  }
}

/** The last thing a process said that names a cause: the message of a JSON log line, or the line itself. */
export function lastMessage(lines: readonly string[]): string {
  return messageOf(lines.findLast((line) => line.trim() !== '') ?? '');
}

/** A JSON log line as its message; any other line as it is. */
export function messageOf(line: string): string {
  if (!line.startsWith('{')) return line.replace(/^error: /, '');
  try {
    const { msg, err } = JSON.parse(line) as { readonly msg?: string; readonly err?: { readonly message?: string } };
    const cause = err?.message && err.message !== msg ? err.message : undefined;
    return [msg, cause].filter(Boolean).join(': ') || line;
  } catch {
    return line;
  }
}
