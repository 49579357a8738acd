// A page's commands: found, run one block after another, and their outputs pasted into it.
//
// The line before a block may mark it: `not run here`; `on the node`, for a command in a shell of the
// node; `until PATTERN`, for a command that goes on until its output matches and is then ended.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Block {
  readonly text: string;
  readonly section: string;
  /** Text between the previous block and this one. */
  readonly paragraph: string;
  readonly mark: string;
  /** Name of the figure that shows its output. */
  readonly figure?: string;
}

const blockTimeoutMs = 900_000;

export function blocksOf(page: string): Block[] {
  const found = page.matchAll(/(?:<!-- ((?:not run here|on the node|until [^\n]*?)) -->\n)?```sh\n([\s\S]*?)```\n/g);
  let end = 0;
  return [...found].map((match) => {
    const before = page.slice(0, match.index);
    const paragraph = before.slice(end);
    end = match.index + match[0].length;
    const figure = /^\n<!-- figure ([\w-]+) -->/.exec(page.slice(end))?.[1];
    const section = [...before.matchAll(/^## (.+)$/gm)].at(-1)?.[1] ?? '';
    return { text: match[2]!, section, paragraph, mark: match[1] ?? '', ...(figure === undefined ? {} : { figure }) };
  });
}

/**
 * Runs a block by bash in `folder` and returns its stdout.
 *
 * @throws with all of its output when a command fails.
 */
export async function runBlock(
  { text, mark }: Block,
  folder: string,
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const bash = ['bash', '-euo', 'pipefail', '-c', text];
  const [program, ...args] = mark === 'on the node' ? [...nodeShell(), ...bash] : bash;
  // A group of its own, so that a command that goes on is ended with its shell.
  const child = spawn(program!, args, {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: blockTimeoutMs,
    env: { ...process.env, ...environment },
  });
  const until = mark.startsWith('until ') ? new RegExp(mark.slice('until '.length)) : undefined;
  let stdout = '';
  let stderr = '';
  let isOver = false;
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
    if (isOver || !until?.test(stdout)) return;
    isOver = true;
    process.kill(-child.pid!, 'SIGTERM');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0 || isOver) return stdout;
  throw new Error(`exit code ${code}:\n${text}\n${stdout}${stderr}`);
}

/** Enters the mounts of the test cluster's node. */
function nodeShell(): string[] {
  const first = readFileSync(join(process.env.METATRAIN_KUBERNETES_CLUSTER!, 'node', 'first-process'), 'utf8');
  return ['nsenter', '--target', first, '--mount', '--pid', '--wd=/', '--'];
}

/** The page with these outputs in its figures. */
export const withFigures = (page: string, figures: ReadonlyMap<string, string>): string =>
  page.replace(
    /(<!-- figure ([\w-]+) -->\n```text\n)[\s\S]*?(```)/g,
    (whole, head: string, name: string, tail: string) =>
      figures.has(name) ? `${head}${figures.get(name)}${tail}` : whole,
  );
