// What a task distribution opens to: task number `index` of a split, drawn from the stream named by
// (seed, split, index) and nothing else, so that any worker draws the same task, in any order. And what
// a distribution is given to read with.
import type { DataIdentity } from '../shared/data-identity.ts';
import type { DataSet } from '../shared/data-sets.ts';
import type { JobSpec } from '../shared/job-spec/index.ts';
import type { NamedArrays } from './built.ts';

export type Split = 'train' | 'validation' | 'test';
export type EvaluationSplit = Exclude<Split, 'train'>;
export const splits: readonly Split[] = ['train', 'validation', 'test'];

/** The splits that a job's evaluations draw from; an ensemble is tested on the test split. */
export const evaluatedSplits = ({
  split,
  ensemble,
}: Pick<JobSpec['evaluation'], 'split' | 'ensemble'>): readonly EvaluationSplit[] =>
  ensemble === undefined || split === 'test' ? [split] : [split, 'test'];

/** A class that tasks are made of: its name, and the hash of its examples, by which it is known under any name. */
export interface TaskClass {
  readonly name: string;
  readonly sha256: string;
}

export interface Tasks {
  /** For people and for the evaluation's protocol: data set, classes of each split and the hash of their lists. */
  readonly splitDescription: string;
  /** The data that tasks are made of, as it was read; empty where tasks are made of nothing but numbers. */
  readonly data: readonly DataIdentity[];
  /** Draws task `index` of a split into `task`, whose arrays have the lengths of `facts.tensors` and are wholly overwritten. */
  sample(split: Split, index: number, task: NamedArrays): void;
  /** The classes of a split, in the order that sampling numbers them; empty for regression. */
  classes(split: Split): readonly TaskClass[];
}

/** What turns inputs as people have them into the numbers that a model takes. */
export interface InputEncoder {
  /** `image`: a PNG or JPEG file. `text`: a sentence in UTF-8. */
  readonly form: InputForm;
  /** @returns the numbers of one input. @throws Error that says what is wrong with it. */
  encode(item: Uint8Array): Promise<Float32Array>;
}

export const inputForms = ['image', 'text'] as const;
export type InputForm = (typeof inputForms)[number];

/** A file inside an archive. */
export interface ArchiveEntry {
  readonly name: string;
  /** Unpacked, with its checksum verified. */
  read(): Promise<Uint8Array>;
}

/** What opening a distribution may use of the worker: files, decoders, hashes. */
export interface TaskIo {
  readonly seed: number;
  /**
   * The splits that tasks are drawn from: `train`, the one that the job evaluates on, or both.
   * Opening refuses one that lacks classes, or that shares a class with another.
   */
  readonly usedSplits: readonly Split[];
  /** The data that the job began with; empty while that is not known. */
  readonly expectedData: readonly DataIdentity[];
  /** @throws MetatrainError `DATA_SET_DIFFERS` when it is not the data that the job began with. */
  refuseOtherData(read: readonly DataIdentity[]): void;
  /** The files of one part of a data set, in the catalogue's order; the missing ones by name. */
  find(dataSet: DataSet, part: string): FoundFiles;
  /** Where data sets are searched for: the file's candidate paths, in order. */
  candidates(dataSet: DataSet, file: string): readonly string[];
  /**
   * Entries of a zip archive, or of a tar archive packed with gzip, in its order.
   *
   * @throws Error with what is wrong with the archive.
   */
  entries(path: string, limits: ArchiveLimits): AsyncIterable<ArchiveEntry>;
  /** A black and white PNG. @throws Error with what is wrong with it. */
  decodeBitmap(png: Uint8Array): Bitmap;
  /** A folder of the user's own in a data directory. @throws MetatrainError `REQUEST_INVALID` when the name leads out of the directory. */
  findFolder(name: string): FoundFolder;
  /** As `findFolder`, of a file. */
  findFile(name: string): FoundFolder;
  /** What is in a folder, sorted by name (by code units), without hidden names and without what is neither a file nor a folder. */
  list(folder: string): Promise<readonly FolderEntry[]>;
  /** A whole file. @throws Error that says what is wrong with it. */
  readFile(path: string, maxBytes: number): Promise<Uint8Array>;
  /** A PNG or JPEG, whatever its name. @throws Error that says what is wrong with it. */
  decodeImage(file: Uint8Array, maxPixels: number): Promise<Image>;
  /** Versions of the decoders of `decodeImage`: part of every key of what is kept of their pixels. */
  imageDecoders(): string;
  /**
   * Bytes that `make` gives, kept on the disk for later processes and checked when they are read; made anew when they are not as they
   * were. Where the disk cannot be written, nothing is kept.
   *
   * @param key lower-case hexadecimal, a hash of all that the bytes depend on.
   * @param bytes how many there are.
   */
  kept(key: string, bytes: number, make: () => Promise<Uint8Array>): Promise<Uint8Array>;
  /** What `read` gives for the key, kept for the other jobs of this process; a failure is not kept. */
  cached<Value>(key: string, read: () => Promise<Value>): Promise<Value>;
}

export interface FoundFiles {
  readonly paths: readonly string[];
  readonly missing: readonly string[];
}

export interface ArchiveLimits {
  readonly maxArchiveBytes: number;
  readonly maxEntryBytes: number;
  readonly maxEntries: number;
}

export interface FoundFolder {
  /** Undefined where no data directory has it. */
  readonly path: string | undefined;
  /** Where it was looked for, in order. */
  readonly searched: readonly string[];
}

export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** Grey or red, green, blue: 8 bits each, rows from the top, pixels from the left. Nothing is transparent. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** An image of one bit a pixel. */
export interface Bitmap {
  readonly width: number;
  readonly height: number;
  /** Rows of ⌈width / 8⌉ bytes, the leftmost pixel in the highest bit, 1 = white; the bits after the last pixel mean nothing. */
  readonly rows: Uint8Array;
}
