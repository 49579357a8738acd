// A real coordinator and a real worker, as processes of their own, for a client that only knows their address.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const startTimeoutMs = 60_000;

/** The address of a coordinator with one worker of one slot; both end with the test. */
export async function startCluster(context: TestContext): Promise<string> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-foreign-'));
  context.after(() => rmSync(stateDirectory, { recursive: true, force: true }));
  const coordinator = startProcess(context, 'coordinator', ['--listen', '127.0.0.1:0', '--state-dir', stateDirectory]);
  const { address } = await coordinator;
  assert.equal(typeof address, 'string');
  await startProcess(context, 'worker', ['--coordinator', String(address), '--slots', '1']);
  return String(address);
}

/** Starts one of our two programs and waits for the JSON line that says it is ready. */
async function startProcess(
  context: TestContext,
  program: 'coordinator' | 'worker',
  args: readonly string[],
): Promise<Readonly<Record<string, unknown>>> {
  const main = fileURLToPath(new URL(`../../../${program}/main.js`, import.meta.url));
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  context.after(() => stop(child, ended));
  const lines = createInterface({ input: child.stdout });
  const ready = once(lines, 'line', { signal: AbortSignal.timeout(startTimeoutMs) });
  const first = await Promise.race([ready, ended.then(() => undefined)]);
  if (!first) assert.fail(`${program} ended before it was ready:\n${log}`);
  return JSON.parse(String(first[0]));
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(timer);
}
