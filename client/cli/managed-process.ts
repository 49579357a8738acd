// One child process: starts it, waits until it is ready, watches it and stops it.
// `--exit-with-parent` makes the child end when its stdin closes, so it never outlives this
// process. The child has its own process group, so that Ctrl-C reaches it only through this
// process.
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
  /** Called with each line of its log. */
  readonly onLog: (line: string) => void;
  /** Maximum time until it is ready. Default 60,000 ms. */
  readonly readyWithinMs?: number;
}

const keptLogLines = 20;

const running = new Set<ManagedProcess>();
process.on('exit', () => {
  for (const child of running) child.kill();
});

export class ManagedProcess {
  readonly title: string;
  /**
   * The line that it printed when it was ready. @throws MetatrainError `NOT_READY` with its last
   * message when it ends or takes too long.
   */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  /** Resolves when it has ended and its output has been read; never rejects. */
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
    // `exited` reports a child that has ended during a write or could not be spawned.
    this.#child.stdin?.on('error', () => {});
    createInterface({ input: this.#child.stderr! }).on('line', (line) => {
      this.#lastLines.push(line);
      if (this.#lastLines.length > keptLogLines) this.#lastLines.shift();
      options.onLog(line);
    });
    this.exited = this.#whenGone();
    this.ready = this.#firstLine(options.readyWithinMs ?? 60_000);
    // The caller of `ready` handles the error. A child that ends before anybody waits must not
    // crash this process.
    this.ready.catch(() => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** A sentence with its exit and its last message. */
  describe({ code, signal }: ProcessExit): string {
    const how = signal ? `was killed by ${signal}` : `ended with exit code ${code}`;
    const said = lastMessage(this.#lastLines);
    return said ? `${this.title} ${how}: ${said}` : `${this.title} ${how}`;
  }

  /** Sends SIGTERM, and SIGKILL after `graceMs`. */
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

/** The last message of a process: the message of a JSON log line, or the line itself. */
export function lastMessage(lines: readonly string[]): string {
  return messageOf(lines.findLast((line) => line.trim() !== '') ?? '');
}

/** The message of a JSON log line; any other line unchanged. */
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
