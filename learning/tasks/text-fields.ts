// The fields that distributions of text share, and the facts that follow from them.
import { z } from 'zod';
import type { FieldProblem } from '../../shared/job-spec/explain.ts';
import { descriptionAndQuery, episodeFacts, type TaskFacts, withOutside } from '../facts.ts';
import { episodeWords, joined } from '../kit/words.ts';
import type { StatedSpec } from '../part.ts';
import { splitsSchema } from './class-splits.ts';

const tableSchema = z.strictObject({
  /** `pieces`: byte-pair encoding, which reads words that training never saw. `words`: the most frequent words. */
  unit: z.enum(['pieces', 'words']).default('pieces'),
  /** Tokens in the table, at most. */
  size: z.int().min(16).max(16_384).default(2000),
});

export const textFields = {
  ways: z.int().min(2).max(1000).default(5),
  /** Support sentences a class. 0: zero-shot, a task has the names of its classes and no sentence of them. */
  shots: z.int().min(0).max(1000).default(1),
  /** Query sentences a class. Each class has at least shots + queries sentences. */
  queries: z.int().min(1).max(1000).default(10),
  /**
   * A task is one sequence that shows each class so often, each time before its label, instead of a
   * support and a query set.
   */
  presentations: z.int().min(2).max(1000).optional(),
  /** Sentences a task that belong to no class at all: evaluations measure how well they are told apart. */
  outside: z.int().min(0).max(1000).default(0),
  /** Of a sentence; the rest of a longer one is cut off. */
  tokens: z.int().min(1).max(512).default(24),
  /** How sentences become tokens. The table is made of the training classes' sentences. */
  table: tableSchema.default(() => tableSchema.parse({})),
  /** Which classes train, validate and test. */
  splits: splitsSchema.optional(),
};

const schema = z.strictObject(textFields);
export type TextSpec = z.infer<typeof schema>;

/** Sequences have no place for descriptions and for sentences of no class. */
export function sequenceProblems({ shots, outside, presentations }: TextSpec): FieldProblem[] {
  if (presentations === undefined) return [];
  const accepted = (instead: string) => `${instead} with task.presentations: a sequence has no other examples`;
  return [
    ...(shots === 0 ? [{ field: 'task.shots', got: '0', accepted: accepted('its default, 1,') }] : []),
    ...(outside > 0 ? [{ field: 'task.outside', got: String(outside), accepted: accepted('0') }] : []),
  ];
}

export function textFacts({ ways, shots, queries, presentations, outside, tokens, table }: TextSpec): TaskFacts {
  const common = { target: 'classes', inputKind: 'tokens', vocabulary: table.size, input: [tokens] } as const;
  const facts =
    shots > 0 || presentations !== undefined
      ? episodeFacts({ ...common, outputs: ways, ways, shots, queries }, presentations)
      : descriptionAndQuery({ ...common, outputs: ways, ways, queries });
  return withOutside(facts, outside);
}

/** @param data what the sentences are. */
export function textWords({ outside, tokens, table, ...spec }: StatedSpec<typeof schema>, data: string) {
  const { episode, queries } = episodeWords(spec);
  return {
    episode,
    queries: joined(', ', queries, outside && `${outside} outside`),
    data: joined(', ', data, table && `${table.size} ${table.unit}`, tokens && `${tokens} tokens`),
  };
}
