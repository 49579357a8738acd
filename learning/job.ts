// A job file with the parts that it names, and all that follows from them without data and without an
// engine: what its tasks look like, what θ is made of, what is measured along what, and its words.
import type { JobSpec } from '../shared/job-spec/index.ts';
import type { StatedProtocol } from '../shared/job-spec/published.ts';
import type { TaskSection } from '../shared/job-spec/sections.ts';
import { type MeasureHead, noAxis, ordinal } from '../shared/measures.ts';
import type { PluginIdentity } from '../shared/plugin-identity.ts';
import type { JobWords } from '../shared/protocol.ts';
import { elementsOf, type ParamsLayout } from '../shared/tensor-codec.ts';
import { learnedOf, type Parameter, runningOf, type TaskFacts } from './facts.ts';
import type { Masks } from './kit/given.ts';
import { innerStepAxis, insightHeads } from './kit/insight.ts';
import { curveHead, isRejecting, rejectionKinds } from './kit/rejection.ts';
import { kept } from './kit/untrained.ts';
import type { Axis, DefinedPart, MeasureKind, PartKind } from './part.ts';
import type { Registry } from './registry.ts';
import { factsOf, type NamedTasks } from './several.ts';
import { mixtureName } from './tasks/mixture.ts';

/** What is measured of a task. The first is the one that is minimised. */
export interface JobMeasures {
  /** One value a task. */
  readonly train: readonly MeasureHead[];
  /** Along the algorithm's axis, or one of their own. */
  readonly evaluate: readonly MeasureHead[];
  /** As `evaluate`, of several θ that predict together: what can be told of predictions alone. */
  readonly ensemble: readonly MeasureHead[];
}

/** What an evaluation tells of each domain of its tasks. */
export interface EvaluatedDomains {
  readonly names: readonly string[];
  /** One for each measure along the algorithm's axis, at its last point. */
  readonly heads: readonly MeasureHead[];
  /** The place of a task's domain among the names. */
  domainOf(task: number): number;
}

export interface ResolvedJob {
  readonly spec: JobSpec;
  /** What training draws its tasks from. */
  readonly trained: NamedTasks;
  /** What evaluations draw theirs from: the same, unless `evaluation.task` names others. */
  readonly evaluated: NamedTasks;
  readonly model: DefinedPart<'model'>;
  readonly algorithm: DefinedPart<'algorithm'>;
  readonly objective: DefinedPart<'objective'>;
  readonly optimizer: DefinedPart<'optimizer'>;
  readonly task: TaskFacts;
  /** Without running statistics. */
  readonly modelParameters: readonly Parameter[];
  /** The model's running statistics, which stand at the end of θ. */
  readonly running: readonly Parameter[];
  /** What a training task is given beside the distribution's tensors. */
  readonly masks: Masks;
  /** Of θ, in layout order. */
  readonly parameters: readonly Parameter[];
  /** Numbers in θ. Exact as long as it is a safe integer. */
  readonly parameterCount: number;
  readonly measures: JobMeasures;
  /**
   * Where evaluations draw from several distributions: the measures by domain, and the domain of each task.
   */
  readonly domains: EvaluatedDomains | undefined;
  readonly isTransductive: boolean;
  /** Whose parts it uses, each once. */
  readonly plugins: readonly PluginIdentity[];
  /** Of the job as it is. */
  readonly words: JobWords;
  /** Of its published protocol, as far as that is stated. */
  readonly publishedWords: JobWords | undefined;
}

/** @param spec checked with the same registry. */
export function resolveJob(spec: JobSpec, registry: Registry): ResolvedJob {
  const trained = namedTasks('task', spec.task, registry);
  const other = spec.evaluation.task;
  const evaluated = other ? namedTasks('evaluation.task', other, registry) : trained;
  const model = registry.part('model', spec.model.architecture);
  const algorithm = registry.part('algorithm', spec.algorithm.name);
  const objective = registry.part('objective', spec.objective.name);
  const optimizer = registry.part('optimizer', spec.meta.optimizer.name);
  const task = factsOf(trained);
  const ofModel = model.parameters(spec.model, task);
  const statistics = runningOf(ofModel);
  const modelParameters = statistics.length > 0 ? learnedOf(ofModel) : ofModel;
  const learned = algorithm.parameters?.(spec.algorithm, modelParameters, task) ?? modelParameters;
  // where nothing is learned nothing is averaged either
  const running = learned.every(({ update }) => update === 'fixed') ? kept(statistics) : statistics;
  const parameters = running.length > 0 ? [...learned, ...running] : learned;
  const kinds = objective.measures(spec.objective, task);
  const ofPredictions = (along: Axis): MeasureHead[] => [
    ...[...kinds, ...rejectionKinds(task)].map((kind) => ({ ...kind, ...along })),
    ...(isRejecting(task) ? [curveHead] : []),
  ];
  const axis = presentationAxis(task) ?? algorithm.axis?.(spec.algorithm, spec.evaluation) ?? innerSteps(spec);
  return {
    spec,
    trained,
    evaluated,
    model,
    algorithm,
    objective,
    optimizer,
    task,
    modelParameters,
    running,
    masks: model.masks?.(spec.model, task) ?? {},
    parameters,
    parameterCount: parameters.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
    measures: {
      train: kinds.map((kind) => ({ ...kind, ...noAxis })),
      evaluate: [
        ...ofPredictions(axis),
        ...(spec.evaluation.insight ? insightHeads(modelParameters, model.namesLayers ?? false) : []),
      ],
      ensemble: ofPredictions(axis),
    },
    domains: domainsOf(evaluated, spec, [...kinds, ...rejectionKinds(task)]),
    isTransductive: model.isTransductive(spec.model) || (algorithm.isTransductive?.(spec.algorithm) ?? false),
    plugins: pluginsOf(spec, registry),
    words: wordsOf(spec, registry),
    publishedWords: spec.published && wordsOf(spec.published.protocol, registry),
  };
}

function domainsOf(
  { distribution, section }: NamedTasks,
  { seed, evaluation }: JobSpec,
  kinds: readonly MeasureKind[],
): EvaluatedDomains | undefined {
  const domains = distribution.domains?.(section);
  if (!domains) return undefined;
  const { names } = domains;
  const heads = kinds.map((kind) => ({
    ...kind,
    name: `${kind.name}-by-domain`,
    title: `${kind.title ?? kind.name} by domain`,
    axis: 'domain',
    points: names,
  }));
  return { names, heads, domainOf: (task) => domains.of(seed, evaluation.split, task) };
}

/** The parts that a job names, by kind. */
export const partNames = ({
  task,
  model,
  algorithm,
  objective,
  meta,
  evaluation,
}: JobSpec): readonly (readonly [PartKind, string])[] => [
  ...[task, ...(evaluation.task ? [evaluation.task] : [])]
    .flatMap(withDomains)
    .map(({ distribution }) => ['distribution', distribution] as const),
  ['model', model.architecture],
  ['algorithm', algorithm.name],
  ['objective', objective.name],
  ['optimizer', meta.optimizer.name],
];

/** The plugins that the job's parts come from. */
export function pluginsOf(spec: JobSpec, registry: Registry): PluginIdentity[] {
  const used = partNames(spec).flatMap(([kind, name]) => registry.pluginOf(kind, name) ?? []);
  return [...new Set(used)].map(({ name, sha256 }) => ({ name, sha256 }));
}

/** The section, and those of the domains of a mixture. */
function withDomains(section: TaskSection): readonly TaskSection[] {
  const domains = section.distribution === mixtureName ? (section.mixture as readonly { task: TaskSection }[]) : [];
  return [section, ...domains.map(({ task }) => task)];
}

export const namedTasks = (path: string, section: TaskSection, registry: Registry): NamedTasks => ({
  path,
  section,
  distribution: registry.part('distribution', section.distribution),
});

const innerSteps = ({ evaluation }: JobSpec): Axis => ({
  axis: innerStepAxis,
  points: Array.from({ length: evaluation.innerSteps + 1 }, (_, step) => String(step)),
});

/**
 * Of a sequence: each example is measured, by how often its class has been shown. Undefined for
 * other tasks.
 */
const presentationAxis = ({ presentations }: TaskFacts): Axis | undefined =>
  presentations === undefined
    ? undefined
    : { axis: 'presentation', points: Array.from({ length: presentations }, (_, before) => ordinal(before + 1)) };

export const layoutOf = (parameters: readonly Parameter[]): ParamsLayout => ({
  tensors: parameters.map(({ name, shape }) => ({ name, shape })),
});

/** What the parts that are named say of themselves; empty where none is. */
export function wordsOf({ task, model, algorithm }: StatedProtocol, registry: Registry): JobWords {
  const { episode, queries, data } = task?.distribution
    ? registry.part('distribution', task.distribution).describe(task)
    : { episode: '', queries: '', data: '' };
  return {
    method: algorithm?.name ? registry.part('algorithm', algorithm.name).describe(algorithm) : '',
    model: model?.architecture ? registry.part('model', model.architecture).describe(model) : '',
    episode,
    queries,
    data,
  };
}
