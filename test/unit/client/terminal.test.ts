// The two streams of a command: what is redrawn in place on a terminal, and what is printed once elsewhere.
import assert from 'node:assert/strict';
import test from 'node:test';
import { type OutputStream, Terminal } from '../../../client/cli/terminal.ts';

class Screen implements OutputStream {
  readonly isTTY: boolean;
  readonly columns?: number;
  text = '';

  constructor(columns?: number) {
    this.isTTY = columns !== undefined;
    if (columns !== undefined) this.columns = columns;
  }

  write(text: string): void {
    this.text += text;
  }

  /** The lines that a person sees: the cursor moves up and what is below it goes, nothing else is understood. */
  get visible(): string[] {
    const lines: string[] = [];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a terminal is told.
    for (const piece of this.text.split(/(\u001b\[\d+A\u001b\[0J)/)) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
      const up = /^\u001b\[(\d+)A/.exec(piece)?.[1];
      if (up !== undefined) lines.splice(lines.length - Number(up));
      else lines.push(...piece.split('\n').slice(0, -1));
    }
    return lines;
  }
}

function terminalWith(columns: number | undefined, environment: Readonly<Record<string, string>> = {}) {
  const [stdout, stderr] = [new Screen(columns), new Screen(columns)];
  const clock = { now: 1_000 };
  const terminal = new Terminal({ stdout, stderr, environment, now: () => clock.now });
  return { terminal, stdout, stderr, clock };
}

test('on a terminal a progress line is redrawn in place, and notes stay above it', () => {
  const { terminal, stderr, clock } = terminalWith(80);
  terminal.progress('a', () => 'a 1 %');
  clock.now += 100;
  terminal.progress('a', () => 'a 2 %');
  terminal.note('evaluated');
  clock.now += 100;
  terminal.progress('a', () => 'a 3 %');
  assert.deepEqual(stderr.visible, ['evaluated', 'a 3 %']);
  terminal.endProgress('a');
  assert.deepEqual(stderr.visible, ['evaluated']);
});

test('two jobs have a live line each; the end of one leaves the other', () => {
  const { terminal, stderr, clock } = terminalWith(80);
  terminal.progress('a', () => 'a');
  clock.now += 100;
  terminal.progress('b', () => 'b');
  assert.deepEqual(stderr.visible, ['a', 'b']);
  terminal.endProgress('a');
  assert.deepEqual(stderr.visible, ['b']);
  terminal.endProgress('a');
  assert.deepEqual(stderr.visible, ['b'], 'to end twice is to end');
});

test('a result goes to stdout, and the live line is not left in its way', () => {
  const { terminal, stdout, stderr } = terminalWith(80);
  terminal.progress('a', () => 'a 1 %');
  terminal.endProgress('a');
  terminal.print('the result');
  assert.deepEqual(stdout.visible, ['the result']);
  assert.deepEqual(stderr.visible, []);
});

test('live lines are told one column less than there is, so that none wraps', () => {
  const { terminal, stderr } = terminalWith(40);
  terminal.progress('a', (width) => '#'.repeat(width));
  assert.deepEqual(stderr.visible, ['#'.repeat(39)]);
});

test('a live line is redrawn at most every 80 ms, and then with the newest text', () => {
  const { terminal, stderr, clock } = terminalWith(80);
  for (let percent = 0; percent < 50; percent += 1) {
    terminal.progress('a', () => `a ${percent} %`);
    clock.now += 4;
  }
  assert.ok(stderr.text.split('\u001b[0J').length - 1 <= 3, stderr.text);
  terminal.note('news');
  assert.deepEqual(stderr.visible, ['news', 'a 49 %'], 'a note redraws the newest');
});

test('without a terminal progress is a plain line every 10 s, never cut, never erased', () => {
  const { terminal, stderr, clock } = terminalWith(undefined);
  for (let second = 0; second <= 25; second += 1) {
    terminal.progress('a', (width) => `a ${second} s, width ${width}`);
    clock.now += 1_000;
  }
  terminal.endProgress('a');
  assert.equal(stderr.text, 'a 0 s, width Infinity\na 10 s, width Infinity\na 20 s, width Infinity\n');
});

test('TERM=dumb is no terminal to redraw on', () => {
  const { terminal, stderr } = terminalWith(80, { TERM: 'dumb' });
  terminal.progress('a', () => 'a');
  terminal.note('b');
  assert.equal(stderr.text, 'a\nb\n');
});

test('colour is for terminals; NO_COLOR forbids it and FORCE_COLOR asks for it', () => {
  const bold = (columns: number | undefined, environment: Readonly<Record<string, string>>) =>
    terminalWith(columns, environment).terminal.style.bold('x') !== 'x';
  assert.equal(bold(80, {}), true);
  assert.equal(bold(undefined, {}), false);
  assert.equal(bold(80, { TERM: 'dumb' }), false);
  assert.equal(bold(80, { NO_COLOR: '1' }), false);
  assert.equal(bold(80, { NO_COLOR: '' }), true, 'an empty NO_COLOR is none (no-color.org)');
  assert.equal(bold(undefined, { FORCE_COLOR: '1' }), true);
  assert.equal(bold(undefined, { FORCE_COLOR: '0' }), false);
  assert.equal(bold(undefined, { FORCE_COLOR: '1', NO_COLOR: '1' }), false);
});

test('more than ASCII is for terminals and locales that have it; a locale that is not set forbids nothing', () => {
  const hasUnicode = (environment: Readonly<Record<string, string>>) =>
    terminalWith(80, environment).terminal.hasUnicode;
  assert.equal(hasUnicode({}), true);
  assert.equal(hasUnicode({ LANG: 'de_DE.UTF-8' }), true);
  assert.equal(hasUnicode({ LANG: 'de_DE.UTF-8', LC_ALL: 'C' }), false, 'LC_ALL overrules');
  assert.equal(hasUnicode({ LANG: 'C.utf8', LC_ALL: '' }), true);
  assert.equal(hasUnicode({ LANG: 'C.UTF-8', TERM: 'linux' }), false);
});

test('JSON is one line, whatever the value holds', () => {
  const { terminal, stdout } = terminalWith(undefined);
  terminal.printJson({ message: 'two\nlines' });
  assert.equal(stdout.text, '{"message":"two\\nlines"}\n');
});
