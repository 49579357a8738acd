// The job file's one schema: what is accepted, every default, and errors that name the field, what it got and what it accepts.
// Pure: no file system, no engine. What only the data can tell (are there enough classes?) a worker checks on the first shard.
import { z } from 'zod';
import { MetatrainError } from '../errors.ts';
import { excerpt } from '../foreign-text.ts';
import { algorithmSchema } from './algorithm.ts';
import { evaluationSchema } from './evaluation.ts';
import { explain, type FieldProblem } from './explain.ts';
import { excesses, maxShardTasks } from './limits.ts';
import { measuresOf } from './measures.ts';
import { metaSchema } from './meta.ts';
import { modelSchema } from './model.ts';
import { figureProblems, publishedSchema } from './published.ts';
import { rateProblems } from './rates.ts';
import { taskSchema } from './task.ts';
import { plainYaml, YamlRefusal } from './yaml.ts';

const checkpointSchema = z.strictObject({
  /** Write a checkpoint every so many meta-steps; 0 means only at the end. */
  every: z.int().min(0).default(0),
  /** Newest checkpoints that are kept. */
  keep: z.int().min(1).max(1000).default(3),
});

const placementSchema = z.strictObject({
  /** Tasks of one shard: the unit that is leased to a worker. Part of the result's identity, so never derived from the cluster. */
  shardSize: z.int().min(1).max(maxShardTasks).optional(),
  /** Only workers that offer this engine on this device compute the job. */
  engine: z.enum(['compiled', 'eager']).default('compiled'),
  device: z.enum(['cpu', 'webgpu', 'cuda']).default('cpu'),
  /** Lets workers of other engine fingerprints take part (still with this engine and device); equal bytes are then not promised. */
  mixed: z.boolean().default(false),
  /** A job of a higher priority gets every slot that falls free before those of a lower one; jobs of the same share them. */
  priority: z.enum(['low', 'normal', 'high']).default('normal'),
});

const jobSpecShape = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,99}$/, 'lower-case letters, digits, ".", "_" and "-", at most 100'),
  seed: z.int().min(0).max(4_294_967_295).default(1),
  task: taskSchema,
  model: modelSchema,
  algorithm: algorithmSchema,
  meta: metaSchema,
  evaluation: evaluationSchema.default(() => evaluationSchema.parse({})),
  checkpoint: checkpointSchema.default(() => checkpointSchema.parse({})),
  placement: placementSchema.default(() => placementSchema.parse({})),
  published: publishedSchema.optional(),
});

type JobSpecShape = z.infer<typeof jobSpecShape>;

/** A checked job file with every default filled in. Plain JSON; `parseJobSpec` of its JSON gives an equal one. */
export type JobSpec = JobSpecShape & {
  readonly task: { readonly queries: number };
  readonly placement: { readonly shardSize: number };
};

export type { EvaluationSpec } from './evaluation.ts';
export type { PublishedSpec, StatedProtocol } from './published.ts';

/** Bytes of a job file, at most. */
export const maxSpecBytes = 65_536;

/**
 * The job file's text as a checked spec.
 *
 * @param text YAML or JSON, at most 64 KiB.
 * @param overrides `path.to.field` → YAML value, applied before the check, in order.
 * @throws MetatrainError `REQUEST_INVALID`; `details.problems` lists every field with what it got and what it accepts.
 */
export function parseJobSpec(
  text: string,
  overrides: readonly (readonly [path: string, value: string])[] = [],
): JobSpec {
  if (Buffer.byteLength(text) > maxSpecBytes) {
    throw invalid([
      { field: '(job file)', got: `${Buffer.byteLength(text)} bytes`, accepted: `at most ${maxSpecBytes} bytes` },
    ]);
  }
  const document = parseYaml(text, '(job file)');
  for (const [path, value] of overrides) setField(document, path, parseYaml(value, path));
  const parsed = jobSpecShape.safeParse(document, { reportInput: true });
  if (!parsed.success) throw invalid(explain(parsed.error, jobSpecShape));
  // Once more, so that the fields stand in the schema's order whichever of them were written down: equal specs are equal as JSON.
  const spec = jobSpecShape.parse(withDerivedDefaults(parsed.data)) as JobSpec;
  const problems = contradictions(spec);
  if (problems.length === 0) problems.push(...excesses(spec));
  if (problems.length > 0) throw invalid(problems);
  return spec;
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

function withDerivedDefaults(spec: JobSpecShape): JobSpecShape {
  return {
    ...spec,
    task: { ...spec.task, queries: spec.task.queries ?? spec.task.shots },
    placement: { ...spec.placement, shardSize: spec.placement.shardSize ?? defaultShardSize(spec.meta.batchSize) },
  };
}

/** An eighth of the meta-batch, so that eight slots share it. */
const defaultShardSize = (batchSize: number): number => Math.min(Math.ceil(batchSize / 8), maxShardTasks);

function contradictions(spec: JobSpec): FieldProblem[] {
  const { task, meta, placement, algorithm, model } = spec;
  const problems = rateProblems(meta);
  const refuse = (field: string, got: unknown, accepted: string) =>
    problems.push({ field, got: excerpt(String(got), 80), accepted });
  if (placement.shardSize > meta.batchSize) {
    refuse('placement.shardSize', placement.shardSize, `at most meta.batchSize, which is ${meta.batchSize}`);
  }
  switch (task.distribution) {
    case 'sinusoid': {
      for (const field of ['amplitude', 'phase', 'input'] as const) {
        const [low, high] = task[field];
        if (low > high) refuse(`task.${field}`, `[${low}, ${high}]`, 'a range [low, high] with low ≤ high');
      }
      if (model.architecture !== 'mlp')
        refuse('model.architecture', model.architecture, 'mlp, for task.distribution sinusoid');
      break;
    }
    case 'omniglot': {
      if (task.shots + task.queries > 20) {
        refuse(
          'task.queries',
          task.queries,
          `at most ${20 - task.shots} with ${task.shots} shots: an Omniglot class has 20 images`,
        );
      }
      if (task.alphabets) {
        const { train, validation = [], test } = task.alphabets;
        for (const [split, names, earlier, taken] of [
          ['validation', validation, 'train', train],
          ['test', test, 'train', train],
          ['test', test, 'validation', validation],
        ] as const) {
          const seen = names.filter((name) => taken.includes(name));
          if (seen.length === 0) continue;
          const accepted = `no alphabet of task.alphabets.${earlier}: two splits must share no class`;
          refuse(`task.alphabets.${split}`, seen.join(', '), accepted);
        }
        if (spec.evaluation.split === 'validation' && validation.length === 0) {
          refuse('evaluation.split', 'validation', 'test, as task.alphabets has no validation list');
        }
      }
      break;
    }
    default:
      task satisfies never;
  }
  if (algorithm.name === 'maml' && algorithm.rematerialize && algorithm.order === 'first') {
    refuse('algorithm.rematerialize', true, 'false with algorithm.order first, which keeps nothing of the inner loop');
  }
  if (placement.engine === 'eager' && placement.device === 'webgpu') {
    refuse('placement.device', 'webgpu', 'cpu or cuda, with placement.engine eager');
  }
  if (algorithm.name === 'reptile' && algorithm.innerBatchSize !== undefined) {
    const examples = (task.shots + task.queries) * ('ways' in task ? task.ways : 1);
    if (algorithm.innerBatchSize > examples)
      refuse('algorithm.innerBatchSize', algorithm.innerBatchSize, `at most the task's ${examples} examples`);
  }
  if (spec.published) problems.push(...figureProblems(spec.published, measuresOf(spec).evaluate));
  return problems;
}
