// Tasks of labelled sentences: classes by label, split by class, and tokens by a table that the
// training classes' sentences make. A sentence that has two labels is left out, and a repeated one
// counts once, so no sentence of training is shown in evaluation.
import { MetatrainError } from '../../shared/errors.ts';
import { startSha256 } from '../../shared/hash.ts';
import { formatCount } from '../../shared/numbers.ts';
import { taskRng } from '../../shared/rng.ts';
import { drawEpisode, type Episode } from '../kit/episode.ts';
import { type InputEncoder, splits as splitNames, type TaskClass, type TaskIo, type Tasks } from '../tasks.ts';
import {
  bySplit,
  type ClassSplits,
  classesByHash,
  classesByList,
  hashOfSplits,
  type WantedSplits,
} from './class-splits.ts';
import type { TextSpec } from './text-fields.ts';
import { makeTokenTable, type TokenTable } from './token-table.ts';

export interface LabelledText {
  readonly text: string;
  readonly label: string;
}

export interface TextSource {
  /** For people, such as `CLINC150`. */
  readonly title: string;
  /** Of the data's identity. */
  readonly name: string;
  readonly part: string;
  readonly sentences: readonly LabelledText[];
  /** Sentences of no class, for each split. */
  readonly outside: Readonly<Record<'train' | 'validation' | 'test', readonly string[]>>;
  /** Shares of the classes where the job file names none. */
  readonly usualShares: NonNullable<WantedSplits['byHash']>;
}

interface TextClass extends TaskClass {
  readonly sentences: readonly string[];
}

/** Tokens of all sentences: 64 MiB. */
const maxTokens = 2 ** 24;
/** Of a sentence, in UTF-16 code units. */
export const maxSentenceLength = 10_000;

/** One form for what differs in letter case, spaces and Unicode's forms. */
const normalized = (text: string): string => text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ');

export async function openTexts(spec: TextSpec, source: TextSource, io: TaskIo): Promise<Tasks> {
  const { ways, shots, queries, presentations, outside, tokens } = spec;
  const { splits, leftOut, table, identity } = await readTexts(spec, source, io);
  refuseSplits(spec, source, splits, io);
  const encode = encoderOf(table, tokens);
  const pools = bySplit((split) => splits[split].map((one) => encode([nameOf(one.name), ...one.sentences])));
  const others = bySplit((split) => encode(source.outside[split]));
  return {
    splitDescription:
      `${source.title}; classes: ${sizesOf(splits)}; ${leftOut > 0 ? `${formatCount(leftOut)} sentences with two labels left out; ` : ''}` +
      `${outside > 0 ? `outside: ${splitNames.map((split) => `${split} ${source.outside[split].length}`).join(', ')}; ` : ''}` +
      `table of ${formatCount(table.entries.length + 2)} ${table.unit}, sha256 ${table.sha256}; class lists sha256 ${hashOfSplits(splits)}`,
    data: [identity],
    classes: (split) => splits[split],
    sample(split, index, task) {
      const pool = pools[split];
      const rng = taskRng(io.seed, split, index);
      const write = (from: Uint16Array, row: number, to: Float32Array, at: number) => {
        for (let token = 0; token < tokens; token++) to[at * tokens + token] = from[row * tokens + token]!;
      };
      const episode: Episode = {
        ways,
        shots,
        queries,
        presentations,
        classes: pool.length,
        examplesOf: (number) => splits[split][number]!.sentences.length,
        ...(shots === 0 && { describe: (number, label) => write(pool[number]!, 0, task.descriptionInputs!, label) }),
        // a class's name stands before its sentences
        copy: (number, example, inputs, row) => write(pool[number]!, example + 1, inputs, row),
      };
      drawEpisode(rng, episode, task);
      if (outside === 0) return;
      const drawn = rng.sample(outside, source.outside[split].length);
      for (const [row, sentence] of drawn.entries()) write(others[split], sentence, task.outsideInputs!, row);
    },
  };
}

/** A sentence as the tokens of one input. Not of a sentence that has none, such as of spaces alone. */
export async function textEncoder(spec: TextSpec, source: TextSource, io: TaskIo): Promise<InputEncoder> {
  const { table } = await readTexts(spec, source, io);
  return {
    form: 'text',
    async encode(item) {
      const sentence = new TextDecoder('utf-8', { fatal: true }).decode(item);
      if (sentence.length > maxSentenceLength)
        throw new Error(`it has ${sentence.length} characters; accepted: at most ${maxSentenceLength}`);
      const found = table.encode(sentence).slice(0, spec.tokens);
      if (found.length === 0) throw new Error('it has no word');
      const input = new Float32Array(spec.tokens);
      input.set(found);
      return input;
    },
  };
}

/**
 * The classes of each split, and the table that the training classes make. @throws MetatrainError
 * `DATA_SET_DIFFERS`
 */
async function readTexts(spec: TextSpec, source: TextSource, io: TaskIo) {
  const { classes, leftOut } = classesOf(source.sentences);
  const content = hashOfSource(source);
  const splits = splitsOrOtherData(spec, source, classes, io, content);
  const { unit, size } = spec.table;
  const table = await io.cached(JSON.stringify(['token table', content, spec.table, hashOfSplits(splits)]), async () =>
    makeTokenTable(
      unit,
      size,
      splits.train.flatMap(({ sentences }) => sentences),
    ),
  );
  const identity = { name: source.name, part: source.part, sha256: hashOf(`${content} ${table.sha256}`) };
  io.refuseOtherData([identity]);
  return { splits, leftOut, table, identity };
}

/** A label as words: `transfer_funds` is `transfer funds`. */
const nameOf = (label: string): string => label.replace(/[_-]+/g, ' ');

function encoderOf(table: TokenTable, tokens: number): (sentences: readonly string[]) => Uint16Array {
  let room = maxTokens;
  return (sentences) => {
    room -= sentences.length * tokens;
    if (room < 0)
      throw invalid('task.tokens', `${tokens} for each sentence`, `at most ${formatCount(maxTokens)} tokens in all`);
    const encoded = new Uint16Array(sentences.length * tokens);
    for (const [row, sentence] of sentences.entries())
      encoded.set(table.encode(sentence).slice(0, tokens), row * tokens);
    return encoded;
  };
}

/** Sorted by label; sentences in their order. */
function classesOf(sentences: readonly LabelledText[]): {
  readonly classes: readonly TextClass[];
  readonly leftOut: number;
} {
  const labels = new Map<string, string | undefined>();
  for (const { text, label } of sentences) {
    const key = normalized(text);
    labels.set(key, labels.has(key) && labels.get(key) !== label ? undefined : label);
  }
  const byLabel = new Map<string, string[]>();
  let leftOut = 0;
  for (const [text, label] of labels) {
    if (label === undefined) leftOut += 1;
    else byLabel.set(label, [...(byLabel.get(label) ?? []), text]);
  }
  const classes = Array.from(byLabel, ([name, sentences]) => ({
    name,
    sentences,
    sha256: hashOf([...sentences].sort().join('\n')),
  }));
  return { classes: classes.sort((a, b) => (a.name < b.name ? -1 : 1)), leftOut };
}

function splitsOrOtherData(
  { splits }: TextSpec,
  source: TextSource,
  classes: readonly TextClass[],
  io: TaskIo,
  content: string,
): ClassSplits<TextClass> {
  try {
    return splits && !splits.byHash
      ? classesByList('task.splits', classes, splits)
      : classesByHash(classes, splits?.byHash ?? source.usualShares);
  } catch (thrown) {
    // the lists may be right for the data that the job began with
    if (io.expectedData.length > 0) io.refuseOtherData([{ name: source.name, part: source.part, sha256: content }]);
    throw thrown;
  }
}

function refuseSplits(
  spec: TextSpec,
  source: TextSource,
  splits: ClassSplits<TextClass>,
  { usedSplits }: TaskIo,
): void {
  const { ways, shots, queries, presentations, outside } = spec;
  for (const split of usedSplits) {
    if (split === 'train' || splits[split].length > 0) continue;
    const others = splitNames.filter((split) => split !== 'train' && splits[split].length > 0).join(', ');
    const why = `the ${split} split of ${source.title} has no class (task.splits can give it some)`;
    throw invalid('evaluation.split', split, `${others || 'a split that has classes'}, as ${why}`);
  }
  for (const split of usedSplits) {
    const { length } = splits[split];
    if (ways > length)
      throw invalid(
        'task.ways',
        String(ways),
        `at most ${length}, the classes of the ${split} split (${sizesOf(splits)})`,
      );
    const most = source.outside[split].length;
    if (outside > most)
      throw invalid('task.outside', String(outside), `at most ${most}, the ${split} split's sentences of no class`);
  }
  const needed = presentations ?? shots + queries;
  const small = splitNames.flatMap((split) => splits[split]).filter(({ sentences }) => sentences.length < needed);
  if (small.length === 0) return;
  const counts = small.slice(0, 5).map(({ name, sentences }) => `"${name}" has ${sentences.length}`);
  const more = small.length > 5 ? ` and ${small.length - 5} more` : '';
  const accepted = `what every class has: ${counts.join(', ')}${more}`;
  if (presentations !== undefined) throw invalid('task.presentations', String(presentations), accepted);
  const got = `${queries} with task.shots ${shots}, which take ${needed} sentences of each class`;
  throw invalid('task.queries', got, accepted);
}

const sizesOf = (splits: ClassSplits<TextClass>): string =>
  splitNames
    .filter((split) => splits[split].length > 0)
    .map((split) => `${split} ${splits[split].length}`)
    .join(', ');

/** Over every sentence with its label, and those of no class, in order. */
export function hashOfSource({ sentences, outside }: Pick<TextSource, 'sentences' | 'outside'>): string {
  const hash = startSha256();
  for (const { text, label } of sentences) hash.update(`${label}\0${text}\n`);
  for (const split of splitNames) for (const text of outside[split]) hash.update(`outside ${split}\0${text}\n`);
  return hash.hex();
}

export const hashOf = (content: string | Uint8Array): string => startSha256().update(content).hex();

export function invalid(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `${field}: got ${got}; accepted: ${accepted}`, {
    details: { field, got, accepted },
  });
}
