// Every generated file with its content, by its path from the project's root.
import { chartFiles } from './chart.ts';
import { kustomizeFiles } from './overlays.ts';

/** Folders that hold generated files and nothing else. */
export const generatedFolders: readonly string[] = [
  'deploy/kubernetes/base',
  'deploy/kubernetes/overlays',
  'deploy/helm/metatrain',
];

export function generatedFiles(): Map<string, string> {
  return new Map([
    ...[...kustomizeFiles()].map(([path, content]) => [`deploy/kubernetes/${path}`, content] as const),
    ...[...chartFiles()].map(([path, content]) => [`deploy/helm/metatrain/${path}`, content] as const),
  ]);
}
