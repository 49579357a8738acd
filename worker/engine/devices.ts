// The devices that a worker can compute on: their names, the facts that a worker reports about its
// own, and the reason when one is missing. Asks the system and its drivers; opens no session and
// does not load TensorFlow.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { basename } from 'node:path';
import { MetatrainError } from '../../shared/errors.ts';

export const engines = ['compiled', 'eager'] as const;
export const devices = ['cpu', 'webgpu', 'cuda'] as const;

export type EngineName = (typeof engines)[number];
export type DeviceKind = (typeof devices)[number];

/** What a worker's hello says about its device; an empty text and zero bytes mean unknown. */
export interface DeviceFacts {
  readonly kind: DeviceKind;
  readonly name: string;
  readonly memoryBytes: number;
  readonly driver: string;
}

/** The environment variables that choose which devices a program may use. */
export interface DeviceVisibility {
  /** CUDA_VISIBLE_DEVICES: indices or UUIDs, the first of which is used. */
  readonly cudaDevices?: string | undefined;
  /** VK_DRIVER_FILES or VK_ICD_FILENAMES: the Vulkan driver's description. */
  readonly vulkanDriver?: string | undefined;
}

/** The longest that a tool for describing devices may take. */
const toolTimeoutMs = 20_000;

/** Looks the device up. Never throws: a fact that cannot be found stays unknown. */
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

/** Facts about the first GPU that CUDA will use, from the driver's own tool. */
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

/**
 * Facts from Vulkan's own summary, if its tools are installed. They describe the first device,
 * which is also WebGPU's default.
 */
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

/**
 * Whether a kernel driver for NVIDIA's GPUs is loaded. True on systems where this cannot be
 * checked.
 */
export function hasNvidiaDriver(): boolean {
  // On systems other than Linux, the libraries themselves report a missing driver.
  return (
    process.platform !== 'linux' || ['/dev/nvidiactl', '/dev/nvidia0', '/dev/dxg'].some((file) => existsSync(file))
  );
}

/** The error for a missing device: which one, the reason, and what to do. */
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
