// `npm run bench -- NAME`: runs one benchmark and prints its result as one JSON object, the last
// line of stdout. Progress goes to stderr.
import { constants } from 'node:os';
import { MetatrainError } from '../shared/errors.ts';

/** Name → module. A module's `run` takes the remaining arguments and returns the result. */
const benchmarks: Readonly<Record<string, () => Promise<{ run: (args: readonly string[]) => Promise<unknown> }>>> = {
  adapt: () => import('./adapt.ts'),
  coordinator: () => import('./coordinator/main.ts'),
  engine: () => import('./engine/main.ts'),
  'end-to-end': () => import('./end-to-end/main.ts'),
  'many-jobs': () => import('./many-jobs.ts'),
  memory: () => import('./memory.ts'),
  observability: () => import('./observability/main.ts'),
  relay: () => import('./relay.ts'),
};

// The exit kills all child processes, stopped ones too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}

async function main(): Promise<void> {
  const [name, ...args] = process.argv.slice(2);
  const load = name === undefined ? undefined : benchmarks[name];
  if (load === undefined) {
    throw new MetatrainError(
      'REQUEST_INVALID',
      `no benchmark "${name ?? ''}"; there are: ${Object.keys(benchmarks).join(', ')}`,
    );
  }
  const { run } = await load();
  process.stdout.write(`${JSON.stringify(await run(args))}\n`);
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof MetatrainError && error.code === 'REQUEST_INVALID' ? 2 : 1);
  },
);
