// Our images for a cluster: deploy/docker/Dockerfile as it is, on base images that are made from
// Debian's and npm's packages. An image is built again when a file of it has changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copiedFromProject, filesBelow, readDockerfile, stagesOf } from '../support/dockerfile.ts';
import { Buildah, secondsSince } from './image-builder/buildah.ts';

/** The Dockerfile's targets that run here; worker-gpu needs NVIDIA's images and NuGet. */
export const targets = ['coordinator', 'controller', 'worker'] as const;
export type Target = (typeof targets)[number];

export const imageName = (target: Target): string => `localhost/metatrain-${target}:dev`;

export interface BuildOptions {
  /** The cache's folder: archives come into `images/`, storage into `image-builder/`. */
  readonly cache: string;
  /** The project's root. */
  readonly root: string;
  readonly log: (line: string) => void;
}

export interface BuiltImage {
  readonly name: string;
  /** An OCI archive: `ctr --namespace k8s.io images import ARCHIVE`. */
  readonly archive: string;
  readonly bytes: number;
  /** How long the build took, now or when the reused archive was made. */
  readonly seconds: number;
  readonly reused: boolean;
}

/** Kept beside an archive. */
interface Record {
  readonly inputs: string;
  readonly seconds: number;
}

export async function buildImages({ cache, root, log }: BuildOptions): Promise<BuiltImage[]> {
  const dockerfile = readDockerfile(root);
  const folder = join(cache, 'images');
  mkdirSync(folder, { recursive: true });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const [, nodeVersion] = /^node:(\d+\.\d+\.\d+)-/.exec(dockerfile.args.NODE_IMAGE ?? '') ?? [];
  if (nodeVersion === undefined)
    throw new Error(`NODE_IMAGE: got ${dockerfile.args.NODE_IMAGE}; accepted: node:1.2.3-…`);
  let builder: Buildah | undefined;
  const built: BuiltImage[] = [];
  for (const target of targets) {
    const name = imageName(target);
    const archive = join(folder, `${target}.tar`);
    const inputs = inputsOf(root, target);
    const known = readRecord(archive);
    if (known?.inputs === inputs) {
      built.push({ name, archive, bytes: statSync(archive).size, seconds: known.seconds, reused: true });
      continue;
    }
    builder ??= new Buildah(join(cache, 'image-builder'), log);
    const args = {
      NODE_IMAGE: builder.nodeImage(nodeVersion),
      BASE_IMAGE: builder.debianImage(),
      VERSION: version,
      REVISION: revisionOf(root),
    };
    const startedAt = performance.now();
    const flags = Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]);
    builder.build(name, join(root, 'deploy', 'docker', 'Dockerfile'), root, ['--target', target, ...flags]);
    const aside = `${archive}.${process.pid}`;
    builder.export(name, aside);
    renameSync(aside, archive);
    const seconds = secondsSince(startedAt);
    // Sources that changed during the build are built again next time.
    const isOfInputs = inputsOf(root, target) === inputs;
    writeFileSync(recordOf(archive), JSON.stringify({ inputs: isOfInputs ? inputs : '', seconds } satisfies Record));
    const bytes = statSync(archive).size;
    log(`image ${target}: built in ${seconds} s, ${(bytes / 1e6).toFixed(1)} MB compressed`);
    built.push({ name, archive, bytes, seconds, reused: false });
  }
  const reused = built.filter((image) => image.reused).map(({ name }) => name);
  if (reused.length > 0) log(`reused: ${reused.join(', ')}`);
  return built;
}

/** A hash of the Dockerfile and of all files that the target's stages copy from the project. */
function inputsOf(root: string, target: Target): string {
  const hash = createHash('sha256');
  const paths = stagesOf(readDockerfile(root), target).flatMap(copiedFromProject);
  const files = paths.flatMap((path) => filesBelow(root, path));
  for (const file of ['deploy/docker/Dockerfile', '.dockerignore', ...files]) {
    const bytes = readFileSync(join(root, file));
    hash.update(`${file}\n${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

const recordOf = (archive: string) => archive.replace(/\.tar$/, '.json');

function readRecord(archive: string): Record | undefined {
  if (!existsSync(archive) || !existsSync(recordOf(archive))) return undefined;
  return JSON.parse(readFileSync(recordOf(archive), 'utf8')) as Record;
}

/** The commit, for the image's label. */
function revisionOf(root: string): string {
  const { status, stdout } = spawnSync('git', ['-C', root, 'rev-parse', 'HEAD'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : 'unknown';
}
