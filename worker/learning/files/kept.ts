// A cache of bytes on the disk: one file a key, its SHA-256 before its bytes. Several processes may write at
// once: a file is written aside and renamed. A file that is not what its hash says is made anew. The oldest
// files go when all together exceed the bound. Without a disk to write, everything is made each time.
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { randomId } from '../../../shared/rng.ts';

/** Of all files together. */
const defaultMaxBytes = 8 * 2 ** 30;
const hashBytes = 32;

export interface KeptOptions {
  /** Made when it is not there. */
  readonly directory: string;
  /** Of all files together. Default: 8 GiB. */
  readonly maxBytes?: number;
}

/**
 * @param key lower-case hexadecimal.
 * @param bytes how many `make` gives.
 */
export async function kept(
  { directory, maxBytes = defaultMaxBytes }: KeptOptions,
  key: string,
  bytes: number,
  make: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const path = join(directory, key);
  const found = await readKept(path, bytes);
  if (found) return found;
  const made = await make();
  if (made.byteLength + hashBytes <= maxBytes) {
    // a full or read-only disk costs time at the next start, and no job
    await writeKept(directory, path, made)
      .then(() => makeRoom(directory, maxBytes, key))
      .catch(() => {});
  }
  return made;
}

async function readKept(path: string, bytes: number): Promise<Uint8Array | undefined> {
  try {
    if ((await stat(path)).size !== hashBytes + bytes) return undefined;
    const file = await readFile(path);
    const content = file.subarray(hashBytes);
    return sha256(content).equals(file.subarray(0, hashBytes)) ? content : undefined;
  } catch {
    return undefined;
  }
}

async function writeKept(directory: string, path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(directory, { recursive: true });
  const aside = `${path}.${randomId(8)}.part`;
  try {
    const handle = await open(aside, 'wx');
    try {
      await handle.writeFile(sha256(bytes));
      await handle.writeFile(bytes);
    } finally {
      await handle.close();
    }
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

/** Removes the oldest files, also those that a process left half written, until all fit; the one of `key` stays. */
async function makeRoom(directory: string, maxBytes: number, key: string): Promise<void> {
  const names = await readdir(directory);
  const files = await Promise.all(
    names.map(async (name) => {
      const found = await stat(join(directory, name)).catch(() => undefined);
      return { name, bytes: found?.size ?? 0, written: found?.mtimeMs ?? 0 };
    }),
  );
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { name, bytes } of files.sort((a, b) => a.written - b.written)) {
    if (total <= maxBytes) return;
    if (name === key) continue;
    await rm(join(directory, name), { force: true });
    total -= bytes;
  }
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
