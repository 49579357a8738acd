// Every generated file with its content, by its path from the project's root.
import { kustomizeFiles } from './overlays.ts';

/** Folders that hold generated files and nothing else. */
export const generatedFolders: readonly string[] = ['deploy/kubernetes/base', 'deploy/kubernetes/overlays'];

export function generatedFiles(): Map<string, string> {
  return new Map([...kustomizeFiles()].map(([path, content]) => [`deploy/kubernetes/${path}`, content]));
}
