// Finds the software Vulkan driver that the WebGPU tests compute on: Chromium's, with Vulkan's loader, both Debian packages. Installs them where
// that can be done (Debian, as root); elsewhere, or when it fails, it says why there is none. It never fails the run.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';
const packages = ['chromium', 'libvulkan1'] as const;

/** Longest that one step of apt-get may take. */
const stepTimeoutMs = 300_000;

export type WebGpuSetup = { readonly vulkanDriver: string } | { readonly reason: string };

/** The driver's description, for VK_ICD_FILENAMES; or why there is none. */
export function setUpWebGpu(): WebGpuSetup {
  if (isThere()) return { vulkanDriver: driver };
  const needed = `no software Vulkan: it needs Debian's ${packages.join(' and ')}`;
  if (!isDebian()) return { reason: `${needed}, and this is another system` };
  if (process.getuid?.() !== 0) return { reason: `${needed} (as root: apt-get install ${packages.join(' ')})` };

  console.log(`Installing ${packages.join(' and ')} for the tests on WebGPU …`);
  for (const step of [
    ['update', '--quiet=2'],
    ['install', '--quiet=2', '--yes', '--no-install-recommends', ...packages],
  ]) {
    const { status, stderr, error } = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...step], {
      encoding: 'utf8',
      timeout: stepTimeoutMs,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    if (status === 0) continue;
    const line = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
    return { reason: `${needed}; apt-get ${step[0]}: ${line.slice(0, 200)}` };
  }
  return isThere() ? { vulkanDriver: driver } : { reason: `${needed}; installed, and still no ${driver}` };
}

function isThere(): boolean {
  return existsSync(driver) && hasLoader();
}

/** libvulkan.so.1 lies in /usr/lib or in a folder of it named after the architecture. */
function hasLoader(): boolean {
  const folders = readdirSync('/usr/lib', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return ['.', ...folders.map(({ name }) => name)].some((name) => existsSync(join('/usr/lib', name, 'libvulkan.so.1')));
}

function isDebian(): boolean {
  try {
    return /^ID=debian$/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}
