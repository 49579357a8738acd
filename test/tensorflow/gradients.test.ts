// The eager engine on TensorFlow against the compiled engine, for every algorithm on every model and task distribution; and the worker itself
// on it: its check, and a job whose result does not depend on the number of workers. Run by run.ts, which says where TensorFlow is.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { EngineCheck } from '../../worker/check.ts';
import { createEngine } from '../../worker/engine/create.ts';
import type { Engine } from '../../worker/engine/engine.ts';
import { sinusoidSpec } from '../support/job-specs.ts';
import { type Fixture, smallFixture } from '../unit/learning/omniglot-fixture.ts';
import { assertSameNumbers, openParts, smallJobs } from '../unit/learning/small-jobs.ts';

/** Relative; the engines add in another order, and two inner steps carry that on. */
const tolerance = 1e-4;

const directory = process.env.METATRAIN_TFJS_NODE ?? '';
const distDirectory = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The last line of stdout, as JSON, of a process that must exit 0. */
async function resultOf<Result>(script: string, ...args: string[]): Promise<Result> {
  const options = {
    timeout: 240_000,
    env: { ...process.env, METATRAIN_DEVICE: undefined, METATRAIN_ENGINE: undefined },
  };
  const { stdout } = await promisify(execFile)(process.execPath, [join(distDirectory, script), ...args], options);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Result;
}

describe('the eager engine on TensorFlow', () => {
  let fixture: Fixture;
  let tensorflow: Engine;
  let compiled: Engine;
  before(async () => {
    fixture = smallFixture();
    tensorflow = await createEngine({ engine: 'eager', device: 'cpu', tensorflow: { kind: 'directory', directory } });
    compiled = await createEngine({ engine: 'compiled', device: 'cpu' });
  });
  after(async () => {
    fixture.remove();
    await tensorflow.close();
    await compiled.close();
  });

  it('says in its fingerprint that TensorFlow computes', () => {
    assert.match(tensorflow.fingerprint, /^tensorflow-2\.\d+\.\d+\+tfjs-\d+\.\d+\.\d+\/cpu\//);
  });

  for (const { name, job } of smallJobs) {
    it(`${name}: the compiled engine's numbers`, async () => {
      const parts = await openParts(job, fixture.directory);
      await assertSameNumbers({ engine: tensorflow, reference: compiled, tolerance }, parts);
    });
  }

  it('worker --check finds that the gradients agree', async () => {
    const check = await resultOf<EngineCheck>('worker/main.js', '--check', '--engine', 'eager', '--json');
    assert.equal(check.passed, true);
    assert.match(check.fingerprint, /^tensorflow-2\./);
    assert.equal(check.programs.length, 2);
    for (const { difference } of check.programs) assert.ok(difference > 0 && difference <= check.tolerance);
  });

  it('a job gives the same bytes with one worker and with two', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
    try {
      const jobFile = join(folder, 'job.json');
      writeFileSync(jobFile, sinusoidSpec('tensorflow', { placement: { shardSize: 2, engine: 'eager' } }));
      const hashes = [];
      for (const workers of ['1', '2']) {
        const result = await resultOf<{ state: string; paramsSha256: string; engineFingerprint: string }>(
          ...(['client/cli/main.js', 'run', jobFile, '--workers', workers, '--no-output', '--json'] as const),
        );
        assert.equal(result.state, 'SUCCEEDED');
        assert.match(result.engineFingerprint, /^tensorflow-2\./);
        hashes.push(result.paramsSha256);
      }
      assert.equal(hashes[0], hashes[1]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
