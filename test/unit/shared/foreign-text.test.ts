// Text of other processes: what may reach a terminal, and what JSON keeps.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  boundText,
  excerpt,
  printable,
  printableJson,
  printableLines,
  printableRecord,
} from '../../../shared/foreign-text.ts';
import { linePrinter } from '../../../shared/log.ts';

const commands = {
  'sets the title': ['\u001b]0;owned\u0007', '\\u{1b}]0;owned\\u{7}'],
  'clears the screen': ['\u001b[2J', '\\u{1b}[2J'],
  'is an 8-bit control': ['\u009b2J', '\\u{9b}2J'],
  deletes: ['\u007f', '\\u{7f}'],
  'goes back to the start of the line': ['done\rfail', 'done\\u{d}fail'],
  'reverses what follows': ['\u202efoo', '\\u{202e}foo'],
  'isolates what follows': ['\u2066a\u2069', '\\u{2066}a\\u{2069}'],
  'marks a direction': ['\u200e\u200f\u061c', '\\u{200e}\\u{200f}\\u{61c}'],
  'is not seen': ['a\u200bb\ufeff', 'a\\u{200b}b\\u{feff}'],
  'separates lines': ['a\u2028b\u2029', 'a\\u{2028}b\\u{2029}'],
  'is half a character': ['\ud800', '\\u{d800}'],
} as const;

for (const [what, [text, expected]] of Object.entries(commands)) {
  test(`text that ${what} is escaped`, () => {
    assert.equal(printable(text), expected);
    assert.equal(printableLines(text), expected);
  });
}

test('letters, accents, symbols and emoji of any script stay as they are', () => {
  const text = 'θ ± 95 % café Ω 日本語 עברית 😀 …';
  assert.equal(printable(text), text);
});

test('only text that is laid out in lines keeps its line breaks', () => {
  assert.equal(printable('a\n\tb'), 'a\\u{a}\\u{9}b');
  assert.equal(printableLines('a\n\tb'), 'a\n\tb');
});

test('an excerpt is cut after what it escapes, and says so', () => {
  assert.equal(excerpt('\u001b\u001b\u001b', 10), '\\u{1b}\\u{1b}\\u{1b}');
  assert.equal(excerpt('a'.repeat(1_000_000), 10), 'aaaaaaa...');
});

test('text is bounded in bytes of UTF-8, never cut inside a character, and says how long it was', () => {
  assert.equal(boundText('short', 64), 'short');
  const exact = '日'.repeat(10);
  assert.equal(boundText(exact, 30), exact, 'what just fits stays whole');
  for (const character of ['a', 'é', '日', '😀', '\ud800']) {
    for (const maxBytes of [64, 65, 66, 67]) {
      const text = character.repeat(1_000_000);
      const bound = boundText(text, maxBytes);
      assert.ok(Buffer.byteLength(bound) <= maxBytes, `${Buffer.byteLength(bound)} bytes of ${maxBytes}`);
      assert.match(bound, new RegExp(`^(${character})+ … \\(${text.length} characters\\)$`, 'u'));
    }
  }
});

test('a record is escaped to its last leaf, keys included; numbers and dates stay', () => {
  const at = new Date(0);
  const record = { 'k\u001b': [{ text: '\u009b' }, 1, null, undefined, at] };
  assert.deepEqual(printableRecord(record), { 'k\\u{1b}': [{ text: '\\u{9b}' }, 1, null, undefined, at] });
});

test('JSON without a control character is the same value', () => {
  const value = { 'key\u009b': 'a\u001b\u007f\u009b\u202e\u2028\u{e0001}\n' };
  const json = printableJson(JSON.stringify(value));
  assert.equal(json, printable(json));
  assert.deepEqual(JSON.parse(json), value);
});

test('a readable log line holds no command to the terminal, whatever was logged', () => {
  const print = linePrinter(false);
  const [, hostile] = ['', '\u001b[2J\u009b31m\u202e\nfake line'];
  const err = { type: 'Error', message: hostile, stack: `Error: ${hostile}\n    at here` };
  const line = print(JSON.stringify({ level: 'warn', component: 'worker', msg: hostile, workerId: hostile, err }));
  assert.equal(line, printableLines(line));
  assert.match(line, /fake line/);
  assert.equal(print(`no JSON ${hostile}`), `no JSON ${printableLines(hostile)}`);
});
