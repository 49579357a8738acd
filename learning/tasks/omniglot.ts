// Omniglot (Lake et al. 2015) as a distribution of N-way K-shot tasks: 28 × 28, ink = 1, rotations by 90°,
// 180° and 270° as classes of their own (Santoro et al. 2016, Vinyals et al. 2016). Drawings stay bytes in
// memory, shared by the jobs of a process; rotation and scaling happen as a task is drawn.
import { z } from 'zod';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { fetchCommand, isOfficial } from '../../shared/data-sets.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { FieldProblem } from '../../shared/job-spec/explain.ts';
import { taskRng } from '../../shared/rng.ts';
import { type CelFields, type CelRule, hasOtherTasks } from '../cel.ts';
import { imageFacts, imageFactsCel } from '../facts.ts';
import { drawEpisode, type Episode } from '../kit/episode.ts';
import { episodeWords, joined } from '../kit/words.ts';
import { defineDistribution } from '../part.ts';
import { type Split, splits as splitNames, type TaskClass, type TaskIo } from '../tasks.ts';
import { bySplit, hashOfSplits } from './class-splits.ts';
import { imageEncoder } from './encode-image.ts';
import { levels } from './image-classes.ts';
import {
  type Character,
  drawingsPerCharacter,
  hashOfCharacters,
  pixels,
  readArchives,
  side,
} from './omniglot-archive.ts';
import { omniglotFiles } from './omniglot-files.ts';
import { type OmniglotSet, refuseOverlap, type Splits, splitCharacters } from './omniglot-splits.ts';

/** The full set has 50 alphabets. */
const alphabets = z.array(z.string().min(1).max(100)).min(1).max(100);

const schema = z.strictObject({
  ways: z.int().min(2).max(1000).default(5),
  /** Support images a class; an Omniglot class has 20 images, so shots + queries ≤ 20. */
  shots: z.int().min(1).max(19).default(1),
  /** Query images a class. */
  queries: z.int().min(1).max(19).default(15),
  /**
   * A task is one sequence that shows each class so often, each time before its label, instead of a
   * support and a query set.
   */
  presentations: z.int().min(2).max(20).optional(),
  /** `full`: both official sets, 1,623 characters. `small`: the two small background sets. `auto`: full where it is found, else small. */
  dataSet: z.enum(['auto', 'full', 'small']).default('auto'),
  /** Rotations by 90°, 180° and 270° count as classes of their own. */
  rotations: z.boolean().default(true),
  /**
   * A task is a client of federated learning: characters of one alphabet, drawn by the same people,
   * one of them a shot or query. (A drawer drew each character once, so that one alone has no
   * second drawing to test on.)
   */
  clients: z.boolean().optional(),
  /** Alphabets of the training and test splits, instead of the fixed split. */
  alphabets: z.strictObject({ train: alphabets, validation: alphabets.optional(), test: alphabets }).optional(),
});

type OmniglotSpec = z.infer<typeof schema>;

export const omniglot = defineDistribution({
  name: 'omniglot',
  title: 'Omniglot',
  summary: 'N-way K-shot tasks of handwritten characters',
  paper: 'Lake, Salakhutdinov & Tenenbaum 2015; splits of Vinyals et al. 2016 and Finn, Abbeel & Levine 2017',
  schema,
  variants: {
    'small sets': { ways: 3, shots: 1, queries: 2, dataSet: 'small' },
    'a sequence of two pieces': { ways: 3, presentations: 4, dataSet: 'small' },
  },
  dataSets: [omniglotFiles],
  check: (spec, job) => [...tooManyDrawings(spec), ...noSequence(spec), ...sharedAlphabets(spec, job.usedSplits)],
  describe: ({ dataSet, rotations, clients, ...spec }) => ({
    ...episodeWords(spec),
    data: joined(
      ', ',
      joined(' ', 'Omniglot', dataSet && `${dataSet} set`),
      rotations && '4 rotations',
      clients && 'a task is a client',
    ),
  }),
  facts: (spec) => imageFacts([side, side, 1], spec),
  cel: (fields, { evaluationSplit }) => ({
    facts: imageFactsCel([String(side), String(side), '1'], fields),
    check: checkCel(fields, evaluationSplit),
  }),
  async open(spec, io) {
    const { ways, shots, queries, presentations } = spec;
    const { set, paths } = findArchives(wantedSets(spec.dataSet, io.expectedData), io);
    const { characters, sha256 } = await io.cached(paths.join('\n'), async () => {
      const read = await readArchives(paths, io);
      return { characters: read, sha256: hashOfCharacters(read) };
    });
    const identity: DataIdentity = { name: omniglotFiles.name, part: set, sha256 };
    io.refuseOtherData([identity]);
    const turns = spec.rotations ? 4 : 1;
    const isOfClients = spec.clients ?? false;
    let splits: Splits<Character>;
    try {
      splits = splitCharacters(characters, set, spec.alphabets);
      refuseSplits(splits, io.usedSplits, ways, turns);
    } catch (thrown) {
      throw spec.dataSet === 'auto' && set === 'small' ? missingFullSet(thrown) : thrown;
    }

    const pools = bySplit((split) => (isOfClients ? byAlphabet(splits[split], ways, turns) : [splits[split]]));
    if (isOfClients) refuseNoClient(pools, io.usedSplits, ways);

    return {
      splitDescription: `${describe(identity, splits, turns)}${isOfClients ? `; ${clientsText(pools)}` : ''}`,
      data: [identity],
      classes: (split) => splits[split].flatMap((character) => classesOf(character, turns)),
      sample(split, index, task) {
        const rng = taskRng(io.seed, split, index);
        const pool = pools[split][isOfClients ? rng.below(pools[split].length) : 0]!;
        const episode: Episode = {
          examples: isOfClients ? rng.sample(shots + queries, drawingsPerCharacter) : undefined,
          ways,
          shots,
          queries,
          presentations,
          classes: pool.length * turns,
          examplesOf: () => drawingsPerCharacter,
          copy(number, drawing, inputs, row) {
            const { drawings } = pool[Math.floor(number / turns)]!;
            copyTurned(drawings, drawing * pixels, rotations[number % turns]!, inputs, row * pixels);
          },
        };
        drawEpisode(rng, episode, task);
      },
    };
  },
  // as `shrinkToInk`, byte for byte
  encoder: async (_spec, io) =>
    imageEncoder({ height: side, width: side, channels: 1, filter: 'lanczos' }, io, { isInk: true }),
});

function tooManyDrawings({ shots, queries, presentations }: OmniglotSpec): FieldProblem[] {
  if (presentations !== undefined || shots + queries <= drawingsPerCharacter) return [];
  const accepted = `at most ${drawingsPerCharacter - shots} with ${shots} shots: an Omniglot class has ${drawingsPerCharacter} images`;
  return [{ field: 'task.queries', got: String(queries), accepted }];
}

function noSequence({ clients, presentations }: OmniglotSpec): FieldProblem[] {
  if (!clients || presentations === undefined) return [];
  return [{ field: 'task.presentations', got: String(presentations), accepted: 'nothing with task.clients' }];
}

function sharedAlphabets({ alphabets }: OmniglotSpec, usedSplits: readonly Split[]): FieldProblem[] {
  if (!alphabets) return [];
  const { train, validation = [], test } = alphabets;
  const problems: FieldProblem[] = [];
  for (const [split, names, earlier, taken] of [
    ['validation', validation, 'train', train],
    ['test', test, 'train', train],
    ['test', test, 'validation', validation],
  ] as const) {
    const seen = names.filter((name) => taken.includes(name));
    if (seen.length === 0) continue;
    const accepted = `no alphabet of task.alphabets.${earlier}: two splits must share no class`;
    problems.push({ field: `task.alphabets.${split}`, got: seen.join(', '), accepted });
  }
  if (usedSplits.includes('validation') && validation.length === 0) {
    const accepted = 'test, as task.alphabets has no validation list';
    problems.push({ field: 'evaluation.split', got: 'validation', accepted });
  }
  return problems;
}

/** `tooManyDrawings`, `noSequence` and `sharedAlphabets`. */
function checkCel(
  { shots, queries, presentations, clients, alphabets }: CelFields<OmniglotSpec>,
  evaluationSplit: string,
): CelRule[] {
  const [train, validation, test] = [`${alphabets}.train`, `${alphabets}.validation`, `${alphabets}.test`];
  const apart = (a: string, b: string) => `(!has(${a}) || !has(${b}) || !sets.intersects(${a}, ${b}))`;
  return [
    {
      rule: `has(${presentations}) || ${shots} + ${queries} <= ${drawingsPerCharacter}`,
      message: `task.queries: accepted: at most ${drawingsPerCharacter} together with task.shots: an Omniglot class has ${drawingsPerCharacter} images`,
    },
    {
      rule: `!has(${presentations}) || !has(${clients}) || !${clients}`,
      message: 'task.presentations: accepted: nothing with task.clients',
    },
    {
      rule: `!has(${alphabets}) || ${apart(validation, train)} && ${apart(test, train)} && ${apart(test, validation)}`,
      message: 'task.alphabets: accepted: splits that share no alphabet',
    },
    {
      rule: `!has(${alphabets}) || ${evaluationSplit} != 'validation' || ${hasOtherTasks} || has(${validation})`,
      message: 'evaluation.split: accepted: test, as task.alphabets has no validation list',
    },
  ];
}

function copyTurned(drawings: Uint8Array, from: number, rotation: Uint16Array, inputs: Float32Array, to: number): void {
  for (let pixel = 0; pixel < pixels; pixel++) inputs[to + pixel] = levels[drawings[from + rotation[pixel]!]!]!;
}

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
function wantedSets(wanted: OmniglotSpec['dataSet'], expected: readonly DataIdentity[]): readonly OmniglotSet[] {
  if (wanted !== 'auto') return [wanted];
  const hasBegunSmall = expected.some(({ name, part }) => name === omniglotFiles.name && part === 'small');
  return hasBegunSmall ? ['small', 'full'] : ['full', 'small'];
}

function findArchives(
  sets: readonly OmniglotSet[],
  io: Pick<TaskIo, 'find' | 'candidates'>,
): { readonly set: OmniglotSet; readonly paths: readonly string[] } {
  const absent: string[] = [];
  for (const set of sets) {
    const { paths, missing } = io.find(omniglotFiles, set);
    if (missing.length === 0) return { set, paths };
    absent.push(`${set} set: ${missing.join(' and ')}`);
  }
  const searched = io.candidates(omniglotFiles, '');
  throw new MetatrainError(
    'DATA_SET_MISSING',
    `Omniglot is not here; missing: ${absent.join('; ')}; searched: ${searched.join(', ') || 'nothing, as no data directory is set'}. ` +
      `Fetch it with: ${fetchCommand(omniglotFiles)}`,
    { details: { dataSet: omniglotFiles.name, missing: absent, searched } },
  );
}

function refuseSplits(splits: Splits<Character>, usedSplits: readonly Split[], ways: number, turns: number): void {
  for (const split of usedSplits) if (split !== 'train' && splits[split].length === 0) throw noSuchSplit(split);
  refuseOverlap(splits);
  for (const split of usedSplits) refuseTooFew(ways, split, splits[split].length, turns);
}

/**
 * What the small set cannot give the full set may, which another worker may have: no fault of the job
 * file yet.
 */
function missingFullSet(refusal: unknown): unknown {
  if (!(refusal instanceof MetatrainError) || refusal.code !== 'REQUEST_INVALID') return refusal;
  const message = `${refusal.message}; the full set, which is not here, may do. Fetch it with: ${fetchCommand(omniglotFiles)}`;
  return new MetatrainError('DATA_SET_MISSING', message, { details: refusal.details, cause: refusal });
}

/** The characters of each alphabet that has as many classes as a task shows. */
function byAlphabet(characters: readonly Character[], ways: number, turns: number): readonly (readonly Character[])[] {
  const names = [...new Set(characters.map(({ alphabet }) => alphabet))];
  const pools = names.map((name) => characters.filter(({ alphabet }) => alphabet === name));
  return pools.filter(({ length }) => length * turns >= ways);
}

type Pools = Readonly<Record<Split, readonly (readonly Character[])[]>>;

function refuseNoClient(pools: Pools, usedSplits: readonly Split[], ways: number): void {
  const split = usedSplits.find((name) => pools[name].length === 0);
  if (split === undefined) return;
  const accepted = `at most the classes of one alphabet of the ${split} split, with task.clients`;
  throw new MetatrainError('REQUEST_INVALID', `task.ways: got ${ways}; accepted: ${accepted}`, {
    details: { field: 'task.ways', got: ways, split },
  });
}

const clientsText = (pools: Pools): string =>
  `a task is a client: one alphabet of ${splitNames.map((split) => `${split} ${pools[split].length}`).join(', ')}`;

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
  const whose = isOfficial(omniglotFiles, identity) ? '' : ' (not the official drawings)';
  return `Omniglot ${identity.part} set${whose}, 28 × 28; ${how}: ${sizes.join(', ')}; class lists sha256 ${hashOfSplits(splits)}`;
}
