// Reads Omniglot's official zips, which nobody need unpack:
// `<set>/<alphabet>/character<NN>/<id>_<NN>.png`, 20 drawings a character, each 105 × 105 in black and
// white. Drawings are kept as 28 × 28 bytes of ink, so the full set takes 25 MB. What does not look
// like this is refused as DATA_CORRUPT with the archive and the entry named; so is an entry whose
// checksum is not the one that the archive records.
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { inflateRawSync } from 'node:zlib';
import yauzl, { type Entry } from 'yauzl';
import { MetatrainError } from '../../../shared/errors.ts';
import { omniglotSide } from '../../../shared/job-spec/task-shape.ts';
import { decodeBitmapPng } from './bitmap-png.ts';
import { crc32 } from './crc32.ts';
import { shrinkToInk } from './lanczos.ts';

export const side = omniglotSide;
export const pixels = side * side;
export const drawingsPerCharacter = 20;

const maxArchiveBytes = 256 * 2 ** 20;
const maxEntryBytes = 65_536;
const maxEntries = 100_000;
const stored = 0;
const deflated = 8;

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
export async function readArchives(paths: readonly string[]): Promise<readonly Character[]> {
  const characters: Character[] = [];
  for (const path of paths) {
    const known = new Set(characters.map(({ alphabet }) => alphabet));
    characters.push(...(await readArchive(path, known)));
  }
  return characters.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** SHA-256 of everything that tasks are made of: each character's name and its drawings, in order. */
export function hashOfCharacters(characters: readonly Character[]): string {
  const hash = createHash('sha256');
  for (const { name, drawings } of characters) hash.update(`${name}\n`).update(drawings);
  return hash.digest('hex');
}

async function readArchive(path: string, knownAlphabets: ReadonlySet<string>): Promise<Character[]> {
  const { size } = await stat(path);
  if (size > maxArchiveBytes) throw corrupt(path, `it has ${size} bytes; accepted: at most ${maxArchiveBytes}`);
  const archive = await readFile(path);
  const byCharacter = new Map<string, { file: string; ink: Uint8ClampedArray }[]>();
  for await (const { fileName, read } of entriesOf(archive, path)) {
    const match = /^[^/]+\/(?<alphabet>[^/]+)\/(?<character>character\d+)\/(?<file>[^/]+\.png)$/.exec(fileName);
    if (!match?.groups) continue;
    const { alphabet, character, file } = match.groups as { alphabet: string; character: string; file: string };
    if (knownAlphabets.has(alphabet)) continue;
    const name = `${alphabet}/${character}`;
    const drawings = byCharacter.get(name) ?? [];
    byCharacter.set(name, drawings);
    try {
      drawings.push({ file, ink: inkOf(await read()) });
    } catch (cause) {
      throw corrupt(path, `${fileName}: ${messageOf(cause)}`, cause);
    }
  }
  if (byCharacter.size === 0 && knownAlphabets.size === 0) throw corrupt(path, 'it holds no Omniglot drawing');
  return Array.from(byCharacter, ([name, drawings]) => {
    if (drawings.length !== drawingsPerCharacter) {
      throw corrupt(path, `${name} has ${drawings.length} drawings; accepted: ${drawingsPerCharacter}`);
    }
    return characterOf(name, drawings);
  });
}

function inkOf(png: Buffer): Uint8ClampedArray {
  const bitmap = decodeBitmapPng(png);
  if (bitmap.width !== 105 || bitmap.height !== 105) {
    throw new Error(`it measures ${bitmap.width} × ${bitmap.height} pixels; accepted: 105 × 105`);
  }
  return shrinkToInk(bitmap, side);
}

function characterOf(name: string, unordered: readonly { file: string; ink: Uint8ClampedArray }[]): Character {
  const inOrder = [...unordered].sort((a, b) => (a.file < b.file ? -1 : 1));
  const drawings = new Uint8Array(drawingsPerCharacter * pixels);
  for (const [index, { ink }] of inOrder.entries()) drawings.set(ink, index * pixels);
  const hashes = inOrder.map(({ ink }) => createHash('sha256').update(ink).digest('hex')).sort();
  const sha256 = createHash('sha256').update(hashes.join()).digest('hex');
  return { alphabet: name.slice(0, name.indexOf('/')), name, drawings, sha256 };
}

interface ArchiveEntry {
  readonly fileName: string;
  read(): Promise<Buffer>;
}

/** Entries are inflated from the archive in memory: yauzl's stream per entry would take longer than all the rest. */
async function* entriesOf(archive: Buffer, path: string): AsyncGenerator<ArchiveEntry> {
  try {
    const zip = await yauzl.fromBufferPromise(archive);
    if (zip.entryCount > maxEntries)
      throw new Error(`it has ${zip.entryCount} entries; accepted: at most ${maxEntries}`);
    for await (const entry of zip.eachEntry()) {
      const read = async () => {
        const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
        return contentOf(entry, archive.subarray(fileDataStart, fileDataStart + entry.compressedSize));
      };
      yield { fileName: entry.fileName, read };
    }
  } catch (cause) {
    throw cause instanceof MetatrainError ? cause : corrupt(path, messageOf(cause), cause);
  }
}

function contentOf(entry: Entry, compressed: Buffer): Buffer {
  if (entry.uncompressedSize > maxEntryBytes) {
    throw new Error(`it has ${entry.uncompressedSize} bytes; accepted: at most ${maxEntryBytes}`);
  }
  const content = unpack(entry, compressed);
  const checksum = crc32(content);
  if (checksum !== entry.crc32) {
    throw new Error(`its CRC-32 is ${hexOf(checksum)}; the archive records ${hexOf(entry.crc32)}`);
  }
  return content;
}

function unpack({ compressionMethod }: Entry, compressed: Buffer): Buffer {
  switch (compressionMethod) {
    case stored:
      return compressed;
    case deflated:
      return inflateRawSync(compressed, { maxOutputLength: maxEntryBytes });
    default:
      throw new Error(`compression method ${compressionMethod}; accepted: ${stored} (stored), ${deflated} (deflated)`);
  }
}

const hexOf = (checksum: number): string => checksum.toString(16).padStart(8, '0');

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function corrupt(path: string, what: string, cause?: unknown): MetatrainError {
  return new MetatrainError('DATA_CORRUPT', `${path} is not a whole Omniglot archive: ${what}`, {
    details: { path },
    cause,
  });
}
