// The API server's verdict on a job file is the parser's: OpenAPI and CEL of the CRD against
// `parseJobSpec`, by requests straight to a real API server, dry and strict.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import fc from 'fast-check';
import { kubeconfigAccess } from '../../deploy/controller/kube/access.ts';
import { ApiClient } from '../../deploy/controller/kube/api-client.ts';
import { KubeError } from '../../deploy/controller/kube/errors.ts';
import { apiVersion, kind, resourcesPath } from '../../deploy/controller/resource.ts';
import { customResourceDefinition } from '../../deploy/kubernetes/source/crd/index.ts';
import { parseJobSpec } from '../../learning/job-file.ts';
import { loadRegistry } from '../../learning/load.ts';
import type { PartKind } from '../../learning/part.ts';
import { builtIn, builtInParts, Registry } from '../../learning/registry.ts';
import { realClock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { compactYamlText, plainYaml } from '../../shared/job-spec/yaml.ts';
import { packageRoot } from '../../shared/wire.ts';
import { type Json, jobFiles, largeJobFiles, spoiltJobFiles } from '../support/job-file-arbitrary.ts';
import { untilServed } from './cluster/foreign-definitions.ts';
import { kubectl, kubectlJson, tryKubectl } from './support/kubectl.ts';
import { namespace } from './support/namespace.ts';

const files = Number(process.env.METATRAIN_TEST_JOB_FILES ?? 1_000);
const seed = Number(process.env.METATRAIN_TEST_SEED ?? Date.now() % 1_000_000);
const client = new ApiClient(kubeconfigAccess(process.env.KUBECONFIG ?? ''), realClock, { deadlineMs: 30_000 });

before(async () => {
  const definition = compactYamlText(customResourceDefinition());
  await kubectl(['apply', '--filename', '-'], { input: definition });
  await kubectl(['wait', untilServed, 'crd/metatrainjobs.metatrain.dev', '--timeout=60s']);
});
after(() => client.close());

interface Verdict {
  readonly refusal?: string;
  /** The job as it would be stored. */
  readonly stored?: Json;
}

async function verdictOfServer(job: Json): Promise<Verdict> {
  const body = { apiVersion, kind, metadata: { name: 'job' }, spec: { job } };
  const query = { dryRun: 'All', fieldValidation: 'Strict' };
  try {
    const request = { method: 'POST', path: resourcesPath('default'), query, body } as const;
    return { stored: (await client.request<{ spec: { job: Json } }>(request)).spec.job };
  } catch (error) {
    if (error instanceof KubeError && (error.status === 400 || error.status === 422)) return { refusal: error.message };
    throw error;
  }
}

function refusalOfParser(job: unknown): string | undefined {
  try {
    parseJobSpec(JSON.stringify(job));
    return undefined;
  } catch (error) {
    if (error instanceof MetatrainError && error.code === 'REQUEST_INVALID') return error.message;
    throw error;
  }
}

/**
 * Whether the parser refuses the job for what follows from `task.size` of an image folder: a number or a list, so CEL
 * cannot see it. With another size the parser accepts it.
 */
function isOfSize(job: Json): boolean {
  const { task } = job as { readonly task?: { readonly distribution?: Json; readonly size?: Json } };
  if (task?.distribution !== 'image-folder') return false;
  return [4, 16].some((size) => refusalOfParser({ ...(job as object), task: { ...task, size } }) === undefined);
}

const withoutNulls = (job: Json): Json =>
  JSON.parse(JSON.stringify(job), (_key, value) => (value === null ? undefined : value)) as Json;

/** Whether the job names a part that says nothing in CEL: what it checks, the coordinator checks alone. */
function isOfSilentPart(job: Json): boolean {
  const { task, model, algorithm, objective } = job as Readonly<Record<string, Readonly<Record<string, Json>>>>;
  const names = { distribution: task?.distribution, model: model?.architecture, algorithm: algorithm?.name };
  const all = Object.entries({ ...names, objective: objective?.name }) as [PartKind, string | undefined][];
  return all.some(([kindOfPart, name]) => name !== undefined && !builtIn.part(kindOfPart, name).cel);
}

/**
 * Whether all that the parser says is about the tasks inside of a mixture, which are any objects to
 * the API server.
 */
const isOfMixture = (parser = ''): boolean =>
  parser
    .replace(/^invalid job:\s*/, '')
    .split('\n')
    .every((problem) => /^\s*[\w.]*\bmixture\.\d+\.task\b/.test(problem));

interface Difference {
  readonly job: Json;
  readonly server: string | undefined;
  readonly parser: string | undefined;
}

/** With some requests under way at once. */
async function compare(jobs: readonly Json[]) {
  const result = { accepted: 0, refused: 0, ofSize: 0, ofNull: 0, ofSilentPart: 0, differences: [] as Difference[] };
  const waiting = jobs.values();
  const lane = async () => {
    for (const job of waiting) {
      const parser = refusalOfParser(job);
      const { refusal: server, stored = null } = await verdictOfServer(job);
      if (parser === undefined) result.accepted += 1;
      else result.refused += 1;
      if ((parser === undefined) === (server === undefined)) continue;
      // The API server drops a null that the schema does not allow, and keeps one that another part allows.
      const hasNull = JSON.stringify(job).includes('null');
      const isOfNull = server === undefined && hasNull && refusalOfParser(withoutNulls(stored)) === undefined;
      if (isOfNull) result.ofNull += 1;
      else if (server === undefined && isOfSize(stored)) result.ofSize += 1;
      else if (server === undefined && (isOfSilentPart(stored) || isOfMixture(parser))) result.ofSilentPart += 1;
      else result.differences.push({ job, server, parser });
    }
  };
  await Promise.all(Array.from({ length: 6 }, lane));
  return result;
}

function tell({ job, server, parser }: Difference): string {
  return `${JSON.stringify(job)}\n  API server: ${server ?? 'accepted'}\n  parser: ${parser ?? 'accepted'}`;
}

/** A part without `cel` may be refused by the coordinator alone; a meta-optimizer checks nothing but its fields. */
const speaking = new Registry(
  builtInParts.filter(({ kind: ofPart, cel }) => cel !== undefined || ofPart === 'optimizer'),
);

for (const [what, arbitrary, share] of [
  ['of parts with CEL', jobFiles(speaking), 0.45],
  ['that were spoilt', spoiltJobFiles(speaking), 0.35],
  ['at the edge of a limit', largeJobFiles(), 0.2],
  ['of all parts', jobFiles(), 0.1],
] as const) {
  test(`the API server accepts the job files ${what} that the parser accepts`, async (t) => {
    const jobs = fc.sample(arbitrary, { seed, numRuns: Math.ceil(files * share) });
    const { accepted, refused, ofSize, ofNull, ofSilentPart, differences } = await compare(jobs);
    t.diagnostic(
      `seed ${seed}: ${accepted} accepted, ${refused} refused, ${differences.length} different; ` +
        `of the refused ones by the parser alone: ${ofSize} for their task.size, ${ofNull} for a null, ${ofSilentPart} for a part without CEL`,
    );
    differences.sort((a, b) => JSON.stringify(a.job).length - JSON.stringify(b.job).length);
    assert.equal(differences.length, 0, differences.slice(0, 8).map(tell).join('\n\n'));
    assert.ok(accepted > 0 && refused > 0, `${accepted} accepted, ${refused} refused`);
  });
}

const sinusoidJob = `
  name: a-job
  task: { distribution: sinusoid, shots: 5.0 }
  model: { architecture: mlp }
  algorithm: { name: maml }
  meta: { iterations: 1e2 }
`;

test('a job never changes, and what is said about its resource may', async (t) => {
  const own = ['--namespace', await namespace(t, 'crd')];
  const resource = `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: one }\nspec:\n job: ${sinusoidJob}`;
  // kubectl turns the numbers of YAML into those of JSON: 1e2 is the whole number 100
  await kubectl(['apply', ...own, '--filename', '-'], { input: resource });
  const { spec } = await kubectlJson<{ spec: { job: { meta: object } } }>(['get', 'mtj', 'one', ...own]);
  assert.deepEqual(spec.job.meta, { iterations: 100 });
  const patch = (change: object) =>
    tryKubectl(['patch', 'mtj', 'one', ...own, '--type=merge', '--patch', JSON.stringify({ spec: change })]);
  for (const change of [{ job: { seed: 2 } }, { job: { task: { shots: null } } }]) {
    const refused = await patch(change);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /a job never changes: create another resource/);
  }
  assert.match((await patch({ job: null })).stderr, /spec.job: Required value/);
  for (const change of [{ suspend: true }, { ttlSecondsAfterFinished: 0 }, { activeDeadlineSeconds: 60 }]) {
    assert.equal((await patch(change)).code, 0);
  }
  assert.match((await patch({ activeDeadlineSeconds: 0 })).stderr, /greater than or equal to 1/);
  const table = await kubectl(['get', 'metatrainjobs', ...own]);
  assert.match(table, /^NAME +STATE +PROGRESS +PERCENT +ETA +MEASURE +AGE\n/);
});

test('a refusal names the field and what it accepts', async () => {
  const job = plainYaml(sinusoidJob) as Record<string, Json>;
  for (const [change, expected] of [
    [{ task: { distribution: 'omniglot', shots: 5, queries: 16 } }, /task\.queries: accepted: at most 20 together/],
    [
      { task: { distribution: 'sinusoid', ways: 5 } },
      /spec\.job\.task\.ways: .*only with distribution omniglot .*\| image-folder/,
    ],
    [{ task: { distribution: 'omniglot', shots: 25 } }, /a whole number from 1 to 19 with distribution omniglot/],
    [{ model: { architecture: 'conv4' } }, /model\.architecture: accepted: mlp, with task\.distribution sinusoid/],
    [
      { algorithm: { name: 'mamml' } },
      /spec\.job\.algorithm\.name: Unsupported value: "mamml": supported values: "maml"/,
    ],
    [{ meta: { iterations: 1, iteration: 2 } }, /unknown field "spec\.job\.meta\.iteration"/],
  ] as const) {
    const { refusal } = await verdictOfServer({ ...job, ...change });
    assert.match(refusal ?? 'accepted', expected);
  }
});

test('every example is accepted, and so is a definition with the parts of the example of a plugin', async () => {
  const folder = join(packageRoot, 'examples');
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
    const { refusal } = await verdictOfServer(plainYaml(readFileSync(join(folder, file), 'utf8')) as Json);
    assert.equal(refusal, undefined, file);
  }
  const definition = customResourceDefinition(await loadRegistry([join(folder, 'plugin', 'my-parts.js')]));
  await kubectl(['apply', '--dry-run=server', '--filename', '-'], { input: compactYamlText(definition) });
});
