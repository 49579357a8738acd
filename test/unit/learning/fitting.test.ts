// What a registry refuses of a job file because parts do not fit together, with what would fit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { supportAndQuery } from '../../../learning/facts.ts';
import { readJob } from '../../../learning/job-file.ts';
import { type AnyPart, defineDistribution, defineModel, defineObjective } from '../../../learning/part.ts';
import { builtIn, builtInParts, Registry } from '../../../learning/registry.ts';

const described = () => ({ episode: '', queries: '', data: '' });

/** Classes that are told by a description: there is no support set to adapt on. */
const zeroShot = defineDistribution({
  name: 'zero-shot',
  title: 'zero-shot',
  summary: 'classes with a description each',
  paper: '',
  schema: z.strictObject({}),
  variants: {},
  describe: described,
  facts: () => {
    const facts = {
      target: 'classes',
      inputKind: 'vector',
      input: [4],
      outputs: 3,
      ways: 3,
      shots: 0,
      queries: 5,
    } as const;
    return { ...supportAndQuery(facts), sets: ['description', 'query'] };
  },
  open: () => assert.fail('nothing is opened for a job that is refused'),
});

const measuring = (name: string, measures: readonly string[]) =>
  defineObjective({
    name,
    title: name,
    summary: 'for a test',
    paper: '',
    schema: z.strictObject({}),
    variants: {},
    measures: () => measures.map((measure) => ({ name: measure, better: 'lower' as const })),
    build: () => assert.fail('nothing is built for a job that is refused'),
  });

const jobText = (sections: object): string =>
  JSON.stringify({
    name: 'a-job',
    task: { distribution: 'sinusoid' },
    model: { architecture: 'mlp' },
    algorithm: { name: 'maml' },
    meta: { iterations: 1 },
    ...sections,
  });

const refusal = (sections: object, ...parts: AnyPart[]): string => {
  try {
    readJob(jobText(sections), new Registry([...builtInParts, ...parts]));
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail('the job was taken');
};

test('an algorithm that adapts on a support set is refused on tasks without one, with the reason', () => {
  const adapting = builtIn
    .all('algorithm')
    .filter(({ needs }) => needs?.(zeroShot.facts({}), {})?.includes('a support set'));
  assert.ok(adapting.length > 1);
  for (const { name } of adapting) {
    const message = refusal({ task: { distribution: 'zero-shot' }, algorithm: { name } }, zeroShot);
    assert.match(
      message,
      new RegExp(`algorithm\\.name: got ${name}; accepted: .*${name} needs tasks .*with a support set`),
    );
  }
});

test('an objective of classes is refused on values, with the one that takes them', () => {
  assert.equal(
    refusal({ objective: { name: 'cross-entropy' } }),
    'invalid job: objective.name: got cross-entropy; accepted: mean-squared-error, for task.distribution sinusoid; ' +
      'cross-entropy needs targets that are classes',
  );
});

for (const [what, measures, got] of [
  ['too many measures', Array.from({ length: 9 }, (_, i) => `m${i}`), 'with 9 measures'],
  ['no measure', [], 'with 0 measures'],
  ['a name that no metric can have', ['loss', 'Top 5 %'], 'with a measure named "Top 5 %"'],
  ['one name twice', ['loss', 'loss'], 'with a measure named "loss"'],
] as const) {
  test(`an objective with ${what} is refused by name`, () => {
    const message = refusal({ objective: { name: 'own' } }, measuring('own', measures));
    assert.ok(message.startsWith(`invalid job: objective.name: got own, ${got}; accepted: 1 to 8 measures`), message);
  });
}

test('ProtoNet is refused on values, with the algorithms that take them', () => {
  const message = refusal({ algorithm: { name: 'protonet' } });
  assert.match(
    message,
    /^invalid job: algorithm\.name: got protonet; accepted: .*maml \| .*for task\.distribution sinusoid; /,
  );
  assert.match(message, /protonet needs tasks of classes with a support set$/);
});

test('an algorithm is refused with a model that has no part for it, with models that have', () => {
  const headless = defineModel({
    name: 'headless',
    title: 'headless',
    summary: 'one layer that is no head',
    paper: '',
    schema: z.strictObject({ units: z.int().default(1) }),
    variants: {},
    sizeField: 'units',
    describe: () => 'headless',
    parameters: () => [{ name: 'weights', shape: [1, 1], initialize: () => 0 }],
    isTransductive: () => false,
    layers: () => 1,
    build: () => assert.fail('nothing is built for a job that is refused'),
  });
  assert.equal(
    refusal({ algorithm: { name: 'anil' }, model: { architecture: 'headless' } }, headless),
    'invalid job: model: got {"architecture":"headless","units":1}; accepted: a model with a head, such as mlp by default, for algorithm.name anil',
  );
  assert.match(
    refusal({ algorithm: { name: 'boil' }, model: { architecture: 'mlp', hiddenLayers: [] } }),
    /^invalid job: model: got \{"architecture":"mlp","hiddenLayers":\[\].*; accepted: a model with a head and parameters before it, such as mlp by default, for algorithm\.name boil$/,
  );
});

test('batch norm by the support set is refused on tasks without one', () => {
  const imagesWithoutSupport = defineDistribution({
    ...zeroShot,
    name: 'zero-shot-images',
    facts: () => ({ ...zeroShot.facts({}), inputKind: 'image', input: [28, 28, 1] }),
  });
  const model = { architecture: 'conv4', batchNorm: 'support' };
  const message = refusal({ task: { distribution: 'zero-shot-images' }, model }, imagesWithoutSupport);
  assert.match(
    message,
    /model\.architecture: got conv4; accepted: .*conv4 needs tasks with a support set, for model\.batchNorm support/,
  );
});
