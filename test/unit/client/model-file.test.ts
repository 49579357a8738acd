// Where `metatrain run` saves a model: where it was told, or in the working directory, and never over
// another model that nobody named.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { modelFile, saveModel } from '../../../client/cli/model-file.ts';
import type { MetatrainClient } from '../../../client/metatrain-client.ts';
import type { Job } from '../../../client/records.ts';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { sinusoidSpec } from '../../support/job-specs.ts';
import { sampleJob } from '../../support/sample-job.ts';

const spec = parseJobSpec(sinusoidSpec('waves'));
const model = 'the trained model';
const checkpoint = {
  step: 20,
  bytes: model.length,
  sha256: createHash('sha256').update(model).digest('hex'),
  paramsSha256: '',
};
const job: Job = sampleJob({ checkpoints: [checkpoint] });

/** A coordinator's client that gives the model, and counts how often. */
function cluster() {
  const downloads: string[] = [];
  const downloadCheckpoint = async (_: string, file: string) => {
    downloads.push(file);
    writeFileSync(file, model);
  };
  return { downloads, client: { downloadCheckpoint } as unknown as MetatrainClient };
}

/** A working directory of the test's own. */
function workingDirectory(t: TestContext): string {
  const before = process.cwd();
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-model-'));
  process.chdir(directory);
  t.after(() => {
    process.chdir(before);
    rmSync(directory, { recursive: true });
  });
  return directory;
}

test('without a flag the model is NAME.safetensors in the working directory', async (t) => {
  const directory = workingDirectory(t);
  const { client } = cluster();
  const wanted = await modelFile(spec, undefined);
  assert.deepEqual(wanted, { file: 'waves.safetensors', mayReplace: false });
  assert.deepEqual(readdirSync(directory), [], 'before the job has ended nothing is written');
  const saved = await saveModel(client, job, wanted!);
  assert.deepEqual(saved, { file: 'waves.safetensors', step: 20, bytes: model.length, sha256: checkpoint.sha256 });
  assert.equal(readFileSync('waves.safetensors', 'utf8'), model);
});

test('another model of that name stays, and the new one gets the id of its job', async (t) => {
  const directory = workingDirectory(t);
  writeFileSync('waves.safetensors', 'another one');
  const { file } = await saveModel(cluster().client, job, (await modelFile(spec, undefined))!);
  assert.equal(file, `waves-${job.jobId}.safetensors`);
  assert.equal(readFileSync('waves.safetensors', 'utf8'), 'another one');
  assert.deepEqual(readdirSync(directory).sort(), [file, 'waves.safetensors'].sort());
});

test('the same model that is there already is not written again', async (t) => {
  workingDirectory(t);
  writeFileSync('waves.safetensors', model);
  const { client, downloads } = cluster();
  const { file } = await saveModel(client, job, (await modelFile(spec, undefined))!);
  assert.deepEqual([file, downloads], ['waves.safetensors', []]);
});

test('a file that --output names is replaced', async (t) => {
  const directory = workingDirectory(t);
  const file = join(directory, 'mine');
  writeFileSync(file, 'an older one');
  await saveModel(cluster().client, job, (await modelFile(spec, file))!);
  assert.equal(readFileSync(file, 'utf8'), model);
  assert.equal(await modelFile(spec, false), undefined, '--no-output');
});

test('a file that cannot be written is refused before anything is trained', async (t) => {
  const directory = workingDirectory(t);
  const refused = (message: RegExp) => ({ code: 'REQUEST_INVALID', message });
  await assert.rejects(modelFile(spec, join(directory, 'no', 'x')), refused(/^--output: cannot write .*no.x: ENOENT/));
  await assert.rejects(modelFile(spec, directory), refused(/it is a directory; accepted: a file in a directory that/));
  if (process.getuid?.() === 0) return;
  chmodSync(directory, 0o500);
  await assert.rejects(
    modelFile(spec, undefined),
    refused(/cannot write waves\.safetensors: EACCES.* or --no-output$/),
  );
});
