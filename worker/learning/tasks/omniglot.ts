// Omniglot (Lake et al. 2015) as a distribution of N-way K-shot tasks: 28 × 28, ink = 1, rotations by 90°, 180° and 270° as classes of their own
// (Santoro et al. 2016, Vinyals et al. 2016). Drawings stay bytes in memory, shared by the jobs of a process; rotation and scaling happen as a task is drawn.
import { existsSync } from 'node:fs';
import type { DataIdentity } from '../../../shared/data-identity.ts';
import { candidatePaths, fetchCommand, isOfficial, omniglot } from '../../../shared/data-sets.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import type { OmniglotTaskSpec } from '../../../shared/job-spec/task.ts';
import { taskShapeOf } from '../../../shared/job-spec/task-shape.ts';
import { refuseOtherData } from '../../../shared/other-data.ts';
import { taskRng } from '../../../shared/rng.ts';
import type { EvaluationSplit, OpenDistribution, Split, TaskClass } from './distribution.ts';
import {
  type Character,
  drawingsPerCharacter,
  hashOfCharacters,
  pixels,
  readArchives,
  side,
} from './omniglot-archive.ts';
import { hashOfSplits, type OmniglotSet, refuseOverlap, type Splits, splitCharacters } from './omniglot-splits.ts';

export const openOmniglot: OpenDistribution<OmniglotTaskSpec & { readonly queries: number }> = async (
  spec,
  context,
) => {
  const { ways, shots, queries } = spec;
  const { expectedData = [] } = context;
  const { set, paths } = findArchives(wantedSets(spec.dataSet, expectedData), context.dataDirectories);
  const { characters, sha256 } = await contentOf(paths);
  const identity: DataIdentity = { name: omniglot.name, part: set, sha256 };
  refuseOtherData(expectedData, [identity]);
  const turns = spec.rotations ? 4 : 1;
  let splits: Splits<Character>;
  try {
    splits = splitCharacters(characters, set, spec.alphabets);
    refuseSplits(splits, context.evaluationSplit, ways, turns);
  } catch (thrown) {
    throw spec.dataSet === 'auto' && set === 'small' ? missingFullSet(thrown) : thrown;
  }

  return {
    shape: taskShapeOf(spec),
    splitDescription: describe(identity, splits, turns),
    data: [identity],
    classes: (split) => splits[split].flatMap((character) => classesOf(character, turns)),
    sample(split, index, task) {
      const rng = taskRng(context.seed, split, index);
      const pool = splits[split];
      task.supportTargets.fill(0);
      task.queryTargets.fill(0);
      for (const [label, number] of rng.sample(ways, pool.length * turns).entries()) {
        const { drawings } = pool[Math.floor(number / turns)]!;
        const rotation = rotations[number % turns]!;
        const chosen = rng.sample(shots + queries, drawingsPerCharacter);
        for (const [example, drawing] of chosen.entries()) {
          const isSupport = example < shots;
          // All classes' first examples come before their second: consecutive mini-batches hold all classes.
          const row = (isSupport ? example : example - shots) * ways + label;
          const inputs = isSupport ? task.supportInputs : task.queryInputs;
          const targets = isSupport ? task.supportTargets : task.queryTargets;
          copyTurned(drawings, drawing * pixels, rotation, inputs, row * pixels);
          targets[row * ways + label] = 1;
        }
      }
    },
  };
};

function copyTurned(drawings: Uint8Array, from: number, rotation: Uint16Array, inputs: Float32Array, to: number): void {
  for (let pixel = 0; pixel < pixels; pixel++) inputs[to + pixel] = inkLevels[drawings[from + rotation[pixel]!]!]!;
}

/** A byte of ink as a number from 0 to 1. */
const inkLevels = Float32Array.from({ length: 256 }, (_, ink) => ink / 255);

/** For each quarter turn, counter-clockwise: the pixel of the upright drawing that is seen at each pixel. */
const rotations: readonly Uint16Array[] = [0, 1, 2, 3].map((quarterTurns) =>
  Uint16Array.from({ length: pixels }, (_, pixel) => {
    let [row, column] = [Math.floor(pixel / side), pixel % side];
    for (let turn = 0; turn < quarterTurns; turn++) [row, column] = [column, side - 1 - row];
    return row * side + column;
  }),
);

function classesOf({ name, sha256 }: Character, turns: number): TaskClass[] {
  return Array.from({ length: turns }, (_, turn) => ({
    name: turn === 0 ? name : `${name}@${90 * turn}`,
    sha256: turn === 0 ? sha256 : `${sha256}@${90 * turn}`,
  }));
}

/** In order of preference: where the job file leaves it open, the set that the job began with. */
function wantedSets(wanted: OmniglotTaskSpec['dataSet'], expected: readonly DataIdentity[]): readonly OmniglotSet[] {
  if (wanted !== 'auto') return [wanted];
  const hasBegunSmall = expected.some(({ name, part }) => name === omniglot.name && part === 'small');
  return hasBegunSmall ? ['small', 'full'] : ['full', 'small'];
}

function findArchives(
  sets: readonly OmniglotSet[],
  directories: readonly string[],
): { readonly set: OmniglotSet; readonly paths: readonly string[] } {
  const missing: string[] = [];
  for (const set of sets) {
    const found = omniglot.files
      .filter(({ part }) => part === set)
      .map(({ file }) => ({
        file,
        path: candidatePaths(omniglot, file, directories).find((path) => existsSync(path)),
      }));
    const absent = found.filter(({ path }) => path === undefined).map(({ file }) => file);
    if (absent.length === 0) return { set, paths: found.map(({ path }) => path!) };
    missing.push(`${set} set: ${absent.join(' and ')}`);
  }
  const searched = candidatePaths(omniglot, '', directories);
  throw new MetatrainError(
    'DATA_SET_MISSING',
    `Omniglot is not here; missing: ${missing.join('; ')}; searched: ${searched.join(', ') || 'nothing, as no data directory is set'}. ` +
      `Fetch it with: ${fetchCommand(omniglot)}`,
    { details: { dataSet: omniglot.name, missing, searched } },
  );
}

interface Content {
  readonly characters: readonly Character[];
  readonly sha256: string;
}

const maxCached = 4;
const cache = new Map<string, Promise<Content>>();

/** Read once in a process; a failure is not kept. */
function contentOf(paths: readonly string[]): Promise<Content> {
  const key = paths.join('\n');
  let content = cache.get(key);
  if (content === undefined) {
    content = readArchives(paths).then((characters) => ({ characters, sha256: hashOfCharacters(characters) }));
    cache.set(key, content);
    content.catch(() => cache.delete(key));
    if (cache.size > maxCached) cache.delete(cache.keys().next().value!);
  }
  return content;
}

function refuseSplits(splits: Splits<Character>, evaluationSplit: EvaluationSplit, ways: number, turns: number): void {
  if (splits[evaluationSplit].length === 0) throw noSuchSplit(evaluationSplit);
  refuseOverlap(splits);
  for (const split of ['train', evaluationSplit] as const) refuseTooFew(ways, split, splits[split].length, turns);
}

/**
 * What the small set cannot give the full set may, which another worker may have: no fault of the job
 * file yet.
 */
function missingFullSet(refusal: unknown): unknown {
  if (!(refusal instanceof MetatrainError) || refusal.code !== 'REQUEST_INVALID') return refusal;
  const message = `${refusal.message}; the full set, which is not here, may do. Fetch it with: ${fetchCommand(omniglot)}`;
  return new MetatrainError('DATA_SET_MISSING', message, { details: refusal.details, cause: refusal });
}

function noSuchSplit(split: string): MetatrainError {
  return new MetatrainError(
    'REQUEST_INVALID',
    `evaluation.split: got ${split}; accepted: test, as Omniglot's small sets have no ${split} split ` +
      '(the full set has one, and task.alphabets can name one)',
    { details: { field: 'evaluation.split', got: split, accepted: ['test'] } },
  );
}

function refuseTooFew(ways: number, split: Split, characters: number, turns: number): void {
  const classes = characters * turns;
  if (ways <= classes) return;
  const made = turns === 1 ? `${characters} characters` : `${characters} characters × ${turns} rotations`;
  throw new MetatrainError(
    'REQUEST_INVALID',
    `task.ways: got ${ways}; accepted: at most ${classes}, the classes of the ${split} split (${made})`,
    {
      details: { field: 'task.ways', got: ways, accepted: classes, split },
    },
  );
}

function describe(identity: DataIdentity, splits: Splits<Character>, turns: number): string {
  const sizes = (['train', 'validation', 'test'] as const)
    .filter((split) => splits[split].length > 0)
    .map((split) => `${split} ${splits[split].length * turns}`);
  const how = turns === 1 ? 'classes are characters' : `classes are characters × ${turns} rotations`;
  const whose = isOfficial(identity) ? '' : ' (not the official drawings)';
  return `Omniglot ${identity.part} set${whose}, 28 × 28; ${how}: ${sizes.join(', ')}; class lists sha256 ${hashOfSplits(splits)}`;
}
