// Reads an OCI archive: its configuration, and its layers unpacked one above the other.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../cluster/processes.ts';

export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly WorkingDir: string;
  readonly Labels: Readonly<Record<string, string>>;
}

export interface UnpackedImage {
  readonly config: ImageConfig;
  /** The root file system. */
  readonly root: string;
  /** Compressed bytes of each layer, the lowest first. */
  readonly layerBytes: readonly number[];
}

interface Reference {
  readonly digest: string;
  readonly size: number;
}

/** @param folder an empty folder for the archive's files and the root file system. */
export function unpackImage(archive: string, folder: string): UnpackedImage {
  const [layout, root] = [join(folder, 'layout'), join(folder, 'root')];
  for (const made of [layout, root]) mkdirSync(made);
  runProgram('tar', ['--extract', '--file', archive, '--directory', layout]);
  const blob = ({ digest }: Reference) => join(layout, 'blobs', ...digest.split(':'));
  const read = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));
  const { manifests } = read(join(layout, 'index.json')) as { readonly manifests: readonly Reference[] };
  const manifest = read(blob(manifests[0]!)) as { readonly config: Reference; readonly layers: readonly Reference[] };
  for (const layer of manifest.layers) {
    const listed = runProgram('tar', ['--list', '--gzip', '--file', blob(layer)]);
    // A layer that removes files of a lower one makes an image larger than it looks; ours have none.
    if (/(^|\/)\.wh\./m.test(listed)) throw new Error(`a layer of ${archive} removes files`);
    runProgram('tar', ['--extract', '--gzip', '--numeric-owner', '--file', blob(layer), '--directory', root]);
  }
  const { config } = read(blob(manifest.config)) as { readonly config: ImageConfig };
  return { config, root, layerBytes: manifest.layers.map(({ size }) => size) };
}
