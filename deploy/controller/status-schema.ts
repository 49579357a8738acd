// The schema of a MetaTrainJob's status, in the structural OpenAPI form of a resource definition. A
// test compares it with the statuses that the controller makes: the API server drops unknown fields.
import { conditionTypes } from './conditions.ts';

/** A text of 512 bytes whose characters are all escaped, as `\u{1b}`. */
const maxTextLength = 4_096;

const text = (description: string, maxLength: number) => ({ type: 'string', description, maxLength });
const time = (description: string) => ({ type: 'string', format: 'date-time', description });
const count = (description: string) => ({ type: 'integer', format: 'int64', minimum: 0, description });

/** metav1.Condition. */
const condition = {
  type: 'object',
  required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
  properties: {
    type: text(`${conditionTypes.slice(0, -1).join(', ')} or ${conditionTypes.at(-1)}.`, 316),
    status: { type: 'string', enum: ['True', 'False', 'Unknown'], description: 'True, False or Unknown.' },
    observedGeneration: count('Generation of the resource for which the condition was set.'),
    lastTransitionTime: time('When the status of the condition changed last.'),
    reason: {
      ...text('Reason of the last change, one word in CamelCase.', 1_024),
      minLength: 1,
      pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$',
    },
    message: text('Details for people.', 32_768),
  },
} as const;

const measure = {
  type: 'object',
  required: ['name', 'mean', 'halfWidth95'],
  properties: {
    name: text('Name of the measure, such as accuracy.', 40),
    title: text('The measure in words.', maxTextLength),
    axis: text('What the measure is taken along, such as inner step.', maxTextLength),
    point: text('The last point of the axis, at which the mean was taken.', maxTextLength),
    unit: text('% for values that are shares from 0 to 1.', maxTextLength),
    better: text('higher or lower.', 16),
    mean: { type: 'number', description: 'Mean over the tasks of the newest evaluation.' },
    halfWidth95: { type: 'number', description: 'Half the width of its 95 % interval.' },
  },
} as const;

export const statusSchema = {
  type: 'object',
  description: 'What the controller last observed of the job.',
  properties: {
    observedGeneration: count('Generation of the resource to which the status belongs.'),
    observedAt: time('When the coordinator was asked for this state.'),
    jobId: text("The job's id at the coordinator.", 128),
    state: text('Pending, Queued, Running, Paused, Succeeded, Failed, Cancelled, Refused or Unknown.', 32),
    step: count('Meta-steps applied.'),
    steps: count('Meta-steps in all.'),
    progress: text('Meta-steps applied, of all.', 64),
    progressPercent: { ...count('Meta-steps applied, in per cent.'), maximum: 100 },
    eta: text('Time until the last meta-step at the present rate.', 64),
    startTime: time('When the job began to run.'),
    completionTime: time('When the job ended.'),
    paramsSha256: text('SHA-256 of the final meta-parameters.', 64),
    measures: {
      type: 'array',
      maxItems: 8,
      description: 'The newest evaluation, at the last point of each measure.',
      items: measure,
    },
    measure: text('The newest figure in words.', maxTextLength),
    message: text('Why the job waits, failed or was refused, or the verdict on its result.', 32_768),
    conditions: {
      type: 'array',
      maxItems: 16,
      description: 'Accepted, Running, Suspended, Complete, Failed, WorkersAvailable and CoordinatorReachable.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: condition,
    },
  },
} as const;
