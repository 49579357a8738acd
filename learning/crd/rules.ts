// What is right field by field and wrong together, as rules in CEL for the whole job file: the
// counterpart of `contradictions` in job-file.ts, of limits.ts and of rates.ts, put together from
// what the parts say of themselves. A part without `cel`, such as one of an older plugin, leaves
// its rules out: the coordinator checks all of it again.
import { z } from 'zod';
import { maxShardTasks } from '../../shared/job-spec/index.ts';
import { rateRules } from '../../shared/job-spec/rates-cel.ts';
import type { AlgorithmCel, CelFields, CelJob, DistributionCel, ModelCel, ObjectiveCel } from '../cel.ts';
import { celProduct } from '../cel.ts';
import {
  maxEvaluationValues,
  maxParameters,
  maxProgramLayers,
  maxShardNumbers,
  maxShards,
  maxShardValues,
} from '../limits.ts';
import type { PartKind } from '../part.ts';
import type { Registry } from '../registry.ts';
import { commonFields } from '../schema.ts';
import { celDouble, celList, structuralOf, type ValidationRule } from './structural.ts';

/** Where a kind's section is, as an expression, and its name with the default for a missing one. */
const sections = {
  distribution: 'self.task',
  model: 'self.model',
  algorithm: 'self.algorithm',
  objective: 'self.?objective',
  optimizer: 'self.meta.?optimizer',
} as const satisfies Record<PartKind, string>;

const evaluationSplit = "self.?evaluation.?split.orValue('test')";
const evaluationTasks = 'self.?evaluation.?tasks.orValue(600)';
const evaluationSteps = 'self.?evaluation.?innerSteps.orValue(10)';
const batchSize = 'self.meta.?batchSize.orValue(32)';
const eighth = `(${batchSize} + 7) / 8`;
const shardSize = `self.?placement.?shardSize.orValue(${eighth} < ${maxShardTasks} ? ${eighth} : ${maxShardTasks})`;
const batches =
  "(self.meta.?update.?mode.orValue('sync') == 'async' ? 1 + self.meta.?update.?maxStaleness.orValue(2) : 1)";

interface Named<Cel> {
  readonly name: string;
  readonly cel: Cel;
}

/** One for each way to combine a distribution with the other parts, as far as they speak CEL. */
interface OfDistribution extends Named<DistributionCel> {
  readonly models: readonly Named<ModelCel>[];
  readonly algorithms: readonly Named<AlgorithmCel>[];
  readonly objectives: readonly Named<ObjectiveCel>[];
  readonly optimizers: readonly Named<{ readonly check?: ModelCel['check'] }>[];
}

export function jobRules(registry: Registry): ValidationRule[] {
  const all = combinations(registry);
  return [
    {
      rule: `${shardSize} <= ${batchSize}`,
      message: 'placement.shardSize: accepted: at most meta.batchSize',
    },
    {
      rule: "self.?placement.?engine.orValue('compiled') != 'eager' || self.?placement.?device.orValue('cpu') != 'webgpu'",
      message: 'placement.device: accepted: cpu or cuda, with placement.engine eager',
    },
    ...rateRules,
    ...ofEach(all, (one) => [...needRules(one), ...checkRules(one), ...sizeRules(one)]),
    {
      rule: `(${batchSize} + ${shardSize} - 1) / (${shardSize}) <= ${maxShards} / ${batches}`,
      message: `placement.shardSize: accepted: at least so many that all meta-batches under way have at most ${maxShards} shards`,
    },
    ...groupRules(all),
    ...ofEach(all, (one) => [...evaluationRules(one), ...figureRules(one)]),
    ...axisRules(all),
  ];
}

/** Paths in the job file of the lists that have each item once. */
export const setPaths = (registry: Registry): readonly string[] =>
  combinations(registry).flatMap(({ cel }) => (cel.sets ?? []).map((path) => `task.${path}`));

function combinations(registry: Registry): OfDistribution[] {
  const known = <Kind extends Exclude<PartKind, 'distribution'>>(kind: Kind, job: CelJob) =>
    registry.all(kind).flatMap((part) => {
      const cel = (part.cel as CelOf | undefined)?.(fieldsOf(kind, part.schema), job);
      return cel ? [{ name: part.name, cel }] : [];
    }) as never;
  return registry.all('distribution').flatMap((part) => {
    const cel = part.cel?.(fieldsOf('distribution', part.schema), { evaluationSplit });
    if (!cel) return [];
    const job = { evaluationSplit, task: cel.facts };
    return [
      {
        name: part.name,
        cel,
        models: known('model', job),
        algorithms: known('algorithm', job),
        objectives: known('objective', job),
        optimizers: known('optimizer', job),
      },
    ];
  });
}

type CelOf = (fields: CelFields<Record<string, unknown>>, job: CelJob) => unknown;

/** See `CelFields`. */
function fieldsOf(kind: PartKind, schema: z.ZodObject): CelFields<Record<string, unknown>> {
  const section = z.strictObject({ ...commonFields[kind], ...schema.shape });
  const types = structuralOf(section).properties ?? {};
  const path = sections[kind];
  return Object.fromEntries(
    Object.entries(section.shape).map(([name, field]) => {
      const raw = `${path.replaceAll('?', '')}.${name}`;
      const type = types[name];
      if (!(field instanceof z.ZodDefault) || type?.type === undefined || type.type === 'object') return [name, raw];
      const isDouble = type.type === 'number' || type.items?.type === 'number';
      return [name, `${path}.?${name}.orValue(${literalOf(field.def.defaultValue, isDouble)})`];
    }),
  );
}

function literalOf(value: unknown, isDouble: boolean): string {
  if (Array.isArray(value)) return `[${value.map((item) => literalOf(item, isDouble)).join(', ')}]`;
  if (typeof value === 'string') return `'${value}'`;
  return typeof value === 'number' && isDouble ? celDouble(value) : String(value);
}

/** In the rules for one distribution: the condition that the job has it, and its name in messages. */
const here = '$here';
const hereName = '$name';

/** The rules for each distribution; equal ones become one. */
function ofEach(all: readonly OfDistribution[], rulesOf: (one: OfDistribution) => ValidationRule[]): ValidationRule[] {
  const groups = new Map<string, { readonly rule: ValidationRule; readonly names: string[] }>();
  for (const one of all) {
    for (const rule of rulesOf(one)) {
      const key = JSON.stringify(rule);
      const known = groups.get(key);
      if (known) known.names.push(one.name);
      else groups.set(key, { rule, names: [one.name] });
    }
  }
  return [...groups.values()].map(({ rule, names }) => {
    const is = names.length === 1 ? `== '${names[0]}'` : `in ${celList(names)}`;
    return {
      ...rule,
      rule: rule.rule.replaceAll(here, `self.task.distribution ${is}`),
      message: rule.message.replaceAll(hereName, names.join(' | ')),
    };
  });
}

const isModel = (name: string) => `self.model.architecture == '${name}'`;
const isAlgorithm = (name: string) => `self.algorithm.name == '${name}'`;

/** That `then` holds where all conditions do. */
const implied = (conditions: readonly string[], then: string): string =>
  conditions.length === 0 ? then : `!(${conditions.join(' && ')}) || (${then})`;

/** The objective that the job uses: without a section, the first that takes the tasks. */
function objectiveOf({ objectives }: OfDistribution): string {
  const usual = objectives.find(({ cel }) => cel.needs?.rule !== 'false')?.name ?? '';
  return `self.?objective.?name.orValue('${usual}')`;
}

/** Parts that do not take the tasks, and algorithms that do not take the model. */
function needRules(distribution: OfDistribution): ValidationRule[] {
  const tasks = `with task.distribution ${hereName}`;
  const refused = (parts: readonly Named<{ readonly needs?: { readonly rule: string } }>[]) =>
    parts.filter(({ cel }) => cel.needs?.rule === 'false').map(({ name }) => name);
  const never = (field: string, value: string, parts: readonly Named<AlgorithmCel | ModelCel | ObjectiveCel>[]) => {
    const names = refused(parts);
    if (names.length === 0) return [];
    const taken = parts.map(({ name }) => name).filter((name) => !names.includes(name));
    const message = `${field}: accepted: ${taken.join(' | ')}, ${tasks}`;
    return [{ rule: implied([here], `!(${value} in ${celList(names)})`), message }];
  };
  const { models, algorithms, objectives } = distribution;
  const sometimes = models.flatMap(({ name, cel }) => {
    if (!cel.needs || cel.needs.rule === 'false' || cel.needs.rule === 'true') return [];
    return [{ rule: implied([here, isModel(name)], cel.needs.rule), message: `model: ${name} ${cel.needs.message}` }];
  });
  const ofModel = takingModels(distribution).flatMap((model) =>
    algorithms.flatMap(({ name, cel }) => {
      const need = cel.needs?.rule === 'false' ? undefined : cel.needsModel?.(model.cel.parameters);
      if (!need) return [];
      return [{ rule: implied([here, isModel(model.name), isAlgorithm(name)], need.rule), message: `model: algorithm ${name} ${need.message}` }]; // biome-ignore format: one line
    }),
  );
  return [
    ...never('model.architecture', 'self.model.architecture', models),
    ...never('algorithm.name', 'self.algorithm.name', algorithms),
    ...never('objective.name', objectiveOf(distribution), objectives),
    ...sometimes,
    ...ofModel,
  ];
}

const takingModels = ({ models }: OfDistribution) => models.filter(({ cel }) => cel.needs?.rule !== 'false');

function checkRules({ cel, models, algorithms, objectives, optimizers }: OfDistribution): ValidationRule[] {
  const of = (parts: readonly Named<{ readonly check?: ModelCel['check'] }>[], isPart: (part: string) => string) =>
    parts.flatMap((part) =>
      (part.cel.check ?? []).map(({ rule, message }) => ({ rule: implied([here, isPart(part.name)], rule), message })),
    );
  return [
    ...(cel.check ?? []).map(({ rule, message }) => ({ rule: implied([here], rule), message })),
    ...of(models, isModel),
    ...of(algorithms, isAlgorithm),
    ...of(objectives, (part) => `self.?objective.?name.orValue('') == '${part}'`),
    ...of(optimizers, (part) => `self.meta.?optimizer.?name.orValue('adam') == '${part}'`),
  ];
}

/** The sizes of the model, of programs and of a shard's tasks. */
function sizeRules(distribution: OfDistribution): ValidationRule[] {
  const { algorithms } = distribution;
  const ofModel = takingModels(distribution).flatMap(({ name, cel }) => {
    const sizes = group(algorithms, ({ cel: { parameters } }) => {
      const { body, head } = cel.parameters;
      return parameters?.(cel.parameters) ?? `${body} + ${head}`;
    });
    const programs = (passesOf: (algorithm: AlgorithmCel) => string, field: string) =>
      group(algorithms, (algorithm) => passesOf(algorithm.cel)).map(([passes, names]) => ({
        rule: implied([here, isModel(name), among(names)], `(${passes}) * ${cel.layers} <= ${maxProgramLayers}`),
        message: `${field}: accepted: programs of at most ${maxProgramLayers} layers: steps × layers of the model (${name})`,
      }));
    return [
      ...sizes.map(([size, names]) => ({
        rule: implied([here, isModel(name), among(names)], `${size} <= ${maxParameters}`),
        message: `model: accepted: at most ${maxParameters} parameters`,
      })),
      ...programs(({ passes }) => passes, 'algorithm.innerSteps'),
      ...programs(evaluationPassesOf, 'evaluation.innerSteps'),
    ];
  });
  const { facts } = distribution.cel;
  const numbers = `(${facts.supportExamples} + ${facts.queryExamples}) * (${celProduct(facts.input)} + ${facts.outputs})`;
  return [
    ...ofModel,
    {
      rule: implied([here], `${numbers} * (${shardSize}) <= ${maxShardNumbers}`),
      message: `task.shots: accepted: shards of at most ${maxShardNumbers} numbers: task.shots, task.queries and placement.shardSize`,
    },
  ];
}

const evaluationPassesOf = ({ evaluationPasses, axis }: AlgorithmCel): string =>
  evaluationPasses ?? (axis === 'none' ? '1' : evaluationSteps);

const among = (names: readonly string[]): string =>
  names.length === 1 ? isAlgorithm(names[0]!) : `self.algorithm.name in ${celList(names)}`;

/** Names by what is equal for all of them, in order. */
function group<Cel>(parts: readonly Named<Cel>[], of: (part: Named<Cel>) => string): [string, string[]][] {
  const groups = new Map<string, string[]>();
  for (const part of parts) groups.set(of(part), [...(groups.get(of(part)) ?? []), part.name]);
  return [...groups];
}

function groupRules(all: readonly OfDistribution[]): ValidationRule[] {
  return group(all[0]?.algorithms ?? [], ({ cel }) => celList(cel.groups ?? ['model'])).map(([groups, names]) => ({
    rule: `!has(self.meta.groups) || !(${among(names)}) || self.meta.groups.all(group, group in ${groups})`,
    message: `meta.groups: accepted: groups of parameters of the algorithm: ${groups}`,
  }));
}

/** The objectives that take the tasks, each with the condition that the job has it. */
const takingObjectives = (distribution: OfDistribution) =>
  distribution.objectives
    .filter(({ cel }) => cel.needs?.rule !== 'false')
    .map(({ name, cel }) => ({ cel, isIt: `${objectiveOf(distribution)} == '${name}'` }));

function evaluationRules(distribution: OfDistribution): ValidationRule[] {
  return takingObjectives(distribution).flatMap(({ cel, isIt }) => {
    const points = group(distribution.algorithms, (part) =>
      part.cel.axis === 'none' ? '1' : `(${evaluationSteps} + 1)`,
    );
    return points.flatMap(([count, names]) => {
      const values = `(${cel.measures.length} * ${count})`;
      const mostInShard = `(${maxShardValues} / ${values})`;
      const shard = `(${shardSize} < ${mostInShard} ? ${shardSize} : ${mostInShard})`;
      const where = [here, isIt, among(names)];
      return [
        {
          rule: implied(where, `${evaluationTasks} * ${values} <= ${maxEvaluationValues}`),
          message: `evaluation.tasks: accepted: at most ${maxEvaluationValues} values of one evaluation`,
        },
        {
          rule: implied(where, `(${evaluationTasks} + ${shard} - 1) / ${shard} <= ${maxShards}`),
          message: `evaluation.tasks: accepted: at most ${maxShards} shards of placement.shardSize`,
        },
      ];
    });
  });
}

/** That a published figure is one of the job's measures, and within its range: see `figureProblems`. */
function figureRules(distribution: OfDistribution): ValidationRule[] {
  return takingObjectives(distribution).flatMap(({ cel, isIt }) => {
    const where = ['has(self.published)', here, isIt];
    const names = cel.measures.map(({ name }) => name);
    const ranges = cel.measures.flatMap(({ name, range }) => {
      if (!range) return [];
      const within = (mean: string) => `${mean} >= ${celDouble(range[0])} && ${mean} <= ${celDouble(range[1])}`;
      const then =
        `(!has(self.published.figure) || ${within('self.published.figure.mean')}) && ` +
        `(!has(self.published.at) || self.published.at.all(point, ${within('self.published.at[point].mean')}))`;
      const rule = implied([...where, `self.published.measure == '${name}'`], then);
      return [{ rule, message: `published: accepted: ${name} from ${range[0]} to ${range[1]}` }];
    });
    const message = `published.measure: accepted: ${names.join(' | ')}`;
    return [{ rule: implied(where, `self.published.measure in ${celList(names)}`), message }, ...ranges];
  });
}

/** That published figures have the points of the algorithm's axis. */
function axisRules(all: readonly OfDistribution[]): ValidationRule[] {
  const algorithms = all[0]?.algorithms ?? [];
  const byAxis = (isNone: boolean) =>
    algorithms.filter(({ cel }) => (cel.axis === 'none') === isNone).map(({ name }) => name);
  const axes = [
    {
      names: byAxis(true),
      rule: '!has(self.published.at)',
      message: 'published.at: accepted: published.figure, as the measure has no axis',
    },
    {
      names: byAxis(false),
      rule: '!has(self.published.figure)',
      message: 'published.figure: accepted: published.at: the figures by inner step',
    },
    {
      names: byAxis(false),
      // A pattern would cost too much: CEL does not know how long a key is.
      rule:
        '!has(self.published.at) || self.published.at.all(point, size(point) <= 15 && ' +
        'int(point) >= 0 && size(string(int(point))) == size(point))',
      message: 'published.at: accepted: numbers of inner steps, such as 10',
    },
  ];
  return axes
    .filter(({ names }) => names.length > 0)
    .map(({ names, rule, message }) => ({ rule: implied(['has(self.published)', among(names)], rule), message }));
}
