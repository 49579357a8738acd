// A gRPC client that is not ours submits a job and sees it train to the end: Python's grpcio, once with stubs made from the proto and once
// knowing nothing but the address, by reflection. What client.py saw is judged here.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { packageRoot } from '../../../shared/wire.ts';
import { foreignPython, withoutForeignPython } from '../../support/needs.ts';
import { startCluster } from './cluster.ts';

const spec = `
name: foreign
task: { distribution: sinusoid, shots: 5 }
model: { architecture: mlp, hiddenLayers: [8] }
algorithm: { name: maml, order: second, innerSteps: 1, innerLearningRate: 0.01 }
meta: { iterations: 20, batchSize: 4 }
evaluation: { tasks: 20, innerSteps: 3 }
placement: { shardSize: 2 }
`;

interface Refusal {
  readonly code: string;
  readonly message: string;
}

interface Seen {
  readonly health: { readonly serving: Readonly<Record<string, string>>; readonly unknown: string };
  readonly services: readonly string[] | null;
  readonly refusals: Readonly<
    Record<
      | 'unknownField'
      | 'notUtf8Safe'
      | 'manyProblems'
      | 'tooLong'
      | 'unknownJob'
      | 'unknownCheckpoint'
      | 'otherProtocol'
      | 'noHello',
      Refusal
    >
  >;
  readonly job: {
    readonly jobId: string;
    readonly alreadySubmitted: readonly boolean[];
    readonly sameJobAgain: boolean;
    readonly events: readonly { readonly sequence: number; readonly kind: string; readonly state: number }[];
    readonly replayedAfter: readonly number[];
    readonly state: number;
    readonly steps: number;
    readonly iterations: number;
    readonly paramsSha256: string;
    readonly spec: unknown;
    readonly listed: readonly string[];
    readonly checkpoint: {
      readonly step: number;
      readonly bytes: number;
      readonly bytesReceived: number;
      readonly paramsSha256: string;
      readonly thetaSha256: string;
      readonly hashHolds: boolean;
      readonly largestChunk: number;
      readonly tensors: Readonly<Record<string, readonly number[]>>;
    };
    readonly evaluation: {
      readonly step: number;
      readonly tasks: number;
      readonly distribution: string;
      readonly measures: Readonly<Record<string, readonly (readonly [mean: number, halfWidth95: number])[]>>;
    };
    readonly workers: readonly { readonly slots: number; readonly fingerprint: string }[];
  };
}

/** What client.py sees of a new cluster. */
async function seenFromPython(context: TestContext, kind: 'stubs' | 'reflection', ...rest: string[]): Promise<Seen> {
  const scratch = mkdtempSync(join(tmpdir(), 'metatrain-python-'));
  context.after(() => rmSync(scratch, { recursive: true }));
  const specFile = join(scratch, 'job.yaml');
  writeFileSync(specFile, spec);
  const address = await startCluster(context);
  const client = join(packageRoot, 'test', 'integration', 'foreign', 'client.py');
  const { stdout } = await promisify(execFile)(foreignPython!, [client, kind, address, specFile, ...rest], {
    timeout: 240_000,
    maxBuffer: 2 ** 24,
  });
  return JSON.parse(stdout);
}

/** The numbers of JobState in the proto. */
const [queued, running, succeeded] = [1, 2, 4];

function assertTrained({ health, refusals, job }: Seen): void {
  assert.deepEqual(health, { serving: { '': 'SERVING', 'metatrain.v1.JobService': 'SERVING' }, unknown: 'NOT_FOUND' });

  assert.equal(job.state, succeeded);
  assert.deepEqual([job.steps, job.iterations], [20, 20]);
  assert.deepEqual(job.spec, JSON.parse(JSON.stringify(parseJobSpec(spec))));
  assert.deepEqual([job.alreadySubmitted, job.sameJobAgain], [[false, true], true]);
  assert.ok(job.listed.includes(job.jobId));
  const states = job.events.filter(({ kind }) => kind === 'state_changed').map(({ state }) => state);
  assert.deepEqual(states, [queued, running, succeeded]);
  const sequences = job.events.map(({ sequence }) => sequence);
  assert.deepEqual(
    sequences,
    [...sequences].sort((a, b) => a - b),
  );
  assert.deepEqual(job.replayedAfter, sequences.slice(-1));
  for (const kind of ['evaluated', 'checkpoint_written']) {
    assert.ok(
      job.events.some((event) => event.kind === kind),
      `no ${kind} event`,
    );
  }

  const { checkpoint, evaluation } = job;
  assert.ok(checkpoint.hashHolds && checkpoint.bytes === checkpoint.bytesReceived);
  assert.ok(checkpoint.largestChunk <= 1_048_576);
  assert.equal(checkpoint.step, 20);
  assert.match(job.paramsSha256, /^[0-9a-f]{64}$/);
  assert.equal(checkpoint.paramsSha256, job.paramsSha256);
  assert.equal(checkpoint.thetaSha256, job.paramsSha256);
  const shapes = Object.entries(checkpoint.tensors).filter(([name]) => !name.startsWith('optimizer/'));
  assert.deepEqual(shapes.map(([, shape]) => shape).sort(), [[1, 8], [8], [8, 1], [1]].sort());

  assert.deepEqual([evaluation.step, evaluation.tasks, evaluation.distribution], [20, 20, 'sinusoid']);
  assert.deepEqual(Object.keys(evaluation.measures), ['loss']);
  assert.equal(evaluation.measures.loss!.length, 4);
  for (const [mean, halfWidth95] of evaluation.measures.loss!) assert.ok(mean > 0 && halfWidth95 > 0);
  assert.equal(job.workers.length, 1);
  assert.equal(job.workers[0]!.slots, 1);
  assert.notEqual(job.workers[0]!.fingerprint, '');

  const codes = Object.fromEntries(Object.entries(refusals).map(([what, { code }]) => [what, code]));
  assert.deepEqual(codes, {
    unknownField: 'INVALID_ARGUMENT',
    notUtf8Safe: 'INVALID_ARGUMENT',
    manyProblems: 'INVALID_ARGUMENT',
    tooLong: 'INVALID_ARGUMENT',
    unknownJob: 'NOT_FOUND',
    unknownCheckpoint: 'NOT_FOUND',
    otherProtocol: 'FAILED_PRECONDITION',
    noHello: 'INVALID_ARGUMENT',
  });
  assert.match(refusals.unknownField.message, /nam: got an unknown field; accepted: one of name, tags, seed, task/);
  assert.match(refusals.notUtf8Safe.message, /\\u\{d800\}: got an unknown field/);
  assert.match(refusals.manyProblems.message, /… and \d+ more$/);
  assert.match(refusals.tooLong.message, /got 65537 bytes; accepted: at most 65536 bytes/);
  assert.match(refusals.unknownJob.message, /no-such-job/);
  assert.match(refusals.otherProtocol.message, /99/);
}

const withStubs = 'a Python client with stubs made from the proto';
const byReflection = 'a Python client that knows only the address';

test(`${withStubs} trains a job to the end`, { skip: withoutForeignPython(withStubs) }, async (context) => {
  assertTrained(await seenFromPython(context, 'stubs', join(packageRoot, 'proto')));
});

test(`${byReflection} trains a job to the end`, { skip: withoutForeignPython(byReflection) }, async (context) => {
  const seen = await seenFromPython(context, 'reflection');
  assertTrained(seen);
  for (const service of ['JobService', 'ClusterService', 'WorkerService']) {
    assert.ok(seen.services?.includes(`metatrain.v1.${service}`), `reflection does not list ${service}`);
  }
});
