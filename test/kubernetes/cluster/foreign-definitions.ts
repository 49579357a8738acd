// The resource definitions of other projects (Prometheus operator, KEDA, cert-manager, Gateway API)
// that overlays use: files in METATRAIN_KUBERNETES_CRDS, else shared/kubernetes/crds beside the project.
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { packageRoot } from '../../../shared/wire.ts';
import type { Cache } from './cache.ts';
import { runProgram } from './processes.ts';
import { kubectlOf } from './programs.ts';

/** Waits for a definition that may be too new to have conditions; `--for=condition` fails on that. */
export const untilServed = '--for=jsonpath={.status.conditions[?(@.type=="Established")].status}=True';

export const definitionsFolder = (): string =>
  process.env.METATRAIN_KUBERNETES_CRDS ?? resolve(packageRoot, '..', 'shared', 'kubernetes', 'crds');

/** Applies them all and waits until the API server serves them. */
export function applyForeignDefinitions(cache: Cache, kubeconfig: string, log: (line: string) => void): void {
  const folder = definitionsFolder();
  if (!existsSync(folder)) {
    log(`no resource definitions of other projects in ${folder} (set METATRAIN_KUBERNETES_CRDS)`);
    return;
  }
  const kubectl = (...args: string[]) => runProgram(kubectlOf(cache), ['--kubeconfig', kubeconfig, ...args]);
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  kubectl('apply', '--server-side', ...files.flatMap((name) => ['--filename', join(folder, name)]));
  kubectl('wait', untilServed, 'crd', '--all', '--timeout=60s');
  log(`resource definitions of other projects: ${files.length} files`);
}
