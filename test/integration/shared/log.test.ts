// Logs as a process writes them: JSON lines into a pipe, readable lines on a terminal, all of them also when it ends at once.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { withoutPseudoTerminal } from '../../support/needs.ts';

const logModule = new URL('../../../shared/log.js', import.meta.url).href;

/** A program that logs and ends in the same breath. */
const program = (format: string) => `
  const { createLogger } = await import(${JSON.stringify(logModule)});
  const log = createLogger('worker', { format: ${JSON.stringify(format)}, fields: { workerId: 'w-1' } });
  log.warn({ jobId: 'j-1', metaStep: 12, reason: 'no heartbeat' }, 'shard goes to another worker');
  log.debug('below the level');
  log.fatal({ code: 'NOT_READY', err: new Error('the disk is gone') }, 'it ends');
  process.exit(3);`;

const nodeArguments = (format: string) => ['--input-type=module', '--eval', program(format)];

function piped(format: string) {
  const { stderr, stdout, status } = spawnSync(process.execPath, nodeArguments(format), { encoding: 'utf8' });
  assert.deepEqual([status, stdout], [3, '']);
  return stderr.trimEnd().split('\n');
}

/** Nothing of the machine's that takes colour away: Node gives none where `CI` is set to a name it does not know. */
const colourful = {
  TERM: 'xterm',
  CI: undefined,
  NO_COLOR: undefined,
  NODE_DISABLE_COLORS: undefined,
  FORCE_COLOR: undefined,
};

/** What a terminal shows: stdout and stderr are one. */
function onTerminal(format: string, environment: Readonly<Record<string, string>> = {}) {
  const words = [process.execPath, ...nodeArguments(format)].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  const { stdout, status } = spawnSync('script', ['-qec', words.join(' '), '/dev/null'], {
    encoding: 'utf8',
    input: '',
    env: { ...process.env, ...colourful, ...environment },
  });
  assert.equal(status, 3);
  return stdout.replaceAll('\r', '').trimEnd().split('\n');
}

function assertJson(lines: readonly string[]) {
  const [first, second] = lines.map((line) => JSON.parse(line));
  const { time, ...rest } = first;
  assert.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  const fields = { jobId: 'j-1', metaStep: 12, reason: 'no heartbeat', msg: 'shard goes to another worker' };
  assert.deepEqual(rest, { level: 'warn', component: 'worker', workerId: 'w-1', ...fields });
  assert.deepEqual([second.level, second.code, second.err.message], ['fatal', 'NOT_READY', 'the disk is gone']);
  assert.equal(lines.length, 2);
}

const readable = [
  /^\[[\d:.]+\] WARN: worker: shard goes to another worker \{"workerId":"w-1","jobId":"j-1","metaStep":12,"reason":"no heartbeat"\}$/,
  /^\[[\d:.]+\] FATAL: worker: it ends \{"workerId":"w-1","code":"NOT_READY"\}$/,
];

function assertReadable(lines: readonly string[]) {
  for (const [i, pattern] of readable.entries()) assert.match(lines[i] ?? '', pattern);
  assert.match(lines.slice(2).join('\n'), /Error: the disk is gone\n +at /);
}

test('in a pipe a log is one JSON object a line, complete even if the process ends at once', () => {
  assertJson(piped('auto'));
  assertJson(piped('json'));
});

test('on request a log is readable text in a pipe too, without colour', () => {
  assertReadable(piped('pretty'));
});

const skip = withoutPseudoTerminal('logs on a terminal');

test('on a terminal a log is readable and coloured, complete even if the process ends at once', { skip }, () => {
  const lines = onTerminal('auto');
  assert.ok(lines[0]?.includes('\u001b[33mWARN'), lines[0]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colour is made of.
  assertReadable(lines.map((line) => line.replaceAll(/\u001b\[\d+m/g, '')));
});

test('on a terminal NO_COLOR is respected, and JSON can be asked for', { skip }, () => {
  assertReadable(onTerminal('auto', { NO_COLOR: '1' }));
  assertJson(onTerminal('json'));
});
