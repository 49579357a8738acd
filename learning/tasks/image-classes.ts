// Reads a folder of images by class, `<class>/<image>` or `<split>/<class>/<image>`, all of them resized to
// one size. Files are hashed each time; decoding is done once, and its bytes are kept by a key that every
// file and the format enter. What is not such a folder is refused as DATA_CORRUPT with its path.
import { MetatrainError } from '../../shared/errors.ts';
import { startSha256 } from '../../shared/hash.ts';
import { formatBytes, formatCount } from '../../shared/numbers.ts';
import { type Image, type Split, splits as splitNames, type TaskClass, type TaskIo } from '../tasks.ts';
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

/** Changes when the bytes that are made of a file do, besides what the decoders say of themselves. */
const version = 1;

interface Found {
  readonly name: string;
  readonly split: Split | undefined;
  readonly files: readonly string[];
}

/** @throws MetatrainError `DATA_CORRUPT`, `REQUEST_INVALID` when the images take too much memory. */
export async function readImageFolder(path: string, format: ImageFormat, io: TaskIo): Promise<ImageFolder> {
  const found = await findClasses(path, io);
  const files = found.flatMap((one) => one.files);
  if (files.length === 0) throw corrupt(path, 'it has no images; accepted: folders of PNG and JPEG files, one a class');
  const imageBytes = format.height * format.width * format.channels;
  refuseTooMuch(files.length, imageBytes);
  const sources = await hashFiles(path, files, io);
  const { height, width, channels, filter } = format;
  const key = startSha256().update(
    `images ${version}, ${io.imageDecoders()}, ${height} × ${width} × ${channels}, ${filter}\n`,
  );
  for (const [index, file] of files.entries()) key.update(`${file}\0${sources[index]}\n`);
  const keyHex = key.hex();
  return io.cached(`images ${keyHex}`, async () => {
    const pixels = await io.kept(keyHex, files.length * imageBytes, () => decodeAll(path, files, sources, format, io));
    return folderOf(found, pixels, imageBytes);
  });
}

async function findClasses(path: string, io: TaskIo): Promise<readonly Found[]> {
  const foldersIn = async (folder: string) =>
    (await io.list(folder)).filter(({ isFolder }) => isFolder).map(({ name }) => name);
  const classIn = async (folder: string, name: string, split?: Split): Promise<Found> => {
    const inside = `${folder}${name}`;
    const images = (await io.list(`${path}/${inside}`)).filter((entry) => !entry.isFolder && isImage(entry.name));
    return { name, split, files: images.map((entry) => `${inside}/${entry.name}`) };
  };
  const tops = await foldersIn(path);
  const isSplit = tops.includes('train') && tops.includes('test') && (await foldersIn(`${path}/train`)).length > 0;
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
    for (const name of await foldersIn(`${path}/${split}`)) found.push(await classIn(`${split}/`, name, split));
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

async function hashFiles(path: string, files: readonly string[], io: TaskIo): Promise<readonly string[]> {
  const faults = new Faults(path);
  const hashes: string[] = [];
  for (const file of files) {
    await faults.collect(file, async () => {
      hashes.push(hashOf(await io.readFile(`${path}/${file}`, limits.fileBytes)));
    });
  }
  faults.refuse();
  return hashes;
}

async function decodeAll(
  path: string,
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
      const bytes = await io.readFile(`${path}/${file}`, limits.fileBytes);
      if (hashOf(bytes) !== sources[index]) throw new Error('it changed while the folder was read');
      pixels.set(formatted(await io.decodeImage(bytes, limits.pixels), format).data, index * imageBytes);
    });
  }
  faults.refuse();
  return pixels;
}

function formatted(image: Image, { height, width, channels, filter }: ImageFormat): Image {
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
