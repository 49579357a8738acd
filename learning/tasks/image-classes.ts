// Reads a folder of images by class, `<class>/<image>`, `<split>/<class>/<image>`, or
// `images/<image>` with a list of each split, or a zip archive of one; all images are resized to
// one size. Files are hashed each time; decoding is done once, and its bytes are kept by a key that
// every file and the format enter. What is not such a folder is refused as DATA_CORRUPT with its
// path.
import { MetatrainError } from '../../shared/errors.ts';
import { startSha256 } from '../../shared/hash.ts';
import { formatBytes, formatCount } from '../../shared/numbers.ts';
import {
  type FolderEntry,
  type Image,
  type Split,
  splits as splitNames,
  type TaskClass,
  type TaskIo,
} from '../tasks.ts';
import { csvRows } from './csv.ts';
import { type FilterName, resize, toColour, toGrey } from './resample.ts';

export interface ImageFormat {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  readonly filter: FilterName;
}

export interface ImageClass extends TaskClass {
  /** The split whose folder holds it; undefined where the folder has no such folders. */
  readonly split: Split | undefined;
  /** Paths inside the folder, sorted. */
  readonly files: readonly string[];
  /** Of each file's pixels, as it is resized. */
  readonly hashes: readonly string[];
  /** height × width × channels bytes an image, one after another. */
  readonly pixels: Uint8Array;
}

export interface ImageFolder {
  /** Sorted by split and name; each has an image. */
  readonly classes: readonly ImageClass[];
  /** Over every file's path inside the folder and its pixels, in order. */
  readonly sha256: string;
}

export const limits = {
  fileBytes: 32 * 2 ** 20,
  /** Of an image before it is resized. */
  pixels: 2 ** 25,
  /** Of the whole folder, resized. */
  decodedBytes: 2 * 2 ** 30,
} as const;

/** Of a zip archive, which is read as a whole. */
const archiveLimits = { maxArchiveBytes: 2 ** 30, maxEntryBytes: limits.fileBytes, maxEntries: 1_000_000 } as const;

/** Changes when the bytes that are made of a file do, besides what the decoders say of themselves. */
const version = 1;

interface Found {
  readonly name: string;
  readonly split: Split | undefined;
  readonly files: readonly string[];
}

/** The files of a folder, wherever they are; paths are inside it. */
interface ImageFiles {
  /** Of the folder, for error messages. */
  readonly path: string;
  list(folder: string): Promise<readonly FolderEntry[]>;
  read(file: string): Promise<Uint8Array>;
}

/**
 * @param isArchive the path is that of a zip archive instead of a folder.
 * @throws MetatrainError `DATA_CORRUPT`, `REQUEST_INVALID` when the images take too much memory.
 */
export async function readImageFolder(
  path: string,
  isArchive: boolean,
  format: ImageFormat,
  io: TaskIo,
): Promise<ImageFolder> {
  const from = isArchive ? await inArchive(path, io) : inFolder(path, io);
  const found = await findClasses(from);
  const files = found.flatMap((one) => one.files);
  if (files.length === 0) throw corrupt(path, 'it has no images; accepted: folders of PNG and JPEG files, one a class');
  const imageBytes = format.height * format.width * format.channels;
  refuseTooMuch(files.length, imageBytes);
  const sources = await hashFiles(from, files);
  const { height, width, channels, filter } = format;
  const key = startSha256().update(
    `images ${version}, ${io.imageDecoders()}, ${height} × ${width} × ${channels}, ${filter}\n`,
  );
  for (const [index, file] of files.entries()) key.update(`${file}\0${sources[index]}\n`);
  const keyHex = key.hex();
  return io.cached(`images ${keyHex}`, async () => {
    const pixels = await io.kept(keyHex, files.length * imageBytes, () => decodeAll(from, files, sources, format, io));
    return folderOf(found, pixels, imageBytes);
  });
}

function inFolder(path: string, io: TaskIo): ImageFiles {
  return {
    path,
    list: (folder) => io.list(folder === '' ? path : `${path}/${folder}`),
    read: (file) => io.readFile(`${path}/${file}`, limits.fileBytes),
  };
}

/** A folder that holds all others stands for the archive itself. */
async function inArchive(path: string, io: TaskIo): Promise<ImageFiles> {
  const files = new Map<string, () => Promise<Uint8Array>>();
  try {
    for await (const { name, read } of io.entries(path, archiveLimits)) {
      const isShown = !name.endsWith('/') && name.split('/').every((part) => !/^(\.|__MACOSX$)/.test(part));
      if (isShown) files.set(name, read);
    }
  } catch (cause) {
    throw corrupt(path, messageOf(cause), cause);
  }
  const names = [...files.keys()];
  const top = `${names[0]?.split('/')[0]}/`;
  const isAround = names.every((name) => name.startsWith(top)) && names.some((name) => name.split('/').length > 2);
  const root = isAround ? top : '';
  return {
    path,
    async list(folder) {
      const prefix = folder === '' ? root : `${root}${folder}/`;
      const inside = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
      const entries = new Map(inside.map((name) => [name.split('/')[0]!, name.includes('/')]));
      return [...entries].map(([name, isFolder]) => ({ name, isFolder })).sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    read: (file) => files.get(`${root}${file}`)!(),
  };
}

/**
 * The lists of a split, of which the first that is there is taken: of filename and label, as
 * miniImageNet's (Ravi & Larochelle 2017).
 */
const listNames = {
  train: ['train.csv'],
  validation: ['validation.csv', 'val.csv'],
  test: ['test.csv'],
} as const;

/** Where a folder has lists, its images are in `images`, and images of no list take no part. */
async function listedClasses({ path, read }: ImageFiles, names: readonly string[]): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const split of splitNames) {
    const file = listNames[split].find((name) => names.includes(name));
    if (file === undefined) continue;
    const classes = new Map<string, string[]>();
    try {
      const [head, ...rows] = csvRows(new TextDecoder('utf-8', { fatal: true }).decode(await read(file)));
      if (head?.fields.join() !== 'filename,label') throw new Error('its first line is not filename,label');
      for (const { line, fields } of rows) {
        const [image, label] = fields;
        // a name alone leads nowhere else
        if (fields.length !== 2 || !image || !label || /[/\\]|^\./.test(image) || !isImage(image)) {
          throw new Error(
            `line ${line} is ${fields.join()}; accepted: the name of a PNG or JPEG in images, and a label`,
          );
        }
        const files = classes.get(label) ?? [];
        files.push(`images/${image}`);
        classes.set(label, files);
      }
    } catch (cause) {
      throw corrupt(path, `${file}: ${messageOf(cause)}`, cause);
    }
    for (const [name, files] of [...classes].sort(([a], [b]) => (a < b ? -1 : 1))) {
      found.push({ name, split, files: files.sort() });
    }
  }
  return found;
}

async function findClasses(from: ImageFiles): Promise<readonly Found[]> {
  const { path, list } = from;
  const lists = (await list('')).filter(({ isFolder }) => !isFolder).map(({ name }) => name);
  if (lists.includes('train.csv') && lists.includes('test.csv')) return listedClasses(from, lists);
  const foldersIn = async (folder: string) =>
    (await list(folder)).filter(({ isFolder }) => isFolder).map(({ name }) => name);
  const classIn = async (folder: string, name: string, split?: Split): Promise<Found> => {
    const inside = `${folder}${name}`;
    const images = (await list(inside)).filter((entry) => !entry.isFolder && isImage(entry.name));
    return { name, split, files: images.map((entry) => `${inside}/${entry.name}`) };
  };
  const tops = await foldersIn('');
  const isSplit = tops.includes('train') && tops.includes('test') && (await foldersIn('train')).length > 0;
  const found: Found[] = [];
  if (!isSplit) {
    for (const name of tops) found.push(await classIn('', name));
    return found;
  }
  const others = tops.filter((name) => !(splitNames as readonly string[]).includes(name));
  if (others.length > 0) {
    throw corrupt(path, `beside train and test there is ${others.join(', ')}; accepted: ${splitNames.join(', ')}`);
  }
  for (const split of splitNames.filter((name) => tops.includes(name))) {
    for (const name of await foldersIn(split)) found.push(await classIn(`${split}/`, name, split));
  }
  return found;
}

const isImage = (name: string): boolean => /\.(png|jpe?g)$/i.test(name);

function refuseTooMuch(images: number, imageBytes: number): void {
  const bytes = images * imageBytes;
  if (bytes <= limits.decodedBytes) return;
  const got = `${formatCount(images)} images of ${formatCount(imageBytes)} bytes each, ${formatBytes(bytes)}`;
  throw new MetatrainError(
    'REQUEST_INVALID',
    `task.size: got ${got}; accepted: at most ${formatBytes(limits.decodedBytes)}`,
    {
      details: { field: 'task.size', got: bytes, accepted: limits.decodedBytes },
    },
  );
}

async function hashFiles({ path, read }: ImageFiles, files: readonly string[]): Promise<readonly string[]> {
  const faults = new Faults(path);
  const hashes: string[] = [];
  for (const file of files) {
    await faults.collect(file, async () => {
      hashes.push(hashOf(await read(file)));
    });
  }
  faults.refuse();
  return hashes;
}

async function decodeAll(
  { path, read }: ImageFiles,
  files: readonly string[],
  sources: readonly string[],
  format: ImageFormat,
  io: TaskIo,
): Promise<Uint8Array> {
  const imageBytes = format.height * format.width * format.channels;
  const pixels = new Uint8Array(files.length * imageBytes);
  const faults = new Faults(path);
  for (const [index, file] of files.entries()) {
    await faults.collect(file, async () => {
      const bytes = await read(file);
      if (hashOf(bytes) !== sources[index]) throw new Error('it changed while the folder was read');
      pixels.set(formatted(await io.decodeImage(bytes, limits.pixels), format).data, index * imageBytes);
    });
  }
  faults.refuse();
  return pixels;
}

/** A byte as a number from 0 to 1. */
export const levels = Float32Array.from({ length: 256 }, (_, level) => level / 255);

/** In the format's colours and size. */
export function formatted(image: Image, { height, width, channels, filter }: ImageFormat): Image {
  return resize(channels === 1 ? toGrey(image) : toColour(image), [height, width], filter);
}

function folderOf(found: readonly Found[], pixels: Uint8Array, imageBytes: number): ImageFolder {
  const whole = startSha256();
  let offset = 0;
  const classes = found.map(({ name, split, files }): ImageClass => {
    const first = offset;
    const hashes = files.map((file) => {
      const image = pixels.subarray(offset, offset + imageBytes);
      offset += imageBytes;
      whole.update(`${file}\0`).update(image);
      return hashOf(image);
    });
    const sha256 = hashOf([...hashes].sort().join());
    return { name, split, files, hashes, sha256, pixels: pixels.subarray(first, offset) };
  });
  return { classes, sha256: whole.hex() };
}

const hashOf = (bytes: Uint8Array | string): string => startSha256().update(bytes).hex();

/** What is wrong with files: the first few by name, so that a folder need not be mended one file a time. */
class Faults {
  readonly #path: string;
  readonly #faults: { readonly file: string; readonly cause: unknown }[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  async collect(file: string, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (cause) {
      this.#faults.push({ file, cause });
    }
  }

  refuse(): void {
    const count = this.#faults.length;
    if (count === 0) return;
    const shown = this.#faults.slice(0, 5).map(({ file, cause }) => `${file}: ${messageOf(cause)}`);
    const more = count > shown.length ? `; and ${count - shown.length} more images` : '';
    throw corrupt(this.#path, `${shown.join('; ')}${more}`, this.#faults[0]!.cause);
  }
}

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

export function corrupt(path: string, what: string, cause?: unknown): MetatrainError {
  const message = `${path} is not a whole folder of images: ${what}`;
  return new MetatrainError('DATA_CORRUPT', message, { details: { path }, cause });
}
