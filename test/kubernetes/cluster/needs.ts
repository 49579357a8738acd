// What a machine needs to build and run a cluster.
import { hasProgram } from './programs.ts';

/** Where a program comes from. */
const programs: Readonly<Record<string, string>> = {
  go: 'Go 1.26 or newer, to build Kubernetes (https://go.dev/dl)',
  'apt-get': "Debian's apt-get, to download containerd, runc and nftables",
  dpkg: "Debian's dpkg",
  npm: 'npm, to build our images',
  unshare: 'util-linux (unshare)',
  nsenter: 'util-linux (nsenter)',
  setpriv: 'util-linux (setpriv)',
  ip: 'iproute2 (ip)',
};

/** One line for each missing need. */
export function whatIsMissing(): string[] {
  if (process.platform !== 'linux') return [`Linux: this is ${process.platform}`];
  const missing = Object.keys(programs).filter((name) => !hasProgram(name));
  return [
    ...(process.getuid?.() === 0 ? [] : ['root: containers, network interfaces and control groups take it']),
    ...missing.map((name) => programs[name]!),
  ];
}
