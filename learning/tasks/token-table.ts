// From sentences to tokens, by a table that is made of training sentences alone. `words`: the most
// frequent words. `pieces`: the most frequent characters, then what the most frequent neighbours
// make together, again and again (byte-pair encoding, Sennrich, Haddow & Birch 2016, algorithm 1),
// so that a word that training never saw is still read in pieces. A function of the sentences
// alone: ties are broken by code units.
import { startSha256 } from '../../shared/hash.ts';

export type TokenUnit = 'pieces' | 'words';

/** Token 0: nothing, after a sentence's end. */
export const padding = 0;
/** Token 1: what the table does not have. */
export const unknown = 1;
const firstToken = 2;

/** Before a piece at the beginning of a word. */
const wordStart = '▁';

export interface TokenTable {
  readonly unit: TokenUnit;
  /** By token, from 2. */
  readonly entries: readonly string[];
  readonly sha256: string;
  /** The sentence's tokens, as many as there are. */
  encode(sentence: string): readonly number[];
}

/** Letters with their marks, digits, and every other sign for itself; in lower case, in Unicode's form NFKC. */
export const wordsOf = (sentence: string): readonly string[] =>
  sentence
    .normalize('NFKC')
    .toLowerCase()
    .match(/[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)*|\p{N}+|[^\s\p{L}\p{M}\p{N}]/gu) ?? [];

/** @param size tokens at most, the two that stand for nothing and for what is unknown among them. */
export function makeTokenTable(unit: TokenUnit, size: number, sentences: Iterable<string>): TokenTable {
  const counts = new Map<string, number>();
  for (const sentence of sentences) for (const word of wordsOf(sentence)) add(counts, word, 1);
  return unit === 'words' ? tableOfWords(counts, size) : tableOfPieces(counts, size);
}

function tableOfWords(counts: ReadonlyMap<string, number>, size: number): TokenTable {
  const entries = mostFrequent(counts).slice(0, size - firstToken);
  const tokens = tokensOf(entries);
  return {
    unit: 'words',
    entries,
    sha256: hashOf('words', entries),
    encode: (sentence) => wordsOf(sentence).map((word) => tokens.get(word) ?? unknown),
  };
}

const charactersOf = (word: string): string[] =>
  [...word].map((character, at) => (at === 0 ? wordStart + character : character));

function tableOfPieces(counts: ReadonlyMap<string, number>, size: number): TokenTable {
  const words = Array.from(counts, ([word, count]) => ({ pieces: charactersOf(word), count }));
  const characters = new Map<string, number>();
  for (const { pieces, count } of words) for (const piece of pieces) add(characters, piece, count);
  const entries = mostFrequent(characters).slice(0, size - firstToken);
  const ranks = new Map<string, number>();
  const taken = new Set(entries);
  const pairs = new Pairs(words);
  while (entries.length < size - firstToken) {
    const pair = pairs.mostFrequent();
    if (pair === undefined) break;
    ranks.set(pair, ranks.size);
    // the same piece can come of two pairs
    const merged = pair.replace(pairMark, '');
    if (!taken.has(merged)) entries.push(merged);
    taken.add(merged);
    pairs.merge(pair);
  }
  const tokens = tokensOf(entries);
  const known = new Map<string, readonly number[]>();
  const encodeWord = (word: string): readonly number[] => {
    const found = known.get(word);
    if (found) return found;
    const encoded = mergeByRank(charactersOf(word), ranks).map((piece) => tokens.get(piece) ?? unknown);
    if (known.size < maxKnownWords) known.set(word, encoded);
    return encoded;
  };
  return {
    unit: 'pieces',
    entries,
    sha256: hashOf('pieces', [...entries, ...ranks.keys()]),
    encode: (sentence) => wordsOf(sentence).flatMap(encodeWord),
  };
}

const maxKnownWords = 100_000;
/** Between the two pieces of a pair; no word contains it. */
const pairMark = '\n';
/** A pair that is met once says nothing. */
const leastCount = 2;

interface Word {
  pieces: string[];
  readonly count: number;
}

/** How often two pieces stand beside each other, kept up to date while pairs become pieces. */
class Pairs {
  readonly #counts = new Map<string, number>();
  readonly #words = new Map<string, Set<Word>>();

  constructor(words: readonly Word[]) {
    for (const word of words) this.#count(word, 1);
  }

  #count(word: Word, sign: 1 | -1): void {
    for (const pair of pairsOf(word.pieces)) {
      add(this.#counts, pair, sign * word.count);
      if (this.#counts.get(pair) === 0) this.#counts.delete(pair);
      const among = this.#words.get(pair);
      if (among) among.add(word);
      else this.#words.set(pair, new Set([word]));
    }
  }

  mostFrequent(): string | undefined {
    let best: string | undefined;
    let most = leastCount - 1;
    for (const [pair, count] of this.#counts) {
      if (count < most || (count === most && (best === undefined || pair >= best))) continue;
      [best, most] = [pair, count];
    }
    return best;
  }

  merge(pair: string): void {
    const words = this.#words.get(pair) ?? [];
    this.#words.delete(pair);
    for (const word of words) {
      this.#count(word, -1);
      word.pieces = mergePair(word.pieces, pair);
      this.#count(word, 1);
    }
    this.#counts.delete(pair);
    this.#words.delete(pair);
  }
}

const pairsOf = (pieces: readonly string[]): string[] =>
  pieces.slice(1).map((piece, at) => `${pieces[at]!}${pairMark}${piece}`);

function mergePair(pieces: readonly string[], pair: string): string[] {
  const merged: string[] = [];
  for (let at = 0; at < pieces.length; at++) {
    const isPair = at + 1 < pieces.length && `${pieces[at]!}${pairMark}${pieces[at + 1]!}` === pair;
    merged.push(isPair ? `${pieces[at]!}${pieces[++at]!}` : pieces[at]!);
  }
  return merged;
}

/** The pair that became a piece first is merged first, as when the table was made. */
function mergeByRank(characters: string[], ranks: ReadonlyMap<string, number>): string[] {
  let pieces = characters;
  for (;;) {
    const known = pairsOf(pieces).filter((pair) => ranks.has(pair));
    if (known.length === 0) return pieces;
    const first = known.reduce((a, b) => (ranks.get(b)! < ranks.get(a)! ? b : a));
    pieces = mergePair(pieces, first);
  }
}

const add = (counts: Map<string, number>, key: string, count: number): void => {
  counts.set(key, (counts.get(key) ?? 0) + count);
};

const mostFrequent = (counts: ReadonlyMap<string, number>): string[] =>
  [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([key]) => key);

const tokensOf = (entries: readonly string[]): ReadonlyMap<string, number> =>
  new Map(entries.map((entry, at) => [entry, firstToken + at]));

function hashOf(unit: TokenUnit, lines: readonly string[]): string {
  return startSha256()
    .update(`token table 1, ${unit}\n${lines.join('\0')}`)
    .hex();
}
