// Finds the software Vulkan driver for the WebGPU tests: Chromium's, with Vulkan's loader, both
// Debian packages. Installs them if possible; otherwise says why there is none. It never fails the
// run.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { aptInstall } from './apt.ts';

const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';
const packages = ['chromium', 'libvulkan1'] as const;

export type WebGpuSetup = { readonly vulkanDriver: string } | { readonly reason: string };

/** The driver's description, for VK_ICD_FILENAMES; or the reason why there is none. */
export function setUpWebGpu(): WebGpuSetup {
  if (isThere()) return { vulkanDriver: driver };
  const reason = aptInstall(packages, 'the tests on WebGPU');
  if (isThere()) return { vulkanDriver: driver };
  const needed = `no software Vulkan: it needs Debian's ${packages.join(' and ')}`;
  return { reason: `${needed}; ${reason ?? `installed, and still no ${driver}`}` };
}

function isThere(): boolean {
  return existsSync(driver) && hasLoader();
}

/**
 * Whether the dynamic loader finds Vulkan's loader. It does not find the copy in Chromium's own
 * folder.
 */
function hasLoader(): boolean {
  const { stdout } = spawnSync('/sbin/ldconfig', ['--print-cache'], { encoding: 'utf8' });
  return stdout?.includes('libvulkan.so.1') ?? false;
}
