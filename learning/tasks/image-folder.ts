// A user's own images as a distribution of N-way K-shot tasks: a folder in a data directory, one folder a
// class. Images stay bytes in memory, shared by the jobs of a process, and become numbers from 0 to 1 as a
// task is drawn. No image of training is shown in evaluation, under any name.
import { z } from 'zod';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { inKeywords } from '../../shared/job-spec/keywords.ts';
import { taskRng } from '../../shared/rng.ts';
import { supportAndQuery, supportAndQueryCel } from '../facts.ts';
import { drawEpisode, type Episode } from '../kit/episode.ts';
import { joined } from '../kit/words.ts';
import { defineDistribution } from '../part.ts';
import { type Split, splits as splitNames, type TaskIo } from '../tasks.ts';
import {
  bySplit,
  type ClassSplits,
  classesByHash,
  classesByList,
  hashOfSplits,
  splitProblems,
  splitRules,
  splitsSchema,
} from './class-splits.ts';
import { type ImageClass, type ImageFormat, readImageFolder } from './image-classes.ts';
import { filterNames } from './resample.ts';

/** Words without "." at their front, joined by "/": neither a path that leads out of a data directory nor a hidden folder. */
const folderName = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_. -]*(\/[\p{L}\p{N}_][\p{L}\p{M}\p{N}_. -]*)*$/u;
const [leastSide, mostSide] = [4, 1024];

type Size = number | readonly [height: number, width: number];
const isSide = (value: unknown) => Number.isInteger(value) && Number(value) >= leastSide && Number(value) <= mostSide;
/** A field that may be a number or a list has no type in a CRD, so every type that it may not have is refused in its own words. */
const isSize = inKeywords(
  (value: unknown) => isSide(value) || (Array.isArray(value) && value.length === 2 && value.every(isSide)),
  {
    minimum: leastSide,
    maximum: mostSide,
    multipleOf: 1,
    minItems: 2,
    maxItems: 2,
    items: { type: 'integer', minimum: leastSide, maximum: mostSide },
    // no text, no mapping, neither true nor false
    minLength: 1,
    maxLength: 0,
    minProperties: 1,
    maxProperties: 0,
    not: { enum: [true, false] },
  },
);

const schema = z.strictObject({
  /** Inside a data directory, such as `birds` or `birds/small`. */
  folder: z
    .string()
    .max(200)
    .regex(
      folderName,
      'the name of a folder in a data directory: letters, digits, " ", ".", "_", "-" and "/" between names',
    ),
  ways: z.int().min(2).max(1000).default(5),
  /** Support images a class. Each class has at least shots + queries images. */
  shots: z.int().min(1).max(1000).default(1),
  /** Query images a class. */
  queries: z.int().min(1).max(1000).default(15),
  /** Of every image, to which it is stretched: pixels of both sides, or [height, width]. */
  size: z.custom<Size>(isSize, `${leastSide} to ${mostSide} pixels, or [height, width] of so many`).default(84),
  /** 3: red, green, blue. 1: grey. */
  channels: z.literal([1, 3]).default(3),
  /** How images are resized; all of them antialias where an image shrinks. */
  filter: z.enum(filterNames).default('lanczos'),
  /** Which classes train, validate and test. Default: the folders train, validation and test, where the folder has them; otherwise `byHash`. */
  splits: splitsSchema.optional(),
});

type FolderSpec = z.infer<typeof schema>;

export const imageFolder = defineDistribution({
  name: 'image-folder',
  title: 'images from a folder',
  summary: "N-way K-shot tasks of a user's own images, one folder a class",
  paper: '',
  schema,
  variants: {
    colour: {
      folder: 'shapes',
      ways: 2,
      shots: 1,
      queries: 2,
      size: [16, 18],
      splits: { train: ['amber', 'blue', 'coral'], test: ['dune', 'elm'] },
    },
  },
  check: ({ splits }, job) => (splits ? splitProblems('task.splits', splits, job.spec.evaluation.split) : []),
  describe: ({ ways, shots, queries, folder, size, channels }) => ({
    episode: joined(' ', ways && `${ways}-way`, shots && `${shots}-shot`),
    queries: queries ? `${queries} ${queries === 1 ? 'query' : 'queries'} a class` : '',
    data: joined(
      ', ',
      joined(' ', 'images', folder && `of ${folder}`),
      size && sidesOf(size).join(' × '),
      channels && colours[channels],
    ),
  }),
  facts({ ways, shots, queries, size, channels }) {
    const input = [...sidesOf(size), channels];
    return supportAndQuery({ target: 'classes', inputKind: 'image', input, outputs: ways, ways, shots, queries });
  },
  cel: ({ ways, shots, queries, channels, splits }, { evaluationSplit }) => ({
    facts: supportAndQueryCel({
      target: 'classes',
      inputKind: 'image',
      // CEL cannot read `size`, which is a number or a list.
      input: [String(leastSide), String(leastSide), channels],
      isLeastInput: true,
      outputs: ways,
      ways,
      shots,
      queries,
    }),
    check: splitRules('task.splits', splits, evaluationSplit),
    sets: splitNames.map((split) => `splits.${split}`),
  }),
  async open(spec, io) {
    const { folder, ways, shots, queries, channels, filter } = spec;
    const [height, width] = sidesOf(spec.size);
    const format = { height, width, channels, filter };
    const { classes, sha256 } = await readImageFolder(pathOf(folder, io), format, io);
    const identity: DataIdentity = { name: 'image-folder', part: folder, sha256 };
    io.refuseOtherData([identity]);
    const splits = splitsOf(spec, classes);
    refuseSplits(spec, splits, io);
    const imageNumbers = height * width * channels;
    return {
      splitDescription: describe(folder, format, splits),
      data: [identity],
      classes: (split) => splits[split],
      sample(split, index, task) {
        const pool = splits[split];
        const episode: Episode = {
          ways,
          shots,
          queries,
          classes: pool.length,
          examplesOf: (number) => pool[number]!.files.length,
          copy(number, example, inputs, row) {
            const { pixels } = pool[number]!;
            const [from, to] = [example * imageNumbers, row * imageNumbers];
            for (let at = 0; at < imageNumbers; at++) inputs[to + at] = levels[pixels[from + at]!]!;
          },
        };
        drawEpisode(taskRng(io.seed, split, index), episode, task);
      },
    };
  },
});

const colours = { 1: 'grey', 3: 'in colour' } as const;

const sidesOf = (size: Size): readonly [height: number, width: number] =>
  typeof size === 'number' ? [size, size] : [size[0], size[1]];

/** A byte as a number from 0 to 1. */
const levels = Float32Array.from({ length: 256 }, (_, level) => level / 255);

function pathOf(folder: string, io: Pick<TaskIo, 'findFolder'>): string {
  const { path, searched } = io.findFolder(folder);
  if (path !== undefined) return path;
  const where = searched.join(', ') || 'nothing, as no data directory is set';
  throw new MetatrainError('DATA_SET_MISSING', `the folder of images "${folder}" is not here; searched: ${where}`, {
    details: { folder, searched },
  });
}

function splitsOf({ folder, splits }: FolderSpec, classes: readonly ImageClass[]): ClassSplits<ImageClass> {
  if (classes.length === 1) {
    const got = `${folder}, which has one class, "${classes[0]!.name}"`;
    throw invalid('task.folder', got, 'a folder of several classes, each a folder of images');
  }
  const hasSplits = classes.some(({ split }) => split !== undefined);
  if (!hasSplits)
    return splits && !splits.byHash
      ? classesByList('task.splits', classes, splits)
      : classesByHash(classes, splits?.byHash);
  if (splits) throw invalid('task.splits', 'splits', `none, as ${folder} itself has the folders train and test`);
  const found = bySplit((wanted) => classes.filter(({ split }) => split === wanted));
  for (const { name, split } of classes) {
    const other = classes.find((one) => one.name === name && one.split !== split);
    if (!other) continue;
    const got = `${folder}, whose class "${name}" is in ${split} and in ${other.split}`;
    throw invalid('task.folder', got, 'every class in one of them: a test is of classes that training never saw');
  }
  return found;
}

function refuseSplits(spec: FolderSpec, splits: ClassSplits<ImageClass>, { evaluationSplit }: TaskIo): void {
  if (splits[evaluationSplit].length === 0) {
    const others = splitNames.filter((split) => split !== 'train' && splits[split].length > 0).join(', ');
    const why = `the ${evaluationSplit} split of ${spec.folder} has no class (task.splits can give it some)`;
    throw invalid('evaluation.split', evaluationSplit, `${others || 'a split that has classes'}, as ${why}`);
  }
  refuseSharedImages(splits);
  for (const split of ['train', evaluationSplit] as const) {
    const { length } = splits[split];
    if (spec.ways <= length) continue;
    throw invalid(
      'task.ways',
      String(spec.ways),
      `at most ${length}, the classes of the ${split} split (${sizesOf(splits)})`,
    );
  }
  const { shots, queries } = spec;
  const all = splitNames.flatMap((split) => splits[split]);
  const small = all.filter(({ files }) => files.length < shots + queries);
  if (small.length === 0) return;
  const counts = small.map(({ name, files }) => `"${name}" has ${files.length}`);
  const got = `${queries} with task.shots ${shots}, which take ${shots + queries} images of each class`;
  throw invalid('task.queries', got, `what every class has: ${firstOf(counts)}`);
}

/** Images are compared by their pixels: one that stands in two splits, under whatever names, is one image. */
function refuseSharedImages(splits: ClassSplits<ImageClass>): void {
  const seen = new Map<string, { readonly split: Split; readonly file: string }>();
  for (const split of splitNames) {
    const shared: string[] = [];
    for (const { files, hashes } of splits[split]) {
      for (const [index, hash] of hashes.entries()) {
        const file = files[index]!;
        const earlier = seen.get(hash);
        if (earlier && earlier.split !== split)
          shared.push(`${file} (in the ${earlier.split} split as ${earlier.file})`);
        else seen.set(hash, { split, file });
      }
    }
    if (shared.length === 0) continue;
    const got = `a ${split} split that would show images of another split: ${firstOf(shared)}`;
    throw invalid('task.splits', got, 'splits that share no image');
  }
}

const firstOf = (texts: readonly string[]): string =>
  texts.length > 5 ? `${texts.slice(0, 5).join(', ')} and ${texts.length - 5} more` : texts.join(', ');

function invalid(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `${field}: got ${got}; accepted: ${accepted}`, {
    details: { field, got, accepted },
  });
}

const sizesOf = (splits: ClassSplits<ImageClass>): string =>
  splitNames
    .filter((split) => splits[split].length > 0)
    .map((split) => `${split} ${splits[split].length}`)
    .join(', ');

function describe(
  folder: string,
  { height, width, channels, filter }: ImageFormat,
  splits: ClassSplits<ImageClass>,
): string {
  const format = `${height} × ${width} ${colours[channels]}, resized with ${filter}`;
  return `images of the folder ${folder}, ${format}; classes: ${sizesOf(splits)}; class lists sha256 ${hashOfSplits(splits)}`;
}
