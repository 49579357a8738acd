import assert from 'node:assert/strict';
import test from 'node:test';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import type { MetaTrainJobStatus } from '../../../../deploy/controller/resource.ts';
import { statusFor } from '../../../../deploy/controller/status.ts';
import { statusSchema } from '../../../../learning/crd/status.ts';
import { taskRng } from '../../../../shared/rng.ts';
import { away, noon, resourceOf, situationOf, statusOfJob, succeeded } from './situations.ts';
import { World } from './world.ts';

/** As the API server prunes: no other fields. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([field, value]) => [field, strict(value)]));
  return 'properties' in inner ? { ...inner, additionalProperties: false } : inner;
}

const ajv = new Ajv({ strict: false });
addFormats.default(ajv);
const validate = ajv.compile(strict(statusSchema) as object);

function check(status: MetaTrainJobStatus | undefined): void {
  if (!status || validate(JSON.parse(JSON.stringify(status)))) return;
  assert.fail(`${ajv.errorsText(validate.errors)}: ${JSON.stringify(status, null, 1)}`);
}

const measure = {
  name: 'accuracy',
  title: 'accuracy',
  axis: 'inner step',
  points: ['5'],
  better: 'higher',
  unit: '%',
  estimates: [{ mean: 0.9, halfWidth95: 0.01 }],
} as const;
const hostile = { ...measure, title: '\u001b'.repeat(9_000), points: ['\u202e'.repeat(9_000)] };
const lastMetaStep = {
  step: 3,
  iterations: 9,
  measures: [{ name: 'loss', value: 1, unit: '' }],
  metaGradientNorm: 1,
  tasksPerSecond: 1,
  metaStepsPerSecond: 1,
  learningRate: 1,
  etaSeconds: 5,
} as const;

test('the schema knows every field of the statuses that jobs give, and their values fit', () => {
  const error = { code: 'SHARD_FAILED', message: '\u202e'.repeat(9_000) };
  check(statusOfJob({ measures: [measure], lastMetaStep }));
  check(statusOfJob({ ...succeeded, measures: [measure], verdict: 'reproduced' }));
  check(statusOfJob({ state: 'FAILED', endedAt: new Date(noon), error }));
  check(statusOfJob({ measures: Array.from({ length: 8 }, () => hostile) }));
  check(statusOfJob({ waiting: { reason: 'noWorker', message: 'none' } }));
  const refused = { kind: 'refused', code: 'REQUEST_INVALID', message: '\u001b'.repeat(9_000) } as const;
  check(statusFor({ ...situationOf({ sighting: refused }), isHeld: false }));
  check(statusFor({ ...situationOf({ coordinator: away() }), isHeld: false }));
  check(statusFor({ ...situationOf({ resource: resourceOf({ spec: { suspend: true } }) }), isHeld: true }));
});

test('the schema knows every field of the statuses of resources under faults', () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const rng = taskRng(seed, 'controller-schema', 0);
    const world = new World(rng);
    for (let event = 0; event < 40; event += 1) {
      world.disturb();
      world.poll(true);
      check(world.resource?.status);
    }
  }
});

test('a field that the schema does not know is found', () => {
  assert.equal(validate({ ...statusOfJob(), other: 1 }), false);
});
