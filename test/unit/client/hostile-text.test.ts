// A coordinator, a worker and a job file that put commands to the terminal into every text they have.
// Each renderer, and the terminal itself, escapes them.

import assert from 'node:assert/strict';
import test from 'node:test';
import { renderDataSets } from '../../../client/cli/render/data-sets.ts';
import { renderEvent } from '../../../client/cli/render/events.ts';
import { renderJob, renderJobDetails, renderJobList } from '../../../client/cli/render/job.ts';
import { renderJobPlots } from '../../../client/cli/render/job-plots.ts';
import { applyEvent, noteFor, progressLine, viewOf } from '../../../client/cli/render/progress.ts';
import { renderResult } from '../../../client/cli/render/result.ts';
import { plainStyle } from '../../../client/cli/render/text.ts';
import { renderWorkers } from '../../../client/cli/render/workers.ts';
import { runResult } from '../../../client/cli/run-result.ts';
import { Terminal } from '../../../client/cli/terminal.ts';
import { clusterEventFromWire, type Evaluation, type Job, type WorkerInfo } from '../../../client/records.ts';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { printableLines } from '../../../shared/foreign-text.ts';
import { noWords } from '../../../shared/protocol.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';
import { lossMeasure } from '../../support/measures.ts';
import { sampleEvents } from '../../support/sample-events.ts';
import { sampleSummary } from '../../support/sample-job.ts';

const attack = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202e\u2028\r\nfake';

/** Words that a renderer compares: hostile ones would be another program's fault. */
const closedWords = new Set(['state', 'kind', 'type', 'distribution', 'architecture', 'time', 'characters']);

/** The record with the attack at the end of every text. */
function hostile<Value>(value: Value, key = ''): Value {
  if (typeof value === 'string') return (closedWords.has(key) ? value : `${value}${attack}`) as Value;
  if (Array.isArray(value)) return value.map((item) => hostile(item, key)) as Value;
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, hostile(field, name)])) as Value;
}

const evaluation: Evaluation = {
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
  measures: [lossMeasure([3, 0.7].map((mean) => ({ mean, halfWidth95: 0.1 })))],
  divergedTasks: 0,
};

const job: Job = {
  jobId: '0123456789abcdef',
  name: 'waves',
  words: noWords,
  state: 'FAILED',
  spec: parseJobSpec(
    sinusoidSpec('waves', {
      published: {
        source: 'A paper',
        measure: 'loss',
        at: { 1: { mean: 0.67 } },
        protocol: { task: { distribution: 'sinusoid', shots: 5 } },
        differences: ['fewer meta-steps'],
      },
    }),
  ),
  submittedAt: new Date(0),
  startedAt: new Date(0),
  endedAt: new Date(1_000),
  steps: 20,
  iterations: 20,
  paramsSha256: 'ab'.repeat(32),
  overrides: ['meta.iterations=20'],
  evaluations: [evaluation],
  verdict: { outcome: 'reached', text: 'reached', differences: ['fewer meta-steps'], obstacles: [] },
  checkpoints: [{ step: 20, sha256: 'cd', bytes: 10, paramsSha256: 'ab' }],
  error: { code: 'SHARD_FAILED', message: 'three workers failed' },
  engineFingerprint: 'engine-1',
  mixedFingerprints: true,
  data: [{ name: 'omniglot', part: 'small', sha256: 'ab' }],
  plugins: [{ name: 'parts.js', sha256: 'ab' }],
  skippedTasks: 1,
};

const worker: WorkerInfo = {
  workerId: 'w-1',
  state: 'IDLE',
  leases: 0,
  slots: 1,
  shardsCompleted: 0,
  resultsRejected: 0,
  data: [{ name: 'omniglot', part: 'small', sha256: 'ab' }],
  plugins: [{ name: 'parts.js', sha256: 'ab' }],
  engine: 'compiled',
  device: { kind: 'cuda', name: 'NVIDIA H100', memoryBytes: 2 ** 30, driver: '550' },
  engineFingerprint: 'engine-1',
  version: '0.1.0',
  address: '127.0.0.1:1',
  connectedAt: new Date(0),
  idleReason: 'no job wants it',
};

const options = { width: 100, style: plainStyle };
const plots = { width: 100, characters: 'unicode', style: plainStyle } as const;
const history = { metaSteps: [], story: [] };
const dataSet = {
  name: 'omniglot',
  title: 'Omniglot',
  citation: 'Lake et al. 2015',
  licence: 'MIT',
  homepage: 'https://example.org',
  contents: {},
  files: [{ part: 'images', file: 'a.zip', bytes: 1, sha256: 'ab', url: 'https://example.org', path: '/data/a.zip' }],
};

/** What each renderer makes of records; `as` puts the attack into them, or not. */
const renderers: Readonly<Record<string, (as: <Value>(value: Value) => Value) => string>> = {
  'jobs list': (as) => renderJobList(as([job])),
  'the end of a job': (as) => renderJob(as(job), options),
  'jobs show': (as) => renderJobDetails(as(job), options),
  'jobs show of a job that runs': (as) => {
    const { endedAt, ...open } = job;
    return renderJobDetails(as(open), options);
  },
  'jobs show --plot': (as) => renderJobPlots(as(job), history, plots),
  'a result': (as) => renderResult(as(runResult(job, 1, 1)), as(job.spec), options),
  'jobs show --plot, with what was reported of meta-steps': (as) =>
    renderJobPlots(job, as({ metaSteps: [sampleSummary(1), sampleSummary(2)], story: [] }), plots),
  'a progress line': (as) => progressLine(viewOf(as(job))),
  'a progress line after an event': (as) => {
    const event = { kind: 'metaStep', sequence: 1, time: new Date(0), jobId: 'j', summary: sampleSummary(1) } as const;
    return progressLine(applyEvent(viewOf(job), as(event)));
  },
  'a note of an evaluation': (as) =>
    noteFor(as({ kind: 'evaluated', sequence: 1, time: new Date(0), jobId: 'j', evaluation }), 'n') ?? '',
  'a note of a state': (as) =>
    noteFor(
      as({ kind: 'stateChanged', sequence: 1, time: new Date(0), jobId: 'j', state: 'FAILED', reason: 'r' }),
      as('n'),
    ) ?? '',
  'a note of a retry': (as) =>
    noteFor(
      as({
        kind: 'shardRetried',
        sequence: 1,
        time: new Date(0),
        jobId: 'j',
        retried: { metaStep: 1, shard: 1, workerId: 'w', reason: 'r' },
      }),
      'n',
    ) ?? '',
  workers: (as) => renderWorkers(as([worker])),
  events: (as) =>
    Object.values(sampleEvents)
      .map(({ name, subject, at, data }) => {
        const time = { seconds: Math.floor(at / 1_000), nanos: 0 };
        const wire = { sequence: 1, time, id: 'c-1', source: '/c', type: `metatrain.v1.${name}`, subject };
        return renderEvent(as(clusterEventFromWire({ ...wire, data: JSON.stringify(data) })));
      })
      .join('\n'),
  datasets: (as) => renderDataSets([as(dataSet)], as(['/data'])),
};

for (const [name, render] of Object.entries(renderers)) {
  test(`${name}: every text of a hostile record is escaped and stays on its line`, () => {
    const benign = render((value) => value);
    const attacked = render(hostile);
    assert.match(attacked, /owned/, 'the attack is in there');
    // YAML writes control characters in escapes of its own, and wide texts wrap.
    assert.equal(attacked, printableLines(attacked));
    const fakes = attacked.split('\n').filter((line) => line.startsWith('fake'));
    assert.deepEqual(fakes, [], 'no line begins with the words of the attack');
    assert.doesNotMatch(benign, /owned/);
  });
}

test('the terminal gets line breaks and our own colours, and no other control characters', () => {
  let written = '';
  const stream = { isTTY: true, columns: 80, write: (text: string) => (written += text) };
  const terminal = new Terminal({ stdout: stream, stderr: stream, environment: { TERM: 'xterm' } });
  terminal.print(`${terminal.style.red('red')} ${attack} \u001b[8mhidden`);
  terminal.note(`error: ${attack}`);
  terminal.printJson({ text: attack });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours that were asked for.
  const rest = written.replace(/\u001b\[3[19]m/g, '');
  assert.equal(rest, printableLines(rest));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
  assert.match(written, /^\u001b\[31mred\u001b\[39m /);
  assert.deepEqual(JSON.parse(written.trimEnd().split('\n').at(-1) ?? ''), { text: attack });
  written = '';
  terminal.progress('a', () => `a ${attack}`);
  assert.equal(written.includes('\u001b'), false);
});
