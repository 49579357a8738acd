// Finds out whether ONNX Runtime can compute on a device of this machine by running one addition.
// The error says what is missing and what to do.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { MetatrainError } from '../../../shared/errors.ts';
import { type DeviceKind, deviceMissing, hasNvidiaDriver } from '../devices.ts';
import { encodeModel } from './schema.ts';
import { createSession } from './session.ts';

/** @throws MetatrainError `DEVICE_MISSING` */
export async function probeDevice(device: DeviceKind): Promise<void> {
  switch (device) {
    case 'cpu':
      return;
    case 'cuda':
      requireCudaParts();
      return addOn(device, 'It needs an NVIDIA GPU with its driver, CUDA 12 and cuDNN 9 on the library path');
    case 'webgpu':
      return addOn(
        device,
        "It needs a GPU with its Vulkan driver and the package libvulkan1 (on macOS Metal, on Windows Direct3D 12, which are there); without a GPU, Chromium's software renderer will do: see docs/devices.md",
      );
    default:
      return device satisfies never;
  }
}

/** What is visibly missing, found before ONNX Runtime would complain on stderr. */
function requireCudaParts(): void {
  if (!hasNvidiaDriver()) {
    throw deviceMissing(
      'compiled',
      'cuda',
      'this machine has no NVIDIA driver',
      "Install NVIDIA's driver (in a container: its container toolkit, and --gpus all), or use device cpu or webgpu",
    );
  }
  const home = onnxRuntimeHome();
  const directory = join(home, 'bin', 'napi-v6', process.platform, process.arch);
  if (existsSync(join(directory, 'libonnxruntime_providers_cuda.so')) || process.platform !== 'linux') return;
  throw deviceMissing(
    'compiled',
    'cuda',
    `onnxruntime-node's CUDA provider is not installed (${directory} holds no libonnxruntime_providers_cuda.so)`,
    `Fetch it: ONNXRUNTIME_NODE_INSTALL=cuda12 node ${join(home, 'script', 'install.js')}`,
  );
}

/** In a checkout and in an installed package it lies at different places. */
function onnxRuntimeHome(): string {
  return join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), '..');
}

async function addOn(device: DeviceKind, remedy: string): Promise<void> {
  const two = { dtype: 'float32', shape: [2] } as const;
  const model = encodeModel({
    nodes: [{ op_type: 'Add', domain: '', input: ['x', 'x'], output: ['y'], attributes: {} }],
    initializers: [],
    inputs: [{ name: 'x', ...two }],
    outputs: [{ name: 'y', ...two }],
  });
  try {
    const session = await createSession(model, device);
    const { y } = await session.run({ x: { ...two, values: Float32Array.of(1, 2) } });
    await session.release();
    if (y?.[0] === 2 && y[1] === 4) return;
    throw new MetatrainError('INTERNAL', `it adds 1 + 1 and 2 + 2 to ${y}`);
  } catch (error) {
    throw deviceMissing('compiled', device, reasonOf(error), remedy, error);
  }
}

/** ONNX Runtime's reason without the source file, line and function that it begins with. */
function reasonOf(error: unknown): string {
  const cause = error instanceof MetatrainError && error.cause instanceof Error ? error.cause : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  const last = message.split(/was false\.|: FAIL :/).at(-1) ?? message;
  return last.replace(/\s+/g, ' ').trim().replace(/\.$/, '').slice(0, 300);
}
