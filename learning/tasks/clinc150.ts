// CLINC150 (Larson et al. 2019) as a distribution of N-way K-shot or zero-shot tasks: sentences
// that people say to a machine, by intent. Its own splits are by sentence; here an intent trains,
// validates or tests, with all of its sentences. The sentences out of scope are kept apart:
// `outside` draws from them, in their own splits.
import { z } from 'zod';
import { fetchCommand } from '../../shared/data-sets.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { defineDistribution } from '../part.ts';
import type { TaskIo } from '../tasks.ts';
import { splitProblems } from './class-splits.ts';
import { clinc150Files } from './clinc150-files.ts';
import { sequenceProblems, textFacts, textFields, textWords } from './text-fields.ts';
import { hashOf, hashOfSource, type LabelledText, openTexts, type TextSource, textEncoder } from './text-tasks.ts';

const maxFileBytes = 64 * 2 ** 20;

const pairs = z.array(z.tuple([z.string().min(1).max(10_000), z.string().min(1).max(200)])).max(1_000_000);
const fileSchema = z.object({
  train: pairs,
  val: pairs,
  test: pairs,
  oos_train: pairs,
  oos_val: pairs,
  oos_test: pairs,
});

export const clinc150 = defineDistribution({
  name: 'clinc150',
  title: 'CLINC150',
  summary: 'N-way K-shot or zero-shot tasks of sentences by intent, with sentences out of scope',
  paper: 'Larson et al. 2019',
  schema: z.strictObject(textFields),
  variants: {
    'few-shot': {
      ways: 2,
      shots: 1,
      queries: 2,
      tokens: 6,
      table: { unit: 'pieces', size: 40 },
      splits: { train: ['pay_bill', 'book_flight', 'play_music'], test: ['set_alarm', 'tell_joke'] },
    },
  },
  dataSets: [clinc150Files],
  check: (spec, job) => [
    ...(spec.splits ? splitProblems('task.splits', spec.splits, job.usedSplits) : []),
    ...sequenceProblems(spec),
  ],
  describe: (spec) => textWords(spec, 'CLINC150'),
  facts: textFacts,
  open: async (spec, io) => openTexts(spec, await sourceOf(io), io),
  encoder: async (spec, io) => textEncoder(spec, await sourceOf(io), io),
});

async function sourceOf(io: TaskIo): Promise<TextSource> {
  const read = await readFile(io);
  const whose = hashOfSource(read) === clinc150Files.contents.full ? '' : ' (not the official sentences)';
  // 90 intents train, 30 validate and 30 test
  const usualShares = { validation: 0.2, test: 0.2 };
  return { ...read, title: `CLINC150${whose}`, name: clinc150Files.name, part: 'full', usualShares };
}

async function readFile(io: TaskIo): Promise<Pick<TextSource, 'sentences' | 'outside'>> {
  const path = pathOf(io);
  let bytes: Uint8Array;
  try {
    bytes = await io.readFile(path, maxFileBytes);
  } catch (cause) {
    throw corrupt(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
  return io.cached(`clinc150 ${hashOf(bytes)}`, async () => parse(path, bytes));
}

function parse(path: string, bytes: Uint8Array): Pick<TextSource, 'sentences' | 'outside'> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw corrupt(path, 'it is not JSON in UTF-8', cause);
  }
  const { data, error } = fileSchema.safeParse(json);
  if (!data) {
    const { path: at, message } = error.issues[0]!;
    throw corrupt(path, `${at.join('.') || 'the file'}: ${message}`, error);
  }
  const labelled = (rows: z.infer<typeof pairs>): LabelledText[] => rows.map(([text, label]) => ({ text, label }));
  const textsOf = (rows: z.infer<typeof pairs>): string[] => rows.map(([text]) => text);
  return {
    sentences: [...labelled(data.train), ...labelled(data.val), ...labelled(data.test)],
    outside: { train: textsOf(data.oos_train), validation: textsOf(data.oos_val), test: textsOf(data.oos_test) },
  };
}

function pathOf(io: Pick<TaskIo, 'find' | 'candidates'>): string {
  const { paths, missing } = io.find(clinc150Files, 'full');
  if (missing.length === 0) return paths[0]!;
  const searched = io.candidates(clinc150Files, clinc150Files.files[0]!.file);
  throw new MetatrainError(
    'DATA_SET_MISSING',
    `CLINC150 is not here; searched: ${searched.join(', ') || 'nothing, as no data directory is set'}. ` +
      `Fetch it with: ${fetchCommand(clinc150Files)}`,
    { details: { dataSet: clinc150Files.name, missing, searched } },
  );
}

function corrupt(path: string, what: string, cause: unknown): MetatrainError {
  const message = `${path} is not CLINC150's data_full.json: ${what}`;
  return new MetatrainError('DATA_CORRUPT', message, { details: { path }, cause });
}
