// The compiled engine on WebGPU, over Chromium's software Vulkan: the same path as on a GPU, slowly. Each part runs in a process of its own, which
// alone is given the driver.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { sinusoidSpec } from '../../support/job-specs.ts';
import { softwareVulkan, withoutSoftwareVulkan } from '../../support/needs.ts';
import type { WebGpuReport } from './webgpu-gradients.ts';

/** float32 on both sides, sums in another order; measured: below 5e-6. */
const tolerance = 1e-4;

/** Shaders are compiled by the processor: 5 s on two free cores. */
const patienceMs = 110_000;

const distDirectory = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** The lines of stdout, as JSON, of a process that must exit 0. */
async function linesOf<Line>(script: string, ...args: string[]): Promise<Line[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(distDirectory, script), ...args], {
    env: { ...process.env, VK_ICD_FILENAMES: softwareVulkan ?? '' },
    timeout: patienceMs,
  });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

describe('the compiled engine on WebGPU', { skip: withoutSoftwareVulkan('WebGPU') }, () => {
  it('second-order meta-gradients are the cpu’s, and no operator falls back to the cpu', async () => {
    const reports = await linesOf<WebGpuReport>('test/integration/engine/webgpu-gradients.js');
    assert.deepEqual(
      reports.map(({ model }) => model),
      ['mlp', 'conv4 stride', 'conv4 max-pool'],
    );
    for (const { model, norm, difference, onCpu } of reports) {
      assert.ok(norm > 0.1, `${model}: the gradient is there at all, ${norm}`);
      assert.ok(difference < tolerance, `${model} differs by ${difference}`);
      assert.equal(onCpu, '', model);
    }
  });

  it('a job that asks for WebGPU is computed by a worker that offers it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
    try {
      const jobFile = join(directory, 'job.json');
      const spec = sinusoidSpec('webgpu', {
        model: { architecture: 'mlp', hiddenLayers: [4] },
        meta: { iterations: 2, batchSize: 4 },
        evaluation: { tasks: 4, innerSteps: 1 },
        placement: { shardSize: 4, device: 'webgpu' },
      });
      writeFileSync(jobFile, spec);
      const [result] = await linesOf<{ state: string; steps: number; engineFingerprint: string }>(
        ...(['client/cli/main.js', 'run', jobFile, '--workers', '1', '--slots', '1', '--no-output', '--json'] as const),
      );
      assert.equal(result?.state, 'SUCCEEDED');
      assert.equal(result.steps, 2);
      assert.match(result.engineFingerprint, /\/webgpu:vk-swiftshader:/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
