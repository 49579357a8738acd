// Which characters train, validate and test. Pure. A split is a function of the characters' names alone, never of the job's seed or of
// chance, and is described with a hash of its class lists. It refuses a split whose evaluation would show a class of training under any name.
import { MetatrainError } from '../../shared/errors.ts';
import { taskRng } from '../../shared/rng.ts';
import type { Split } from '../tasks.ts';
import type { Character } from './omniglot-archive.ts';

/** Alphabets of the splits, where the job file names them. */
export interface NamedAlphabets {
  readonly train: readonly string[];
  readonly validation?: readonly string[] | undefined;
  readonly test: readonly string[];
}

export type OmniglotSet = 'full' | 'small';

/** What a split is made of; a character's drawings are not looked at here. */
export type NamedCharacter = Pick<Character, 'alphabet' | 'name' | 'sha256'>;

export type Splits<C extends NamedCharacter> = Readonly<Record<Split, readonly C[]>>;

/** Characters of the full set (964 background, 659 evaluation), and how MAML cut them (Finn et al. 2017, §5.2, and its code): the rest, 423, tests. */
export const fullSet = { characters: 1623, train: 1100, validation: 100 } as const;

/**
 * Test alphabets of the small background sets; all others train. These sets have no validation split: their 8 alphabets are few, and
 * holding one out would take it from every job, also from those that never validate. `task.alphabets` names one where it is wanted.
 */
export const smallSetTest: readonly string[] = ['Early_Aramaic', 'Tagalog'];

/** Seed of the one shuffle that cuts the full set. MAML's own order depends on the file system's, so this one is ours. */
const shuffleSeed = 1;

/**
 * @param characters sorted by name.
 * @throws MetatrainError `REQUEST_INVALID` for an unknown alphabet, `DATA_CORRUPT` when the full set has not its 1,623 characters.
 */
export function splitCharacters<C extends NamedCharacter>(
  characters: readonly C[],
  set: OmniglotSet,
  alphabets: NamedAlphabets | undefined,
): Splits<C> {
  if (alphabets) {
    return {
      train: ofAlphabets(characters, alphabets.train, 'train'),
      validation: ofAlphabets(characters, alphabets.validation ?? [], 'validation'),
      test: ofAlphabets(characters, alphabets.test, 'test'),
    };
  }
  if (set === 'small') {
    const isTest = ({ alphabet }: C) => smallSetTest.includes(alphabet);
    return {
      train: characters.filter((character) => !isTest(character)),
      validation: [],
      test: characters.filter(isTest),
    };
  }
  if (characters.length !== fullSet.characters) {
    throw new MetatrainError(
      'DATA_CORRUPT',
      `the full Omniglot set has ${fullSet.characters} characters; its archives hold ${characters.length}`,
    );
  }
  const order = taskRng(shuffleSeed, 'omniglot split', 0).sample(characters.length, characters.length);
  const cut = (from: number, to?: number) => order.slice(from, to).map((index) => characters[index]!);
  const validationEnd = fullSet.train + fullSet.validation;
  return { train: cut(0, fullSet.train), validation: cut(fullSet.train, validationEnd), test: cut(validationEnd) };
}

function ofAlphabets<C extends NamedCharacter>(characters: readonly C[], names: readonly string[], split: Split): C[] {
  const known = [...new Set(characters.map(({ alphabet }) => alphabet))];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new MetatrainError(
      'REQUEST_INVALID',
      `task.alphabets.${split}: got ${unknown.join(', ')}; accepted: ${known.join(', ')}`,
      { details: { field: `task.alphabets.${split}`, got: unknown, accepted: known } },
    );
  }
  return characters.filter(({ alphabet }) => names.includes(alphabet));
}

/**
 * Characters are compared by their drawings: one that stands in the archives twice, under two names, is one character.
 *
 * @throws MetatrainError `REQUEST_INVALID` naming the characters that two splits share, whichever the job evaluates on.
 */
export function refuseOverlap(splits: Splits<NamedCharacter>): void {
  for (const [earlier, later] of [
    ['train', 'validation'],
    ['train', 'test'],
    ['validation', 'test'],
  ] as const) {
    const names = new Map(splits[earlier].map(({ name, sha256 }) => [sha256, name]));
    const seen = splits[later].flatMap(({ name, sha256 }) => {
      const other = names.get(sha256);
      return other === undefined ? [] : [other === name ? name : `${name} (as ${other})`];
    });
    if (seen.length === 0) continue;
    const some = seen.length > 5 ? `${seen.slice(0, 5).join(', ')} and ${seen.length - 5} more` : seen.join(', ');
    throw new MetatrainError(
      'REQUEST_INVALID',
      `task.alphabets: the ${later} split would show characters of the ${earlier} split: ${some}; accepted: splits that share no character`,
      { details: { field: 'task.alphabets', splits: [earlier, later], characters: seen } },
    );
  }
}
