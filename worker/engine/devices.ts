// What a worker can compute on: the devices' names, the facts that a worker reports of its own, and why one is not there. Asks the system and its
// drivers; opens no session and loads no TensorFlow.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { basename } from 'node:path';
import { MetatrainError } from '../../shared/errors.ts';

export const engines = ['compiled', 'eager'] as const;
export const devices = ['cpu', 'webgpu', 'cuda'] as const;

export type EngineName = (typeof engines)[number];
export type DeviceKind = (typeof devices)[number];

/** What the worker says of its device in its hello; an empty text and zero bytes mean unknown. */
export interface DeviceFacts {
  readonly kind: DeviceKind;
  readonly name: string;
  readonly memoryBytes: number;
  readonly driver: string;
}

/** What the environment says of the devices that programs may see. */
export interface DeviceVisibility {
  /** CUDA_VISIBLE_DEVICES: indices or UUIDs, the first of which is used. */
  readonly cudaDevices?: string | undefined;
  /** VK_DRIVER_FILES or VK_ICD_FILENAMES: the Vulkan driver's description. */
  readonly vulkanDriver?: string | undefined;
}

/** Longest that a tool which describes a device may take. */
const toolTimeoutMs = 20_000;

/** Looks the device up. Never throws: what cannot be found out stays unknown. */
export function deviceFacts(kind: DeviceKind, visibility: DeviceVisibility = {}): DeviceFacts {
  switch (kind) {
    case 'cpu':
      return { kind, name: (cpus()[0]?.model ?? '').trim(), memoryBytes: totalmem(), driver: '' };
    case 'cuda':
      return { kind, ...(nvidiaFacts(visibility.cudaDevices) ?? unknown) };
    case 'webgpu':
      return { kind, ...(vulkanFacts() ?? chosenVulkanDriver(visibility.vulkanDriver) ?? nvidiaFacts() ?? unknown) };
    default:
      return kind satisfies never;
  }
}

const unknown = { name: '', memoryBytes: 0, driver: '' };
type Facts = Omit<DeviceFacts, 'kind'>;

/** Of the first GPU that CUDA will use, from the driver's own tool. */
function nvidiaFacts(visible?: string): Facts | undefined {
  const output = outputOf('nvidia-smi', [
    '--query-gpu=index,uuid,name,memory.total,driver_version',
    '--format=csv,noheader,nounits',
  ]);
  return output === undefined ? undefined : parseNvidia(output, visible);
}

export function parseNvidia(output: string, visible: string | undefined): Facts | undefined {
  const rows = output
    .trim()
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .filter((cells) => cells.length === 5);
  const wanted = visible?.split(',')[0]?.trim();
  const row = wanted ? rows.find(([index, uuid]) => index === wanted || uuid?.startsWith(wanted)) : rows[0];
  if (!row) return undefined;
  const [, , name = '', mebibytes = '', version = ''] = row;
  return { name, memoryBytes: (Number(mebibytes) || 0) * 2 ** 20, driver: version && `NVIDIA ${version}` };
}

/** The one Vulkan driver that the environment names, such as Chromium's software renderer. */
export function chosenVulkanDriver(file: string | undefined): Facts | undefined {
  if (!file) return undefined;
  try {
    const { ICD } = JSON.parse(readFileSync(file, 'utf8')) as { readonly ICD?: { readonly library_path?: string } };
    if (!ICD?.library_path) return undefined;
    const name = basename(ICD.library_path).replace(/^lib|\.(so|dll|dylib)[.\d]*$/g, '');
    return { name, memoryBytes: 0, driver: `Vulkan, ${basename(file)}` };
  } catch {
    return undefined;
  }
}

/** Vulkan's own summary, where its tools are installed; of the first device, which WebGPU prefers too unless told otherwise. */
function vulkanFacts(): Facts | undefined {
  const output = outputOf('vulkaninfo', ['--summary']);
  const fact = (key: string) => new RegExp(`^\\s*${key}\\s*=\\s*(.+)$`, 'm').exec(output ?? '')?.[1]?.trim() ?? '';
  const name = fact('deviceName');
  return name ? { name, memoryBytes: 0, driver: `${fact('driverName')} ${fact('driverInfo')}`.trim() } : undefined;
}

function outputOf(tool: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(tool, args, { encoding: 'utf8', timeout: toolTimeoutMs });
  return status === 0 ? stdout : undefined;
}

/** Whether a kernel driver for NVIDIA's GPUs is loaded, as far as this system lets one see. */
export function hasNvidiaDriver(): boolean {
  // Elsewhere than on Linux the libraries themselves have to say it.
  return (
    process.platform !== 'linux' || ['/dev/nvidiactl', '/dev/nvidia0', '/dev/dxg'].some((file) => existsSync(file))
  );
}

/** The one form of "this device is not here": which, why, and what to do about it. */
export function deviceMissing(
  engine: EngineName,
  device: DeviceKind,
  reason: string,
  remedy: string,
  cause?: unknown,
): MetatrainError {
  return new MetatrainError('DEVICE_MISSING', `device ${device} (engine ${engine}) is not here: ${reason}. ${remedy}`, {
    details: { engine, device, reason, remedy },
    ...(cause !== undefined && { cause }),
  });
}
