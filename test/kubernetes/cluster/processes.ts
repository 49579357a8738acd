// The cluster's own processes: each writes a log, has its number and its start in a file, and is
// stopped by them. So another run of the harness can stop what one left behind, and never stops a
// stranger that got the same number.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { delay } from '../../../shared/clock.ts';

const pollMs = 50;

export interface ProcessOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export class Processes {
  readonly #folder: string;
  readonly #isTied: boolean;

  /**
   * @param folder for logs and numbers.
   * @param isTied whether the kernel kills the processes when this one ends, however it ends.
   */
  constructor(folder: string, isTied: boolean) {
    this.#folder = folder;
    this.#isTied = isTied;
    mkdirSync(folder, { recursive: true });
  }

  logOf(name: string): string {
    return join(this.#folder, `${name}.log`);
  }

  /** The last lines of the log, for messages of errors. */
  tailOf(name: string): string {
    const file = this.logOf(name);
    return existsSync(file) ? readFileSync(file, 'utf8').slice(-3_000) : '';
  }

  /** Starts a process in a session of its own, so that Ctrl-C in the terminal does not reach it. */
  start(name: string, { program, args, environment = {} }: ProcessOptions): number {
    const log = openSync(this.logOf(name), 'a');
    const [file, ...words] = this.#isTied
      ? ['setpriv', '--pdeathsig', 'KILL', '--', program, ...args]
      : [program, ...args];
    const child = spawn(file!, words, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...environment },
    });
    child.once('error', () => {}); // Reported below: it has no number then.
    const pid = child.pid;
    if (pid === undefined) throw new Error(`${program} could not be started`);
    child.unref();
    writeFileSync(this.#recordOf(name), JSON.stringify({ pid, startedAt: startOf(pid) }));
    return pid;
  }

  pidOf(name: string): number | undefined {
    const record = this.#recordOf(name);
    if (!existsSync(record)) return undefined;
    const { pid, startedAt } = JSON.parse(readFileSync(record, 'utf8')) as { pid: number; startedAt: string };
    return startOf(pid) === startedAt ? pid : undefined;
  }

  /** Started by this harness or by an earlier one, running or not. */
  get names(): string[] {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith('.pid'))
      .map((name) => name.slice(0, -'.pid'.length));
  }

  /** Ends a process with SIGTERM, and with SIGKILL after the patience. */
  async stop(name: string, patienceMs = 10_000): Promise<void> {
    for (const [signal, limitMs] of [
      ['SIGTERM', patienceMs],
      ['SIGKILL', 10_000],
    ] as const) {
      const pid = this.pidOf(name);
      if (pid === undefined) break;
      try {
        process.kill(pid, signal);
      } catch {
        break;
      }
      for (let waitedMs = 0; this.pidOf(name) !== undefined && waitedMs < limitMs; waitedMs += pollMs) {
        await delay(pollMs);
      }
    }
    if (this.pidOf(name) !== undefined) throw new Error(`${name} (process ${this.pidOf(name)}) does not end`);
    rmSync(this.#recordOf(name), { force: true });
  }

  #recordOf(name: string): string {
    return join(this.#folder, `${name}.pid`);
  }
}

/** When the process began, in the kernel's ticks; undefined for one that has ended. */
export function startOf(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** @throws with its output when the program fails. */
export function runProgram(
  program: string,
  args: readonly string[],
  {
    input,
    environment = {},
  }: { readonly input?: string; readonly environment?: Readonly<Record<string, string>> } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 600_000,
    maxBuffer: 1 << 26,
    env: { ...process.env, ...environment },
    ...(input === undefined ? {} : { input }),
  });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `${stderr}${stdout}`.trim().slice(-2_000)}`);
}
