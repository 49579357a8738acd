// Tasks drawn from several distributions, its domains, each with a weight: which domain task number
// i of a split is of follows from (seed, split, i), and the task is the domain's own number i. The
// domains' tasks must look alike. A registry makes this part of its other distributions.
import { z } from 'zod';
import type { FieldProblem } from '../../shared/job-spec/explain.ts';
import { positive } from '../../shared/job-spec/fields.ts';
import type { TaskSection } from '../../shared/job-spec/sections.ts';
import { taskRng } from '../../shared/rng.ts';
import { type DefinedPart, defineDistribution } from '../part.ts';
import { innerTask, sectionOf } from '../sections.ts';
import { disagreements, factsOf, type NamedTasks, openInTurn, relocated } from '../several.ts';
import type { Split, Tasks } from '../tasks.ts';

export const mixtureName = 'mixture';
/** Each is a point of a measure, and has data that a job keeps to. */
const maxDomains = 8;

interface Domain {
  readonly name?: string | undefined;
  readonly weight: number;
  readonly task: TaskSection;
}

/** @param distributions those that may be domains, in the order in which errors list them. */
export function mixtureOf(distributions: () => readonly DefinedPart<'distribution'>[]): DefinedPart<'distribution'> {
  const partOf = ({ distribution }: TaskSection) => distributions().find(({ name }) => name === distribution)!;
  const tasksOf = (domains: readonly Domain[]): NamedTasks[] =>
    domains.map(({ task }, at) => ({
      path: `task.mixture.${at}.task`,
      section: task,
      distribution: partOf(task),
    }));
  const schema = z.strictObject({
    mixture: z
      .array(
        z.strictObject({
          /** How often its tasks are drawn, beside the other weights. */
          weight: positive.default(1),
          /** In evaluations. Default: the distribution's name. */
          name: z
            .string()
            .max(40)
            .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'lower-case words joined by "-", at most 40 characters')
            .optional(),
          task: innerTask(() => sectionOf('distribution', distributions())),
        }),
      )
      .min(2)
      .max(maxDomains),
  });
  // the section of a domain is made of other parts, so zod knows no more of it than that it is one
  const domainsOf = ({ mixture }: z.infer<typeof schema>) => mixture as unknown as readonly Domain[];
  return defineDistribution({
    name: mixtureName,
    title: 'a mixture',
    summary: 'tasks of several distributions, each drawn as often as its weight says',
    paper: '',
    schema,
    variants: {
      curves: {
        mixture: [
          { weight: 2, task: { distribution: 'sinusoid', shots: 3, queries: 3 } },
          { weight: 1, task: { distribution: 'linear', shots: 3, queries: 3 } },
        ],
      },
    },
    complete: (spec) => ({
      ...spec,
      mixture: domainsOf(spec).map(({ name, weight, task }) => ({
        weight,
        name: name ?? task.distribution,
        task: partOf(task).complete?.(task) ?? task,
      })),
    }),
    check(spec, job) {
      const domains = domainsOf(spec);
      const [first, ...others] = tasksOf(domains);
      const differing = others.flatMap((other) => disagreements(other, first!));
      if (differing.length > 0) return differing;
      const own = tasksOf(domains).flatMap(({ path, section, distribution }) =>
        relocated(distribution.check?.(section, job) ?? [], path),
      );
      return [...sameNames(namesOf(domains)), ...own];
    },
    describe({ mixture }) {
      const domains = (mixture ?? []) as readonly Domain[];
      const words = domains.map(({ task }) => partOf(task).describe(task));
      const data = words.map((of, at) => `${shareText(domains, at)} of ${of.data || domains[at]!.task.distribution}`);
      return { episode: words[0]?.episode ?? '', queries: words[0]?.queries ?? '', data: data.join(' + ') };
    },
    facts: (spec) => factsOf(tasksOf(domainsOf(spec))[0]!),
    domains(spec) {
      const domains = domainsOf(spec);
      return { names: namesOf(domains), of: (seed, split, index) => drawDomain(domains, seed, split, index) };
    },
    async open(spec, io) {
      const domains = domainsOf(spec);
      const { usedSplits, seed } = io;
      const opened = await openInTurn(
        tasksOf(domains).map((tasks) => ({ tasks, usedSplits })),
        io,
      );
      const names = namesOf(domains);
      return {
        splitDescription: opened
          .map(({ splitDescription }, at) => `${shareText(domains, at)} of ${names[at]}: ${splitDescription}`)
          .join('; '),
        data: opened.flatMap(({ data }) => data),
        classes: (split) => opened.flatMap((of, at) => of.classes(split).map(within(names[at]!))),
        sample: (split, index, task) => opened[drawDomain(domains, seed, split, index)]!.sample(split, index, task),
      };
    },
  });
}

const within =
  (domain: string) =>
  ({ name, sha256 }: ReturnType<Tasks['classes']>[number]) => ({ name: `${domain}: ${name}`, sha256 });

const namesOf = (domains: readonly Domain[]): readonly string[] =>
  domains.map(({ name, task }) => name ?? task.distribution);

const totalOf = (domains: readonly Domain[]): number => domains.reduce((sum, { weight }) => sum + weight, 0);

/** Such as `25 %`. */
const shareText = (domains: readonly Domain[], at: number): string =>
  `${Number(((100 * domains[at]!.weight) / totalOf(domains)).toPrecision(3))} %`;

function drawDomain(domains: readonly Domain[], seed: number, split: Split, index: number): number {
  let rest = taskRng(seed, `domain of ${split}`, index).uniform() * totalOf(domains);
  const found = domains.findIndex(({ weight }) => {
    rest -= weight;
    return rest < 0;
  });
  // rounding may leave a rest at the end
  return found < 0 ? domains.length - 1 : found;
}

function sameNames(names: readonly string[]): FieldProblem[] {
  return names.flatMap((name, at) =>
    names.indexOf(name) === at
      ? []
      : [{ field: `task.mixture.${at}.name`, got: name, accepted: 'a name of its own for each domain' }],
  );
}
