// N-way K-shot tasks of images whose classes are in memory: which splits can give them, and how one is
// drawn. Images are bytes, and become numbers from 0 to 1 as a task is drawn. No image of training is
// shown in evaluation, under any name.
import type { DataIdentity } from '../../shared/data-identity.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { taskRng } from '../../shared/rng.ts';
import { drawEpisode, type Episode } from '../kit/episode.ts';
import { type Split, splits as splitNames, type TaskIo, type Tasks } from '../tasks.ts';
import { type ClassSplits, hashOfSplits } from './class-splits.ts';
import { type ImageClass, levels } from './image-classes.ts';

export interface ImageSource {
  /** For people, in refusals, such as a folder's name. */
  readonly name: string;
  /** For people, such as `images of the folder birds, 84 × 84 in colour`. */
  readonly title: string;
  readonly identity: DataIdentity;
  readonly splits: ClassSplits<Omit<ImageClass, 'split'>>;
  /** Bytes of one image. */
  readonly imageNumbers: number;
}

interface EpisodeSpec {
  readonly ways: number;
  readonly shots: number;
  readonly queries: number;
  readonly presentations?: number | undefined;
}

/**
 * @throws MetatrainError `REQUEST_INVALID` when the classes cannot give the tasks that the spec asks for.
 */
export function imageTasks(spec: EpisodeSpec, source: ImageSource, io: TaskIo): Tasks {
  const { ways, shots, queries, presentations } = spec;
  const { title, identity, splits, imageNumbers } = source;
  refuseSplits(spec, source, io);
  return {
    splitDescription: `${title}; classes: ${sizesOf(splits)}; class lists sha256 ${hashOfSplits(splits)}`,
    data: [identity],
    classes: (split) => splits[split],
    sample(split, index, task) {
      const pool = splits[split];
      const episode: Episode = {
        ways,
        shots,
        queries,
        presentations,
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
}

function refuseSplits(
  spec: EpisodeSpec,
  { name: subject, splits }: ImageSource,
  { usedSplits }: Pick<TaskIo, 'usedSplits'>,
): void {
  for (const split of usedSplits) {
    if (split === 'train' || splits[split].length > 0) continue;
    const others = splitNames.filter((split) => split !== 'train' && splits[split].length > 0).join(', ');
    const why = `the ${split} split of ${subject} has no class (task.splits can give it some)`;
    throw invalid('evaluation.split', split, `${others || 'a split that has classes'}, as ${why}`);
  }
  refuseSharedImages(splits);
  for (const split of usedSplits) {
    const { length } = splits[split];
    if (spec.ways <= length) continue;
    throw invalid(
      'task.ways',
      String(spec.ways),
      `at most ${length}, the classes of the ${split} split (${sizesOf(splits)})`,
    );
  }
  const { shots, queries, presentations } = spec;
  const all = splitNames.flatMap((split) => splits[split]);
  const needed = presentations ?? shots + queries;
  const small = all.filter(({ files }) => files.length < needed);
  if (small.length === 0) return;
  const counts = small.map(({ name, files }) => `"${name}" has ${files.length}`);
  const accepted = `what every class has: ${firstOf(counts)}`;
  if (presentations !== undefined) throw invalid('task.presentations', String(presentations), accepted);
  const got = `${queries} with task.shots ${shots}, which take ${needed} images of each class`;
  throw invalid('task.queries', got, accepted);
}

/**
 * Images are compared by their pixels: one that stands in two splits, under whatever names, is one image.
 */
function refuseSharedImages(splits: ImageSource['splits']): void {
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

export function invalid(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `${field}: got ${got}; accepted: ${accepted}`, {
    details: { field, got, accepted },
  });
}

const sizesOf = (splits: ImageSource['splits']): string =>
  splitNames
    .filter((split) => splits[split].length > 0)
    .map((split) => `${split} ${splits[split].length}`)
    .join(', ');
