// Computes one training shard again in this process, as the cluster did: θ of its meta-step from a
// checkpoint at or before it (or from the seed), the meta-steps between applied in shard order,
// then the shard. The one place that puts the outer loop and the worker's learning together; it
// decides nothing and knows no network. Prints one JSON object; `metatrain replay` runs it and
// compares.
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { metaBatch } from '../coordinator/core/meta-steps.ts';
import { snapshotOf } from '../coordinator/jobs/checkpointing.ts';
import { planOf } from '../coordinator/jobs/job-plan.ts';
import type { ResolvedJob } from '../learning/job.ts';
import { readJob } from '../learning/job-file.ts';
import { loadRegistry } from '../learning/load.ts';
import { decodeSum } from '../learning/outer-loop/result-codec.ts';
import { Training } from '../learning/outer-loop/training.ts';
import { decodeCheckpoint } from '../shared/checkpoint.ts';
import type { DataIdentity } from '../shared/data-identity.ts';
import { asMetatrainError, MetatrainError } from '../shared/errors.ts';
import { printableLines } from '../shared/foreign-text.ts';
import { bytesOfVector, sha256 } from '../shared/tensor-codec.ts';
import { createEngine } from '../worker/engine/create.ts';
import type { JobProgram } from '../worker/learning/job-program.ts';
import { openJobProgram } from '../worker/learning/open.ts';

const { values } = parseArgs({
  options: {
    spec: { type: 'string' },
    checkpoint: { type: 'string' },
    'meta-step': { type: 'string' },
    shard: { type: 'string' },
    'data-dir': { type: 'string', multiple: true, default: [] },
    plugin: { type: 'string', multiple: true, default: [] },
    /** The data that the job was computed with, as JSON. */
    'expected-data': { type: 'string', default: '[]' },
  },
});

async function beginning(job: ResolvedJob, program: JobProgram, file: string | undefined): Promise<Training> {
  if (file === undefined) {
    const { layout, metaParams } = program.initialize();
    return Training.begin(job, layout, metaParams.slice());
  }
  return Training.restore(job, snapshotOf(decodeCheckpoint(await readFile(file), file)));
}

async function applyMetaStep(job: ResolvedJob, program: JobProgram, training: Training): Promise<void> {
  const { step, vector } = training.metaParams;
  const { shards } = metaBatch(planOf('', job), step);
  for (const { index, firstTask, taskCount } of shards) {
    const from = training.carriedBy(index)?.vector;
    const { carry, ...made } = await program.train(vector, { metaStep: step, firstTask, taskCount, carry: from });
    // As it arrives. The program may use its arrays again.
    const sent = Buffer.from(program.encode(made.metaGradientSum, { firstTask }));
    const metaGradientSum = decodeSum(sent, { format: job.spec.placement.results, layout: training.layout });
    const carried = carry && { carried: { vector: carry, sha256: sha256(bytesOfVector(carry)) } };
    training.keepTrainResult(index, shards.length, { ...made, metaGradientSum, taskCount, ...carried });
  }
  training.applyMetaStep(job.spec.meta.iterations, job.measures.train);
}

async function replay(): Promise<object> {
  const registry = await loadRegistry(values.plugin);
  const job = readJob(await readFile(values.spec ?? '', 'utf8'), registry);
  const { spec } = job;
  const metaStep = Number(values['meta-step']);
  const shardIndex = Number(values.shard);
  const { shards } = metaBatch(planOf('', job), metaStep);
  const shard = shards[shardIndex];
  if (!shard || !(metaStep >= 0 && metaStep < spec.meta.iterations)) {
    const accepted = `meta-step 0 to ${spec.meta.iterations - 1}, shard 0 to ${shards.length - 1}`;
    throw new MetatrainError('REQUEST_INVALID', `shard ${shardIndex} of meta-step ${metaStep}; accepted: ${accepted}`);
  }
  if (spec.meta.update.mode === 'async') {
    const message = 'meta.update.mode: got async; accepted: sync, since an async job has no order to repeat';
    throw new MetatrainError('REQUEST_INVALID', message);
  }
  if (spec.meta.privacy) {
    const message =
      "meta.privacy: got a job with noise; accepted: one without, since the noise is the coordinator's secret";
    throw new MetatrainError('REQUEST_INVALID', message);
  }
  const engine = await createEngine(spec.placement);
  const expectedData = JSON.parse(values['expected-data']) as DataIdentity[];
  const program = await openJobProgram(spec, {
    registry,
    engine,
    dataDirectories: values['data-dir'],
    expectedData,
  });
  try {
    const training = await beginning(job, program, values.checkpoint);
    const fromStep = training.metaParams.step;
    while (training.metaParams.step < metaStep) await applyMetaStep(job, program, training);
    const { vector, sha256: paramsSha256 } = training.metaParams;
    const { firstTask, taskCount } = shard;
    const carry = training.carriedBy(shardIndex)?.vector;
    const result = await program.train(vector, { metaStep, firstTask, taskCount, carry });
    return {
      metaStep,
      shard: shardIndex,
      firstTask,
      taskCount,
      fromStep,
      paramsSha256: paramsSha256.toString('hex'),
      payloadSha256: sha256(program.encode(result.metaGradientSum, shard)).toString('hex'),
      // JSON has no NaN: those values are null.
      measures: result.measures,
      nonFiniteTasks: result.nonFiniteTasks.map((offset) => firstTask + offset),
      engineFingerprint: engine.fingerprint,
    };
  } finally {
    await program.close();
    await engine.close();
  }
}

try {
  process.stdout.write(`${JSON.stringify(await replay())}\n`);
} catch (thrown) {
  process.stderr.write(`${printableLines(asMetatrainError(thrown).message)}\n`);
  process.exitCode = 1;
}
