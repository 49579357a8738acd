// A job as its owner looks back at it: curves in the terminal, and a report to keep, by the real command on a real cluster.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Job, JobEvent, MetaStepSummary } from '../../client/index.ts';
import type { Chart } from '../../shared/job-charts.ts';
import { packageRoot } from '../../shared/wire.ts';
import { drawsCharts, TestBrowser } from '../support/browser.ts';
import { metatrain, startCommand } from '../support/command.ts';
import { withoutPrograms } from '../support/needs.ts';
import { assertSelfContained, embedded } from '../support/report-file.ts';

const jobFile = join(packageRoot, 'examples', 'sinusoid.yaml');
const short = ['--set', 'meta.iterations=400', '--set', 'evaluation={tasks: 20, every: 200, innerSteps: 5}'];
const endless = [
  '--set',
  'meta.iterations=1000000',
  '--set',
  'meta.schedule={name: constant}',
  '--set',
  'name=endless',
];

test('looking back at jobs', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-report-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const cluster = startCommand(t, [
    ...[
      'up',
      '--workers',
      '1',
      '--slots',
      '1',
      '--listen',
      '127.0.0.1:0',
      '--log-level',
      'info',
      '--log-format',
      'pretty',
      '--json',
    ],
  ]);
  const { coordinator } = await cluster.ready<{ coordinator: string }>();
  const command = async (args: readonly string[], code = 0, environment = {}) => {
    const result = await metatrain(t, args, { METATRAIN_COORDINATOR: coordinator, ...environment });
    assert.equal(result.code, code, `metatrain ${args.join(' ')}\n${result.stderr}`);
    return result;
  };
  const job = (await command(['submit', jobFile, ...short, '--watch', '--json'])).json<Job>();
  const { jobId } = job;

  await t.test(
    '`jobs show --plot` draws what training and the evaluations were, at a fixed width into a pipe',
    async () => {
      const lines = (await command(['jobs', 'show', jobId, '--plot'], 0, { LANG: 'C.UTF-8', FORCE_COLOR: '' })).stdout;
      const text = lines.join('\n');
      for (const title of [
        'Training: loss',
        'Meta-gradient norm',
        'Adaptation: loss by inner step',
        'Evaluation: loss',
      ]) {
        assert.ok(text.includes(`\n${title}`), title);
      }
      assert.match(text, /◆ published/);
      assert.match(text, /[⠁-⣿]/);
      assert.ok(lines.every((line) => [...line].length <= 100));
      assert.ok(!text.includes('\u001b'));
      const plain = (await command(['jobs', 'show', jobId, '--plot', '--ascii'])).stdout.join('\n');
      assert.match(plain, /^[\n -~]+$/);
    },
  );

  await t.test('with --json it prints the numbers behind the curves, as one object', async () => {
    const { stdout } = await command(['jobs', 'show', jobId, '--plot', '--json']);
    assert.equal(stdout.length, 1);
    const { metaSteps, ...shown } = JSON.parse(stdout[0]!) as Job & { metaSteps: MetaStepSummary[] };
    assert.deepEqual(shown, (await command(['jobs', 'show', jobId, '--json'])).json());
    assert.equal(metaSteps.at(-1)?.step, 400);
  });

  const file = join(directory, 'result.html');
  await t.test('`report` writes one file that needs nothing else and holds the job', async () => {
    const wrote = (await command(['report', jobId, '--output', file, '--json'])).json();
    const page = readFileSync(file, 'utf8');
    assert.deepEqual(wrote, { file, bytes: Buffer.byteLength(page), jobId, state: 'SUCCEEDED' });
    assert.deepEqual(readdirSync(directory), ['result.html']);
    assertSelfContained(page);
    const data = embedded<{ job: Job; metaSteps: MetaStepSummary[]; story: JobEvent[] }>(page, 'report-data');
    assert.deepEqual(data.job, (await command(['jobs', 'show', jobId, '--json'])).json());
    const { metaSteps } = (await command(['jobs', 'show', jobId, '--plot', '--json'])).json<{ metaSteps: unknown }>();
    assert.deepEqual(data.metaSteps, metaSteps);
    const story = data.story.map((event) => (event.kind === 'stateChanged' ? event.state : event.kind));
    // The last checkpoint is written while the last evaluation is computed.
    assert.deepEqual(
      [...story.slice(0, 3), ...story.slice(3, 5).sort(), ...story.slice(5)],
      ['QUEUED', 'RUNNING', 'evaluated', 'checkpointWritten', 'evaluated', 'SUCCEEDED'],
    );
    for (const hash of [job.paramsSha256, job.checkpoints.at(-1)!.sha256, job.engineFingerprint]) {
      assert.ok(page.includes(hash), hash);
    }
  });

  const skip = withoutPrograms(['chromium'], 'the report in a browser');
  await t.test('a browser draws every chart of it, opened from the disk', { skip }, async (t) => {
    const charts = embedded<Chart[]>(readFileSync(file, 'utf8'), 'charts');
    assert.ok(charts.length >= 4);
    const page = await (await TestBrowser.start(t)).open(t, String(pathToFileURL(file)));
    await drawsCharts(page, charts.length);
  });

  await t.test('a running job has curves and a report too, and neither waits for its end', async () => {
    const [endlessId = ''] = (await command(['submit', jobFile, ...endless])).stdout;
    const watch = startCommand(t, ['jobs', 'watch', endlessId, '--coordinator', coordinator]);
    await watch.stderrSays(/endless {2}running {2}\d/);
    assert.match((await command(['jobs', 'show', endlessId, '--plot'])).stdout.join('\n'), /Training: loss/);
    await command(['report', endlessId, '--output', file]);
    assert.match(readFileSync(file, 'utf8'), /class="state neutral">running/);
    await command(['jobs', 'cancel', endlessId]);
    await watch.exited;
  });

  await t.test('a report that cannot be written says so; of a job that nobody knows there is none', async () => {
    const missing = join(directory, 'no', 'such', 'folder.html');
    const failed = await command(['report', jobId, '--output', missing, '--json'], 1);
    const { error } = failed.json<{ error: { code: string; message: string } }>();
    assert.equal(error.code, 'REQUEST_INVALID');
    assert.ok(error.message.startsWith(`cannot write ${missing}: `), error.message);
    const unknown = (await command(['report', 'nope', '--json'], 1)).json<{ error: { code: string } }>();
    assert.equal(unknown.error.code, 'JOB_UNKNOWN');
  });

  await t.test("`up --log-format pretty` passes its processes' logs through, readable, and says whose they are", () => {
    assert.match(cluster.stderr, /^\[[\d:.]+\] INFO: coordinator: job state \{"jobId":"\w+","state":"queued"/m);
    assert.match(cluster.stderr, /^\[[\d:.]+\] INFO: worker 1: connected \{"workerId":"[\w.-]+"\}$/m);
  });
});
