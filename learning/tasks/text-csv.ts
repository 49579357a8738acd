// A user's own sentences as a distribution of N-way K-shot tasks: a CSV file in a data directory,
// one sentence and its label a row. With `shots: 0` a task has the labels' words instead of
// sentences.
import { z } from 'zod';
import { MetatrainError } from '../../shared/errors.ts';
import { excerpt } from '../../shared/foreign-text.ts';
import type { FieldProblem } from '../../shared/job-spec/explain.ts';
import { formatCount } from '../../shared/numbers.ts';
import { dataPath, placeOfFile } from '../kit/data-path.ts';
import { defineDistribution } from '../part.ts';
import type { Split, TaskIo } from '../tasks.ts';
import { splitProblems } from './class-splits.ts';
import { csvRows } from './csv.ts';
import { sequenceProblems, textFacts, textFields, textWords } from './text-fields.ts';
import {
  hashOf,
  invalid,
  type LabelledText,
  maxSentenceLength,
  openTexts,
  type TextSource,
  textEncoder,
} from './text-tasks.ts';

const column = z.string().min(1).max(200);

const schema = z.strictObject({
  /** Inside a data directory, such as `intents.csv` or `bank/intents.csv`. Its first row names the columns. */
  file: dataPath('file'),
  /** The column of sentences. */
  textColumn: column.default('text'),
  /** The column of labels. Zero-shot tasks read the label as words, with "_" and "-" as spaces. */
  labelColumn: column.default('label'),
  /** The label of sentences that belong to no class, such as `oos`: those that `outside` draws from. */
  outsideLabel: column.optional(),
  ...textFields,
});

type CsvSpec = z.infer<typeof schema>;

export const limits = { fileBytes: 64 * 2 ** 20, rows: 1_000_000 } as const;

export const textCsv = defineDistribution({
  name: 'text-csv',
  title: 'sentences from a CSV file',
  summary: "N-way K-shot or zero-shot tasks of a user's own labelled sentences",
  paper: '',
  schema,
  variants: {
    'few-shot': {
      file: 'texts/intents.csv',
      ways: 2,
      shots: 2,
      queries: 2,
      tokens: 6,
      table: { unit: 'pieces', size: 40 },
      splits: { train: ['pay_bill', 'book_flight', 'play_music'], test: ['set_alarm', 'tell_joke'] },
    },
    'a sequence': {
      file: 'texts/intents.csv',
      ways: 2,
      presentations: 3,
      tokens: 6,
      table: { unit: 'pieces', size: 40 },
      splits: { train: ['pay_bill', 'book_flight', 'play_music'], test: ['set_alarm', 'tell_joke'] },
    },
    'zero-shot with sentences of no class': {
      file: 'texts/intents.csv',
      ways: 2,
      shots: 0,
      queries: 2,
      outside: 2,
      outsideLabel: 'none',
      tokens: 6,
      table: { unit: 'pieces', size: 60 },
      splits: { train: ['pay_bill', 'book_flight', 'play_music'], test: ['set_alarm', 'tell_joke'] },
    },
  },
  check: (spec, job) => [
    ...(spec.splits ? splitProblems('task.splits', spec.splits, job.usedSplits) : []),
    ...outsideProblems(spec),
    ...sequenceProblems(spec),
  ],
  describe: (spec) => textWords(spec, `sentences${spec.file ? ` of ${spec.file}` : ''}`),
  facts: textFacts,
  open: async (spec, io) => openTexts(spec, await sourceOf(spec, io), io),
  encoder: async (spec, io) => textEncoder(spec, await sourceOf(spec, io), io),
});

async function sourceOf(spec: CsvSpec, io: TaskIo): Promise<TextSource> {
  const path = placeOfFile('the file of sentences', spec.file, io);
  const sentences = await read(path, spec, io);
  const isOutside = ({ label }: LabelledText) => label === spec.outsideLabel;
  return {
    title: `sentences of ${spec.file}`,
    name: 'text-csv',
    part: spec.file,
    sentences: sentences.filter((row) => !isOutside(row)),
    outside: byHash(sentences.filter(isOutside).map(({ text }) => text)),
    usualShares: { validation: 0, test: 0.2 },
  };
}

function outsideProblems({ outside, outsideLabel }: CsvSpec): FieldProblem[] {
  if (outside === 0 || outsideLabel !== undefined) return [];
  const accepted = '0, or a label of sentences that belong to no class in task.outsideLabel';
  return [{ field: 'task.outside', got: String(outside), accepted }];
}

async function read(path: string, { textColumn, labelColumn }: CsvSpec, io: TaskIo): Promise<readonly LabelledText[]> {
  let bytes: Uint8Array;
  try {
    bytes = await io.readFile(path, limits.fileBytes);
  } catch (cause) {
    throw corrupt(path, messageOf(cause), cause);
  }
  const key = JSON.stringify(['csv', hashOf(bytes), textColumn, labelColumn]);
  return io.cached(key, async () => {
    try {
      return parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), textColumn, labelColumn);
    } catch (cause) {
      if (cause instanceof MetatrainError) throw cause;
      throw corrupt(path, cause instanceof TypeError ? 'it is not UTF-8' : messageOf(cause), cause);
    }
  });
}

function parse(text: string, textColumn: string, labelColumn: string): readonly LabelledText[] {
  const found: LabelledText[] = [];
  let places: { readonly text: number; readonly label: number; readonly columns: number } | undefined;
  for (const { line, fields } of csvRows(text)) {
    if (places === undefined) {
      places = {
        text: placeOf(fields, 'task.textColumn', textColumn),
        label: placeOf(fields, 'task.labelColumn', labelColumn),
        columns: fields.length,
      };
      continue;
    }
    if (fields.length !== places.columns) {
      throw new Error(`line ${line} has ${fields.length} fields; accepted: ${places.columns}, as the first line has`);
    }
    if (found.length === limits.rows) throw new Error(`it has more than ${formatCount(limits.rows)} rows`);
    const [sentence, label] = [fields[places.text]!.trim(), fields[places.label]!.trim()];
    if (sentence === '' || label === '') throw new Error(`line ${line} has an empty sentence or label`);
    if (sentence.length > maxSentenceLength || label.length > maxLabelLength) {
      const accepted = `${formatCount(maxSentenceLength)} and ${maxLabelLength} characters`;
      throw new Error(`line ${line} has a sentence or label that is too long; accepted: at most ${accepted}`);
    }
    found.push({ text: sentence, label });
  }
  return found;
}

const maxLabelLength = 200;

function placeOf(header: readonly string[], field: string, column: string): number {
  const place = header.findIndex((name) => name.trim() === column);
  if (place >= 0) return place;
  throw invalid(field, column, `a column of the file: ${excerpt(header.join(', '), 200)}`);
}

/** In the order of their hashes: half of them test, a quarter validates, the rest trains. */
function byHash(texts: readonly string[]): Readonly<Record<Split, readonly string[]>> {
  const hashed = [...new Set(texts)].map((text) => ({ text, hash: hashOf(text) }));
  const order = hashed.sort((a, b) => (a.hash < b.hash ? -1 : 1)).map(({ text }) => text);
  const [half, rest] = [Math.ceil(order.length / 2), Math.ceil((3 * order.length) / 4)];
  return { test: order.slice(0, half), validation: order.slice(half, rest), train: order.slice(rest) };
}

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

function corrupt(path: string, what: string, cause: unknown): MetatrainError {
  const message = `${path} is not a whole CSV file of sentences and labels: ${what}`;
  return new MetatrainError('DATA_CORRUPT', message, { details: { path }, cause });
}
