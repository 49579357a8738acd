// Reads Omniglot's official zips, which nobody need unpack:
// `<set>/<alphabet>/character<NN>/<id>_<NN>.png`, 20 drawings a character, each 105 × 105 in black and
// white. Drawings are kept as 28 × 28 bytes of ink, so the full set takes 25 MB. What does not look
// like this is refused as DATA_CORRUPT with the archive and the entry named.
import { MetatrainError } from '../../shared/errors.ts';
import { startSha256 } from '../../shared/hash.ts';
import type { Bitmap, TaskIo } from '../tasks.ts';
import { shrinkToInk } from './lanczos.ts';

/** Pixels of an image's side, as Vinyals et al. 2016 scale it. */
export const side = 28;
export const pixels = side * side;
export const drawingsPerCharacter = 20;

const limits = { maxArchiveBytes: 256 * 2 ** 20, maxEntryBytes: 65_536, maxEntries: 100_000 } as const;

type ArchiveIo = Pick<TaskIo, 'entries' | 'decodeBitmap'>;

export interface Character {
  readonly alphabet: string;
  /** `<alphabet>/character<NN>`. */
  readonly name: string;
  /** 20 × 28 × 28 bytes, in the order of their file names; 0 = paper, 255 = ink. */
  readonly drawings: Uint8Array;
  /** Of the drawings, whatever their order and names: equal for equal characters. */
  readonly sha256: string;
}

/**
 * The characters of several archives, sorted by name. An alphabet that an earlier archive has is not read again.
 *
 * @param paths archives that exist.
 * @throws MetatrainError `DATA_CORRUPT`.
 */
export async function readArchives(paths: readonly string[], io: ArchiveIo): Promise<readonly Character[]> {
  const characters: Character[] = [];
  for (const path of paths) {
    const known = new Set(characters.map(({ alphabet }) => alphabet));
    characters.push(...(await readArchive(path, known, io)));
  }
  return characters.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** SHA-256 of everything that tasks are made of: each character's name and its drawings, in order. */
export function hashOfCharacters(characters: readonly Character[]): string {
  const hash = startSha256();
  for (const { name, drawings } of characters) hash.update(`${name}\n`).update(drawings);
  return hash.hex();
}

async function readArchive(path: string, knownAlphabets: ReadonlySet<string>, io: ArchiveIo): Promise<Character[]> {
  const byCharacter = new Map<string, { file: string; ink: Uint8ClampedArray }[]>();
  try {
    for await (const { name: entry, read } of io.entries(path, limits)) {
      const match = /^[^/]+\/(?<alphabet>[^/]+)\/(?<character>character\d+)\/(?<file>[^/]+\.png)$/.exec(entry);
      if (!match?.groups) continue;
      const { alphabet, character, file } = match.groups as { alphabet: string; character: string; file: string };
      if (knownAlphabets.has(alphabet)) continue;
      const name = `${alphabet}/${character}`;
      const drawings = byCharacter.get(name) ?? [];
      byCharacter.set(name, drawings);
      try {
        drawings.push({ file, ink: inkOf(io.decodeBitmap(await read())) });
      } catch (cause) {
        throw corrupt(path, `${entry}: ${messageOf(cause)}`, cause);
      }
    }
  } catch (cause) {
    throw cause instanceof MetatrainError ? cause : corrupt(path, messageOf(cause), cause);
  }
  if (byCharacter.size === 0 && knownAlphabets.size === 0) throw corrupt(path, 'it holds no Omniglot drawing');
  return Array.from(byCharacter, ([name, drawings]) => {
    if (drawings.length !== drawingsPerCharacter) {
      throw corrupt(path, `${name} has ${drawings.length} drawings; accepted: ${drawingsPerCharacter}`);
    }
    return characterOf(name, drawings);
  });
}

function inkOf(bitmap: Bitmap): Uint8ClampedArray {
  if (bitmap.width !== 105 || bitmap.height !== 105) {
    throw new Error(`it measures ${bitmap.width} × ${bitmap.height} pixels; accepted: 105 × 105`);
  }
  return shrinkToInk(bitmap, side);
}

function characterOf(name: string, unordered: readonly { file: string; ink: Uint8ClampedArray }[]): Character {
  const inOrder = [...unordered].sort((a, b) => (a.file < b.file ? -1 : 1));
  const drawings = new Uint8Array(drawingsPerCharacter * pixels);
  for (const [index, { ink }] of inOrder.entries()) drawings.set(ink, index * pixels);
  const hashes = inOrder.map(({ ink }) => startSha256().update(ink).hex()).sort();
  const sha256 = startSha256().update(hashes.join()).hex();
  return { alphabet: name.slice(0, name.indexOf('/')), name, drawings, sha256 };
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function corrupt(path: string, what: string, cause?: unknown): MetatrainError {
  return new MetatrainError('DATA_CORRUPT', `${path} is not a whole Omniglot archive: ${what}`, {
    details: { path },
    cause,
  });
}
