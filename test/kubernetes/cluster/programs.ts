// Builds Kubernetes and its tools from their Go modules, once, into the cache. Every version is
// pinned here. A program that is there in this version is reused.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cache } from './cache.ts';

/** The longest that one `go` command may take. */
const stepTimeoutMs = 3_600_000;

/** Kubernetes 1.36.3; its libraries have the same version under another major. */
const kubernetesVersion = 'v1.36.3';
const libraryVersion = 'v0.36.3';

interface Program {
  /** The package of its `main`. */
  readonly source: string;
  /** Module and version, for example `helm.sh/helm/v3@v3.22.0`. */
  readonly module: string;
}

const kubernetes = (command: string): Program => ({
  source: `k8s.io/kubernetes/cmd/${command}`,
  module: `k8s.io/kubernetes@${kubernetesVersion}`,
});

const programs = {
  etcd: { source: 'go.etcd.io/etcd/server/v3', module: 'go.etcd.io/etcd/server/v3@v3.7.3' },
  'kube-apiserver': kubernetes('kube-apiserver'),
  'kube-controller-manager': kubernetes('kube-controller-manager'),
  'kube-scheduler': kubernetes('kube-scheduler'),
  kubelet: kubernetes('kubelet'),
  'kube-proxy': kubernetes('kube-proxy'),
  kubectl: kubernetes('kubectl'),
  coredns: { source: 'github.com/coredns/coredns', module: 'github.com/coredns/coredns@v1.15.0' },
  helm3: { source: 'helm.sh/helm/v3/cmd/helm', module: 'helm.sh/helm/v3@v3.22.0' },
  helm4: { source: 'helm.sh/helm/v4/cmd/helm', module: 'helm.sh/helm/v4@v4.3.2' },
  kwok: { source: 'sigs.k8s.io/kwok/cmd/kwok', module: 'sigs.k8s.io/kwok@v0.8.0' },
} as const satisfies Record<string, Program>;

export type ProgramName = keyof typeof programs;

export const controlPlanePrograms: readonly ProgramName[] = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
];
export const nodePrograms: readonly ProgramName[] = ['kubelet', 'kube-proxy', 'coredns'];
export const toolPrograms: readonly ProgramName[] = ['helm3', 'helm4', 'kwok'];

/**
 * Builds the missing programs, and `pause`, the process that holds a pod's namespaces. kubectl is
 * built only on a machine without one.
 *
 * @param log gets one line for each program: built in so many seconds, or reused.
 * @throws with the end of Go's output.
 */
export function buildPrograms(cache: Cache, names: readonly ProgramName[], log: (line: string) => void): void {
  const wanted = hasProgram('kubectl') ? names : [...new Set([...names, 'kubectl' as const])];
  const reused: string[] = [];
  for (const name of wanted) {
    const { module, source } = programs[name];
    if (isBuilt(cache, name, module)) {
      reused.push(name);
      continue;
    }
    const startedAt = performance.now();
    const folder = prepareModule(cache, module);
    go(folder, ['build', '-mod=mod', '-o', join(cache.bin, name), '-ldflags', linkerFlags(module), source]);
    noteBuilt(cache, name, module);
    log(`${name} ${module.split('@')[1]}: built in ${Math.round((performance.now() - startedAt) / 1000)} s`);
  }
  if (!isBuilt(cache, 'pause', pauseSource)) {
    const folder = join(cache.build, 'pause');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'go.mod'), 'module pause\n\ngo 1.22\n');
    writeFileSync(join(folder, 'main.go'), pauseSource);
    go(folder, ['build', '-o', join(cache.bin, 'pause'), '-ldflags', '-s -w', '.']);
    noteBuilt(cache, 'pause', pauseSource);
  }
  if (names.includes('kwok') && !isBuilt(cache, simulationStages, programs.kwok.module)) {
    const { Dir } = JSON.parse(go(cache.build, ['mod', 'download', '-json', programs.kwok.module])) as { Dir: string };
    const stages = ['node/fast/node-initialize', 'pod/fast/pod-ready', 'pod/fast/pod-delete'];
    const texts = stages.map((name) => readFileSync(join(Dir, 'kustomize', 'stage', `${name}.yaml`), 'utf8'));
    writeFileSync(join(cache.bin, simulationStages), texts.join('---\n'));
    noteBuilt(cache, simulationStages, programs.kwok.module);
  }
  if (reused.length > 0) log(`reused: ${reused.join(', ')}`);
}

/** File in the folder of programs: what kwok reports of nodes and pods. */
export const simulationStages = 'kwok-stages.yaml';

/** kubectl on the PATH, else the one in the cache. */
export const kubectlOf = (cache: Cache): string =>
  hasProgram('kubectl') ? 'kubectl' : join(cache.bin, 'kubectl' satisfies ProgramName);

export const hasProgram = (name: string): boolean =>
  (process.env.PATH ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, name)));

/** Ends when it is told to, and collects orphans as every first process must. */
const pauseSource = `package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			os.Exit(0)
		}
		for {
			if pid, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 {
				break
			}
		}
	}
}
`;

const stampOf = (cache: Cache, name: string) => join(cache.bin, '.built', name);

function isBuilt(cache: Cache, name: string, version: string): boolean {
  const stamp = stampOf(cache, name);
  return existsSync(join(cache.bin, name)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === version;
}

function noteBuilt(cache: Cache, name: string, version: string): void {
  mkdirSync(join(cache.bin, '.built'), { recursive: true });
  writeFileSync(stampOf(cache, name), version);
}

/** kubectl prints a server's version from these fields; without them it reads v0.0.0. */
const linkerFlags = (module: string): string =>
  module.startsWith('k8s.io/kubernetes@')
    ? `-s -w ${['gitVersion=v1.36.3', 'gitMajor=1', 'gitMinor=36'].map((field) => `-X k8s.io/component-base/version.${field}`).join(' ')}`
    : '-s -w';

/** A module that needs `module` and names its programs, so that their dependencies are resolved. */
function prepareModule(cache: Cache, module: string): string {
  const folder = join(cache.build, module.replaceAll(/[^\w.]+/g, '-'));
  if (existsSync(join(folder, 'prepared'))) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  go(folder, ['mod', 'init', 'build']);
  if (module.startsWith('k8s.io/kubernetes@')) replaceLibraries(folder, module);
  const sources = Object.values(programs).filter((program) => program.module === module);
  const imports = sources.map(({ source }) => `\t_ "${source}"\n`).join('');
  writeFileSync(join(folder, 'tools.go'), `//go:build tools\n\npackage tools\n\nimport (\n${imports})\n`);
  go(folder, ['mod', 'edit', `-require=${module}`]);
  go(folder, ['mod', 'tidy']);
  writeFileSync(join(folder, 'prepared'), module);
  return folder;
}

/** Kubernetes' go.mod points at folders of its own repository; their releases are modules too. */
function replaceLibraries(folder: string, module: string): void {
  const { GoMod } = JSON.parse(go(folder, ['mod', 'download', '-json', module])) as { GoMod: string };
  const text = readFileSync(GoMod, 'utf8');
  const libraries = [...text.matchAll(/^\s+(k8s\.io\/[a-z-]+)(?: v0\.0\.0$| => )/gm)].map(([, name]) => name!);
  for (const library of new Set(libraries)) {
    go(folder, ['mod', 'edit', `-replace=${library}=${library}@${libraryVersion}`]);
  }
}

function go(folder: string, args: readonly string[]): string {
  const { status, signal, stdout, stderr, error } = spawnSync('go', args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: stepTimeoutMs,
    maxBuffer: 1 << 26,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' },
  });
  if (status === 0) return stdout;
  throw new Error(`go ${args.slice(0, 2).join(' ')} in ${folder}: ${error?.message ?? signal ?? stderr.slice(-2_000)}`);
}
