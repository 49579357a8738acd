// What task distributions read with on a worker: data directories, archives, decoders, and what is read
// once for all jobs of a process.
import { existsSync } from 'node:fs';
import type { EvaluationSplit, TaskIo } from '../../learning/tasks.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { candidatePaths } from '../../shared/data-sets.ts';
import { refuseOtherData } from '../../shared/other-data.ts';
import { decodeBitmapPng } from './files/bitmap-png.ts';
import { zipEntries } from './files/zip.ts';

export interface TaskIoOptions {
  readonly seed: number;
  /** Searched for data sets, in order. */
  readonly dataDirectories: readonly string[];
  readonly evaluationSplit: EvaluationSplit;
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
    entries: zipEntries,
    decodeBitmap: decodeBitmapPng,
    cached,
  };
}

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
