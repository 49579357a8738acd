// kubectl for tests: runs to the end, or follows a watch line by line. Which cluster it is, says
// KUBECONFIG.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { openCache } from '../cluster/cache.ts';
import { kubectlOf } from '../cluster/programs.ts';

export interface KubectlOptions {
  /** For `--filename -`. */
  readonly input?: string;
  /** Longest that it may take. Default: 120 s. */
  readonly timeoutMs?: number;
}

export interface CommandOutput {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program that `kubectl` runs. */
export const kubectlProgram: string = kubectlOf(openCache());

/**
 * Runs kubectl and returns what it prints on stdout.
 *
 * @throws with stderr when it fails.
 */
export async function kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await tryKubectl(args, options);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: exit code ${code}\n${stderr}${stdout}`);
  return stdout;
}

/** Runs kubectl and returns its output, whatever the exit code is. */
export const tryKubectl = (args: readonly string[], options: KubectlOptions = {}): Promise<CommandOutput> =>
  runCommand(kubectlProgram, args, options);

/** The object that `kubectl ARGS --output=json` prints. */
export async function kubectlJson<Shape>(args: readonly string[]): Promise<Shape> {
  return JSON.parse(await kubectl([...args, '--output=json'])) as Shape;
}

/** Any program of the test: helm3, helm4, the metatrain command. */
export async function runCommand(
  program: string,
  args: readonly string[],
  { input, timeoutMs = 120_000 }: KubectlOptions = {},
): Promise<CommandOutput> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs });
  child.stdin.on('error', () => {}); // It may end without reading.
  child.stdin.end(input ?? '');
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** A kubectl that goes on until the test ends it: `get --watch`, `port-forward`, `logs --follow`. */
export class RunningKubectl {
  readonly child: ChildProcess;
  /** Lines of stdout so far. */
  readonly lines: string[] = [];
  stderr = '';
  readonly #listeners = new Set<() => void>();
  #hasEnded = false;

  /** Ends with the test, if it did not before. */
  constructor(t: TestContext, args: readonly string[]) {
    this.child = spawn(kubectlProgram, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      this.lines.push(line);
      for (const listen of this.#listeners) listen();
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.child.once('close', () => {
      this.#hasEnded = true;
      for (const listen of this.#listeners) listen();
    });
    t.after(() => this.end());
  }

  /**
   * The first line that is wanted, printed already or later.
   *
   * @throws when kubectl ends or the time is over first.
   */
  line(isWanted: (line: string) => boolean, what: string, timeoutMs = 60_000): Promise<string> {
    return new Promise((resolve, reject) => {
      let seen = 0;
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        act();
      };
      const fail = (why: string) =>
        settle(() => reject(new Error(`${why} before ${what}; ${this.stderr}\n${this.lines.slice(-10).join('\n')}`)));
      const look = () => {
        for (; seen < this.lines.length; seen += 1) {
          const line = this.lines[seen]!;
          if (isWanted(line)) return settle(() => resolve(line));
        }
        if (this.#hasEnded) fail('kubectl ended');
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
      this.#listeners.add(look);
      look();
    });
  }

  async end(): Promise<void> {
    if (this.#hasEnded) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'close');
  }
}
