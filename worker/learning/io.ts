// What task distributions read with on a worker: data directories, archives, decoders, and what is read
// once for all jobs of a process.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Split, TaskIo } from '../../learning/tasks.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { candidatePaths } from '../../shared/data-sets.ts';
import { refuseOtherData } from '../../shared/other-data.ts';
import { decodeBitmapPng } from './files/bitmap-png.ts';
import { findFile, findFolder, listFolder, readWhole } from './files/folder.ts';
import { decodeImage, imageDecoders } from './files/image.ts';
import { kept } from './files/kept.ts';
import { tarGzipEntries } from './files/tar.ts';
import { zipEntries } from './files/zip.ts';

export interface TaskIoOptions {
  readonly seed: number;
  /** Searched for data sets, in order. */
  readonly dataDirectories: readonly string[];
  /** See `TaskIo`. */
  readonly usedSplits: readonly Split[];
  /** The data that the job began with. Default, or empty: that is not known. */
  readonly expectedData?: readonly DataIdentity[];
}

export function taskIo({ dataDirectories, expectedData = [], ...job }: TaskIoOptions): TaskIo {
  const candidates: TaskIo['candidates'] = (dataSet, file) => candidatePaths(dataSet, file, dataDirectories);
  return {
    ...job,
    expectedData,
    refuseOtherData: (read) => refuseOtherData(expectedData, read),
    candidates,
    find(dataSet, part) {
      const files = dataSet.files
        .filter((file) => file.part === part)
        .map(({ file }) => ({ file, path: candidates(dataSet, file).find((path) => existsSync(path)) }));
      return {
        paths: files.flatMap(({ path }) => path ?? []),
        missing: files.filter(({ path }) => path === undefined).map(({ file }) => file),
      };
    },
    entries: (path, limits) => (isTar(path) ? tarGzipEntries : zipEntries)(path, limits),
    decodeBitmap: decodeBitmapPng,
    findFolder: (name) => findFolder(name, dataDirectories),
    findFile: (name) => findFile(name, dataDirectories),
    list: async (folder) => listFolder(folder),
    readFile: readWhole,
    decodeImage,
    imageDecoders,
    kept: async (key, bytes, make) => {
      // the last one is the user's cache, which `metatrain datasets fetch` writes too
      const directory = dataDirectories.at(-1);
      return directory === undefined ? make() : kept({ directory: join(directory, '.cache') }, key, bytes, make);
    },
    cached,
  };
}

const isTar = (path: string): boolean => /\.(tar\.gz|tgz)$/.test(path);

const maxCached = 4;
const cache = new Map<string, Promise<unknown>>();

function cached<Value>(key: string, read: () => Promise<Value>): Promise<Value> {
  const known = cache.get(key);
  if (known !== undefined) return known as Promise<Value>;
  const value = read();
  cache.set(key, value);
  value.catch(() => cache.delete(key));
  if (cache.size > maxCached) cache.delete(cache.keys().next().value!);
  return value;
}
