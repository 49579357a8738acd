// `npm run spans -- [--only NAME]… [--quick] [--iterations N]`: the examples, shortened, on
// clusters of 1, 2 and 3 workers with `placement.spans` never, auto and always; `--quick`: never on
// 1, auto on 2 and always on 3. Passes when each example ends with one paramsSha256 and equal
// evaluations. Prints a line for each example; exit code 1 when some differ. Some minutes on two
// cores.
import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { LocalCluster } from '../../client/cli/local-cluster.ts';
import { type Job, MetatrainClient } from '../../client/index.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean', default: false },
    /** Of jobs whose meta-steps take long; others have 40 times as many. */
    iterations: { type: 'string', default: '10' },
  },
});
const longIterations = Number(values.iterations);
const folder = new URL('../../../examples/', import.meta.url);
const modes = ['never', 'auto', 'always'] as const;
/**
 * Examples of a user's own data, of data that the tests do not have, and with noise from each
 * coordinator's own secret.
 */
const leftOut = new Set(['image-folder', 'text-csv', 'cifar-fs-5way-1shot', 'sinusoid-private']);

const names = readdirSync(folder)
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => file.replace('.yaml', ''))
  .filter((name) => (values.only ?? [name]).includes(name) && !leftOut.has(name));

function shortened(name: string, spans: string): string {
  const spec = parse(readFileSync(new URL(`${name}.yaml`, folder), 'utf8'));
  const most = spec.task.distribution === 'sinusoid' ? 40 * longIterations : longIterations;
  const iterations = Math.min(spec.meta.iterations, most);
  return JSON.stringify({
    ...spec,
    meta: { ...spec.meta, iterations },
    evaluation: { ...spec.evaluation, every: Math.ceil(iterations / 2), tasks: 12 },
    placement: { ...spec.placement, spans },
    published: undefined,
  });
}

async function ended(client: MetatrainClient, jobId: string): Promise<Job> {
  for await (const event of client.watchJob(jobId)) void event;
  return client.getJob(jobId);
}

const found = new Map<string, Map<string, string[]>>();
for (const workers of [1, 2, 3]) {
  const cluster = await LocalCluster.start(
    { workers, slots: 1, listen: '127.0.0.1:0', hasHttp: false, dataDirectories: [], logLevel: 'warn' },
    { environment: process.env, note: (text) => process.stderr.write(`${text}\n`), log: () => {} },
  );
  const client = new MetatrainClient({ address: cluster.address });
  for (const name of names) {
    const results = found.get(name) ?? new Map<string, string[]>();
    found.set(name, results);
    const outcomes = await Promise.all(
      (values.quick ? [modes[workers - 1]!] : modes).map(async (mode) => {
        const { jobId } = await client.submitJob(shortened(name, mode));
        return [mode, await ended(client, jobId)] as const;
      }),
    );
    for (const [mode, { state, error, paramsSha256, evaluations }] of outcomes) {
      const bytes = state === 'SUCCEEDED' ? paramsSha256 : `${state} ${error?.message ?? ''}`;
      const outcome = `${bytes} ${JSON.stringify(evaluations)}`;
      results.set(outcome, [...(results.get(outcome) ?? []), `${mode} on ${workers}`]);
    }
    const told = [...results].map(([outcome, runs]) => `${outcome.slice(0, 100).split(' {')[0]} (${runs.join(', ')})`);
    process.stderr.write(`${workers} workers: ${name}: ${told.join('; ')}\n`);
  }
  client.close();
  await cluster.close();
}

const different = [...found].filter(
  ([, outcomes]) => outcomes.size !== 1 || !/^[0-9a-f]{64} /.test([...outcomes.keys()][0]!),
);
for (const [name, outcomes] of found) {
  const [bytes = ''] = [...outcomes.keys()];
  process.stdout.write(`${name}: ${outcomes.size === 1 ? `equal, ${bytes.slice(0, 64)}` : 'DIFFERENT'}\n`);
}
process.stdout.write(
  `${found.size - different.length} of ${found.size} examples: equal bytes in ${values.quick ? 3 : 9} runs each\n`,
);
process.exit(different.length === 0 ? 0 : 1);
