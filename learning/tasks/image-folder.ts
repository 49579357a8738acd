// A user's own images as a distribution of N-way K-shot tasks: a folder in a data directory, one
// folder a class, or a zip archive of such a folder. Images stay bytes in memory, shared by the
// jobs of a process, and become numbers from 0 to 1 as a task is drawn. No image of training is
// shown in evaluation, under any name.
import { z } from 'zod';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { inKeywords } from '../../shared/job-spec/keywords.ts';
import { imageFacts, imageFactsCel } from '../facts.ts';
import { dataPath, missing } from '../kit/data-path.ts';
import { episodeWords, joined } from '../kit/words.ts';
import { defineDistribution } from '../part.ts';
import { splits as splitNames, type TaskIo } from '../tasks.ts';
import { bySplit, type ClassSplits, classesOfSplits, splitProblems, splitRules, splitsSchema } from './class-splits.ts';
import { imageEncoder } from './encode-image.ts';
import { type ImageClass, type ImageFormat, readImageFolder } from './image-classes.ts';
import { imageTasks, invalid } from './image-tasks.ts';
import { filterNames } from './resample.ts';

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
  /** Inside a data directory, such as `birds`, `birds/small` or `birds.zip`. */
  folder: dataPath('folder'),
  ways: z.int().min(2).max(1000).default(5),
  /** Support images a class. Each class has at least shots + queries images. */
  shots: z.int().min(1).max(1000).default(1),
  /** Query images a class. */
  queries: z.int().min(1).max(1000).default(15),
  /**
   * A task is one sequence that shows each class so often, each time before its label, instead of a
   * support and a query set.
   */
  presentations: z.int().min(2).max(1000).optional(),
  /** Of every image, to which it is stretched: pixels of both sides, or [height, width]. */
  size: z.custom<Size>(isSize, `${leastSide} to ${mostSide} pixels, or [height, width] of so many`).default(84),
  /** 3: red, green, blue. 1: grey. */
  channels: z.literal([1, 3]).default(3),
  /** How images are resized; all of them antialias where an image shrinks. */
  filter: z.enum(filterNames).default('lanczos'),
  /**
   * Which classes train, validate and test. Default: the folders train, validation and test, where
   * the folder has them; otherwise `byHash`, or all classes where the tasks only train or only
   * evaluate.
   */
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
  check: ({ splits }, job) => (splits ? splitProblems('task.splits', splits, job.usedSplits) : []),
  describe: ({ folder, size, channels, ...spec }) => ({
    ...episodeWords(spec),
    data: joined(
      ', ',
      joined(' ', 'images', folder && `of ${folder}`),
      size && sidesOf(size).join(' × '),
      channels && colours[channels],
    ),
  }),
  facts: ({ size, channels, ...spec }) => imageFacts([...sidesOf(size), channels], spec),
  cel: (fields, { evaluationSplit }) => ({
    facts: {
      // CEL cannot read `size`, which is a number or a list.
      ...imageFactsCel([String(leastSide), String(leastSide), fields.channels], fields),
      isLeastInput: true,
    },
    check: splitRules('task.splits', fields.splits, evaluationSplit),
    sets: splitNames.map((split) => `splits.${split}`),
  }),
  async open(spec, io) {
    const { folder, channels, filter } = spec;
    const [height, width] = sidesOf(spec.size);
    const { path, isArchive } = placeOf(folder, io);
    const format = { height, width, channels, filter };
    const { classes, sha256 } = await readImageFolder(path, isArchive, format, io);
    const identity: DataIdentity = { name: 'image-folder', part: folder, sha256 };
    io.refuseOtherData([identity]);
    const splits = splitsOf(spec, classes, io);
    const title = `images of the folder ${folder}, ${formatText(format)}`;
    return imageTasks(spec, { name: folder, title, identity, splits, imageNumbers: height * width * channels }, io);
  },
  async encoder({ size, channels, filter }, io) {
    const [height, width] = sidesOf(size);
    return imageEncoder({ height, width, channels, filter }, io);
  },
});

const colours = { 1: 'grey', 3: 'in colour' } as const;

const sidesOf = (size: Size): readonly [height: number, width: number] =>
  typeof size === 'number' ? [size, size] : [size[0], size[1]];

function placeOf(folder: string, io: Pick<TaskIo, 'findFolder' | 'findFile'>) {
  const { path, searched } = io.findFolder(folder);
  if (path !== undefined) return { path, isArchive: false };
  const archive = folder.endsWith('.zip') ? io.findFile(folder).path : undefined;
  if (archive !== undefined) return { path: archive, isArchive: true };
  throw missing('the folder of images', folder, searched, 'folder');
}

function splitsOf(
  { folder, splits }: FolderSpec,
  classes: readonly ImageClass[],
  { usedSplits }: Pick<TaskIo, 'usedSplits'>,
): ClassSplits<ImageClass> {
  if (classes.length === 1) {
    const got = `${folder}, which has one class, "${classes[0]!.name}"`;
    throw invalid('task.folder', got, 'a folder of several classes, each a folder of images');
  }
  const hasSplits = classes.some(({ split }) => split !== undefined);
  if (!hasSplits) return classesOfSplits('task.splits', classes, splits, usedSplits);
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

const formatText = ({ height, width, channels, filter }: ImageFormat): string =>
  `${height} × ${width} ${colours[channels]}, resized with ${filter}`;
