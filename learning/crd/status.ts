// The status of a MetaTrainJob, which its controller writes.
import type { Structural } from './structural.ts';

const text = (description: string, maxLength = 4096): Structural => ({ type: 'string', maxLength, description });
const count = (description: string): Structural => ({ type: 'integer', format: 'int64', minimum: 0, description });
const time = (description: string): Structural => ({ type: 'string', format: 'date-time', description });

const condition: Structural = {
  type: 'object',
  description: 'A condition as in the rest of Kubernetes.',
  required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
  properties: {
    type: {
      type: 'string',
      maxLength: 316,
      description: 'Accepted, Running, Suspended, Complete, Failed, WorkersAvailable or CoordinatorReachable.',
    },
    status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
    observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
    lastTransitionTime: { type: 'string', format: 'date-time' },
    reason: { type: 'string', minLength: 1, maxLength: 1024, pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$' },
    message: { type: 'string', maxLength: 32_768 },
  },
};

const measure: Structural = {
  type: 'object',
  required: ['name', 'mean', 'halfWidth95'],
  properties: {
    name: text('Such as accuracy.', 40),
    title: text('In words.'),
    axis: text('Along what it is measured, such as inner step; absent where there is no axis.'),
    point: text('Where on the axis; absent where there is no axis.'),
    unit: text('%, or absent.'),
    better: text('higher, lower or neither.'),
    mean: { type: 'number', description: 'Over the tasks of the newest evaluation.' },
    halfWidth95: { type: 'number', description: 'Half the width of the 95 % interval of the mean.' },
  },
};

export const statusSchema: Structural = {
  type: 'object',
  description: 'What the controller last saw.',
  properties: {
    observedGeneration: count('Generation of the spec that this status is about.'),
    observedAt: time('When the coordinator last told what stands here.'),
    jobId: text('Of the job at the coordinator, as in `metatrain jobs`.'),
    state: text('Pending, Queued, Running, Paused, Succeeded, Failed, Cancelled, Refused or Unknown.', 40),
    step: count('Meta-steps that are done.'),
    steps: count('Meta-steps in all.'),
    progress: text('As step/steps.', 80),
    progressPercent: { type: 'integer', format: 'int32', minimum: 0, maximum: 100, description: 'Rounded down.' },
    eta: text('Time that is left, as an estimate.', 80),
    startTime: time('When the job began to run.'),
    completionTime: time('When the job ended.'),
    paramsSha256: text('SHA-256 of the trained parameters.', 64),
    measures: {
      type: 'array',
      description:
        'Of the newest evaluation, at the last point of the axis, or at each where they are kinds, such as domains.',
      maxItems: 64,
      'x-kubernetes-list-type': 'atomic',
      items: measure,
    },
    measure: text('The leading measure in one line.'),
    message: text('What there is to say.', 32_768),
    conditions: {
      type: 'array',
      description: 'Each with its reason.',
      maxItems: 32,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: condition,
    },
  },
};
