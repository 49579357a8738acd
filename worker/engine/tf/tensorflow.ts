// TensorFlow as a backend of TensorFlow.js, for the eager executor. It is loaded at the first call,
// from our own build (deploy/tensorflow) or from the packages @tensorflow/tfjs-node-gpu and
// @tensorflow/tfjs-node, and uses the worker's own copy of tfjs.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import util from 'node:util';
import { type DeviceKind, deviceMissing, hasNvidiaDriver } from '../devices.ts';
import { tf } from './tf.ts';

export type TensorflowSource =
  /**
   * TensorFlow.js's own `cpu` backend: slow and simple, the reference for everything else. It does
   * not use TensorFlow.
   */
  | { readonly kind: 'reference' }
  /** Whichever of TensorFlow.js's packages for Node is installed. */
  | { readonly kind: 'installed' }
  /** What deploy/tensorflow/build.sh made. */
  | { readonly kind: 'directory'; readonly directory: string };

export interface TensorflowBackend {
  /** Its name in TensorFlow.js. */
  readonly backend: string;
  /** The library that computes, with its version, for the fingerprint. */
  readonly version: string;
}

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;
const bindingFile = join('lib', 'napi-v8', 'tfjs_binding.node');

const buildIt =
  'Build it with deploy/tensorflow/build.sh DIRECTORY (on CUDA: --cuda) and name the directory in METATRAIN_TFJS_NODE, or --tensorflow';

/** @throws MetatrainError `DEVICE_MISSING` with the reason and the ways to get it. */
export async function loadTensorflow(device: DeviceKind, source: TensorflowSource): Promise<TensorflowBackend> {
  if (device === 'webgpu') {
    throw deviceMissing('eager', device, 'TensorFlow for Node has no WebGPU', 'Use engine compiled on webgpu');
  }
  if (source.kind === 'reference') {
    if (device === 'cpu') return { backend: 'cpu', version: `tfjs-${tf.version_core}` };
    throw deviceMissing('eager', device, "TensorFlow.js's own backend computes on the cpu only", `${buildIt}.`);
  }
  if (device === 'cuda' && !hasNvidiaDriver()) {
    throw deviceMissing(
      'eager',
      device,
      'this machine has no NVIDIA driver',
      "Install NVIDIA's driver, or use device cpu",
    );
  }
  // no backend is chosen before the first tensor
  const before = tf.getBackend() ?? 'cpu';
  try {
    if (source.kind === 'directory') loadDirectory(device, source.directory);
    else loadPackage(device);
    return described(device);
  } finally {
    tf.setBackend(before);
  }
}

function loadDirectory(device: DeviceKind, directory: string): void {
  if (!existsSync(join(directory, bindingFile))) {
    throw deviceMissing('eager', device, `${directory} holds no ${bindingFile}`, `${buildIt}.`);
  }
  if (tf.findBackend('tensorflow')) return;
  const load = createRequire(join(directory, 'package.json'));
  guarded(device, directory, () => {
    const binding = load(`./${bindingFile}`) as unknown;
    load('./dist/register_all_kernels.js');
    const { NodeJSKernelBackend } = load('./dist/nodejs_kernel_backend.js') as {
      readonly NodeJSKernelBackend: new (binding: unknown, packageName: string) => never;
    };
    tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node'));
  });
}

function loadPackage(device: DeviceKind): void {
  const load = createRequire(import.meta.url);
  const names = device === 'cuda' ? packages.slice(0, 1) : packages;
  const name = names.find((candidate) => isInstalled(load, candidate));
  if (name === undefined) {
    const remedy = `${buildIt}; or npm install ${names.join(' or ')} where Node is 20 or older`;
    const reference =
      device === 'cpu' ? "; or compute with TensorFlow.js's own slow backend, --tensorflow reference" : '';
    throw deviceMissing('eager', device, `none of ${names.join(', ')} is installed`, `${remedy}${reference}.`);
  }
  if (!tf.findBackend('tensorflow')) guarded(device, name, () => load(name));
}

function isInstalled(load: NodeJS.Require, name: string): boolean {
  try {
    return existsSync(load.resolve(`${name}/package.json`));
  } catch {
    return false;
  }
}

/** Prepares what tfjs-node needs and loads it; the error names the file that failed. */
function guarded(device: DeviceKind, what: string, load: () => void): void {
  (globalThis as Record<symbol, unknown>)[tfjsOfWorker] = tf;
  restoreRemovedFunctions();
  try {
    load();
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw deviceMissing(
      'eager',
      device,
      `${what} does not load: ${reason.replace(/[.\s]+$/, '')}`,
      `${buildIt}.`,
      error,
    );
  }
}

/**
 * Where the build's stand-in for @tensorflow/tfjs finds this copy: a second one would register a
 * second set of gradients.
 */
const tfjsOfWorker = Symbol.for('metatrain.tfjs');

/**
 * tfjs-node 4.22 calls two functions of which Node 23 removed one and warns about the other:
 * https://github.com/tensorflow/tfjs/issues/8609
 */
function restoreRemovedFunctions(): void {
  Object.assign(util, {
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: Array.isArray,
  });
}

function described(device: DeviceKind): TensorflowBackend {
  tf.setBackend('tensorflow');
  const { binding, isUsingGpuDevice } = tf.backend() as unknown as {
    readonly binding: { readonly TF_Version: string };
    readonly isUsingGpuDevice: boolean;
  };
  if (device === 'cuda' && !isUsingGpuDevice) {
    const reason = `TensorFlow ${binding.TF_Version} finds no GPU that it can use`;
    throw deviceMissing('eager', device, reason, `Its CUDA libraries may be missing: ${buildIt}.`);
  }
  return { backend: 'tensorflow', version: `tensorflow-${binding.TF_Version}+tfjs-${tf.version_core}` };
}
