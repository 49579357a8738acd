// What a person reads: the result beside the published figure, progress at any width, tables. The whole text is compared where a person
// reads the whole.

import assert from 'node:assert/strict';
import test from 'node:test';
import { renderDataSets } from '../../../client/cli/render/data-sets.ts';
import { renderEvent } from '../../../client/cli/render/events.ts';
import { renderJobDetails, renderJobList } from '../../../client/cli/render/job.ts';
import { applyEvent, noteFor, progressLine, viewOf } from '../../../client/cli/render/progress.ts';
import { renderResult } from '../../../client/cli/render/result.ts';
import { plainStyle, styleFor, table, truncate, widthOf, wrap } from '../../../client/cli/render/text.ts';
import { renderWorkers } from '../../../client/cli/render/workers.ts';
import { type RunResult, runResult } from '../../../client/cli/run-result.ts';
import {
  clusterEventFromWire,
  type Evaluation,
  type Job,
  type JobEvent,
  type WorkerInfo,
} from '../../../client/records.ts';
import { parseJobSpec } from '../../../learning/job-file.ts';
import type { JobSpec, PublishedSpec } from '../../../shared/job-spec/index.ts';
import { atLastPoint, measureOf } from '../../../shared/measures.ts';
import { formatBytes, formatCount, formatDuration, formatValue } from '../../../shared/numbers.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';
import { jobWords } from '../../support/job-words.ts';
import { lossMeasure, trainValues } from '../../support/measures.ts';
import { sampleEvents } from '../../support/sample-events.ts';

const published: PublishedSpec = {
  source: 'A paper, §1',
  measure: 'loss',
  at: { 1: { mean: 0.67 }, 5: { mean: 0.38, halfWidth95: 0.1 } },
  protocol: {
    task: { distribution: 'sinusoid', shots: 5, queries: 5 },
    meta: { iterations: 20, batchSize: 8 },
    evaluation: { tasks: 600 },
    transductive: false,
  },
  differences: [],
};

const evaluation = (means: readonly number[], halfWidth95 = 0.05): Evaluation => ({
  step: 20,
  protocol: {
    distribution: 'sinusoid',
    split: 'test',
    tasks: 600,
    ways: 0,
    shots: 5,
    queries: 5,
    transductive: false,
    splitDescription: 'sine waves',
  },
  measures: [lossMeasure(means.map((mean) => ({ mean, halfWidth95 })))],
  divergedTasks: 0,
});

const spec = (changes: Readonly<Record<string, unknown>> = {}): JobSpec => parseJobSpec(sinusoidSpec('waves', changes));

const job = (changes: Partial<Job> = {}): Job => ({
  jobId: '0123456789abcdef',
  name: 'waves',
  state: 'SUCCEEDED',
  spec: spec(),
  ...jobWords(changes.spec ?? spec()),
  submittedAt: new Date('2026-11-24T04:18:30Z'),
  startedAt: new Date('2026-11-24T04:18:36Z'),
  endedAt: new Date('2026-11-24T04:19:36Z'),
  steps: 20,
  iterations: 20,
  paramsSha256: 'ab'.repeat(32),
  overrides: [],
  evaluations: [],
  checkpoints: [],
  engineFingerprint: 'engine-1',
  mixedFingerprints: false,
  data: [],
  plugins: [],
  skippedTasks: 0,
  ...changes,
});

const options = { width: 100, style: plainStyle };

test('a result says how many of its tasks diverged, also where there is no published figure', () => {
  const evaluated = { ...evaluation([3, 0.5]), divergedTasks: 7 };
  const text = (divergedTasks: number) =>
    renderResult(runResult(job({ evaluations: [{ ...evaluated, divergedTasks }] }), 60, 1), spec(), {
      width: 100,
      style: plainStyle,
    });
  assert.match(text(7), /\n {2}7 of 600 tasks diverged \(left out of the loss\)\n/);
  assert.doesNotMatch(text(0), /diverged/);
});

test('the list of jobs cuts a long reason to wait, and the job itself shows it whole', () => {
  const message = `refused: ${'x'.repeat(2_000)}`;
  const waiting = { reason: 'otherData', message } as const;
  const row = renderJobList([job({ state: 'QUEUED', waiting })])
    .split('\n')
    .find((line) => line.includes('refused'));
  assert.ok(row?.endsWith('x...') && row.length < 300, row);
  assert.ok(renderJobDetails(job({ state: 'RUNNING', waiting }), { width: 100, style: plainStyle }).includes(message));
});

test('a result reads as a person expects it', () => {
  const measured = evaluation([3.2, 0.66, 0.5, 0.45, 0.4, 0.38]);
  const overrides = ['meta.batchSize=8', 'seed=7'];
  const protocol = { ...published.protocol, meta: { iterations: 1000, batchSize: 32 } };
  const figures = { ...published, protocol, differences: ['another weather'] };
  const withFigures = spec({ published: figures, evaluation: { tasks: 600 } });
  const result = runResult(job({ spec: withFigures, overrides, evaluations: [measured] }), 61.4, 16.25);
  const model = { file: 'waves.safetensors', step: 20, bytes: 8_204, sha256: '' };
  assert.equal(
    renderResult({ ...result, model }, withFigures, options),
    `\
job         waves  succeeded  (0123456789abcdef)
meta-steps  20 of 20
time        1 min 1 s, 130 tasks/s, 16.3 meta-steps/s
parameters  SHA-256 ${'ab'.repeat(32)}
changed     meta.batchSize=8, seed=7 (--set)
model       waves.safetensors, 8.2 kB

Test result: mean squared error, mean over 600 test tasks ± 95 %

  inner steps            ours      published
            0   3.20 ± 0.0500
            1  0.660 ± 0.0500          0.670  published value inside our interval
            2  0.500 ± 0.0500
            3  0.450 ± 0.0500
            4  0.400 ± 0.0500
            5  0.380 ± 0.0500  0.380 ± 0.100  published value inside our interval

  Published figure reached: it lies inside our interval, or ours is better; the protocol differs in
  3 points

  ours       second-order MAML, 5 support points, 5 query points, 600 test tasks, inductive; mlp
             [40, 40], relu, he initialisation; trained for 20 meta-steps of 8 tasks with 1 inner
             step of rate 0.01, adam 0.001 (constant), seed 7; sine waves
  published  A paper, §1. 5 support points, 5 query points, 600 test tasks, inductive; trained for
             1,000 meta-steps of 32 tasks; sinusoid
  differs    - meta.iterations: 20 instead of 1,000
             - meta.batchSize: 8 instead of 32
             - another weather`,
  );
});

test('measures of other axes stand in a table of their own under the result', () => {
  const halfWidth95 = 0.002;
  const layers = { axis: 'layer', points: ['layer1', 'layer2'], better: 'neither' } as const;
  const moved = measureOf({ name: 'layer-movement', title: 'movement', ...layers }, [
    { mean: 0.0123, halfWidth95 },
    { mean: 0.24, halfWidth95 },
  ]);
  const alike = measureOf({ name: 'layer-similarity', title: 'similarity', ...layers }, [
    { mean: 0.991, halfWidth95 },
    { mean: 0.5, halfWidth95 },
  ]);
  const measured = evaluation([3.2, 0.66, 0.5, 0.45, 0.4, 0.38]);
  const evaluations = [{ ...measured, measures: [...measured.measures, moved, alike] }];
  const text = renderResult(runResult(job({ spec: spec(), evaluations }), 61.4, 16.25), spec(), options);
  assert.ok(
    text.includes(`\
            5  0.380 ± 0.0500

  layer          movement      similarity
  layer1  0.0123 ± 0.0020  0.991 ± 0.0020
  layer2   0.240 ± 0.0020  0.500 ± 0.0020
`),
    text,
  );
});

test('a figure is called reproduced only when nothing that is known differs', () => {
  const measured = evaluation([3.2, 0.66, 0.5, 0.45, 0.4, 0.38]);
  const text = (overrides: readonly string[]) =>
    renderResult(runResult(job({ overrides, evaluations: [measured] }), 1, 1), spec({ published }), options);
  assert.match(text([]), /^ {2}Reproduced: /m);
  assert.match(text([]), /differs {4}nothing that is known/);
  assert.match(text(['meta.clipNorm=5']), /^ {2}Published figure reached: /m);
  assert.match(text(['meta.clipNorm=5']), /differs {4}- meta\.clipNorm=5, changed with --set$/m);
});

test('a table that is too wide loses what matters least, and then the end of its last column', () => {
  const message = 'the workers have other data than this job began with, and it waits for one that has the same';
  const jobs = [job({ state: 'FAILED', error: { code: 'DATA_CHANGED', message } })];
  const widest = renderJobList(jobs);
  assert.match(widest, /SUBMITTED +BECAUSE\n.* same$/);
  const heads = [150, 110, 80, 70].map((width) => {
    const lines = renderJobList(jobs, plainStyle, width).split('\n');
    for (const line of lines) assert.ok(widthOf(line) <= width, `${width}: ${line}`);
    return lines[0]?.split(/ {2,}/).join(' ');
  });
  assert.deepEqual(heads, [
    'ID NAME STATE META-STEPS LAST EVALUATION SUBMITTED BECAUSE',
    'ID NAME STATE META-STEPS LAST EVALUATION BECAUSE',
    'ID NAME STATE META-STEPS BECAUSE',
    'ID NAME STATE META-STEPS BECAUSE',
  ]);
  assert.match(renderJobList(jobs, plainStyle, 70), / the workers have other d…$/);
  const workers = renderWorkers([worker()], plainStyle, 80);
  assert.match(workers, /^ID +STATE +LEASES\/SLOTS +SHARDS DONE/);
  for (const line of workers.split('\n')) assert.ok(widthOf(line) <= 80, line);
});

test('a job that goes on has figures, but neither a verdict nor its colour', () => {
  const going = job({ state: 'RUNNING', evaluations: [evaluation([3.2, 0.9, 0.5, 0.45, 0.4, 0.38])] });
  const text = renderResult(runResult(going, 1, 1), spec({ published }), { ...options, style: styleFor(true) });
  assert.match(text, /^ {2}No verdict before the job has succeeded$/m);
  assert.doesNotMatch(text, /ours is worse|Not reproduced/);
});

test('what --set changed stands in the details of a job that goes on', () => {
  const { endedAt: _, ...going } = job({ state: 'RUNNING', overrides: ['meta.iterations=150'] });
  assert.match(renderJobDetails(going, options), /^changed +meta\.iterations=150 \(--set\)$/m);
});

test('a run that could have saved its model says where it is, or that it is not saved', () => {
  const result = runResult(job(), 1, 1);
  assert.match(renderResult({ ...result, model: null }, spec(), options), /^model +not saved$/m);
  assert.doesNotMatch(renderResult(result, spec(), options), /^model/m, 'of a job on a cluster, the cluster keeps it');
});

test('a failed job shows its error, and what is unusual about it is not hidden', () => {
  const failed = job({ state: 'FAILED', paramsSha256: '', error: { code: 'SHARD_FAILED', message: 'it broke' } });
  assert.match(renderResult(runResult(failed, 1, 0), spec(), options), /^error +it broke$/m);
  assert.match(renderResult(runResult(failed, 1, 0), spec(), options), /^parameters +none yet$/m);
  const odd = runResult(job({ skippedTasks: 1_234, mixedFingerprints: true }), 1, 1);
  assert.match(renderResult(odd, spec(), options), /^left out +1,234 tasks, not finite$/m);
  assert.match(renderResult(odd, spec(), options), /^mixed +.*equal bytes are not promised$/m);
});

const running = job({
  state: 'RUNNING',
  steps: 1_500,
  iterations: 20_000,
  lastMetaStep: {
    step: 1_500,
    iterations: 20_000,
    measures: trainValues(0.512, 0.918),
    metaGradientNorm: 1,
    tasksPerSecond: 8_250,
    metaStepsPerSecond: 330,
    learningRate: 0.001,
    etaSeconds: 56.4,
  },
});

test('a progress line leaves out what matters least, at every width, and never gets too long', () => {
  const view = viewOf(running);
  assert.equal(
    progressLine(view),
    'waves  running  1,500/20,000  7 %  loss 0.512  accuracy 91.8 %  8,250 tasks/s  ETA 56 s',
  );
  assert.equal(
    progressLine(view, 82),
    'waves  running  1,500/20,000  loss 0.512  accuracy 91.8 %  8,250 tasks/s  ETA 56 s',
  );
  assert.equal(progressLine(view, 70), 'waves  running  1,500/20,000  loss 0.512  accuracy 91.8 %  ETA 56 s');
  assert.equal(progressLine(view, 40), 'waves  running  1,500/20,000  loss 0.512');
  assert.equal(progressLine(view, 30), 'waves  running  1,500/20,000');
  assert.equal(progressLine(view, 21), 'running  1,500/20,000');
  assert.equal(progressLine(view, 12), '1,500/20,000');
  for (let width = 0; width <= 100; width += 1) {
    for (const style of [plainStyle, styleFor(true)]) {
      assert.ok(widthOf(progressLine(view, width, style)) <= width, `at ${width}: ${progressLine(view, width, style)}`);
    }
  }
});

test('after the last meta-step the line says evaluating, not an ETA; a job that waits shows no rates', () => {
  const done = viewOf({ ...running, steps: 20_000 });
  assert.match(progressLine(done), /20,000\/20,000 {2}100 % .* evaluating$/);
  assert.doesNotMatch(progressLine(viewOf({ ...running, state: 'PAUSED' })), /tasks\/s|ETA/);
  assert.equal(progressLine(viewOf(job({ state: 'QUEUED', steps: 0 }))), 'waves  queued  0/20  0 %');
});

test('events move the line or get a line of their own', () => {
  const head = { sequence: 1, time: new Date(0), jobId: 'j' };
  const moved = applyEvent(viewOf(job({ state: 'QUEUED' })), {
    ...head,
    kind: 'stateChanged',
    state: 'RUNNING',
    reason: '',
  });
  assert.equal(moved.state, 'RUNNING');
  const summary = running.lastMetaStep!;
  assert.equal(applyEvent(moved, { ...head, kind: 'metaStep', summary }).step, 1_500);
  const notes: readonly (readonly [JobEvent, string | undefined])[] = [
    [{ ...head, kind: 'metaStep', summary }, undefined],
    [{ ...head, kind: 'stateChanged', state: 'PAUSED', reason: 'by request' }, 'waves  paused: by request'],
    [{ ...head, kind: 'stateChanged', state: 'RUNNING', reason: '' }, 'waves  running'],
    [
      { ...head, kind: 'evaluated', evaluation: evaluation([3, 0.66]) },
      'waves  evaluated after 20 meta-steps: loss 0.660 ± 0.0500 after 1 inner step',
    ],
    [
      { ...head, kind: 'checkpointWritten', checkpoint: { step: 1_000, bytes: 1, sha256: '', paramsSha256: '' } },
      'waves  checkpoint after 1,000 meta-steps',
    ],
    [
      { ...head, kind: 'shardRetried', retried: { metaStep: 12, shard: 3, workerId: 'w', reason: 'no heartbeat' } },
      'waves  shard 3 of meta-step 12 is computed again (worker w: no heartbeat)',
    ],
  ];
  for (const [event, note] of notes) assert.equal(noteFor(event, 'waves'), note);
});

test('the list of jobs is aligned, with a dash for what is not there yet', () => {
  const estimates = [3.2, 0.66].map((mean) => ({ mean, halfWidth95: 0.05 }));
  const lastEvaluation = { step: 20, measures: atLastPoint([lossMeasure(estimates)]) };
  const { submittedAt: _, ...unsubmitted } = job({ jobId: 'short', name: 'x', state: 'QUEUED', steps: 0 });
  assert.equal(
    renderJobList([{ ...job(), lastEvaluation }, unsubmitted]),
    `\
ID                NAME   STATE      META-STEPS  LAST EVALUATION                         SUBMITTED
0123456789abcdef  waves  succeeded       20/20  loss 0.660 ± 0.0500 after 1 inner step  2026-11-24 04:18:30 UTC
short             x      queued           0/20  -                                       -`,
  );
  assert.equal(renderJobList([]), 'no jobs');
});

test("a job's details hold its checkpoints, its evaluations and its spec with every default", () => {
  const checkpoint = { step: 20, bytes: 8_204, sha256: 'cd'.repeat(32), paramsSha256: '' };
  const text = renderJobDetails(job({ checkpoints: [checkpoint], evaluations: [evaluation([3, 0.66])] }), options);
  assert.match(text, /^engine +engine-1$/m);
  assert.match(text, /^ended +2026-11-24 04:19:36 UTC$/m);
  assert.match(text, new RegExp(`^ +20 +8\\.2 kB +${'cd'.repeat(32)}$`, 'm'));
  const yaml = text.slice(text.indexOf('Job file, with every default\n') + 'Job file, with every default\n'.length);
  assert.deepEqual(parseJobSpec(yaml), spec(), 'what is shown is a job file');
});

const worker = (changes: Partial<WorkerInfo> = {}) =>
  ({
    workerId: 'node-1',
    state: 'BUSY',
    address: '10.0.0.2:4711',
    engine: 'compiled',
    device: { kind: 'cpu', name: '', memoryBytes: 0, driver: '' },
    engineFingerprint: 'engine-1',
    slots: 4,
    leases: 3,
    shardsCompleted: 12_345,
    connectedAt: new Date('2026-11-24T04:18:36Z'),
    idleReason: '',
    version: '0.1.0',
    data: [],
    plugins: [],
    ...changes,
  }) as WorkerInfo;

test('a worker shows its device with all that is known of it', () => {
  const gpu = { kind: 'cuda', name: 'NVIDIA H100', memoryBytes: 80 * 2 ** 30, driver: 'NVIDIA 550.54' };
  assert.match(renderWorkers([worker({ device: gpu })]), / compiled {2}cuda: NVIDIA H100, 80 GiB, NVIDIA 550\.54 {2}/);
  assert.match(renderWorkers([worker()]), / compiled {2}cpu {2,}engine-1/);
});

test('why a worker idles is a column only when one does', () => {
  const [head = '', row = ''] = renderWorkers([worker()]).split('\n');
  assert.match(head, /^ID {6}STATE {2}LEASES\/SLOTS {2}SHARDS DONE .* ADDRESS {8}CONNECTED$/);
  assert.match(row, /^node-1 {2}busy {12}3\/4 {7}12,345 .*engine-1.* 10\.0\.0\.2:4711 {2}2026-11-24 04:18:36 UTC$/);
  const idle = worker({ workerId: 'node-2', state: 'IDLE', leases: 0, idleReason: 'another engine' });
  const lines = renderWorkers([worker(), idle]).split('\n');
  assert.match(lines[0] ?? '', /IDLES BECAUSE$/);
  assert.match(lines[2] ?? '', /another engine$/);
  assert.match(renderWorkers([]), /^no workers; start one with `metatrain worker --coordinator HOST:PORT`$/);
});

test('the data sets are listed with what is here, what is not, and where was looked', () => {
  const file = { file: 'a.zip', url: '', bytes: 1_319_022, sha256: null, part: 'small' };
  const text = renderDataSets(
    [
      {
        name: 'letters',
        title: 'Letters',
        homepage: 'https://letters.example',
        licence: 'MIT',
        citation: '',
        contents: {},
        files: [
          { ...file, path: '/data/a.zip' },
          { ...file, file: 'b.zip', path: null },
        ],
      },
    ],
    ['/data', '/cache'],
  );
  assert.equal(
    text,
    `\
letters  Letters
  https://letters.example (MIT)
  part   file     size  found at
  small  a.zip  1.3 MB  /data/a.zip
  small  b.zip  1.3 MB  not here

searched: /data, /cache`,
  );
});

test('numbers read the same everywhere', () => {
  assert.equal(formatCount(1_234_567.4), '1,234,567');
  const values = [0, 0.0005, 0.05, 0.5, 5, 50, 500, 5_000, 5e6, -0.25, Number.NaN, Number.POSITIVE_INFINITY];
  assert.deepEqual(values.map(formatValue), [
    ...['0.000', '5.00e-4', '0.0500', '0.500', '5.00', '50.0', '500', '5,000', '5.00e+6', '-0.250', 'NaN', 'Infinity'],
  ]);
  assert.deepEqual([4.25, 59.7, 200, 7_500, -1, Number.NaN].map(formatDuration), [
    ...['4.3 s', '1 min 0 s', '3 min 20 s', '2 h 5 min', 'unknown', 'unknown'],
  ]);
  assert.deepEqual([0, 999, 1_000, 1_319_022, 5e12].map(formatBytes), ['0 B', '999 B', '1.0 kB', '1.3 MB', '5.0 TB']);
});

test('text is measured without its colour, cut with a mark, wrapped at spaces, and aligned whatever its colour', () => {
  const colour = styleFor(true);
  assert.equal(widthOf(colour.green('abc')), 3);
  assert.equal(truncate('abcdef', 4), 'abc…');
  assert.equal(truncate('abcd', 4), 'abcd');
  assert.equal(truncate('abcd', 0), '');
  assert.deepEqual(wrap('one two three incomprehensibilities', 8).split('\n'), [
    'one two',
    'three',
    'incomprehensibilities',
  ]);
  const rows = [
    [colour.red('a'), '1'],
    ['bbb', '22'],
  ];
  const lines = table([{ title: 'x' }, { title: 'y', align: 'right' }], rows, colour).split('\n');
  assert.deepEqual(lines.map(widthOf), [7, 7, 7]);
});

test('the throughput is that of this run: replayed history does not count', async () => {
  const { ThroughputMeter } = await import('../../../client/cli/run-result.ts');
  const report = (time: number, step: number, rate = 7): JobEvent => ({
    sequence: 1,
    jobId: 'j',
    time: new Date(time),
    kind: 'metaStep',
    summary: { ...running.lastMetaStep!, step, metaStepsPerSecond: rate },
  });
  const meter = new ThroughputMeter(10_000);
  assert.equal(meter.metaStepsPerSecond, 0);
  meter.observe(report(5_000, 100));
  assert.equal(meter.metaStepsPerSecond, 0, 'before this run');
  meter.observe(report(11_000, 200));
  assert.equal(meter.metaStepsPerSecond, 7, "the only report's own rate");
  meter.observe(report(13_000, 260));
  assert.equal(meter.metaStepsPerSecond, 30);
});

test('a run result has every promised field, and an error only when there is one', () => {
  const result: RunResult = runResult(job({ evaluations: [evaluation([3]), evaluation([2])] }), 12, 3);
  assert.deepEqual(Object.keys(result).sort(), [
    ...['data', 'engineFingerprint', 'evaluation', 'jobId', 'metaStepsPerSecond', 'mixedFingerprints', 'name'],
    ...[
      'overrides',
      'paramsSha256',
      'plugins',
      'skippedTasks',
      'state',
      'steps',
      'tasksPerSecond',
      'verdict',
      'wallSeconds',
      'words',
    ],
  ]);
  assert.equal(result.tasksPerSecond, 24, '3 meta-steps a second of 8 tasks');
  assert.equal(result.evaluation?.measures[0]?.estimates[0]?.mean, 2, 'the last one');
  assert.equal(runResult(job(), 1, 1).evaluation, null);
  const error = { code: 'SHARD_FAILED', message: 'it broke' };
  assert.deepEqual(runResult(job({ error }), 1, 1).error, error);
});

test('every kind of event is a line that says what happened', () => {
  const lines = Object.values(sampleEvents).map(({ name, subject, at, data }, i) => {
    const time = { seconds: Math.floor(at / 1_000), nanos: (at % 1_000) * 1e6 };
    const wire = { sequence: i + 1, time, id: `c-${i}`, source: '/c', type: `metatrain.v1.${name}`, subject };
    return renderEvent(clusterEventFromWire({ ...wire, data: JSON.stringify(data) }));
  });
  const job = 'job     0123456789abcdef';
  const worker = 'worker  host.example/worker 1';
  assert.deepEqual(
    lines.map((line) => line.replace('2027-01-15 08:00:00Z', 'TIME')),
    [
      `     1  TIME  ${job}  a-job is failed: it was so`,
      `     2  TIME  ${job}  meta-step 12 of 100: loss 0.500, accuracy 90.0 %`,
      `     3  TIME  ${job}  evaluated after 10 meta-steps: accuracy 50.0 % ± 1.0, loss 0.500 ± 0.0100 after 1 inner step`,
      `     4  TIME  ${job}  checkpoint after 10 meta-steps`,
      `     5  TIME  ${job}  shard 2 of meta-step 11 is computed again (worker host.example/worker 1: it was so)`,
      `     6  TIME  ${worker}  connected from 192.0.2.1:4711: compiled on cuda, slots: 4`,
      `     7  TIME  ${worker}  disconnected: it was so`,
      `     8  TIME  ${worker}  drains: it was so`,
      `     9  TIME  ${worker}  is quarantined for 10 s: it was so`,
      `    10  TIME  ${worker}  is let back: it was so`,
    ],
  );
});
