// A container of an unpacked image under runc, as strict as the Pod Security profile *restricted*
// and stricter: a read-only root, no capabilities, no new privileges. It has the machine's network.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { Mailbox } from '../../support/mailbox.ts';
import type { Exit } from '../../support/processes.ts';
import type { Runtime } from '../cluster/runtime.ts';
import type { UnpackedImage } from './image-archive.ts';

export interface ContainerOptions {
  readonly image: UnpackedImage;
  readonly args: readonly string[];
  /** Instead of the image's own. */
  readonly entrypoint?: readonly string[];
  /** Folders of the machine by their place in the container, writable. */
  readonly volumes?: Readonly<Record<string, string>>;
}

/** What a container may see of the kernel, as Docker and containerd have it. */
const maskedPaths = ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/proc/sched_debug', '/sys/firmware'];
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];
const namespaces = ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type }));

export class Container {
  readonly exited: Promise<Exit>;
  stdout = '';
  stderr = '';
  readonly #lines = new Mailbox<string>();
  readonly #kill: (signal: NodeJS.Signals) => void;

  /** @param folder for the container's files; it is made. */
  constructor(t: TestContext, runtime: Runtime, folder: string, options: ContainerOptions) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'config.json'), JSON.stringify(specOf(options)));
    const id = `metatrain-test-${process.pid}-${folder.split('/').at(-1)}`;
    const flags = ['--root', join(folder, 'runc'), 'run', '--bundle', folder, id];
    const child = spawn('runc', flags, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...runtime.environment },
    });
    // runc passes the signals that it gets on to the container, all but SIGKILL.
    this.#kill = (signal) => child.kill(signal);
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.stdout += `${line}\n`;
      this.#lines.put(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    t.after(() => this.stop());
  }

  /** Its first line of stdout as JSON. @throws with stderr when it ends first. */
  async ready<Facts extends Record<string, unknown>>(): Promise<Facts> {
    const ended = this.exited.then((exit) => {
      throw new Error(`the container ended (${JSON.stringify(exit)}): ${this.stderr}`);
    });
    return JSON.parse(await Promise.race([this.#lines.take('the ready line of a container'), ended])) as Facts;
  }

  /** SIGTERM. May be called twice. */
  async stop(): Promise<Exit> {
    this.#kill('SIGTERM');
    return this.exited;
  }
}

function specOf({ image, args, entrypoint = image.config.Entrypoint, volumes = {} }: ContainerOptions): object {
  const [uid, gid] = image.config.User.split(':').map(Number);
  const none: string[] = [];
  const capabilities = { bounding: none, effective: none, inheritable: none, permitted: none, ambient: none };
  const nothingSpecial = ['nosuid', 'noexec', 'nodev'];
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid, gid },
      args: [...entrypoint, ...args],
      env: image.config.Env,
      cwd: image.config.WorkingDir,
      capabilities,
      noNewPrivileges: true,
    },
    root: { path: image.root, readonly: true },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      {
        destination: '/dev',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'strictatime', 'mode=755', 'size=64k'],
      },
      { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: [...nothingSpecial, 'mode=1777'] },
      ...Object.entries(volumes).map(([destination, source]) => ({
        destination,
        type: 'bind',
        source,
        options: ['bind', 'rw', ...nothingSpecial],
      })),
    ],
    linux: { namespaces, maskedPaths, readonlyPaths },
  };
}
