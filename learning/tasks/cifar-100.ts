// Tasks from CIFAR-100 (Krizhevsky 2009), whose classes a distribution cuts into splits by name:
// CIFAR-FS and FC100 are two such cuts. Reads the official archive in its binary version, which
// nobody need unpack: records of a superclass, a class and 32 × 32 bytes of red, of green and of
// blue. `train.bin` and `test.bin` are one pool, 600 images a class: that split is by image. An
// image that an earlier split has too is left out of a later one.
import { z } from 'zod';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { fetchCommand } from '../../shared/data-sets.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { startSha256 } from '../../shared/hash.ts';
import { imageFacts, imageFactsCel } from '../facts.ts';
import { joined } from '../kit/words.ts';
import { defineDistribution } from '../part.ts';
import { splits as splitNames, type TaskIo } from '../tasks.ts';
import { cifar100Files } from './cifar-100-files.ts';
import { bySplit, type ClassSplits } from './class-splits.ts';
import { imageEncoder } from './encode-image.ts';
import type { ImageClass } from './image-classes.ts';
import { imageTasks } from './image-tasks.ts';

const side = 32;
const channelBytes = side * side;
const imageBytes = 3 * channelBytes;
/** A superclass and a class before the pixels. */
const recordBytes = 2 + imageBytes;
const imagesOfClass = 600;
const limits = { maxArchiveBytes: 2 ** 28, maxEntryBytes: 2 ** 28, maxEntries: 100 } as const;

export interface CifarCut {
  readonly name: string;
  readonly title: string;
  readonly paper: string;
  /** Names of classes or superclasses, as the archive has them. */
  readonly splits: Readonly<Record<'train' | 'validation' | 'test', readonly string[]>>;
  readonly splitBy: 'class' | 'superclass';
  /** Classes of the largest split. */
  readonly mostWays: number;
}

export const cifarDistribution = (cut: CifarCut) =>
  defineDistribution({
    name: cut.name,
    title: cut.title,
    summary: `N-way K-shot tasks of CIFAR-100's photographs, split by ${cut.splitBy} as ${cut.title}`,
    paper: cut.paper,
    schema: z.strictObject({
      ways: z.int().min(2).max(cut.mostWays).default(5),
      /** Support images a class; a class has 600 images, so shots + queries ≤ 600. */
      shots: z
        .int()
        .min(1)
        .max(imagesOfClass - 1)
        .default(1),
      /** Query images a class. */
      queries: z
        .int()
        .min(1)
        .max(imagesOfClass - 1)
        .default(15),
    }),
    variants: { 'two ways': { ways: 2, shots: 1, queries: 2 } },
    dataSets: [cifar100Files],
    check({ shots, queries }) {
      if (shots + queries <= imagesOfClass) return [];
      const accepted = `at most ${imagesOfClass - shots} with ${shots} shots: a class of CIFAR-100 has ${imagesOfClass} images`;
      return [{ field: 'task.queries', got: String(queries), accepted }];
    },
    describe: ({ ways, shots, queries }) => ({
      episode: joined(' ', ways && `${ways}-way`, shots && `${shots}-shot`),
      queries: queries ? `${queries} ${queries === 1 ? 'query' : 'queries'} a class` : '',
      data: cut.title,
    }),
    facts: (spec) => imageFacts([side, side, 3], spec),
    cel: (fields) => ({
      facts: imageFactsCel([String(side), String(side), '3'], fields),
      check: [
        {
          rule: `${fields.shots} + ${fields.queries} <= ${imagesOfClass}`,
          message: `task.queries: accepted: at most ${imagesOfClass} together with task.shots: a class of CIFAR-100 has ${imagesOfClass} images`,
        },
      ],
    }),
    async open(spec, io) {
      const path = pathOf(io);
      const { classes, sha256 } = await io.cached(`cifar-100 ${path}`, () => read(path, io));
      const identity: DataIdentity = { name: cifar100Files.name, part: 'full', sha256 };
      io.refuseOtherData([identity]);
      const { splits, leftOut } = withoutShared(cutBy(cut, classes, path));
      const lacking = leftOut === 0 ? '' : ` without ${leftOut} that an earlier split has too`;
      const title = `${cut.title}, ${side} × ${side} photographs of CIFAR-100${lacking}`;
      return imageTasks(spec, { name: cut.title, title, identity, splits, imageNumbers: imageBytes }, io);
    },
    encoder: async (_spec, io) => imageEncoder({ height: side, width: side, channels: 3, filter: 'lanczos' }, io),
  });

interface CifarClass extends Omit<ImageClass, 'split'> {
  readonly superclass: string;
}

function cutBy({ splits, splitBy, title }: CifarCut, classes: readonly CifarClass[], path: string) {
  const nameOf = (one: CifarClass) => (splitBy === 'class' ? one.name : one.superclass);
  const known = new Set(classes.map(nameOf));
  const missing = splitNames.flatMap((split) => splits[split]).filter((name) => !known.has(name));
  if (missing.length > 0)
    throw corrupt(path, `it has no image of ${missing.slice(0, 5).join(', ')}, which ${title} needs`);
  return bySplit((split) => classes.filter((one) => splits[split].includes(nameOf(one))));
}

/** Images are compared by their pixels. */
function withoutShared(splits: ClassSplits<CifarClass>): {
  readonly splits: ClassSplits<CifarClass>;
  readonly leftOut: number;
} {
  const seen = new Set<string>();
  let leftOut = 0;
  const cleaned = bySplit((split) => {
    const cleanClasses = splits[split].map((one) => {
      const kept = Array.from(one.hashes.keys()).filter((example) => !seen.has(one.hashes[example]!));
      leftOut += one.hashes.length - kept.length;
      return kept.length === one.hashes.length ? one : withExamples(one, kept);
    });
    for (const { hashes } of cleanClasses) for (const hash of hashes) seen.add(hash);
    return cleanClasses;
  });
  return { splits: cleaned, leftOut };
}

function withExamples(one: CifarClass, examples: readonly number[]): CifarClass {
  const pixels = new Uint8Array(examples.length * imageBytes);
  for (const [row, example] of examples.entries()) {
    pixels.set(one.pixels.subarray(example * imageBytes, (example + 1) * imageBytes), row * imageBytes);
  }
  const hashes = examples.map((example) => one.hashes[example]!);
  return {
    ...one,
    pixels,
    hashes,
    files: examples.map((example) => one.files[example]!),
    sha256: hashOfExamples(hashes),
  };
}

interface Read {
  /** In the order of their labels; each has an image. */
  readonly classes: readonly CifarClass[];
  /** Over the names of superclasses and classes, and every record, in order. */
  readonly sha256: string;
}

const partNames = ['coarse_label_names.txt', 'fine_label_names.txt', 'train.bin', 'test.bin'] as const;

async function read(path: string, io: Pick<TaskIo, 'entries'>): Promise<Read> {
  const found = new Map<string, Uint8Array>();
  try {
    for await (const { name, read } of io.entries(path, limits)) {
      const part = partNames.find((wanted) => name.endsWith(`/${wanted}`) || name === wanted);
      if (part) found.set(part, await read());
    }
  } catch (cause) {
    throw corrupt(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
  const [superclasses, names, ...records] = partNames.map((part) => {
    const content = found.get(part);
    if (!content) throw corrupt(path, `it has no ${part}`);
    return content;
  });
  const whole = startSha256();
  for (const part of partNames) whole.update(`${part}\n`).update(found.get(part)!);
  const classes = classesOf(linesOf(superclasses!), linesOf(names!), records, path);
  return { classes, sha256: whole.hex() };
}

const linesOf = (text: Uint8Array): readonly string[] => new TextDecoder().decode(text).split(/\s+/).filter(Boolean);

function classesOf(
  superclasses: readonly string[],
  names: readonly string[],
  files: readonly Uint8Array[],
  path: string,
): readonly CifarClass[] {
  const examples = names.map(() => [] as { readonly file: string; readonly record: Uint8Array }[]);
  for (const [index, file] of files.entries()) {
    const part = partNames[2 + index]!;
    if (file.length === 0 || file.length % recordBytes !== 0) {
      throw corrupt(path, `${part} has ${file.length} bytes; accepted: records of ${recordBytes} bytes`);
    }
    for (let at = 0; at < file.length; at += recordBytes) {
      const record = file.subarray(at, at + recordBytes);
      const [superclass, label] = [record[0]!, record[1]!];
      if (superclass >= superclasses.length || label >= names.length) {
        const got = `record ${at / recordBytes} of ${part} is of superclass ${superclass} and class ${label}`;
        throw corrupt(
          path,
          `${got}; accepted: below ${superclasses.length} and ${names.length}, the names that it has`,
        );
      }
      examples[label]!.push({ file: `${part}, image ${at / recordBytes}`, record });
    }
  }
  return names.flatMap((name, label) => {
    const own = examples[label]!;
    if (own.length === 0) return [];
    const superclass = own[0]!.record[0]!;
    const other = own.find(({ record }) => record[0] !== superclass);
    if (other) throw corrupt(path, `${other.file} is of class ${name}, but of another superclass than ${own[0]!.file}`);
    const pixels = new Uint8Array(own.length * imageBytes);
    const hashes = own.map(({ record }, row) => {
      const image = pixels.subarray(row * imageBytes, (row + 1) * imageBytes);
      for (let pixel = 0; pixel < channelBytes; pixel++) {
        for (let channel = 0; channel < 3; channel++) {
          image[3 * pixel + channel] = record[2 + channel * channelBytes + pixel]!;
        }
      }
      return startSha256().update(image).hex();
    });
    const files = own.map(({ file }) => file);
    return [{ name, superclass: superclasses[superclass]!, files, hashes, sha256: hashOfExamples(hashes), pixels }];
  });
}

const hashOfExamples = (hashes: readonly string[]): string =>
  startSha256()
    .update([...hashes].sort().join())
    .hex();

function pathOf(io: Pick<TaskIo, 'find' | 'candidates'>): string {
  const { paths, missing } = io.find(cifar100Files, 'full');
  if (missing.length === 0) return paths[0]!;
  const searched = io.candidates(cifar100Files, missing[0]!);
  throw new MetatrainError(
    'DATA_SET_MISSING',
    `CIFAR-100 is not here; searched: ${searched.join(', ') || 'nothing, as no data directory is set'}. ` +
      `Fetch it with: ${fetchCommand(cifar100Files)}`,
    { details: { dataSet: cifar100Files.name, missing, searched } },
  );
}

function corrupt(path: string, what: string, cause?: unknown): MetatrainError {
  const message = `${path} is not CIFAR-100's archive in its binary version: ${what}`;
  return new MetatrainError('DATA_CORRUPT', message, { details: { path }, cause });
}
