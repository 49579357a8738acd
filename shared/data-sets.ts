// What is known of a published data set: sources, hashes and licence. Task distributions in `learning/`
// name theirs; workers read the files, and `metatrain datasets` lists and fetches them.
import { join } from 'node:path';
import type { DataIdentity } from './data-identity.ts';

export interface DataSetFile {
  /** Name inside the data set's folder. */
  readonly file: string;
  readonly url: string;
  readonly bytes: number;
  /** Lower-case hexadecimal; null where no official or independently published hash is known. */
  readonly sha256: string | null;
  /** A part of the data set that works without the others; parts share a folder. */
  readonly part: string;
}

export interface DataSet {
  /** Also the folder that holds its files, inside the data directory. */
  readonly name: string;
  readonly title: string;
  readonly homepage: string;
  readonly licence: string;
  readonly citation: string;
  readonly files: readonly DataSetFile[];
  /**
   * SHA-256 of what a worker reads out of each official part, in `DataIdentity`'s sense: equal for
   * archives that were packed anew from the same drawings.
   */
  readonly contents: Readonly<Record<string, string>>;
}

/** Where a file of a data set is looked for, in order: `DIRECTORY/<data set>/<file>`, then `DIRECTORY/<file>`, for each directory. */
export function candidatePaths(dataSet: DataSet, file: string, directories: readonly string[]): string[] {
  return directories.flatMap((directory) => [join(directory, dataSet.name, file), join(directory, file)]);
}

/** Whether the content is that of the data set's official archives, however they were zipped. */
export const isOfficial = ({ contents }: DataSet, { part, sha256 }: DataIdentity): boolean => contents[part] === sha256;

/** The command that fetches a data set. */
export const fetchCommand = ({ name }: DataSet): string => `metatrain datasets fetch ${name}`;
