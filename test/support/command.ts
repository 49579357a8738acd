// The `metatrain` command as a person or a script runs it: real processes, their two streams, their exit code, and what they leave behind.
import { readdirSync, readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { delay, realClock } from '../../shared/clock.ts';
import { leftOutUnless } from './needs.ts';
import { type Exit, TestProcess } from './processes.ts';

export interface CommandResult extends Exit {
  /** The lines of stdout. */
  readonly stdout: readonly string[];
  readonly stderr: string;
  /** The last line of stdout as JSON. @throws when it is none */
  json<Shape>(): Shape;
}

// Every flag is a variable as well; those of whoever runs the tests must not steer the commands that a test runs.
for (const name of Object.keys(process.env)) {
  if (/^METATRAIN_(?!DATA_DIR$|TEST_)/.test(name)) delete process.env[name];
}

type Environment = Readonly<Record<string, string>>;

/** Starts a command; it is killed when the test ends. Its log and its address are its own business unless a flag says otherwise. */
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

/** What a started command has printed that nobody took, once it has ended. */
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

/** Skips unless the children of a process can be found. */
export const withoutProcessTable = (what: string): false | string =>
  leftOutUnless(isAlive(process.pid), what, 'no /proc to look processes up in');

/** Processes whose parent is `pid`, now. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => statusOf(child)?.parent === pid);
}

/** A process that has ended and that nobody has waited for yet is not alive. */
export function isAlive(pid: number): boolean {
  const status = statusOf(pid);
  return status !== undefined && status.state !== 'Z' && status.state !== 'X';
}

function statusOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  try {
    // The name in parentheses may hold anything, parentheses too.
    const [state = '', parent = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

const patienceMs = 30_000;

/** Somebody else's children send us no event when they end, so this looks again and again. @throws naming those that live on after 30 s */
export async function untilGone(pids: readonly number[]): Promise<void> {
  const givenUpAt = realClock.now() + patienceMs;
  for (;;) {
    const alive = pids.filter(isAlive);
    if (alive.length === 0) return;
    if (realClock.now() > givenUpAt) throw new Error(`still alive after ${patienceMs} ms: ${alive.join(', ')}`);
    await delay(25);
  }
}
