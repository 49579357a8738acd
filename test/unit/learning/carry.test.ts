// State that a shard carries from one meta-step to the next: on the worker, in the coordinator's
// numbers, in a checkpoint, and what is refused.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { snapshotOf } from '../../../coordinator/jobs/checkpointing.ts';
import { memoryOf } from '../../../coordinator/jobs/job-memory.ts';
import { carryBytes } from '../../../learning/carry.ts';
import type { ResolvedJob } from '../../../learning/job.ts';
import { Training } from '../../../learning/outer-loop/training.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../../../shared/checkpoint.ts';
import { bytesOfVector, sha256 } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import type { JobProgram } from '../../../worker/learning/job-program.ts';
import { openJobProgram } from '../../../worker/learning/open.ts';
import { probeRegistry } from './probe.ts';
import { jobOf } from './small-jobs.ts';

const iterations = 6;
const meta = { iterations, batchSize: 5, optimizer: { name: 'adam', learningRate: 0.01 } };
// Spans take memory of their own, and a job that carries state has none.
const placement = { shardSize: 2, spans: 'never' };

const jobFor = (algorithm: object = {}, others: object = {}) =>
  jobOf(
    { distribution: 'sinusoid', shots: 4 },
    { architecture: 'mlp', hiddenLayers: [6] },
    { name: 'probe', carriesState: true, ...algorithm },
    probeRegistry,
    { meta, placement, ...others },
  );

describe('what a shard carries', () => {
  let engine: Engine;
  before(async () => {
    engine = await createEngine({ engine: 'compiled', device: 'cpu' });
  });
  after(() => engine.close());

  const open = (job: ResolvedJob) => openJobProgram(job.spec, { registry: probeRegistry, dataDirectories: [], engine });

  async function metaStep(job: ResolvedJob, program: JobProgram, training: Training): Promise<void> {
    const { step, vector } = training.metaParams;
    const sizes = [2, 2, 1];
    // the last shard first: what is carried goes by the shard's number, not by the order
    for (const shard of [2, 0, 1]) {
      const firstTask = step * 5 + 2 * shard;
      const carry = training.carriedBy(shard)?.vector;
      const made = await program.train(vector, { metaStep: step, firstTask, taskCount: sizes[shard]!, carry });
      const carried = { vector: made.carry!, sha256: sha256(bytesOfVector(made.carry!)) };
      training.keepTrainResult(shard, 3, { ...made, taskCount: sizes[shard]!, carried });
    }
    training.applyMetaStep(iterations, job.measures.train);
  }

  /** Restarts from a checkpoint's bytes after the meta-steps named. */
  async function trained(restartsAt: readonly number[]) {
    const job = jobFor();
    const program = await open(job);
    const { layout, metaParams } = program.initialize();
    let training = Training.begin(job, layout, metaParams.slice());
    for (let step = 0; step < iterations; step++) {
      if (restartsAt.includes(step)) {
        const { metaParams, carried, chain, ...rest } = training.snapshot();
        const metadata = {
          jobId: 'j',
          spec: '',
          step,
          nextTask: 5 * step,
          paramsSha256: metaParams.sha256.toString('hex'),
          chainSha256: chain.toString('hex'),
          previousSha256: '',
          engineFingerprint: '',
          skippedTasks: 0,
        };
        const vectors = carried && { carried: carried.map((one) => one?.vector) };
        const file = Buffer.concat(encodeCheckpoint({ ...rest, metadata, metaParams: metaParams.vector, ...vectors }));
        training = Training.restore(job, snapshotOf(decodeCheckpoint(file, 'memory')));
      }
      await metaStep(job, program, training);
    }
    await program.close();
    return training;
  }

  it('comes back to the shard of its number in the next meta-step, and through a restart to the same bytes', async () => {
    const [unbroken, restarted] = [await trained([]), await trained([0, 1, 4])];
    assert.deepEqual(
      [0, 1, 2].map((shard) => unbroken.carriedBy(shard)!.vector.length),
      [3, 3, 2],
    );
    assert.deepEqual(
      [0, 1, 2].map((shard) => unbroken.carriedBy(shard)!.vector[0]),
      [6, 6, 6],
      'a count of meta-steps',
    );
    assert.equal(restarted.chain.toString('hex'), unbroken.chain.toString('hex'));
    assert.deepEqual(restarted.carriedBy(2), unbroken.carriedBy(2));
  });

  it('enters the result', async () => {
    const program = await open(jobFor());
    const { metaParams } = program.initialize();
    const train = (carry?: Float32Array) =>
      program.train(metaParams, { metaStep: 1, firstTask: 5, taskCount: 2, ...(carry && { carry }) });
    const [first, second] = [await train(), await train(Float32Array.of(3, 1, 1))];
    assert.equal(first.carry![0], 1);
    assert.equal(second.carry![0], 4);
    assert.notDeepEqual(first.metaGradientSum, second.metaGradientSum);
    await program.close();
  });

  it('stays what it was where it would not be finite, and the shard counts for nothing', async () => {
    const program = await open(jobFor({ mistake: 'carry not finite' }));
    const { metaParams } = program.initialize();
    const result = await program.train(metaParams, { metaStep: 0, firstTask: 0, taskCount: 2 });
    assert.deepEqual([result.weight, result.nonFiniteTasks, result.carry], [0, [0, 1], undefined]);
    await program.close();
  });

  it('must be what the algorithm says that it carries', async () => {
    const program = await open(jobFor({ mistake: 'carry' }));
    const { metaParams } = program.initialize();
    await assert.rejects(program.train(metaParams, { metaStep: 0, firstTask: 0, taskCount: 2 }), {
      code: 'REQUEST_INVALID',
      message: 'algorithm probe: its procedure carries nothing in count; accepted: 1 numbers',
    });
    await program.close();
  });

  it('is bounded, counted and refused with async at submission', () => {
    const job = jobFor();
    assert.equal(carryBytes(job), 4 * (3 + 3 + 2));
    assert.equal(memoryOf(job) - memoryOf(jobFor({ carriesState: false })), 3 * 32);
    assert.throws(() => jobFor({}, { meta: { ...meta, update: { mode: 'async' } } }), {
      code: 'REQUEST_INVALID',
      message: /meta\.update\.mode: got async; accepted: sync with algorithm probe, which carries state/,
    });
    assert.throws(() => jobFor({ mistake: 'carry too large' }), {
      code: 'REQUEST_INVALID',
      message: /algorithm\.name: got probe, whose shards carry 805.* bytes .*; accepted: at most 268.* bytes/,
    });
  });
});
