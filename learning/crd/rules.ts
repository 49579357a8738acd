// What is right field by field and wrong together, as rules in CEL for the whole job file: the
// counterpart of `contradictions` in job-file.ts, of limits.ts and of rates.ts, put together from
// what the parts say of themselves. A part without `cel`, such as one of an older plugin, leaves
// its rules out: the coordinator checks all of it again.
import { z } from 'zod';
import { maxShardTasks } from '../../shared/job-spec/index.ts';
import { rateRules } from '../../shared/job-spec/rates-cel.ts';
import type { AlgorithmCel, CelFacts, CelFields, CelJob, DistributionCel, ModelCel, ObjectiveCel } from '../cel.ts';
import { celProduct, hasEnsemble } from '../cel.ts';
import {
  maxEvaluationValues,
  maxParameters,
  maxProgramLayers,
  maxShardNumbers,
  maxShards,
  maxShardValues,
} from '../limits.ts';
import { sumRules } from '../outer-loop/sum-problems.ts';
import type { PartKind } from '../part.ts';
import type { Registry } from '../registry.ts';
import { commonFields } from '../sections.ts';
import { choiceOf, grouped, isOneOf, type Values, withValues } from './names.ts';
import { celDouble, celList, structuralOf, type ValidationRule } from './structural.ts';

/** Where a kind's section is, as an expression, and its name with the default for a missing one. */
const sections = {
  distribution: 'self.task',
  model: 'self.model',
  algorithm: 'self.algorithm',
  objective: 'self.?objective',
  optimizer: 'self.meta.?optimizer',
} as const satisfies Record<PartKind, string>;

const architecture = 'self.model.architecture';
const algorithmName = 'self.algorithm.name';
const distributionName = 'self.task.distribution';
const evaluationSplit = "self.?evaluation.?split.orValue('test')";

/** What is the same expression for every job. */
const jobValues: Values = new Map([
  ['shardSize', `self.?placement.?shardSize.orValue($eighth < ${maxShardTasks} ? $eighth : ${maxShardTasks})`],
  ['eighth', '($batchSize + 7) / 8'],
  ['batchSize', 'self.meta.?batchSize.orValue(32)'],
  ['evaluationTasks', 'self.?evaluation.?tasks.orValue(600)'],
  ['evaluationSteps', 'self.?evaluation.?innerSteps.orValue(10)'],
  ['insight', 'self.?evaluation.?insight.orValue(false)'],
  // one θ is an ensemble of one
  ['ensemble', 'self.?evaluation.?ensemble.orValue(1)'],
  ['evaluations', '$every == 0 ? 1 : (self.meta.iterations + $every - 1) / $every'],
  ['every', 'self.?evaluation.?every.orValue(0)'],
  [
    'batches',
    "self.meta.?update.?mode.orValue('sync') == 'async' ? 1 + self.meta.?update.?maxStaleness.orValue(2) : 1",
  ],
]);

interface Named<Cel> {
  readonly name: string;
  readonly cel: Cel;
}

/** One for each distribution: how it combines with the other parts, as far as they speak CEL. */
interface OfDistribution extends Named<DistributionCel> {
  readonly models: readonly Named<ModelCel>[];
  readonly algorithms: readonly Named<AlgorithmCel>[];
  readonly objectives: readonly Named<ObjectiveCel>[];
  readonly optimizers: readonly Named<{ readonly check?: ModelCel['check'] }>[];
  /** Of the job and of its tasks. */
  readonly values: Values;
  /** The conditions that the job's part of a kind speaks CEL; none where all do. */
  readonly isKnown: Readonly<Record<'distribution' | 'model' | 'algorithm', readonly string[]>>;
}

/** What must hold in the jobs of a distribution for which all conditions hold. */
interface JobRule {
  readonly where: readonly string[];
  readonly must: string;
  readonly message: string;
  /** Besides those of the job and its tasks. */
  readonly values?: readonly (readonly [name: string, value: string])[];
}

export function jobRules(registry: Registry): ValidationRule[] {
  const all = combinations(registry);
  return [
    {
      rule: withValues('$shardSize <= $batchSize', jobValues),
      message: 'placement.shardSize: accepted: at most meta.batchSize',
    },
    {
      rule: "self.?placement.?engine.orValue('compiled') != 'eager' || self.?placement.?device.orValue('cpu') != 'webgpu'",
      message: 'placement.device: accepted: cpu or cuda, with placement.engine eager',
    },
    ...rateRules,
    ...ofEach(all, (one) => [...needRules(one), ...checkRules(one), ...sizeRules(one)]),
    {
      rule: withValues(`($batchSize + $shardSize - 1) / $shardSize <= ${maxShards} / $batches`, jobValues),
      message: `placement.shardSize: accepted: at least so many that all meta-batches under way have at most ${maxShards} shards`,
    },
    {
      rule: `!(${hasEnsemble}) || ${evaluationSplit} == 'validation'`,
      message: 'evaluation.split: accepted: validation, with evaluation.ensemble',
    },
    {
      rule: withValues('$ensemble == 1 || $ensemble <= $evaluations', jobValues),
      message:
        'evaluation.ensemble: accepted: at most the evaluations, one every evaluation.every meta-steps and at the end',
    },
    ...groupRules(all),
    ...sumRules(maxShards).map(({ rule, message }) => ({ rule: withValues(rule, jobValues), message })),
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
  const speaks = (kind: PartKind, name: string) => {
    const silent = registry.all(kind).flatMap((part) => (part.cel ? [] : part.name));
    return silent.length === 0 ? [] : [`!(${isOneOf(name, silent)})`];
  };
  const isKnown = {
    distribution: speaks('distribution', distributionName),
    model: speaks('model', architecture),
    algorithm: speaks('algorithm', algorithmName),
  };
  return registry.all('distribution').flatMap((part) => {
    const cel = part.cel?.(fieldsOf('distribution', part.schema), { evaluationSplit });
    if (!cel) return [];
    const job = { evaluationSplit, task: factNames(cel.facts) };
    const one = {
      name: part.name,
      cel,
      models: known('model', job),
      algorithms: known('algorithm', job),
      objectives: known('objective', job),
      optimizers: known('optimizer', job),
      isKnown,
    };
    return [{ ...one, values: valuesOf(one) }];
  });
}

/** The facts with a name for each number, so that rules of several distributions are alike. */
const factNames = (facts: CelFacts): CelFacts => ({
  ...facts,
  input: facts.input.map((_, axis) => `$input${axis}`),
  inputSize: '$inputSize',
  outputs: '$outputs',
  supportExamples: '$supportExamples',
  queryExamples: '$queryExamples',
});

function valuesOf({ cel: { facts }, models, algorithms, objectives }: Omit<OfDistribution, 'values'>): Values {
  const taking = objectives.filter(takes);
  const measures = grouped(taking, ({ cel }) => String(cel.measures.length));
  const points = grouped(algorithms, ({ cel }) => (cel.axis === 'none' ? '1' : '$evaluationSteps + 1'));
  const insights = grouped(models, ({ cel }) => cel.insights);
  const masks = grouped(models, ({ cel }) => cel.masks ?? '0');
  return new Map([
    ['shardOfEvaluation', '$shardSize < $mostInShard ? $shardSize : $mostInShard'],
    ['mostInShard', `${maxShardValues} / $values`],
    ['values', `(${choiceOf('$objective', measures)}) * (${choiceOf(algorithmName, points)}) + $insights`],
    ['masks', choiceOf(architecture, masks)],
    ['insights', `$insight ? (${choiceOf(architecture, insights)}) : 0`],
    ...jobValues,
    // without a section, the first that takes the tasks
    ['objective', `self.?objective.?name.orValue('${taking[0]?.name ?? ''}')`],
    ['inputSize', celProduct(facts.input)],
    ...facts.input.map((size, axis) => [`input${axis}`, size] as const),
    ['outputs', facts.outputs],
    ['supportExamples', facts.supportExamples],
    ['queryExamples', facts.queryExamples],
  ]);
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

/** In a message: the names of the distributions that it is about. */
const hereName = '$name';

/** The rules for each distribution; equal ones become one, in which the distribution chooses the values. */
function ofEach(all: readonly OfDistribution[], rulesOf: (one: OfDistribution) => JobRule[]): ValidationRule[] {
  const groups = new Map<string, { readonly rule: JobRule; readonly having: OfDistribution[] }>();
  for (const one of all) {
    for (const rule of rulesOf(one)) {
      const key = JSON.stringify(rule);
      const known = groups.get(key);
      if (known) known.having.push(one);
      else groups.set(key, { rule, having: [one] });
    }
  }
  return [...groups.values()].map(({ rule: { where, must, message, values = [] }, having }) => {
    const names = having.map(({ name }) => name);
    const chosen = [...new Set(having.flatMap((one) => [...one.values.keys()]))].map((name) => {
      const choices = grouped(having, ({ values }) => values.get(name) ?? '0');
      return [name, choiceOf(distributionName, choices)] as const;
    });
    const inner = withValues(implied(where, must), new Map([...values, ...chosen]));
    const isForAll = names.length === all.length;
    return {
      rule: implied(isForAll ? having[0]!.isKnown.distribution : [isOneOf(distributionName, names)], inner),
      message: message.replaceAll(hereName, names.join(' | ')),
    };
  });
}

const isModel = (name: string) => `${architecture} == '${name}'`;
const among = (names: readonly string[]) => isOneOf(algorithmName, names);

/** That the last one holds where all conditions do. */
const implied = (conditions: readonly string[], must: string): string =>
  conditions.length === 0 ? must : `!(${conditions.join(' && ')}) || (${must})`;

const takes = ({ cel }: Named<{ readonly needs?: { readonly rule: string } }>): boolean => cel.needs?.rule !== 'false';

/** Parts that do not take the tasks, and algorithms that do not take the model. */
function needRules({ models, algorithms, objectives }: OfDistribution): JobRule[] {
  const never = (field: string, value: string, parts: readonly Named<AlgorithmCel | ModelCel | ObjectiveCel>[]) => {
    const refused = parts.filter((part) => !takes(part)).map(({ name }) => name);
    if (refused.length === 0) return [];
    const taken = parts.filter(takes).map(({ name }) => name);
    const message = `${field}: accepted: ${taken.join(' | ')}, with task.distribution ${hereName}`;
    return [{ where: [], must: `!(${isOneOf(value, refused)})`, message }];
  };
  const sometimes = (field: string, name: string, parts: readonly Named<AlgorithmCel | ModelCel>[]) =>
    grouped(
      parts.filter(({ cel: { needs } }) => needs && needs.rule !== 'true' && needs.rule !== 'false'),
      ({ cel }) => cel.needs!,
    ).map(([{ rule, message }, names]) => ({
      where: [isOneOf(name, names)],
      must: rule,
      message: `${field}: ${names.join(' | ')} ${message}`,
    }));
  const ofModel = models.filter(takes).flatMap((model) => {
    const needs = algorithms.filter(takes).flatMap(({ name, cel }) => {
      const need = cel.needsModel?.(model.cel.parameters);
      return need && need.rule !== 'true' ? [{ name, need }] : [];
    });
    return grouped(needs, ({ need }) => need).map(([{ rule, message }, names]) => ({
      where: [isModel(model.name), among(names)],
      must: rule,
      message: `model: algorithm ${names.join(' | ')} ${message}`,
    }));
  });
  return [
    ...never('model.architecture', architecture, models),
    ...never('algorithm.name', algorithmName, algorithms),
    ...never('objective.name', '$objective', objectives),
    ...sometimes('model', architecture, models),
    ...sometimes('algorithm', algorithmName, algorithms),
    ...ofModel,
  ];
}

function checkRules({ cel, models, algorithms, objectives, optimizers }: OfDistribution): JobRule[] {
  const of = (parts: readonly Named<{ readonly check?: ModelCel['check'] }>[], isPart: (part: string) => string) =>
    parts.flatMap((part) =>
      (part.cel.check ?? []).map(({ rule, message }) => ({ where: [isPart(part.name)], must: rule, message })),
    );
  return [
    ...(cel.check ?? []).map(({ rule, message }) => ({ where: [], must: rule, message })),
    ...of(models, isModel),
    ...of(algorithms, (part) => among([part])),
    ...of(objectives, (part) => `self.?objective.?name.orValue('') == '${part}'`),
    ...of(optimizers, (part) => `self.meta.?optimizer.?name.orValue('adam') == '${part}'`),
  ];
}

/** The sizes of the model, of programs and of a shard's tasks. */
function sizeRules({ models, algorithms, isKnown }: OfDistribution): JobRule[] {
  const model = {
    body: '$body',
    head: '$head',
    features: '$features',
    tensors: '$tensors',
    normalization: '$normalization',
    normalizationTensors: '$normalizationTensors',
  };
  const numbers = grouped(algorithms, ({ cel }) => cel.parameters?.(model) ?? '$body + $head');
  const sizes = models.filter(takes).map(({ name, cel }) => ({
    where: [isModel(name), ...isKnown.algorithm],
    must: `((${choiceOf(algorithmName, numbers)})${cel.parameters.running ? ' + $running' : ''}) * $ensemble <= ${maxParameters}`,
    message: `model: accepted: at most ${maxParameters} parameters, of all members of evaluation.ensemble`,
    values: [
      ...Object.keys(model).map((name) => [name, cel.parameters[name as keyof typeof model] ?? '0'] as const),
      ...(cel.parameters.running ? [['running', cel.parameters.running] as const] : []),
    ],
  }));
  const layers = choiceOf(
    architecture,
    grouped(models, ({ cel }) => cel.layers),
  );
  const program = (field: string, passesOf: (algorithm: AlgorithmCel) => string, more = '') => {
    const passes = choiceOf(
      algorithmName,
      grouped(algorithms, ({ cel }) => passesOf(cel)),
    );
    return {
      where: [...isKnown.model, ...isKnown.algorithm],
      must: `((${passes})${more}) * (${layers}) <= ${maxProgramLayers}`,
      message: `${field}: accepted: programs of at most ${maxProgramLayers} layers: steps × layers of the model`,
    };
  };
  const averages = models
    .filter(({ cel }) => cel.parameters.running)
    .map(({ name, cel }) => ({
      where: [isModel(name), `${cel.parameters.running} > 0`],
      must: "self.?placement.?results.orValue('float32') == 'float32' && !has(self.meta.privacy)",
      message: 'model: accepted: no running statistics with placement.results or meta.privacy: they are averages',
    }));
  return [
    ...sizes,
    ...averages,
    program('algorithm.innerSteps', ({ passes }) => passes),
    program('evaluation.innerSteps', evaluationPassesOf, ' + ($insight ? 2 : 0)'),
    {
      where: isKnown.model,
      must: `($supportExamples + $queryExamples) * ($inputSize + $outputs + $masks) * $shardSize <= ${maxShardNumbers}`,
      message: `task.shots: accepted: shards of at most ${maxShardNumbers} numbers: task.shots, task.queries and placement.shardSize`,
    },
  ];
}

const evaluationPassesOf = ({ evaluationPasses, axis }: AlgorithmCel): string =>
  evaluationPasses ?? (axis === 'none' ? '1' : '$evaluationSteps');

function groupRules(all: readonly OfDistribution[]): ValidationRule[] {
  return grouped(all[0]?.algorithms ?? [], ({ cel }) => celList(cel.groups ?? ['model'])).map(([groups, names]) => ({
    rule: `!has(self.meta.groups) || !(${among(names)}) || self.meta.groups.all(group, group in ${groups})`,
    message: `meta.groups: accepted: groups of parameters of the algorithm: ${groups}`,
  }));
}

function evaluationRules({ cel: { facts }, objectives, algorithms, isKnown }: OfDistribution): JobRule[] {
  const names = objectives.filter(takes).map(({ name }) => name);
  const unadapted = algorithms.filter(({ cel }) => cel.axis === 'none').map(({ name }) => name);
  const where = [isOneOf('$objective', names), ...isKnown.model, ...isKnown.algorithm];
  return [
    {
      where,
      must: `$evaluationTasks * $values <= ${maxEvaluationValues}`,
      message: `evaluation.tasks: accepted: at most ${maxEvaluationValues} values of one evaluation`,
    },
    {
      where,
      must: `($evaluationTasks + $shardOfEvaluation - 1) / $shardOfEvaluation <= ${maxShards}`,
      message: `evaluation.tasks: accepted: at most ${maxShards} shards of placement.shardSize`,
    },
    ...(facts.isStream
      ? [
          {
            where: [facts.isStream],
            must: `!(${hasEnsemble})`,
            message: 'evaluation.ensemble: accepted: nothing, with tasks that have no query set',
          },
        ]
      : []),
    {
      where: unadapted.length === 0 ? ['$evaluationSteps == 0'] : [`($evaluationSteps == 0 || ${among(unadapted)})`],
      must: '!$insight',
      message: 'evaluation.insight: accepted: false, or an algorithm that adapts the model by inner steps',
    },
  ];
}

/** That a published figure is one of the job's measures, and within its range: see `figureProblems`. */
function figureRules({ objectives }: OfDistribution): JobRule[] {
  return objectives.filter(takes).flatMap(({ name: objective, cel }) => {
    const where = ['has(self.published)', `$objective == '${objective}'`];
    const names = cel.measures.map(({ name }) => name);
    const ranges = cel.measures.flatMap(({ name, range }) => {
      if (!range) return [];
      const within = (mean: string) => `${mean} >= ${celDouble(range[0])} && ${mean} <= ${celDouble(range[1])}`;
      const must =
        `(!has(self.published.figure) || ${within('self.published.figure.mean')}) && ` +
        `(!has(self.published.at) || self.published.at.all(point, ${within('self.published.at[point].mean')}))`;
      const message = `published: accepted: ${name} from ${range[0]} to ${range[1]}`;
      return [{ where: [...where, `self.published.measure == '${name}'`], must, message }];
    });
    const message = `published.measure: accepted: ${names.join(' | ')}`;
    return [{ where, must: isOneOf('self.published.measure', names), message }, ...ranges];
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
