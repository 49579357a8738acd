// The full set's split from the names of its 1,623 characters alone: MAML's sizes, no character twice, and the same for ever.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hashOfSplits } from '../../../learning/tasks/class-splits.ts';
import { fullSet, refuseOverlap, splitCharacters } from '../../../learning/tasks/omniglot-splits.ts';

/** Characters of each alphabet, as in Omniglot's python/images_background and python/images_evaluation. */
const alphabets: Readonly<Record<string, number>> = {
  Alphabet_of_the_Magi: 20,
  'Anglo-Saxon_Futhorc': 29,
  Arcadian: 26,
  Armenian: 41,
  'Asomtavruli_(Georgian)': 40,
  Balinese: 24,
  Bengali: 46,
  'Blackfoot_(Canadian_Aboriginal_Syllabics)': 14,
  Braille: 26,
  'Burmese_(Myanmar)': 34,
  Cyrillic: 33,
  Early_Aramaic: 22,
  Futurama: 26,
  Grantha: 43,
  Greek: 24,
  Gujarati: 48,
  Hebrew: 22,
  'Inuktitut_(Canadian_Aboriginal_Syllabics)': 16,
  'Japanese_(hiragana)': 52,
  'Japanese_(katakana)': 47,
  Korean: 40,
  Latin: 26,
  'Malay_(Jawi_-_Arabic)': 40,
  'Mkhedruli_(Georgian)': 41,
  N_Ko: 33,
  'Ojibwe_(Canadian_Aboriginal_Syllabics)': 14,
  Sanskrit: 42,
  'Syriac_(Estrangelo)': 23,
  Tagalog: 17,
  Tifinagh: 55,
  Angelic: 20,
  Atemayar_Qelisayer: 26,
  Atlantean: 26,
  'Aurek-Besh': 26,
  Avesta: 26,
  Ge_ez: 26,
  Glagolitic: 45,
  Gurmukhi: 45,
  Kannada: 41,
  Keble: 26,
  Malayalam: 47,
  Manipuri: 40,
  Mongolian: 30,
  'Old_Church_Slavonic_(Cyrillic)': 45,
  Oriya: 46,
  Sylheti: 28,
  'Syriac_(Serto)': 23,
  Tengwar: 25,
  Tibetan: 42,
  ULOG: 26,
};

const characters = Object.entries(alphabets)
  .flatMap(([alphabet, count]) =>
    Array.from({ length: count }, (_, index) => {
      const name = `${alphabet}/character${String(index + 1).padStart(2, '0')}`;
      return { alphabet, name, sha256: name };
    }),
  )
  .sort((a, b) => (a.name < b.name ? -1 : 1));

describe('the split of the full Omniglot set', () => {
  const splits = splitCharacters(characters, 'full', undefined);

  it("has MAML's 1,100 training, 100 validation and 423 test characters, each once", () => {
    assert.equal(characters.length, fullSet.characters);
    assert.deepEqual([splits.train.length, splits.validation.length, splits.test.length], [1100, 100, 423]);
    const names = [...splits.train, ...splits.validation, ...splits.test].map(({ name }) => name);
    assert.equal(new Set(names).size, 1623);
    refuseOverlap(splits);
  });

  it('is the same for ever: the hash of its class lists', () => {
    assert.equal(hashOfSplits(splits), 'e12cfbc4d04bdca97bbed7f5d15cf29824587766d7e736795a2ef160b15f18d5');
  });

  it('shuffles across alphabets: nearly every alphabet both trains and tests', () => {
    const trained = new Set(splits.train.map(({ alphabet }) => alphabet));
    const tested = new Set(splits.test.map(({ alphabet }) => alphabet));
    assert.equal(trained.size, 50);
    assert.ok(tested.size >= 48);
  });
});
