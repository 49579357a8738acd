// One command line in, output and an exit code out, without a process or a network.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { runCommandLine } from '../../../client/cli/command-line.ts';
import { Interruption } from '../../../client/cli/context.ts';
import { lastMessage } from '../../../client/cli/managed-process.ts';
import { withDefaultCommands } from '../../../client/cli/program.ts';
import { Terminal } from '../../../client/cli/terminal.ts';

async function run(args: readonly string[], signal: AbortSignal = new AbortController().signal) {
  const texts = { stdout: '', stderr: '' };
  const into = (name: 'stdout' | 'stderr') => ({
    write(text: string): void {
      texts[name] += text;
    },
  });
  const terminal = new Terminal({ stdout: into('stdout'), stderr: into('stderr'), environment: {} });
  const code = await runCommandLine(args, { version: '1.2.3', terminal, environment: {}, signal });
  return { code, ...texts };
}

test('help and version are results: stdout, exit code 0', async () => {
  assert.deepEqual(await run(['--version']), { code: 0, stdout: '1.2.3\n', stderr: '' });
  const help = await run(['--help']);
  assert.equal(help.code, 0);
  assert.equal(help.stderr, '');
  const commands = ['run', 'up', 'submit', 'jobs', 'workers', 'checkpoint', 'datasets', 'coordinator', 'worker'];
  for (const name of commands) assert.match(help.stdout, new RegExp(`^ {2}${name}\\b`, 'm'), name);
  assert.match(help.stdout, /Exit codes: 0 done, 1 failed, 2 wrong usage, 130 or 143 interrupted\./);
});

test('every command that talks to a coordinator takes --coordinator, --json and --help', async () => {
  const commands = [
    ...[['submit'], ['workers'], ['checkpoint', 'download']],
    ...['list', 'show', 'watch', 'cancel', 'pause', 'resume'].map((name) => ['jobs', name]),
  ];
  for (const command of commands) {
    const { code, stdout } = await run([...command, '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /--coordinator <host:port>[\s\S]*METATRAIN_COORDINATOR/, command.join(' '));
    assert.match(stdout, /--json/, command.join(' '));
  }
});

test('a wrong usage is exit code 2, said on stderr, and a JSON record when asked for', async () => {
  const plain = await run(['frobnicate']);
  assert.deepEqual(plain, { code: 2, stdout: '', stderr: "error: unknown command 'frobnicate'\n" });
  const json = await run(['frobnicate', '--json']);
  assert.equal(json.code, 2);
  assert.deepEqual(JSON.parse(json.stdout), {
    error: { code: 'REQUEST_INVALID', message: "unknown command 'frobnicate'" },
  });
  assert.equal((await run([])).code, 2, 'no command at all');
  assert.equal((await run(['run'])).code, 2, 'no job file');
});

test('completion knows every command, flag and choice', async (t) => {
  const { code, stdout: script } = await run(['completion', 'bash']);
  assert.equal(code, 0);
  const shell = (line: string) => {
    const words = line.split(' ');
    const ask = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _metatrain; echo "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', `${script}\n${ask}`], { encoding: 'utf8' });
    assert.equal(stderr, '');
    return stdout.trim().split(' ');
  };
  assert.deepEqual(shell('metatrain job'), ['jobs']);
  assert.deepEqual(shell('metatrain jobs pa'), ['pause']);
  assert.deepEqual(shell('metatrain jobs list --li'), ['--limit']);
  assert.deepEqual(shell('metatrain completion '), ['--help', 'bash', 'zsh', 'fish']);
  const { stdout: fish } = await run(['completion', 'fish']);
  assert.match(fish, /-n '__metatrain_at \\' jobs\\'' -a 'pause'/);
  t.diagnostic(`${script.length} characters`);
});

test('an interrupted command ends with 128 + the number of the signal', async () => {
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const result = await run(['workers', '--json'], AbortSignal.abort(new Interruption(name)));
    assert.equal(result.code, code);
    assert.equal(result.stderr, `interrupted by ${name}\n`);
    assert.deepEqual(JSON.parse(result.stdout), {
      error: { code: 'SHUTTING_DOWN', message: `interrupted by ${name}` },
    });
  }
});

test('`jobs` and `datasets` alone list; their own commands and help stay what they are', () => {
  assert.deepEqual(withDefaultCommands(['jobs']), ['jobs', 'list']);
  assert.deepEqual(withDefaultCommands(['jobs', '--json']), ['jobs', 'list', '--json']);
  assert.deepEqual(withDefaultCommands(['jobs', 'show', 'x']), ['jobs', 'show', 'x']);
  assert.deepEqual(withDefaultCommands(['jobs', '--help']), ['jobs', '--help']);
  assert.deepEqual(withDefaultCommands(['datasets']), ['datasets', 'list']);
  assert.deepEqual(withDefaultCommands(['run', '--json']), ['run', '--json']);
});

test('what a process said last is told in words, not as a log line', () => {
  assert.equal(lastMessage(['first', '{"level":"fatal","msg":"the port is in use"}', '']), 'the port is in use');
  assert.equal(lastMessage(['{"msg":"cannot start","err":{"message":"no memory"}}']), 'cannot start: no memory');
  assert.equal(lastMessage(['error: a bad flag']), 'a bad flag');
  assert.equal(lastMessage(['{not JSON']), '{not JSON');
  assert.equal(lastMessage([]), '');
});
