// Installs Debian packages for tests, on Debian as root, and starts none of their services.
// Elsewhere, or when the installation fails, it returns the reason in one line; it never fails the
// run.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** Longest that one step of apt-get may take. */
const stepTimeoutMs = 300_000;

/**
 * invoke-rc.d and deb-systemd-invoke ask this program before they start a service; 101 forbids the
 * start.
 */
const servicePolicy = '/usr/sbin/policy-rc.d';

/** Undefined when the packages are installed afterwards; else the reason. */
export function aptInstall(packages: readonly string[], purpose: string): string | undefined {
  if (!isDebian()) return 'this is not Debian';
  if (process.getuid?.() !== 0) return `not root; it takes: apt-get install ${packages.join(' ')}`;
  console.log(`Installing ${packages.join(', ')} for ${purpose} …`);
  const ownsPolicy = !existsSync(servicePolicy);
  if (ownsPolicy) writeFileSync(servicePolicy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
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
      return `apt-get ${step[0]}: ${line.slice(0, 200)}`;
    }
    return undefined;
  } finally {
    if (ownsPolicy) rmSync(servicePolicy, { force: true });
  }
}

function isDebian(): boolean {
  try {
    return /^ID=debian$/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}
