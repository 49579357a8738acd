// Texts for `kubectl explain`: for each field of a job file what it accepts and its default, part
// by part, as `metatrain parts` tells it, and a line of our own for the fields that belong to no
// part.
import { listParts, type PartListing } from '../listing.ts';
import type { PartKind } from '../part.ts';
import type { Registry } from '../registry.ts';
import { nameFields, sectionPaths } from '../sections.ts';

export const jobDescription = 'The job file, exactly as for `metatrain run`. It never changes.';

/** By path in the job file. */
const texts: Readonly<Record<string, string>> = {
  name: 'Lower-case letters, digits, ".", "_" and "-", at most 100.',
  tags: 'For finding jobs, at most 20; they change nothing that is computed. Default: none.',
  seed: 'Of all random streams. Default: 1.',
  meta: 'The outer loop and its meta-optimizer.',
  'meta.iterations': 'Number of meta-steps.',
  'meta.batchSize': 'Tasks of one meta-batch. Default: 32.',
  'meta.schedule': "Multiplies the meta-optimizer's learning rate. Default: constant.",
  'meta.schedule.name': 'How the rate changes over the job.',
  'meta.schedule.every': 'With step: meta-steps between two changes.',
  'meta.schedule.factor': 'With step: multiplies the rate at each change.',
  'meta.schedule.final': 'With cosine and linear: the factor at the end. Default: 0.',
  'meta.update': 'When a meta-batch is computed and applied. Default: sync.',
  'meta.update.mode': 'sync promises equal bytes on any cluster; async does not.',
  'meta.update.maxStaleness': 'With async: meta-steps that a result may be late. Default: 2.',
  'meta.aggregation': "How shards' sums become one. Default: mean.",
  'meta.aggregation.name': "Of the tasks, or robust: of the shards' means.",
  'meta.aggregation.trim': 'With trimmed-mean: share left out at each end. Default: 0.1.',
  'meta.privacy': 'Clipping and noise that hide each task.',
  'meta.privacy.taskClipNorm': "Largest norm of one task's contribution.",
  'meta.privacy.noiseMultiplier': 'Deviation of the noise, in units of taskClipNorm.',
  'meta.privacy.delta': 'The δ at which ε is told. Default: 0.00001.',
  'meta.privacy.pool': 'Training tasks that there are. Default: new ones in each meta-step.',
  'meta.clipNorm': 'Largest norm of the mean meta-gradient. Default: no clipping.',
  'meta.groups': 'Learning rate and clipping by the name of a group of parameters.',
  'meta.onNonFinite': 'A task with NaN or Inf fails the job, or is skipped and counted. Default: fail.',
  evaluation: 'How often, and on which tasks, the parameters are tested.',
  'evaluation.every': 'Meta-steps between two evaluations; 0: only at the end, the default.',
  'evaluation.tasks': 'Tasks of one evaluation. Default: 600.',
  'evaluation.innerSteps': 'Inner steps of adaptation. Default: 10.',
  'evaluation.ensemble': 'Tests so many of the best checkpoints together at the end. Default: none.',
  'evaluation.insight': 'Also measure what adaptation changes, layer by layer. Default: false.',
  'evaluation.split': 'Default: test.',
  'evaluation.task': 'Where the tasks of evaluations come from, with the fields of task. Default: from task.',
  checkpoint: 'When θ is written to disk.',
  'checkpoint.every': 'Meta-steps between two checkpoints; 0: only at the end, the default.',
  'checkpoint.keep': 'How many are kept. Default: 3.',
  placement: 'Which workers compute the job, and in what pieces.',
  'placement.shardSize': 'Tasks of one shard, the unit that a worker gets. Default: an eighth of meta.batchSize.',
  'placement.engine': 'Default: compiled.',
  'placement.device': 'Default: cpu.',
  'placement.mixed': 'Admits workers of other engines; equal bytes are then not guaranteed. Default: false.',
  'placement.priority': 'Default: normal.',
  'placement.results': "How shards' sums are sent. Default: float32.",
  'placement.spans': 'Whether several whole meta-steps may be leased to one worker. Default: auto.',
  published: 'The figure that the job is compared with, and the protocol behind it.',
  'published.source': 'Method and paper.',
  'published.measure': 'The measure of the job that is compared.',
  'published.at': 'Figures by point of the axis, such as the number of inner steps.',
  'published.figure': 'The figure of a measure without an axis.',
  'published.protocol': 'How the figure was made, in fields of the job file; null: the source does without it.',
  'published.differences': 'Differences that no field of the protocol can state.',
};

const kinds: Readonly<Record<PartKind, string>> = {
  distribution: 'Where tasks come from',
  model: 'What is meta-learned',
  algorithm: 'How a task changes the parameters',
  objective: 'The loss and the measures. Default: the usual one for the tasks',
  optimizer: 'Turns the mean meta-gradient into the next parameters. Default: adam',
};

/** What of a schema holds fields, whichever kind of schema it is. */
interface Described {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Described>>;
  readonly anyOf?: readonly Described[];
  readonly oneOf?: readonly Described[];
}

/** The job's schema with a description at every field that has one. */
export function described<Schema extends Described>(schema: Schema, registry: Registry): Schema {
  const parts = listParts(registry);
  const sections = Object.fromEntries(
    (Object.keys(kinds) as PartKind[]).map((kind) => [sectionPaths[kind], sectionTexts(kind, parts)]),
  );
  return withTexts(schema, '', { ...texts, ...Object.assign({}, ...Object.values(sections)) });
}

/** Texts of a section and of its fields, by path. */
function sectionTexts(kind: PartKind, parts: readonly PartListing[]): Record<string, string> {
  const path = sectionPaths[kind];
  const own = parts.filter((part) => part.kind === kind);
  const fields: Record<string, string> = {
    [path]: `${kinds[kind]}.`,
    [`${path}.${nameFields[kind]}`]: own.map(({ name, summary }) => `${name}: ${summary}.`).join('\n'),
  };
  for (const name of new Set(own.flatMap((part) => part.fields.map((field) => field.name)))) {
    const words = new Map<string, string[]>();
    for (const part of own) {
      const field = part.fields.find((candidate) => candidate.name === name);
      if (!field) continue;
      const byDefault = field.default === undefined ? '' : ` Default: ${JSON.stringify(field.default)}.`;
      const text = `${field.accepted}${field.isRequired ? ', required' : ''}.${byDefault}`;
      words.set(text, [...(words.get(text) ?? []), part.name]);
    }
    fields[`${path}.${name}`] = [...words].map(([text, names]) => `${names.join(', ')}: ${text}`).join('\n');
  }
  return fields;
}

function withTexts<Schema extends Described>(
  schema: Schema,
  path: string,
  all: Readonly<Record<string, string>>,
): Schema {
  const description = all[path];
  const properties =
    schema.properties &&
    Object.fromEntries(
      Object.entries(schema.properties).map(([name, field]) => [
        name,
        withTexts(field, path === '' ? name : `${path}.${name}`, all),
      ]),
    );
  // A choice is described once, where it stands.
  const choicesOf = (choices: readonly Described[]) =>
    choices.map((choice) => withTexts(choice, path, { ...all, [path]: choice.description ?? '' }));
  return {
    ...(description && { description }),
    ...schema,
    ...(properties && { properties }),
    ...(schema.anyOf && { anyOf: choicesOf(schema.anyOf) }),
    ...(schema.oneOf && { oneOf: choicesOf(schema.oneOf) }),
  };
}
