// Job files that nobody wrote in good faith: any text is accepted or refused with REQUEST_INVALID, quickly, with a message that fits
// into a gRPC header, and whatever is accepted reads back from its JSON as itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import { type JobSpec, maxSpecBytes } from '../../../shared/job-spec/index.ts';
import { maxYamlDepth, maxYamlLexemes } from '../../../shared/job-spec/yaml.ts';
import { refusalOf } from './refusal.ts';

const good = `
name: a-job
task: { distribution: sinusoid }
model: { architecture: mlp }
algorithm: { name: maml }
meta: { iterations: 10 }
`;

/** gRPC implementations refuse headers above 8 KiB; a status message is percent-encoded in one. */
function assertFitsHeader(message: string): void {
  const encoded = encodeURI(message);
  assert.ok(encoded.length < 7000, `${encoded.length} bytes`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the claim
  assert.doesNotMatch(message, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
}

/** The spec, or undefined when it was refused in the one allowed way. */
function attempt(text: string): JobSpec | undefined {
  try {
    return parseJobSpec(text);
  } catch (error) {
    assert.ok(error instanceof MetatrainError, `${JSON.stringify(text.slice(0, 200))}: ${error}`);
    assert.equal(error.code, 'REQUEST_INVALID');
    assertFitsHeader(error.message);
    return undefined;
  }
}

test('no text makes the parser throw anything but REQUEST_INVALID', () => {
  const pieces = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ':',
      ': ',
      ',',
      '- ',
      '? ',
      '\n',
      '\n  ',
      '  ',
      '"',
      "'",
      '|\n',
      '>\n',
      '#',
      '&a ',
      '*a',
      '<<: ',
    ],
    ...[
      '!!set ',
      '!x ',
      '---\n',
      '...\n',
      '%YAML 1.1\n',
      '\t',
      '\0',
      '\r',
      '\ud800',
      '\u2028',
      '😀',
      '__proto__',
      'name',
      'a',
      '1',
      '~',
      '.nan',
    ],
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(pieces).map((parts) => parts.join('')),
      ),
      (text) => {
        attempt(text);
        attempt(good + text);
      },
    ),
    { seed: 1, numRuns: 500 },
  );
});

test('no JSON value in the place of a section or a field makes the parser throw anything but REQUEST_INVALID', () => {
  const base: Record<string, unknown> = JSON.parse(JSON.stringify(parseJobSpec(good)));
  const value = fc.oneof(
    fc.jsonValue(),
    fc.double(),
    fc.bigInt().map(Number),
    fc.constantFrom('maml', 'omniglot', 'conv4', 'sgd', 'adam', 'cosine', 0, 1, -1, 0.5, 1e9, [], {}, [0, 1]),
  );
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(base)), fc.string(), value, (section, field, replacement) => {
      const inner = base[section];
      const fields = typeof inner === 'object' ? Object.keys(inner as object) : [];
      const changes = [
        replacement,
        { ...(inner as object), [field]: replacement },
        ...fields.map((key) => ({ ...(inner as object), [key]: replacement })),
      ];
      for (const change of changes) {
        const spec = attempt(JSON.stringify({ ...base, [section]: change }));
        if (spec) assert.deepEqual(parseJobSpec(JSON.stringify(spec)), spec);
      }
    }),
    { seed: 1, numRuns: 120 },
  );
});

test('brackets, dashes and errors by the ten thousand are refused without exhausting the stack or a second', () => {
  const pieces = [
    '[',
    ']',
    '{',
    '}',
    '[}',
    '[]',
    '{a: ',
    '- ',
    '? ',
    '? - ',
    '"',
    "'",
    '&a ',
    '*a ',
    '!t ',
    '%\n',
    '---\n',
    'a:\n',
    '\n:',
  ];
  const inList = [',', ': ', '"a":1,', '{a: 1}, '];
  const times = (piece: string, most: number) =>
    piece.repeat(Math.min(most, Math.floor((maxSpecBytes - 1) / piece.length)));
  const texts = [
    // As many as fit, and about as many as the limit on words lets through.
    ...[maxSpecBytes, maxYamlLexemes / 3].flatMap((most) => [
      ...pieces.map((piece) => times(piece, most)),
      ...inList.map((piece) => `[${times(piece, most)}`),
    ]),
    Array.from({ length: 4000 }, (_, i) => `k${i}:\n`).join(''),
    Array.from({ length: 350 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''),
  ];
  for (const text of texts) {
    const start = process.cpuUsage();
    refusalOf(() => parseJobSpec(text));
    const { user, system } = process.cpuUsage(start);
    // A tenth of this on the machine it was written on; without the limits some took eight seconds and one ended the process.
    assert.ok(
      (user + system) / 1e6 < 3,
      `${JSON.stringify(text.slice(0, 20))}: ${(user + system) / 1e6} s of processor`,
    );
  }
});

test('as many levels and words as the limits say are accepted, and no more', () => {
  const nested = (levels: number) => `x: ${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}`;
  assert.match(refusalOf(() => parseJobSpec(nested(maxYamlDepth))).message, /x: got an unknown field/);
  assert.match(
    refusalOf(() => parseJobSpec(nested(maxYamlDepth + 1))).message,
    new RegExp(`got collections nested too deep; accepted: at most ${maxYamlDepth} levels`),
  );
  // A document begins with two lexemes that are not in its text; a comma and a number are three.
  const list = (values: number) => `[${'1,'.repeat(values)}]`;
  assert.match(refusalOf(() => parseJobSpec(list(maxYamlLexemes / 3 - 3))).message, /accepted: a mapping of fields/);
  assert.match(
    refusalOf(() => parseJobSpec(list(maxYamlLexemes / 3 + 1))).message,
    new RegExp(`got too long a text; accepted: at most ${maxYamlLexemes} words`),
  );
});

test('aliases are refused, so no few lines grow into gigabytes', () => {
  const bomb = [
    'a0: &a0 [x, x, x, x]',
    ...Array.from({ length: 20 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}, *a${i}]`),
  ].join('\n');
  assert.match(refusalOf(() => parseJobSpec(bomb)).message, /accepted: YAML without aliases$/);
  assert.match(refusalOf(() => parseJobSpec(`${good}seed: *nothing`)).message, /accepted: YAML without aliases$/);
});

test('keys that name parts of every object are unknown fields like any other and change no object', () => {
  for (const key of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
    assert.match(
      refusalOf(() => parseJobSpec(`${good}${key}: { polluted: 1 }`)).message,
      new RegExp(`: ${key}: got an unknown field`),
    );
    assert.match(
      refusalOf(() => parseJobSpec(`${good}evaluation: { ${key}: { polluted: 1 } }`)).message,
      new RegExp(`evaluation.${key}: got an unknown field`),
    );
  }
  assert.equal('polluted' in {}, false);
});

test('YAML that is not one document with text keys, each once, is refused with its place', () => {
  const at = (text: string) =>
    refusalOf(() => parseJobSpec(text)).message.replace(/^invalid job: \(job file\): got (.*); accepted: .*$/s, '$1');
  assert.equal(at(`${good}name: b`), 'Map keys must be unique at line 7, column 1');
  assert.equal(at(`${good}---\n${good}`), 'another document at line 7, column 1');
  assert.equal(at('? {a: 1}\n: 2'), 'a key that is no text at line 1, column 3');
  assert.equal(at('\ta: 1'), 'Tabs are not allowed as indentation at line 1, column 1');
  assert.match(at('a: "x'), /^Missing closing "quote at line 1, column 6$/);
});

test('half characters, control characters and escape sequences of the input are shown as escapes', () => {
  const message = (text: string) => refusalOf(() => parseJobSpec(good + text)).message;
  assert.match(message('"\\ud800": 1'), /: \\u\{d800\}: got an unknown field/);
  assert.match(message('"\\e[31mred": 1'), /: \\u\{1b\}\[31mred: got an unknown field/);
  assert.match(message('seed: "\\x9b2J\\u202e"'), /seed: got "\\u\{9b\}2J\\u\{202e\}"; accepted: a number/);
});

test('a long value is cut between characters, and a long list of problems names how many it leaves out', () => {
  const long = refusalOf(() => parseJobSpec(`${good}seed: "${'😀'.repeat(500)}"`)).message;
  assert.match(long, /seed: got "(😀)+\.\.\.; accepted: a number$/u);
  const unknown = Array.from({ length: 500 }, (_, i) => `${'é'.repeat(50)}${i}: 1`).join('\n');
  const many = refusalOf(() => parseJobSpec(good + unknown));
  assertFitsHeader(many.message);
  const shown = many.message.split('\n').length - 2;
  assert.equal(many.message.split('\n').at(-1), `  … and ${500 - shown} more`);
  assert.equal((many.details.problems as unknown[]).length, 500);
});
