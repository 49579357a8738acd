// Which classes train, validate and test: from lists, from the folders that hold them, or by the hashes of
// their names. Pure, and a function of the names alone, never of the job's seed or of chance.
import { z } from 'zod';
import { MetatrainError } from '../../shared/errors.ts';
import { startSha256 } from '../../shared/hash.ts';
import type { FieldProblem } from '../../shared/job-spec/explain.ts';
import { type CelRule, hasEnsemble, hasOtherTasks } from '../cel.ts';
import { type Split, splits as splitNames, type TaskClass } from '../tasks.ts';

const names = z.array(z.string().min(1).max(255)).min(1).max(2000);
const share = z.number().min(0).max(0.9);

/** `train`, `validation` and `test` list classes; `byHash` gives the shares of the classes that validate and test. */
export const splitsSchema = z.strictObject({
  train: names.optional(),
  validation: names.optional(),
  test: names.optional(),
  byHash: z.strictObject({ validation: share.default(0), test: share.default(0.2) }).optional(),
});

export type WantedSplits = z.infer<typeof splitsSchema>;
export type ClassSplits<C> = Readonly<Record<Split, readonly C[]>>;

/** Shares where the job file names none. Nothing validates: a small folder has no class to spare for jobs that never do. */
const usualShares = { validation: 0, test: 0.2 } as const;

const listsOf = (wanted: WantedSplits) =>
  splitNames.flatMap((split) => {
    const listed = wanted[split];
    return listed ? [{ split, listed }] : [];
  });

/**
 * @param field where the section is, such as `task.splits`.
 * @param usedSplits those that need a list.
 */
export function splitProblems(field: string, wanted: WantedSplits, usedSplits: readonly Split[]): FieldProblem[] {
  const lists = listsOf(wanted);
  if (wanted.byHash) {
    if (lists.length > 0) {
      const got = `${lists.map(({ split }) => split).join(', ')} and byHash`;
      return [{ field, got, accepted: 'lists of classes, or byHash' }];
    }
    const { validation, test } = wanted.byHash;
    if (validation + test <= 0.95) return [];
    const got = `validation ${validation} and test ${test}`;
    return [{ field: `${field}.byHash`, got, accepted: 'shares that leave classes to train: at most 0.95 together' }];
  }
  const problems: FieldProblem[] = [];
  for (const split of usedSplits) {
    if (wanted[split]) continue;
    problems.push({
      field: `${field}.${split}`,
      got: 'nothing',
      accepted: `a list of the classes of the ${split} split`,
    });
  }
  for (const [at, { split, listed }] of lists.entries()) {
    const twice = listed.filter((name, index) => listed.indexOf(name) !== index);
    if (twice.length > 0) {
      problems.push({ field: `${field}.${split}`, got: `${twice.join(', ')} twice`, accepted: 'every class once' });
    }
    for (const earlier of lists.slice(0, at)) {
      const shared = listed.filter((name) => earlier.listed.includes(name));
      if (shared.length === 0) continue;
      const accepted = `no class of ${field}.${earlier.split}: two splits must share no class`;
      problems.push({ field: `${field}.${split}`, got: shared.join(', '), accepted });
    }
  }
  return problems;
}

/** As `splitProblems`, in CEL, but for classes that one list has twice: CEL would take too long, and the CRD's lists are sets. */
export function splitRules(field: string, wanted: string, evaluationSplit: string): CelRule[] {
  const list = (split: Split) => `${wanted}.${split}`;
  const hasList = (split: Split) => `has(${list(split)})`;
  const pairs = splitNames.flatMap((later, at) => splitNames.slice(0, at).map((earlier) => [earlier, later] as const));
  const share = (split: 'validation' | 'test') =>
    `${wanted}.byHash.?${split}.orValue(${usualShares[split].toFixed(1)})`;
  const unless = (rule: string) => `!has(${wanted}) || has(${wanted}.byHash) || (${rule})`;
  return [
    {
      rule: `!has(${wanted}) || !has(${wanted}.byHash) || !(${splitNames.map(hasList).join(' || ')})`,
      message: `${field}: accepted: lists of classes, or byHash`,
    },
    {
      rule: `!has(${wanted}) || !has(${wanted}.byHash) || ${share('validation')} + ${share('test')} <= 0.95`,
      message: `${field}.byHash: accepted: shares that leave classes to train: at most 0.95 together`,
    },
    {
      rule: unless(
        `${hasList('train')} && (${hasOtherTasks} || (${evaluationSplit} == 'validation' ? ` +
          `${hasList('validation')} && (!(${hasEnsemble}) || ${hasList('test')}) : ${hasList('test')}))`,
      ),
      message: `${field}: accepted: lists of the classes of the train split and of the one in evaluation.split`,
    },
    ...pairs.map(([earlier, later]) => ({
      rule: unless(`!${hasList(earlier)} || !${hasList(later)} || !sets.intersects(${list(earlier)}, ${list(later)})`),
      message: `${field}.${later}: accepted: no class of ${field}.${earlier}: two splits must share no class`,
    })),
  ];
}

/**
 * The classes of each split, in the order in which they are given.
 *
 * @throws MetatrainError `REQUEST_INVALID` when a listed class is not there.
 */
export function classesByList<C extends TaskClass>(
  field: string,
  classes: readonly C[],
  wanted: WantedSplits,
): ClassSplits<C> {
  const known = classes.map(({ name }) => name);
  for (const { split, listed } of listsOf(wanted)) {
    const unknown = listed.filter((name) => !known.includes(name));
    if (unknown.length === 0) continue;
    const some =
      known.length > 20 ? `${known.slice(0, 20).join(', ')} and ${known.length - 20} more` : known.join(', ');
    throw new MetatrainError('REQUEST_INVALID', `${field}.${split}: got ${unknown.join(', ')}; accepted: ${some}`, {
      details: { field: `${field}.${split}`, got: unknown, accepted: known },
    });
  }
  return bySplit((split) => classes.filter(({ name }) => wanted[split]?.includes(name)));
}

/**
 * As the job file has them; without lists and shares, by `classesByHash`, or all classes where
 * tasks are drawn from one split alone and there is nothing to hold apart.
 */
export function classesOfSplits<C extends TaskClass>(
  field: string,
  classes: readonly C[],
  wanted: WantedSplits | undefined,
  usedSplits: readonly Split[],
): ClassSplits<C> {
  if (wanted && !wanted.byHash) return classesByList(field, classes, wanted);
  if (!wanted && usedSplits.length === 1) return bySplit((split) => (usedSplits.includes(split) ? classes : []));
  return classesByHash(classes, wanted?.byHash);
}

/**
 * In the order of their names' SHA-256, the first classes test, the next validate and the rest train: as many as the shares say, rounded.
 * A new class moves at most one class at each border.
 */
export function classesByHash<C extends TaskClass>(
  classes: readonly C[],
  { validation, test }: NonNullable<WantedSplits['byHash']> = usualShares,
): ClassSplits<C> {
  const hashes = new Map(classes.map(({ name }) => [name, startSha256().update(name).hex()]));
  const order = [...hashes].sort(([, a], [, b]) => (a < b ? -1 : 1)).map(([name]) => name);
  const tested = Math.round(test * classes.length);
  const heldOut = tested + Math.round(validation * classes.length);
  const cut = { test: order.slice(0, tested), validation: order.slice(tested, heldOut), train: order.slice(heldOut) };
  return bySplit((split) => classes.filter(({ name }) => cut[split].includes(name)));
}

export const bySplit = <Value>(of: (split: Split) => Value): Readonly<Record<Split, Value>> => ({
  train: of('train'),
  validation: of('validation'),
  test: of('test'),
});

/** SHA-256 of the splits' class lists: a line `<split> <name> <hash of its examples>` for each, in order. */
export function hashOfSplits(splits: ClassSplits<TaskClass>): string {
  const hash = startSha256();
  for (const split of splitNames) {
    for (const { name, sha256 } of splits[split]) hash.update(`${split} ${name} ${sha256}\n`);
  }
  return hash.hex();
}
