// A real file system of a few tens of MiB, which a test can fill: a tmpfs, mounted where the system
// allows this process to.
import { spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { leftOutUnless } from './needs.ts';

const mebibyte = 2 ** 20;

/** Skips unless this process can mount a file system, which takes root on Linux. */
export const withoutSmallDisk = (what: string): false | string =>
  leftOutUnless(mayMount(), what, 'no small file system to fill: mount -t tmpfs is for root on Linux');

let answer: boolean | undefined;

function mayMount(): boolean {
  if (answer !== undefined) return answer;
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-disk-'));
  answer = mount(directory, mebibyte);
  if (answer) unmount(directory);
  rmSync(directory, { recursive: true, force: true });
  return answer;
}

const mount = (directory: string, bytes: number): boolean =>
  process.platform === 'linux' &&
  spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', directory]).status === 0;

// Lazily: a process that is being killed may still have a file open.
const unmount = (directory: string) => spawnSync('umount', ['--lazy', directory]);

export class SmallDisk {
  readonly path: string;

  /** Removed when the test ends. */
  constructor(t: TestContext, mebibytes: number) {
    this.path = mkdtempSync(join(tmpdir(), 'metatrain-disk-'));
    t.after(() => {
      unmount(this.path);
      rmSync(this.path, { recursive: true, force: true });
    });
    if (!mount(this.path, mebibytes * mebibyte)) throw new Error('the test must skip withoutSmallDisk');
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  get #ballast(): string {
    return join(this.path, 'ballast');
  }

  /** Fills the disk with other files until this many bytes are left; 0 fills the last page, too. */
  fill(leftBytes: number): void {
    const file = openSync(this.#ballast, 'a');
    const piece = Buffer.alloc(64 * 1_024);
    try {
      for (let free = this.freeBytes; free > leftBytes; free = this.freeBytes) {
        writeSync(file, piece, 0, Math.min(piece.byteLength, free - leftBytes));
      }
      fsyncSync(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  makeRoom(): void {
    rmSync(this.#ballast);
  }
}
