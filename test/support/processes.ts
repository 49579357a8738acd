// Real processes for tests: started, awaited by their output, and always killed at the end of the
// test. Nothing sleeps.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Mailbox } from './mailbox.ts';

/** The compiled tree that this test is part of. */
const distDirectory = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const stderrPatienceMs = 60_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class TestProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  /** All of stderr so far, for messages of failed assertions. */
  stderr = '';
  readonly #lines = new Mailbox<string>();
  readonly #stderrReaders = new Set<() => void>();

  /**
   * Starts `script` (a path inside the compiled tree, such as `worker/main.js`, or an absolute one)
   * and kills it when the test ends.
   */
  constructor(
    context: TestContext,
    script: string,
    args: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
    nodeFlags: readonly string[] = [],
  ) {
    this.child = spawn(process.execPath, [...nodeFlags, resolve(distDirectory, script), ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.#lines.put(line));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      for (const read of this.#stderrReaders) read();
    });
    this.exited = once(this.child, 'close').then(([code, signal]) => ({ code, signal }));
    context.after(() => this.kill('SIGKILL'));
  }

  /**
   * The next line of stdout.
   *
   * @throws with stderr when the process ends first.
   */
  async line(): Promise<string> {
    const ended = this.exited.then((exit) => {
      throw new Error(`the process ended (${JSON.stringify(exit)}) before its next line; stderr:\n${this.stderr}`);
    });
    return Promise.race([this.#lines.take(`a line of ${this.child.spawnargs.slice(1).join(' ')}`), ended]);
  }

  /** The next line as JSON, which a process prints when it is ready. */
  async ready<Facts extends Record<string, unknown>>(): Promise<Facts> {
    return JSON.parse(await this.line()) as Facts;
  }

  /** The unread lines of stdout, once the process has ended. */
  async restOfLines(): Promise<string[]> {
    await this.exited;
    const lines: string[] = [];
    while (this.#lines.size > 0) lines.push(await this.#lines.take('a line that is there'));
    return lines;
  }

  /**
   * Waits until stderr contains `pattern`.
   *
   * @throws with all of stderr when the process ends first or 60 s have passed.
   */
  stderrSays(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#stderrReaders.delete(read);
        act();
      };
      const read = () => pattern.test(this.stderr) && settle(resolve);
      const fail = (why: string) =>
        settle(() => reject(new Error(`${why} before it said ${pattern}; stderr:\n${this.stderr}`)));
      const timer = setTimeout(() => fail(`${stderrPatienceMs} ms passed`), stderrPatienceMs);
      this.#stderrReaders.add(read);
      void this.exited.then((exit) => fail(`the process ended (${JSON.stringify(exit)})`));
      read();
    });
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Sends the signal and waits for the end. */
  async kill(name: NodeJS.Signals): Promise<Exit> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(name);
    return this.exited;
  }
}
