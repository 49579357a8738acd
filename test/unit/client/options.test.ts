// What the flags of the command line accept, and what is said of what they do not.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Command, type Option } from 'commander';
import {
  coordinatorOption,
  dataDirectoryOption,
  limitOption,
  mirrorOption,
  parseCoordinator,
  parseListen,
  parseOverride,
  parseSince,
  setOption,
  slotsOption,
  stateFilterOption,
  stepOption,
  usualSlots,
  wholeNumber,
  workersOption,
} from '../../../client/cli/options.ts';

// Some options are variables as well; the shell that runs the tests may have set them.
for (const name of Object.keys(process.env)) if (name.startsWith('METATRAIN_')) delete process.env[name];

/** The value of one option after a command line. */
function parsed(option: Option, args: readonly string[]): unknown {
  const command = new Command()
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .addOption(option);
  command.parse([...args], { from: 'user' });
  return Object.values(command.opts())[0];
}

test('an override is cut at its first "="; the value may hold more of them, and may be empty', () => {
  assert.deepEqual(parseOverride('meta.iterations=500'), ['meta.iterations', '500']);
  assert.deepEqual(parseOverride('published.source=a=b'), ['published.source', 'a=b']);
  assert.deepEqual(parseOverride('meta.clipNorm='), ['meta.clipNorm', '']);
  for (const bad of ['', 'meta.iterations', '=5']) {
    assert.throws(() => parseOverride(bad), /it must be path\.to\.field=value, such as meta\.iterations=500/, bad);
  }
});

test('--set and --data-dir add up in the order in which they were given', () => {
  assert.deepEqual(parsed(setOption(), []), []);
  assert.deepEqual(parsed(setOption(), ['--set', 'seed=1', '--set', 'seed=2']), [
    ['seed', '1'],
    ['seed', '2'],
  ]);
  assert.deepEqual(parsed(dataDirectoryOption(), ['--data-dir', '/a', '--data-dir', '/b']), ['/a', '/b']);
});

test('--since is a while ago, a moment, or the sequence of an event', () => {
  assert.deepEqual(parseSince('90s'), { lookBackMs: 90_000 });
  assert.deepEqual(parseSince('10m'), { lookBackMs: 600_000 });
  assert.deepEqual(parseSince('2h'), { lookBackMs: 7_200_000 });
  assert.deepEqual(parseSince('7d'), { lookBackMs: 604_800_000 });
  assert.deepEqual(parseSince('1042'), { afterSequence: 1_042 });
  assert.deepEqual(parseSince('2026-01-31T12:00:00Z'), { since: new Date(Date.UTC(2026, 0, 31, 12)) });
  for (const bad of ['', 'yesterday', '-5', '1.5h', '10 m', '2026-13-01', '31.1.2026']) {
    assert.throws(() => parseSince(bad), /it must be a duration such as 10m/, bad);
  }
});

test('an address is HOST:PORT, IPv6 in brackets', () => {
  for (const good of ['127.0.0.1:7420', 'coordinator:1', 'a-b.example.org:65535', '[::1]:7420', 'localhost:0']) {
    assert.equal(parseListen(good), good);
  }
  for (const bad of ['', 'localhost', ':7420', 'localhost:', 'localhost:port', '::1:7420', 'a:65536', 'http://a:1']) {
    assert.throws(() => parseListen(bad), /it must be HOST:PORT, such as 127\.0\.0\.1:7420/, bad);
  }
  assert.equal(parseCoordinator('[::1]:7420'), '[::1]:7420');
  assert.throws(() => parseCoordinator('localhost:0'), /it must be HOST:PORT/);
});

test('whole numbers keep to their range, which the message names', () => {
  const upTo9 = wholeNumber(1, 9);
  assert.equal(upTo9('9'), 9);
  for (const bad of ['0', '10', '1.5', '-1', '1e1', '0x2', ' 2', '', 'two']) {
    assert.throws(() => upTo9(bad), /it must be a whole number from 1 to 9/, bad);
  }
  assert.throws(() => wholeNumber(3, Number.MAX_SAFE_INTEGER)('2'), /it must be a whole number, at least 3/);
});

test('the flags of the commands have the documented defaults and limits', () => {
  assert.equal(parsed(coordinatorOption(), []), '127.0.0.1:7420');
  assert.equal(parsed(limitOption(), []), 50);
  assert.equal(parsed(stepOption(), ['--step', '0']), 0);
  assert.equal(parsed(workersOption(), ['--workers', '256']), 256);
  assert.throws(() => parsed(workersOption(), ['--workers', '257']), /from 1 to 256/);
  assert.equal(parsed(workersOption(), []), 1);
  assert.equal(parsed(slotsOption(), []), undefined);
  const cores = usualSlots(1);
  assert.ok(cores >= 2 && cores <= 16, `one per core, from 2 to 16: ${cores}`);
  assert.deepEqual([usualSlots(cores), usualSlots(1_000)], [1, 1]);
});

test('states are filtered in any case, several at once; an unknown one is refused with the list', () => {
  assert.deepEqual(parsed(stateFilterOption(), ['--state', 'running', 'Queued']), ['RUNNING', 'QUEUED']);
  assert.throws(
    () => parsed(stateFilterOption(), ['--state', 'happy']),
    /one of queued, running, paused, succeeded, failed, cancelled/,
  );
});

test('a mirror is an http folder, with or without its last slash', () => {
  assert.equal(parsed(mirrorOption(), ['--mirror', 'http://a.example/omniglot']), 'http://a.example/omniglot/');
  assert.equal(parsed(mirrorOption(), ['--mirror', 'https://a.example/x/']), 'https://a.example/x/');
  for (const bad of ['a.example', 'ftp://a.example/', 'file:///etc']) {
    assert.throws(() => parsed(mirrorOption(), ['--mirror', bad]), /it must be an http or https address/, bad);
  }
});
