// Runs the `metatrain` command as a person or a script does: real processes with their output, exit
// code and files.
import { readdirSync, readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { delay, realClock } from '../../shared/clock.ts';
import { leftOutUnless } from './needs.ts';
import { type Exit, TestProcess } from './processes.ts';

export interface CommandResult extends Exit {
  /** The lines of stdout. */
  readonly stdout: readonly string[];
  readonly stderr: string;
  /**
   * The last line of stdout as JSON.
   *
   * @throws when it is not JSON.
   */
  json<Shape>(): Shape;
}

// Every flag is also a variable. Variables of the person who runs the tests must not affect the
// commands under test.
for (const name of Object.keys(process.env)) {
  if (/^METATRAIN_(?!DATA_DIR$|TEST_)/.test(name)) delete process.env[name];
}

type Environment = Readonly<Record<string, string>>;

/**
 * Starts a command and kills it when the test ends. Sets its log format and its address only
 * through the given flags.
 */
export function startCommand(
  context: TestContext,
  args: readonly string[],
  environment: Environment = {},
): TestProcess {
  return new TestProcess(context, 'client/cli/main.js', args, environment);
}

/** Runs a command to its end. */
export async function metatrain(
  context: TestContext,
  args: readonly string[],
  environment: Environment = {},
): Promise<CommandResult> {
  return resultOf(startCommand(context, args, environment));
}

/** The lines that a started command printed and that were not read yet, once it has ended. */
export async function resultOf(process: TestProcess): Promise<CommandResult> {
  process.child.stdin?.end();
  const exit = await process.exited;
  const stdout = await process.restOfLines();
  const { stderr } = process;
  return {
    ...exit,
    stdout,
    stderr,
    json<Shape>() {
      const last = stdout.at(-1);
      if (last === undefined) throw new Error(`nothing on stdout; stderr:\n${stderr}`);
      return JSON.parse(last) as Shape;
    },
  };
}

/** Skips on systems where the children of a process cannot be listed. */
export const withoutProcessTable = (what: string): false | string =>
  leftOutUnless(isAlive(process.pid), what, 'no /proc to look processes up in');

/** Present child processes of `pid`. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => statusOf(child)?.parent === pid);
}

/** False also for a zombie, which has ended but which its parent has not awaited. */
export function isAlive(pid: number): boolean {
  const status = statusOf(pid);
  return status !== undefined && status.state !== 'Z' && status.state !== 'X';
}

function statusOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  try {
    // The name in parentheses may contain anything, parentheses too.
    const [state = '', parent = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

const patienceMs = 30_000;

/**
 * Polls, since there is no event for the end of another process's children.
 *
 * @throws naming the processes that still live after 30 s.
 */
export async function untilGone(pids: readonly number[]): Promise<void> {
  const givenUpAt = realClock.now() + patienceMs;
  for (;;) {
    const alive = pids.filter(isAlive);
    if (alive.length === 0) return;
    if (realClock.now() > givenUpAt) throw new Error(`still alive after ${patienceMs} ms: ${alive.join(', ')}`);
    await delay(25);
  }
}
