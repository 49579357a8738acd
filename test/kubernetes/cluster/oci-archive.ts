// Packs files into an image archive (OCI image layout), without any tool for images: one layer, one
// configuration, one manifest, named by their SHA-256.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from './processes.ts';

export interface ImageContents {
  /** Name with its tag, for example `localhost/pause:1`. */
  readonly name: string;
  /** A folder that becomes the root file system. */
  readonly root: string;
  readonly entrypoint: readonly string[];
}

/** Writes the archive to `file`; `scratch` is an existing folder for temporary files. */
export function writeImageArchive(file: string, scratch: string, { name, root, entrypoint }: ImageContents): void {
  const folder = mkdtempSync(join(scratch, 'image-'));
  try {
    const blobs = join(folder, 'blobs', 'sha256');
    mkdirSync(blobs, { recursive: true });
    const put = (bytes: Buffer, mediaType: string) => {
      const hash = createHash('sha256').update(bytes).digest('hex');
      writeFileSync(join(blobs, hash), bytes);
      return { mediaType, digest: `sha256:${hash}`, size: bytes.length };
    };
    const layerFile = join(folder, 'layer');
    const owned = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name', '--mtime=@0'];
    runProgram('tar', ['--create', ...owned, '--file', layerFile, '--directory', root, '.']);
    const layerBytes = readFileSync(layerFile);
    rmSync(layerFile);
    const layer = put(layerBytes, 'application/vnd.oci.image.layer.v1.tar');
    const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
    const config = put(
      json({
        architecture,
        os: 'linux',
        config: { Entrypoint: entrypoint },
        rootfs: { type: 'layers', diff_ids: [layer.digest] },
      }),
      'application/vnd.oci.image.config.v1+json',
    );
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const manifest = put(json({ schemaVersion: 2, mediaType, config, layers: [layer] }), mediaType);
    const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.split(':')[1] };
    const platform = { architecture, os: 'linux' };
    writeFileSync(
      join(folder, 'index.json'),
      json({ schemaVersion: 2, manifests: [{ ...manifest, annotations, platform }] }),
    );
    writeFileSync(join(folder, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
    runProgram('tar', ['--create', '--file', file, '--directory', folder, '.']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
