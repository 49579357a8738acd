// Tables of tokens: what sentences become, from small texts whose tables can be worked out by hand.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { csvRows } from '../../../learning/tasks/csv.ts';
import { makeTokenTable, unknown, wordsOf } from '../../../learning/tasks/token-table.ts';

describe('a table of pieces', () => {
  // The words of the paper's example (Sennrich et al. 2016, §3.2): low × 5, lower × 2, newest × 6,
  // widest × 3.
  const text = [
    ...Array(5).fill('low'),
    ...Array(2).fill('lower'),
    ...Array(6).fill('newest'),
    ...Array(3).fill('widest'),
  ];
  const pieces = (table: ReturnType<typeof makeTokenTable>, word: string) =>
    table.encode(word).map((token) => table.entries[token - 2] ?? '?');

  it('merges the most frequent neighbours first', () => {
    const characters = makeTokenTable('pieces', 16, text).entries;
    // by count: e 17, s, t and w … 9; equal counts by code units; ▁ stands at the beginning of a word
    assert.deepEqual(characters.slice(0, 3), ['e', 'w', 's']);
    const table = makeTokenTable('pieces', 60, text);
    assert.ok(table.entries.includes('es') && table.entries.includes('est'));
    assert.deepEqual(pieces(table, 'newest'), ['▁newest']);
    assert.deepEqual(pieces(table, 'low'), ['▁low']);
  });

  it('reads a word that it never saw in pieces that it saw, and a character that it never saw as unknown', () => {
    const table = makeTokenTable('pieces', 60, text);
    assert.deepEqual(pieces(table, 'lowest'), ['▁low', 'est']);
    assert.deepEqual(table.encode('low q').slice(-1), [unknown]);
  });

  it('is no larger than its size, and ends when no pair is met twice', () => {
    assert.equal(makeTokenTable('pieces', 20, text).entries.length, 18);
    assert.ok(makeTokenTable('pieces', 16_384, text).entries.length < 40);
    assert.ok(!makeTokenTable('pieces', 100, ['xy']).entries.includes('▁xy'));
  });

  it('is a function of how often words come, not of their order', () => {
    const [a, b] = [text, [...text].reverse()].map((sentences) => makeTokenTable('pieces', 20, sentences).sha256);
    assert.equal(a, b);
    assert.notEqual(makeTokenTable('pieces', 21, text).sha256, a);
    assert.notEqual(makeTokenTable('words', 20, text).sha256, a);
  });
});

describe('a table of words', () => {
  it('has the most frequent ones, and the others are unknown', () => {
    const table = makeTokenTable('words', 16, ['b a b', 'c b a', ...Array.from({ length: 20 }, (_, i) => `x${i}y`)]);
    assert.deepEqual(table.entries.slice(0, 2), ['x', 'y']);
    assert.equal(table.entries.length, 14);
    assert.deepEqual(table.encode('x never'), [2, unknown]);
  });
});

it('words are letters with their marks, digits, and signs by themselves, in lower case', () => {
  assert.deepEqual(wordsOf("What's my VISA's limit, $1,500?"), [
    "what's",
    'my',
    "visa's",
    'limit',
    ',',
    '$',
    '1',
    ',',
    '500',
    '?',
  ]);
  assert.deepEqual(wordsOf('ＡＢ Café\u0301 東京'), ['ab', 'café\u0301'.normalize('NFKC'), '東京']);
  assert.deepEqual(wordsOf('  '), []);
});

describe('comma-separated values', () => {
  const rows = (text: string) => [...csvRows(text)].map(({ fields }) => fields);

  it('have fields in quotes with commas, line breaks and quotes in them', () => {
    assert.deepEqual(rows('\ufeffa,b\r\n"1, 2","say ""no"""\n"two\r\nlines",\n\nlast,x'), [
      ['a', 'b'],
      ['1, 2', 'say "no"'],
      ['two\r\nlines', ''],
      ['last', 'x'],
    ]);
    assert.deepEqual(rows(''), []);
    assert.deepEqual(rows('a,b\rc,'), [
      ['a', 'b'],
      ['c', ''],
    ]);
  });

  it('know the line of each row', () => {
    assert.deepEqual(
      [...csvRows('a\n"b\nc"\n\nd')].map(({ line }) => line),
      [1, 2, 5],
    );
  });

  it('are refused with the line of a quote that stands alone', () => {
    assert.throws(() => rows('a,b\nc "d",e'), { message: 'line 2: a quote inside a field, or one that is not closed' });
    assert.throws(() => rows('a\n"b'), { message: 'line 2: a quote inside a field, or one that is not closed' });
    assert.throws(() => rows('"a"b'), { message: 'line 1: text after a closing quote' });
  });
});
