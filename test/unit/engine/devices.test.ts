// Which engine runs on which device: what is not here is refused with its reason and a remedy, what is here is told apart by its fingerprint.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { MetatrainError } from '../../../shared/errors.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import { chosenVulkanDriver, deviceFacts, hasNvidiaDriver, parseNvidia } from '../../../worker/engine/devices.ts';
import { fingerprintOf } from '../../../worker/engine/fingerprint.ts';
import { loweringFor, lowerToOnnx } from '../../../worker/engine/onnx/lower.ts';
import { optimize } from '../../../worker/engine/passes/pipeline.ts';
import { trace } from '../../../worker/engine/trace/trace.ts';
import { leftOutUnless } from '../../support/needs.ts';
import { mlpProgram } from './programs.ts';

const refusal = async (engine: Promise<unknown>): Promise<string> => {
  try {
    await engine;
  } catch (error) {
    assert.ok(error instanceof MetatrainError);
    assert.equal(error.code, 'DEVICE_MISSING');
    return error.message;
  }
  throw new Error('the engine was expected to be refused');
};

const isInstalled = (name: string) => {
  try {
    createRequire(import.meta.url).resolve(`${name}/package.json`);
    return true;
  } catch {
    return false;
  }
};

describe('a device that is not here', () => {
  const skip = leftOutUnless(!hasNvidiaDriver(), 'CUDA is refused without a GPU', 'this machine has an NVIDIA driver');

  it('cuda is refused on a machine without a GPU, by both engines', { skip }, async () => {
    const compiled = await refusal(createEngine({ engine: 'compiled', device: 'cuda' }));
    assert.match(compiled, /^device cuda \(engine compiled\) is not here: this machine has no NVIDIA driver\. Install/);
    const eager = await refusal(createEngine({ engine: 'eager', device: 'cuda' }));
    assert.match(eager, /^device cuda \(engine eager\) is not here: this machine has no NVIDIA driver\. Install/);
  });

  it('eager has no webgpu, and the refusal says what has', async () => {
    const message = await refusal(createEngine({ engine: 'eager', device: 'webgpu' }));
    assert.match(message, /TensorFlow for Node has no WebGPU\. Use engine compiled/);
  });

  it('a directory without the binding is refused with the file that it lacks and the script that makes it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
    try {
      const tensorflow = { kind: 'directory', directory } as const;
      const message = await refusal(createEngine({ engine: 'eager', device: 'cpu', tensorflow }));
      assert.ok(message.includes(`${directory} holds no ${join('lib', 'napi-v8', 'tfjs_binding.node')}`), message);
      assert.match(message, /deploy\/tensorflow\/build\.sh/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('a binding that does not load is refused with the reason', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
    try {
      mkdirSync(join(directory, 'lib', 'napi-v8'), { recursive: true });
      writeFileSync(join(directory, 'lib', 'napi-v8', 'tfjs_binding.node'), 'no library');
      const tensorflow = { kind: 'directory', directory } as const;
      const message = await refusal(createEngine({ engine: 'eager', device: 'cpu', tensorflow }));
      assert.match(message, /does not load: .*tfjs_binding\.node.*\. Build it with/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];
  const withPackages = leftOutUnless(
    !packages.some(isInstalled),
    'eager without TensorFlow is refused',
    'one of its packages is installed',
  );
  it('without TensorFlow, eager names the packages, the build and the reference', { skip: withPackages }, async () => {
    const tensorflow = { kind: 'installed' } as const;
    const message = await refusal(createEngine({ engine: 'eager', device: 'cpu', tensorflow }));
    assert.match(message, /none of @tensorflow\/tfjs-node-gpu, @tensorflow\/tfjs-node is installed/);
    for (const way of [/deploy\/tensorflow\/build\.sh/, /npm install/, /--tensorflow reference/]) {
      assert.match(message, way);
    }
  });
});

describe('what a worker says of its device', () => {
  const smi = '0, GPU-aa11, NVIDIA H100 80GB HBM3, 81559, 550.54.15\n1, GPU-bb22, NVIDIA L4, 23034, 550.54.15\n';

  it('nvidia-smi: the first GPU, or the first that CUDA_VISIBLE_DEVICES shows', () => {
    const first = { name: 'NVIDIA H100 80GB HBM3', memoryBytes: 81559 * 2 ** 20, driver: 'NVIDIA 550.54.15' };
    assert.deepEqual(parseNvidia(smi, undefined), first);
    assert.deepEqual(parseNvidia(smi, '0,1'), first);
    assert.equal(parseNvidia(smi, '1')?.name, 'NVIDIA L4');
    assert.equal(parseNvidia(smi, 'GPU-bb')?.name, 'NVIDIA L4');
    assert.equal(parseNvidia(smi, '-1'), undefined);
    assert.equal(parseNvidia('No devices were found', undefined), undefined);
  });

  it('a Vulkan driver that the environment names, and nothing when its file is not one', () => {
    const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
    try {
      const file = join(directory, 'vk_swiftshader_icd.json');
      writeFileSync(file, '{"ICD": {"library_path": "./libvk_swiftshader.so", "api_version": "1.0.5"}}');
      assert.deepEqual(chosenVulkanDriver(file), {
        name: 'vk_swiftshader',
        memoryBytes: 0,
        driver: 'Vulkan, vk_swiftshader_icd.json',
      });
      writeFileSync(file, 'no JSON');
      assert.equal(chosenVulkanDriver(file), undefined);
      assert.equal(chosenVulkanDriver(undefined), undefined);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('the cpu has memory', () => {
    assert.ok(deviceFacts('cpu').memoryBytes > 0);
  });

  it('another GPU or another driver is another fingerprint; the cpu is told by its instruction set', () => {
    const gpu = { kind: 'cuda', name: 'NVIDIA H100 80GB HBM3', memoryBytes: 0, driver: 'NVIDIA 550.54' } as const;
    const prints = [gpu, { ...gpu, name: 'NVIDIA L4' }, { ...gpu, driver: 'NVIDIA 560.1' }, deviceFacts('cpu')].map(
      (device) => fingerprintOf({ device, build: 1 }),
    );
    assert.equal(new Set(prints).size, 4);
    assert.match(prints[0]!, /\/cuda:NVIDIA-H100-80GB-HBM3:NVIDIA-550\.54\//);
    assert.match(prints[3]!, /\/cpu\//);
    for (const print of prints) assert.doesNotMatch(print, /\s/);
  });
});

describe('the model of a device', () => {
  it('webgpu gets no operator that its provider lacks', () => {
    const { graph } = optimize(trace(mlpProgram({ taskCount: 2 })), 2);
    const model = (device: 'cpu' | 'webgpu') => Buffer.from(lowerToOnnx(graph, loweringFor(device)));
    assert.ok(model('cpu').includes('FusedMatMul'), "the cpu's model has none, and this test shows nothing");
    for (const operator of ['FusedMatMul', 'HardSigmoid']) assert.ok(!model('webgpu').includes(operator), operator);
  });
});
