// The string that identifies the bits that an engine produces: executor and its version, device,
// processor's vector instructions, JavaScript engine (task sampling uses Math.sin), and the build
// of our own passes. Workers with equal fingerprints return equal bytes for equal work.
import { readFileSync } from 'node:fs';
import { arch, cpus, platform } from 'node:os';
import type { DeviceFacts } from './devices.ts';
import { onnxRuntimeVersion } from './onnx/session.ts';

export interface FingerprintParts {
  readonly device: DeviceFacts;
  readonly build: number;
  /** Default: ONNX Runtime's. */
  readonly version?: string;
}

/**
 * For example `onnxruntime-1.30.0/cpu/x64-avx512f+fma/v8-11.3/engine-1`. On a GPU the device's part
 * includes its name and driver, since others round differently.
 */
export function fingerprintOf({ device, build, version }: FingerprintParts): string {
  const runtime = version ?? `onnxruntime-${onnxRuntimeVersion}`;
  const v8 = process.versions.v8.split('.').slice(0, 2).join('.');
  return `${runtime}/${deviceName(device)}/${instructionSet()}/v8-${v8}/engine-${build}`;
}

function deviceName({ kind, name, driver }: DeviceFacts): string {
  if (kind === 'cpu') return kind;
  const words = [kind, name, driver].map((text) => text.replace(/[^A-Za-z0-9.]+/g, '-').slice(0, 80));
  return words.filter((word) => word !== '').join(':');
}

/**
 * Flags by which ONNX Runtime's kernels and the JavaScript engine choose code that rounds
 * differently.
 */
const decisiveFlags = [
  'avx512f',
  'avx512_bf16',
  'avx512_vnni',
  'avx_vnni',
  'amx_tile',
  'avx2',
  'avx',
  'fma',
  'asimd',
  'asimddp',
  'sve',
  'i8mm',
  'bf16',
];

let known: string | undefined;

export function instructionSet(): string {
  known ??= readInstructionSet();
  return known;
}

function readInstructionSet(): string {
  if (platform() === 'linux') {
    try {
      const info = readFileSync('/proc/cpuinfo', 'utf8');
      const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(info)?.[1]?.split(/\s+/) ?? []);
      const present = decisiveFlags.filter((flag) => flags.has(flag));
      if (present.length > 0) return `${arch()}-${present.join('+')}`;
    } catch {
      // without /proc, the model's name below decides
    }
  }
  return `${platform()}-${arch()}-${(cpus()[0]?.model ?? 'unknown').trim().replace(/[^A-Za-z0-9.]+/g, '-')}`;
}
