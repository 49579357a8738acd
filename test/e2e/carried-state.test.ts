// What a shard carries, on real clusters: an algorithm of a plugin that carries state, weighs its
// contributions and sees the meta-step gives the same bytes with one worker and with three, and
// through a killed worker and coordinator.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import type { RunResult } from '../../client/cli/run-result.ts';
import { packageRoot } from '../../shared/wire.ts';
import { metatrain } from '../support/command.ts';
import { ProcessCluster, until } from '../support/process-cluster.ts';

const directory = mkdtempSync(join(tmpdir(), 'metatrain-carried-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const plugin = join(directory, 'carrier.mjs');
writeFileSync(
  plugin,
  `import { defineAlgorithm, sumOfTasks, withoutPrefix, withPrefix, z } from 'metatrain/learning';
export const carrier = defineAlgorithm({
  name: 'carrier', title: 'Carrier', summary: 'carries its losses from step to step', paper: '',
  schema: z.strictObject({}),
  variants: { usual: {} },
  describe: () => 'a carrier',
  passes: () => 1,
  carries: (spec, taskCount) => ({ total: { shape: [] }, losses: { shape: [taskCount] } }),
  inputs: (spec, metaStep) => ({ scale: 1 / (1 + metaStep / 50) }),
  build: (spec, kit) => ({
    adapt: { start: (theta) => theta, next: (theta, state) => state },
    predict: (theta, state, inputs) => kit.model.predict(state, inputs),
    train: {
      programs: {
        query: {
          compute(theta, task, step) {
            const query = kit.querySet(task);
            const { loss, predictions, gradients } = kit.differentiate(theta, (params) => params, query);
            const scaled = kit.mapParams(gradients, (name, value) => kit.tf.mul(value, step.scale));
            const { each } = kit.outputs({}, loss, predictions, query.targets);
            return { sum: {}, each: { ...withPrefix('gradient.', scaled), ...withPrefix('measure.', each) } };
          },
        },
      },
      async shard({ taskCount, carried }, run) {
        const { each } = await run('query');
        const measures = withoutPrefix('measure.', each);
        const made = sumOfTasks({ taskCount, contributions: withoutPrefix('gradient.', each), measures });
        const losses = measures.loss.map((loss, task) => 0.9 * (carried?.losses[task] ?? 0) + loss);
        const total = Math.fround((carried?.total[0] ?? 0) + 1);
        // old losses and the steps so far make a shard count for more
        const weight = made.weight * (1 + total + losses.reduce((sum, loss) => sum + loss, 0));
        return { ...made, weight, carry: { total: Float32Array.of(total), losses } };
      },
    },
  }),
});
`,
);

const iterations = 120;
const overrides = [
  'algorithm={ name: carrier }',
  `meta.iterations=${iterations}`,
  'meta.batchSize=30',
  'placement.shardSize=4',
  'checkpoint.every=10',
  'evaluation={ every: 0, tasks: 20, innerSteps: 2 }',
];
const job = [
  join(packageRoot, 'examples', 'sinusoid-reptile.yaml'),
  ...overrides.flatMap((override) => ['--set', override]),
];

let reference: RunResult | undefined;

test('one and three workers give the same bytes', async (t) => {
  const run = async (workers: number): Promise<RunResult> => {
    const flags = ['--plugin', plugin, '--workers', String(workers), '--no-output', '--json'];
    const result = await metatrain(t, ['run', ...job, ...flags]);
    assert.equal(result.code, 0, result.stderr);
    return result.json<RunResult>();
  };
  reference = await run(1);
  assert.equal((await run(3)).paramsSha256, reference.paramsSha256);
});

test('a worker and a coordinator killed half-way change nothing', async (t) => {
  const cluster = await ProcessCluster.start(t, { job, plugins: [plugin] });
  const victim = await cluster.startWorker('victim');
  await cluster.startWorker('stays');
  const { jobId, events } = await cluster.submit();
  await until(events, ({ kind }) => kind === 'checkpointWritten');
  await victim.kill('SIGKILL');
  await cluster.killCoordinator();
  await cluster.startCoordinator();
  const back = await until(events, (event) => event.kind === 'stateChanged' && /restart/.test(event.reason));
  const step = Number(/from meta-step (\d+)/.exec(back.kind === 'stateChanged' ? back.reason : '')?.[1]);
  assert.ok(step >= 10 && step < iterations, `taken up again from meta-step ${step}`);
  const ended = await cluster.ended(jobId, events);
  assert.equal(ended.state, 'SUCCEEDED', ended.error?.message);
  assert.equal(ended.paramsSha256, reference?.paramsSha256);
});
