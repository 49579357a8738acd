// Reads job files: what is accepted, every default, and errors that name the field, what it got and what it
// accepts. Pure: no file system, no engine. What only the data can tell (are there enough classes?) a
// worker checks on the first shard.
import { MetatrainError } from '../shared/errors.ts';
import { excerpt } from '../shared/foreign-text.ts';
import { explain, type FieldProblem } from '../shared/job-spec/explain.ts';
import { type JobSpec, maxShardTasks, maxSpecBytes } from '../shared/job-spec/index.ts';
import { figureProblems } from '../shared/job-spec/published.ts';
import { rateProblems } from '../shared/job-spec/rates.ts';
import type { TaskSection } from '../shared/job-spec/sections.ts';
import { plainYaml, YamlRefusal } from '../shared/job-spec/yaml.ts';
import { isMeasureName, maxMeasures, measureNameRule } from '../shared/measures.ts';
import { learnedOf, type TaskFacts } from './facts.ts';
import { namedTasks, type ResolvedJob, resolveJob } from './job.ts';
import { insightProblems } from './kit/insight.ts';
import { excesses } from './limits.ts';
import type { CheckedTasks, PartKind, PartSchema } from './part.ts';
import { builtIn, type Registry } from './registry.ts';
import { schemaOf, type WrittenSpec } from './schema.ts';
import { nameFields, sectionPaths } from './sections.ts';
import { disagreements, type NamedTasks, relocated } from './several.ts';
import { mixtureName } from './tasks/mixture.ts';
import { evaluatedSplits, type Split } from './tasks.ts';

/**
 * The job file's text as a checked spec.
 *
 * @param text YAML or JSON, at most 64 KiB.
 * @param overrides `path.to.field` → YAML value, applied before the check, in order.
 * @param registry the parts that it may name. Default: the built-in ones.
 * @throws MetatrainError `REQUEST_INVALID`; `details.problems` lists every field with what it got and what it accepts.
 */
export function parseJobSpec(
  text: string,
  overrides: readonly (readonly [path: string, value: string])[] = [],
  registry: Registry = builtIn,
): JobSpec {
  return read(text, overrides, registry).spec;
}

/** As `parseJobSpec`, with the parts that the job names and what follows from them. */
export const readJob = (text: string, registry: Registry = builtIn): ResolvedJob => read(text, [], registry);

function read(
  text: string,
  overrides: readonly (readonly [path: string, value: string])[],
  registry: Registry,
): ResolvedJob {
  if (Buffer.byteLength(text) > maxSpecBytes) {
    throw invalid([
      { field: '(job file)', got: `${Buffer.byteLength(text)} bytes`, accepted: `at most ${maxSpecBytes} bytes` },
    ]);
  }
  const document = parseYaml(text, '(job file)');
  for (const [path, value] of overrides) setField(document, path, parseYaml(value, path));
  nameMixtures(document);
  const schema = schemaOf(registry);
  const parsed = schema.safeParse(document, { reportInput: true });
  if (!parsed.success) throw invalid(explain(parsed.error, schema).map(withPluginHint));
  const completed = withDerivedDefaults(parsed.data, registry);
  // Once more, so that the fields stand in the schema's order whichever of them were written down: equal specs are equal as JSON.
  const again = schema.safeParse(completed, { reportInput: true });
  if (!again.success) throw invalid(explain(again.error, schema));
  const spec = again.data as JobSpec;
  const problems = contradictions(spec, registry);
  if (problems.length > 0) throw invalid(problems);
  const job = resolveJob(spec, registry);
  const tooLarge = [...excesses(job), ...domainProblems(job)];
  if (tooLarge.length > 0) throw invalid(tooLarge);
  tryOut(job);
  return job;
}

/**
 * `task: { mixture: […] }` means `task: { distribution: mixture, mixture: […] }`; so in `evaluation.task`.
 */
function nameMixtures(document: unknown): void {
  const within = (value: unknown, field: string) => (canHold(value, field) ? value[field] : undefined);
  for (const task of [within(document, 'task'), within(within(document, 'evaluation'), 'task')]) {
    if (within(task, mixtureName) === undefined || within(task, nameFields.distribution) !== undefined) continue;
    (task as Record<string, unknown>)[nameFields.distribution] = mixtureName;
  }
}

/** Calls what the coordinator will call while the job runs: what a plugin's part throws there is told now. */
function tryOut({ spec: { meta }, optimizer, algorithm }: ResolvedJob): void {
  optimizer.slots(meta.optimizer);
  const maxStaleness = meta.update.mode === 'async' ? meta.update.maxStaleness : 0;
  for (let staleness = 0; staleness <= maxStaleness; staleness++) algorithm.staleWeight?.(staleness);
}

const nameOfPart = new Set(
  (Object.keys(nameFields) as PartKind[]).map((kind) => `${sectionPaths[kind]}.${nameFields[kind]}`),
);

/** A name that no part has may be that of a plugin that was not given. */
function withPluginHint(problem: FieldProblem): FieldProblem {
  if (!nameOfPart.has(problem.field) || problem.got === 'nothing') return problem;
  return { ...problem, accepted: `${problem.accepted}, or a part of a plugin (--plugin FILE)` };
}

/** A status message travels in a header, percent-encoded; other gRPC implementations refuse headers above 8 KiB. */
const maxEncodedMessage = 6000;

function invalid(problems: readonly FieldProblem[]): MetatrainError {
  const lines = problems.map(({ field, got, accepted }) => `${field}: got ${got}; accepted: ${accepted}`);
  let room = maxEncodedMessage;
  const shown = lines.filter((line, i) => {
    room -= encodeURI(line).length;
    return i === 0 || room > 0;
  });
  if (shown.length < lines.length) shown.push(`… and ${lines.length - shown.length} more`);
  const message = shown.length === 1 ? `invalid job: ${shown[0]}` : `invalid job:\n  ${shown.join('\n  ')}`;
  return new MetatrainError('REQUEST_INVALID', message, { details: { problems } });
}

function parseYaml(text: string, field: string): unknown {
  try {
    return plainYaml(text);
  } catch (refusal) {
    if (!(refusal instanceof YamlRefusal)) throw refusal;
    throw invalid([{ field, got: excerpt(refusal.got, 200), accepted: refusal.accepted }]);
  }
}

function setField(document: unknown, path: string, value: unknown): void {
  const keys = path.split('.');
  let parent = document;
  for (const [depth, key] of keys.entries()) {
    if (!canHold(parent, key)) {
      const field = excerpt(path, 80) || '(empty path)';
      throw invalid([{ field, got: 'a path that leads nowhere', accepted: 'path.to.field of the job file' }]);
    }
    if (depth === keys.length - 1) parent[key] = value;
    else parent[key] ??= {};
    parent = parent[key];
  }
}

/** Whether setting `key` makes an ordinary field, or a list's present or next item. */
function canHold(parent: unknown, key: string): parent is Record<string, unknown> {
  if (parent === null || typeof parent !== 'object' || key === '') return false;
  if (Array.isArray(parent)) return /^\d{1,6}$/.test(key) && Number(key) <= parent.length;
  return Object.hasOwn(parent, key) || !(key in parent);
}

function withDerivedDefaults(written: WrittenSpec, registry: Registry): WrittenSpec {
  const complete = <Section extends object>(kind: PartKind, name: string, section: Section): Section =>
    (registry.part(kind, name).complete?.(section as never) ?? section) as Section;
  const { task, model, algorithm, meta, evaluation, placement } = written;
  const tasks = (section: TaskSection) => complete('distribution', section.distribution, section);
  return {
    ...written,
    task: tasks(task),
    model: complete('model', model.architecture, model),
    algorithm: complete('algorithm', algorithm.name, algorithm),
    objective: written.objective ?? { name: usualObjective(written, registry) },
    evaluation: evaluation.task ? { ...evaluation, task: tasks(evaluation.task) } : evaluation,
    meta: { ...meta, optimizer: complete('optimizer', meta.optimizer.name, meta.optimizer) },
    placement: { ...placement, shardSize: placement.shardSize ?? defaultShardSize(meta.batchSize) },
  };
}

/** The first objective that takes the tasks. */
function usualObjective({ task }: WrittenSpec, registry: Registry): string {
  const facts = registry.part('distribution', task.distribution).facts(task);
  const fits = registry.all('objective').find(({ needs }) => needs?.(facts, {}) === undefined);
  return fits?.name ?? registry.all('objective')[0]!.name;
}

/** An eighth of the meta-batch, so that eight slots share it. */
const defaultShardSize = (batchSize: number): number => Math.min(Math.ceil(batchSize / 8), maxShardTasks);

/** What is right field by field and wrong together. */
function contradictions(spec: JobSpec, registry: Registry): FieldProblem[] {
  const { meta, placement } = spec;
  const problems = rateProblems(meta);
  const refuse = (field: string, got: unknown, accepted: string) =>
    problems.push({ field, got: excerpt(String(got), 80), accepted });
  if (placement.shardSize > meta.batchSize) {
    refuse('placement.shardSize', placement.shardSize, `at most meta.batchSize, which is ${meta.batchSize}`);
  }
  if (placement.engine === 'eager' && placement.device === 'webgpu') {
    refuse('placement.device', 'webgpu', 'cpu or cuda, with placement.engine eager');
  }
  const misfits = misfitsOf(spec, registry);
  problems.push(...misfits);
  // What does not fit together has no facts to check further.
  if (misfits.length === 0) problems.push(...partProblems(spec, registry), ...measureProblems(spec, registry));
  if (misfits.length === 0) problems.push(...ensembleProblems(spec, resolveJob(spec, registry).task));
  if (misfits.length === 0 && spec.evaluation.insight) {
    problems.push(...insightProblems(spec.algorithm.name, resolveJob(spec, registry).measures.evaluate[0]!));
  }
  if (misfits.length === 0 && spec.published) {
    const { measures, domains } = resolveJob(spec, registry);
    problems.push(...figureProblems(spec.published, [...measures.evaluate, ...(domains?.heads ?? [])]));
  }
  return problems;
}

/** The checkpoints of an ensemble are chosen by evaluations, on other tasks than it is tested on. */
function ensembleProblems({ evaluation, meta }: JobSpec, { sets }: TaskFacts): FieldProblem[] {
  const { ensemble, every, split } = evaluation;
  if (ensemble === undefined) return [];
  const evaluations = every === 0 ? 1 : Math.ceil(meta.iterations / every);
  const field = 'evaluation.ensemble';
  const problems: FieldProblem[] = [];
  if (!sets.includes('query')) {
    problems.push({ field, got: String(ensemble), accepted: 'nothing, with tasks that have no query set' });
  }
  if (split !== 'validation') {
    const accepted = `validation with ${field}, whose checkpoints it chooses; the ensemble is tested on the test split`;
    problems.push({ field: 'evaluation.split', got: split, accepted });
  }
  if (evaluations < ensemble) {
    const accepted = `at most the job's ${evaluations} evaluations, one every evaluation.every meta-steps and at the end`;
    problems.push({ field, got: String(ensemble), accepted });
  }
  return problems;
}

/** Parts that do not take the tasks, or an algorithm that does not take the model, with those that do. */
function misfitsOf(spec: JobSpec, registry: Registry): FieldProblem[] {
  const { distribution } = spec.task;
  const task = registry.part('distribution', distribution).facts(spec.task);
  const misfits = (['model', 'algorithm', 'objective'] as const).flatMap((kind) => {
    const section = spec[kind];
    const name = (section as Readonly<Record<string, unknown>>)[nameFields[kind]] as string;
    const needs = registry.part(kind, name).needs?.(task, section as never);
    if (needs === undefined) return [];
    const others = registry
      .all(kind)
      .filter((part) => part.name !== name && part.needs?.(task, usualFields(part)) === undefined)
      .map((part) => part.name);
    const instead = others.length > 0 ? `${others.join(' | ')}, for task.distribution ${distribution}; ` : '';
    const accepted = `${instead}${name} needs ${needs}`;
    return [{ field: `${sectionPaths[kind]}.${nameFields[kind]}`, got: name, accepted }];
  });
  return misfits.length > 0 ? misfits : modelMisfits(spec, task, registry);
}

/** That the algorithm does not take the model, with the models that it takes as they are by default. */
function modelMisfits(spec: JobSpec, task: TaskFacts, registry: Registry): FieldProblem[] {
  const algorithm = registry.part('algorithm', spec.algorithm.name);
  const model = registry.part('model', spec.model.architecture);
  const needs = algorithm.needsModel?.(learnedOf(model.parameters(spec.model, task)), spec.algorithm);
  if (needs === undefined) return [];
  const others = registry.all('model').filter((other) => {
    const { data } = other.schema.safeParse({});
    if (!data || other.needs?.(task, data) !== undefined) return false;
    return algorithm.needsModel?.(learnedOf(other.parameters(data, task)), spec.algorithm) === undefined;
  });
  const such = others.length > 0 ? `, such as ${others.map(({ name }) => name).join(' | ')} by default` : '';
  const written = JSON.stringify(spec.model);
  return [
    { field: 'model', got: excerpt(written, 120), accepted: `${needs}${such}, for algorithm.name ${algorithm.name}` },
  ];
}

/** An objective of a plugin may measure what no message, chart or metric can name. */
function measureProblems(spec: JobSpec, registry: Registry): FieldProblem[] {
  const { name } = spec.objective;
  const measures = resolveJob(spec, registry).measures.train.map((measure) => measure.name);
  const isBad = (measure: string, i: number) => !isMeasureName(measure) || measures.indexOf(measure) !== i;
  const wrong = measures.find(isBad);
  const got =
    wrong !== undefined
      ? `${name}, with a measure named ${JSON.stringify(wrong)}`
      : measures.length < 1 || measures.length > maxMeasures
        ? `${name}, with ${measures.length} measures`
        : undefined;
  if (got === undefined) return [];
  const accepted = `1 to ${maxMeasures} measures, each with a name of its own: ${measureNameRule}`;
  return [{ field: 'objective.name', got: excerpt(got, 120), accepted }];
}

/** The fields of a part that a job file leaves at their defaults; none where some have no default. */
const usualFields = ({ schema }: { readonly schema: PartSchema }): Record<string, unknown> =>
  schema.safeParse({}).data ?? {};

function partProblems(spec: JobSpec, registry: Registry): FieldProblem[] {
  const task = registry.part('distribution', spec.task.distribution).facts(spec.task);
  const { task: other } = spec.evaluation;
  const usedSplits: readonly Split[] = other ? ['train'] : ['train', ...evaluatedSplits(spec.evaluation)];
  const job = { spec, task, usedSplits };
  const check = (kind: PartKind, name: string, section: object) =>
    registry.part(kind, name).check?.(section as never, job as never) ?? [];
  return [
    ...check('distribution', spec.task.distribution, spec.task),
    ...(other ? otherTaskProblems(namedTasks('evaluation.task', other, registry), job, registry) : []),
    ...check('model', spec.model.architecture, spec.model),
    ...check('algorithm', spec.algorithm.name, spec.algorithm),
    ...check('objective', spec.objective.name, spec.objective),
    ...check('optimizer', spec.meta.optimizer.name, spec.meta.optimizer),
  ];
}

/** An evaluation measures every domain on at least two tasks. */
function domainProblems({ spec, domains }: ResolvedJob): FieldProblem[] {
  if (!domains) return [];
  const { tasks } = spec.evaluation;
  const counts = domains.names.map(() => 0);
  for (let task = 0; task < tasks && counts.some((count) => count < 2); task++) counts[domains.domainOf(task)]! += 1;
  const few = counts.findIndex((count) => count < 2);
  if (few < 0) return [];
  const got = `${tasks}, ${counts[few]} of them of the domain ${domains.names[few]}`;
  return [{ field: 'evaluation.tasks', got, accepted: 'so many that every domain has two' }];
}

/** Of tasks that only evaluations draw. */
function otherTaskProblems(tasks: NamedTasks, job: CheckedTasks, registry: Registry): FieldProblem[] {
  const { spec } = job;
  const differing = disagreements(tasks, namedTasks('task', spec.task, registry));
  if (differing.length > 0) return differing;
  const own = tasks.distribution.check?.(tasks.section, { ...job, usedSplits: evaluatedSplits(spec.evaluation) }) ?? [];
  return relocated(own, tasks.path);
}
