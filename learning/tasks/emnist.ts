// EMNIST (Cohen et al. 2017), split by class, as a distribution of N-way K-shot tasks: handwritten
// digits and letters, 28 × 28, ink = 1, like Omniglot's drawings. Reads an archive of NumPy's
// arrays, since the official one packs all six variants into one file of 560 MB, of which tasks
// need a few images a class.
import { z } from 'zod';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { startSha256 } from '../../shared/hash.ts';
import { imageFacts, imageFactsCel } from '../facts.ts';
import { dataPath, placeOfFile } from '../kit/data-path.ts';
import { episodeWords, joined } from '../kit/words.ts';
import { defineDistribution } from '../part.ts';
import { splits as splitNames, type TaskIo } from '../tasks.ts';
import { classesOfSplits, splitProblems, splitRules, splitsSchema } from './class-splits.ts';
import { imageEncoder } from './encode-image.ts';
import type { ImageClass } from './image-classes.ts';
import { imageTasks } from './image-tasks.ts';
import { byteArrays } from './npz.ts';

const side = 28;
const pixels = side * side;
/** The characters of the labels 0 to 61, as in EMNIST's own mapping of `ByClass`. */
const characters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const limits = { maxArchiveBytes: 2 ** 30, maxEntryBytes: 2 ** 30, maxEntries: 1000 } as const;

/** Which characters are classes. */
const kinds = { all: /./, digits: /[0-9]/, letters: /[A-Za-z]/, upper: /[A-Z]/, lower: /[a-z]/ } as const;

const schema = z.strictObject({
  /**
   * In a data directory: an archive of NumPy's savez with `images`, [n, 28, 28] bytes, and
   * `labels`, n bytes from 0 to 61.
   */
  file: dataPath('file').default('emnist/emnist_byclass_test_62x200.npz'),
  classes: z.enum(Object.keys(kinds) as [keyof typeof kinds]).default('all'),
  ways: z.int().min(2).max(62).default(5),
  /** Support images a class. Each class has at least shots + queries images. */
  shots: z.int().min(1).max(1000).default(1),
  /** Query images a class. */
  queries: z.int().min(1).max(1000).default(15),
  /**
   * A task is one sequence that shows each class so often, each time before its label, instead of a
   * support and a query set.
   */
  presentations: z.int().min(2).max(1000).optional(),
  /**
   * Which classes train, validate and test, by their character. Default: `byHash`, or all classes
   * where the tasks only train or only evaluate.
   */
  splits: splitsSchema.optional(),
});

export const emnist = defineDistribution({
  name: 'emnist',
  title: 'EMNIST',
  summary: 'N-way K-shot tasks of handwritten digits and letters',
  paper: 'Cohen, Afshar, Tapson & van Schaik 2017',
  schema,
  variants: {
    'a few digits': {
      file: 'emnist/digits.npz',
      classes: 'digits',
      ways: 2,
      shots: 1,
      queries: 2,
      splits: { train: ['0', '1', '2'], test: ['3', '4'] },
    },
  },
  check: ({ splits }, job) => (splits ? splitProblems('task.splits', splits, job.usedSplits) : []),
  describe: ({ classes, ...spec }) => ({
    ...episodeWords(spec),
    data: joined(' ', 'EMNIST', classes && classWords[classes]),
  }),
  facts: (spec) => imageFacts([side, side, 1], spec),
  cel: (fields, { evaluationSplit }) => ({
    facts: imageFactsCel([String(side), String(side), '1'], fields),
    check: splitRules('task.splits', fields.splits, evaluationSplit),
    sets: splitNames.map((split) => `splits.${split}`),
  }),
  async open(spec, io) {
    const { file } = spec;
    const { classes, sha256 } = await read(placeOfFile("EMNIST's file", file, io), io);
    const identity: DataIdentity = { name: 'emnist', part: file, sha256 };
    io.refuseOtherData([identity]);
    const wanted = classes.filter(({ name }) => kinds[spec.classes].test(name));
    const splits = classesOfSplits('task.splits', wanted, spec.splits, io.usedSplits);
    const title = `EMNIST ${classWords[spec.classes]} of ${file}, ${side} × ${side}`;
    return imageTasks(spec, { name: file, title, identity, splits, imageNumbers: pixels }, io);
  },
  encoder: async (_spec, io) =>
    imageEncoder({ height: side, width: side, channels: 1, filter: 'lanczos' }, io, { isInk: true }),
});

const classWords = {
  all: 'digits and letters',
  digits: 'digits',
  letters: 'letters',
  upper: 'upper-case letters',
  lower: 'lower-case letters',
} as const;

interface Read {
  /** In the order of their labels. */
  readonly classes: readonly Omit<ImageClass, 'split'>[];
  /** Over every image and its label, in order. */
  readonly sha256: string;
}

async function read(path: string, io: TaskIo): Promise<Read> {
  return io.cached(`emnist ${path}`, async () => {
    try {
      const { images, labels } = await byteArrays(path, ['images', 'labels'], limits, io);
      const count = labels.data.length;
      const got = images.shape.join(', ');
      if (got !== `${count}, ${side}, ${side}`) {
        throw new Error(`its images are [${got}]; accepted: [${count}, ${side}, ${side}], one for each label`);
      }
      const other = labels.data.find((label) => label >= characters.length);
      if (other !== undefined) throw new Error(`it has the label ${other}; accepted: 0 to ${characters.length - 1}`);
      return classesOf(images.data, labels.data);
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause);
      throw new MetatrainError('DATA_CORRUPT', `${path} is not a whole file of EMNIST: ${what}`, {
        details: { path },
        cause,
      });
    }
  });
}

function classesOf(images: Uint8Array, labels: Uint8Array): Read {
  const imageOf = (example: number) => images.subarray(example * pixels, (example + 1) * pixels);
  const classes = Array.from(characters, (name, label) => {
    const examples = Array.from(labels.keys()).filter((example) => labels[example] === label);
    const own = new Uint8Array(examples.length * pixels);
    for (const [row, example] of examples.entries()) own.set(imageOf(example), row * pixels);
    const hashes = examples.map((example) => hashOf(imageOf(example)));
    const files = examples.map((example) => `image ${example}, "${name}"`);
    return { name, files, hashes, sha256: hashOf([...hashes].sort().join()), pixels: own };
  });
  const sha256 = startSha256().update(labels).update(images).hex();
  return { classes: classes.filter(({ files }) => files.length > 0), sha256 };
}

const hashOf = (content: Uint8Array | string): string => startSha256().update(content).hex();
