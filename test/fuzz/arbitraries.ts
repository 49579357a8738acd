// Job files and protocol messages that nobody wrote in good faith.
import fc from 'fast-check';

const goodJob = {
  name: 'a-job',
  seed: 1,
  task: { distribution: 'sinusoid', shots: 5 },
  model: { architecture: 'mlp', hiddenLayers: [40, 40] },
  algorithm: { name: 'maml', order: 'second', innerSteps: 1, innerLearningRate: 0.01 },
  meta: { iterations: 3, batchSize: 8, optimizer: { name: 'adam', learningRate: 0.001 } },
  evaluation: { every: 0, tasks: 8, innerSteps: 2 },
  checkpoint: { every: 2, keep: 3 },
  placement: { shardSize: 4, priority: 'high' },
};

const strangeValues = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    '',
    0,
    -1,
    1e308,
    Number.MAX_SAFE_INTEGER,
    [],
    {},
    '__proto__',
    'toString',
    '\u0000',
  ),
  fc.double(),
  fc.integer(),
  fc.string({ maxLength: 30 }),
  fc.jsonValue({ maxDepth: 3 }),
);

/** A good job in which a few fields, at any depth, have been replaced, removed or added. */
const changedJobs = fc
  .array(
    fc.record({
      path: fc.constantFrom(
        ...Object.entries(goodJob).flatMap(([section, fields]) =>
          typeof fields === 'object' ? [section, ...Object.keys(fields).map((key) => `${section}.${key}`)] : [section],
        ),
        'unknown',
        'meta.unknown',
        'meta.optimizer.name',
        'meta.schedule',
        'meta.clipNorm',
        'meta.onNonFinite',
      ),
      value: fc.option(strangeValues, { nil: undefined }),
    }),
    { maxLength: 3 },
  )
  .map((changes) => {
    const job = structuredClone(goodJob) as Record<string, unknown>;
    for (const { path, value } of changes) {
      const keys = path.split('.');
      let parent = job;
      for (const key of keys.slice(0, -1)) {
        const next = parent[key];
        if (typeof next !== 'object' || next === null) break;
        parent = next as Record<string, unknown>;
      }
      const key = keys.at(-1)!;
      if (value === undefined) delete parent[key];
      else parent[key] = value;
    }
    return JSON.stringify(job);
  });

const yamlPieces = fc
  .array(
    fc.constantFrom(
      ...[
        'name: a\n',
        'meta: ',
        '{',
        '}',
        '[',
        ']',
        ': ',
        '- ',
        '\n',
        '  ',
        '&a ',
        '*a',
        '<<: *a',
        '!!set ',
        '---\n',
        '"',
        "'",
        '|\n',
      ],
      ...[
        'iterations: 5',
        '1e999',
        '0x10',
        '~',
        'yes',
        '\t',
        '\u0000',
        '# c\n',
        '? ',
        'task: { distribution: sinusoid }\n',
      ],
    ),
    { maxLength: 30 },
  )
  .map((pieces) => pieces.join(''));

export const jobFiles: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: changedJobs, weight: 4 },
  { arbitrary: yamlPieces, weight: 3 },
  fc.string({ maxLength: 400 }),
  fc.json(),
);

/** Numbers as proto's unsigned fields may meet them. */
export const counts = fc.oneof(fc.nat(5), fc.nat(), fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 53 - 1));

export const texts = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.constantFrom('', 'x'.repeat(5_000), '\u0000', '../../etc/passwd'),
);

export const bytes = fc.uint8Array({ maxLength: 64 }).map((data) => Buffer.from(data));
