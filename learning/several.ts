// Several task distributions in one job: the domains of a mixture, or one for training and another for
// evaluation. Their tasks must look alike, since one model and one program take them all, and no
// class of training may stand in an evaluation, whichever distribution it comes from.
import type { DataIdentity } from '../shared/data-identity.ts';
import { MetatrainError } from '../shared/errors.ts';
import type { FieldProblem } from '../shared/job-spec/explain.ts';
import type { TaskSection } from '../shared/job-spec/sections.ts';
import { refuseOtherData } from '../shared/other-data.ts';
import type { TaskFacts } from './facts.ts';
import type { DefinedPart } from './part.ts';
import type { EvaluationSplit, Split, TaskIo, Tasks } from './tasks.ts';

/** A distribution as a job names it. */
export interface NamedTasks {
  /** Where its section is in the job file, such as `evaluation.task`. */
  readonly path: string;
  readonly section: TaskSection;
  readonly distribution: DefinedPart<'distribution'>;
}

export const factsOf = ({ distribution, section }: NamedTasks): TaskFacts => distribution.facts(section);

/** Facts that are fields of most distributions, and those that only words can name. */
const fieldFacts = ['ways', 'presentations', 'shots', 'queries'] as const;
const wordFacts: Readonly<Record<string, (facts: TaskFacts) => string>> = {
  inputs: ({ inputKind, input }) => `${inputKind} [${input.join(', ')}]`,
  targets: ({ target, outputs }) => (target === 'classes' ? target : `${target} [${outputs}]`),
  sets: ({ sets }) => sets.join(', '),
};

/** Where the tasks of one distribution look otherwise than those of another. */
export function disagreements(one: NamedTasks, other: NamedTasks): FieldProblem[] {
  const [ours, theirs] = [factsOf(one), factsOf(other)];
  const { distribution: name } = one.section;
  const refuse = (field: string, got: string, accepted: string): FieldProblem[] => [
    { field: `${one.path}.${field}`, got, accepted: `${accepted}, as the tasks of ${other.path} have` },
  ];
  if (ours.inputKind === 'tokens') {
    const accepted = 'a distribution without text: each text distribution makes a table of tokens of its own';
    return [{ field: `${one.path}.distribution`, got: name, accepted }];
  }
  const inWords = Object.entries(wordFacts).filter(([, words]) => words(ours) !== words(theirs));
  if (inWords.length > 0) {
    return inWords.flatMap(([what, words]) =>
      refuse('distribution', `${name}, with the ${what} ${words(ours)}`, `${what} ${words(theirs)}`),
    );
  }
  return fieldFacts
    .filter((fact) => ours[fact] !== theirs[fact])
    .flatMap((fact) => {
      const isField = fact in one.section;
      const got = isField ? String(ours[fact]) : `${name}, with ${ours[fact]} ${fact}`;
      return refuse(isField ? fact : 'distribution', got, isField ? String(theirs[fact]) : `${theirs[fact]} ${fact}`);
    });
}

/** Fields of a distribution's section, which its part knows as `task`, at the path where the section is. */
export const relocated = (problems: readonly FieldProblem[], path: string): FieldProblem[] =>
  problems.map((problem) => ({ ...problem, field: inPlace(problem.field, path), accepted: inPlace(problem.accepted, path) })); // biome-ignore format: one line

const inPlace = (text: string, path: string): string => text.replace(/(?<![\w.])task\.(?=[a-z])/g, `${path}.`);

/**
 * Opens one after another, each held to its own part of the data that the job began with.
 *
 * @throws MetatrainError as `DistributionPart.open`, with the fields at the path of their section.
 */
export async function openInTurn(
  all: readonly { readonly tasks: NamedTasks; readonly usedSplits: readonly Split[] }[],
  io: TaskIo,
): Promise<Tasks[]> {
  const opened: Tasks[] = [];
  for (const { tasks, usedSplits } of all) {
    const at = opened.reduce((sum, { data }) => sum + data.length, 0);
    const expectedData = io.expectedData.slice(at);
    const own: TaskIo = {
      ...io,
      usedSplits,
      expectedData,
      refuseOtherData: (read: readonly DataIdentity[]) => refuseOtherData(expectedData.slice(0, read.length), read),
    };
    try {
      opened.push(await tasks.distribution.open(tasks.section, own));
    } catch (thrown) {
      throw errorInPlace(thrown, tasks.path);
    }
  }
  return opened;
}

function errorInPlace(thrown: unknown, path: string): unknown {
  if (!(thrown instanceof MetatrainError) || thrown.code !== 'REQUEST_INVALID') return thrown;
  const { field } = thrown.details;
  const details = typeof field === 'string' ? { ...thrown.details, field: inPlace(field, path) } : thrown.details;
  return new MetatrainError(thrown.code, inPlace(thrown.message, path), { details, cause: thrown });
}

/**
 * @throws MetatrainError `REQUEST_INVALID` naming the classes of training that an evaluation would
 *   show, under whatever name.
 */
export function refuseSharedClasses(path: string, tasks: Pick<Tasks, 'classes'>, split: EvaluationSplit): void {
  const trained = new Map(tasks.classes('train').map(({ name, sha256 }) => [sha256, name]));
  const shown = tasks.classes(split).flatMap(({ name, sha256 }) => {
    const other = trained.get(sha256);
    return other === undefined ? [] : [other === name ? name : `${name} (as ${other})`];
  });
  if (shown.length === 0) return;
  const some = shown.length > 5 ? `${shown.slice(0, 5).join(', ')} and ${shown.length - 5} more` : shown.join(', ');
  throw new MetatrainError(
    'REQUEST_INVALID',
    `${path}: got a ${split} split that would show classes of training: ${some}; accepted: distributions that share no class between training and evaluation`,
    { details: { field: path, split, classes: shown } },
  );
}
