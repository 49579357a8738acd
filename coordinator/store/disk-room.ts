// How much room the disk under the state directory has, and the one rule about it: nothing is written unless a reserve stays free. lmdb may
// corrupt its memory when a write meets a full disk (seen with 3.5), so the store refuses before. The reserve has two levels, so that when new work is
// refused there is still room to write down what the work in hand has come to. Measured at every write: others write to the disk, too.
import { statfsSync } from 'node:fs';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import { isOutOfRoom, mayBeWrittenLater } from './storage-errors.ts';

const mebibyte = 2 ** 20;

/** What stays free after anything that may wait or be refused: a new job, a checkpoint, the hashes of shards. */
export const reserveBytes = 16 * mebibyte;

/** What stays free after what must be kept: the records of jobs that are there, and events. */
export const essentialReserveBytes = 4 * mebibyte;

/** What must be free before a job that had to wait goes on, so that it does not stop again at once. */
export const roomToGoOnBytes = 2 * reserveBytes;

export class DiskRoom {
  readonly directory: string;
  readonly #measure: (directory: string) => number;
  readonly #gone: () => MetatrainError | undefined;
  /** Of writes under way, which the disk does not show yet. */
  #promisedBytes = 0;

  /**
   * @param measure bytes that may still be written; throws where the file system does not tell.
   * @param gone the error `STORAGE_UNAVAILABLE` when the directory is not there any more; then nothing is written.
   */
  constructor(
    directory: string,
    measure: (directory: string) => number = freeBytesOf,
    gone: () => MetatrainError | undefined = () => undefined,
  ) {
    this.directory = directory;
    this.#measure = measure;
    this.#gone = gone;
  }

  /** Bytes that may still be written, besides those that are being written. */
  get freeBytes(): number {
    let free: number;
    try {
      free = this.#measure(this.directory);
    } catch {
      // A file system that does not tell: then a write that fails is the first to say so.
      return Number.POSITIVE_INFINITY;
    }
    return Math.max(0, free - this.#promisedBytes);
  }

  /**
   * The error that writing so much would be: `DISK_FULL`, or `STORAGE_UNAVAILABLE` where the directory
   * is gone. Undefined where it can be written.
   */
  missing(bytes: number, reserve: number = reserveBytes): MetatrainError | undefined {
    const gone = this.#gone();
    if (gone) return gone;
    const { freeBytes, directory } = this;
    const neededBytes = bytes + reserve;
    if (freeBytes >= neededBytes) return undefined;
    const [free, needed, kept] = [freeBytes, neededBytes, reserve].map(inMebibytes);
    const whatFor = bytes < mebibyte ? 'in reserve' : `${inMebibytes(bytes)} for this and ${kept} in reserve`;
    const message = `the disk of ${directory} is full: ${free} are free and ${needed} are needed, ${whatFor}; make room there`;
    return new MetatrainError('DISK_FULL', message, { details: { directory, freeBytes, neededBytes } });
  }

  /**
   * @param bytes about how much `write` writes. It may say how much of it the disk shows by now; what is under way is counted besides what is there.
   * @throws MetatrainError `DISK_FULL` when there is no room, and then `write` has not begun, or when it failed because there was none after all;
   *   `STORAGE_UNAVAILABLE` when it cannot be written for another reason that may pass.
   */
  async write<Result>(
    bytes: number,
    reserve: number,
    write: (written: (bytes: number) => void) => Promise<Result>,
  ): Promise<Result> {
    const missing = this.missing(bytes, reserve);
    if (missing) throw missing;
    let left = bytes;
    const written = (by: number) => {
      this.#promisedBytes -= by;
      left -= by;
    };
    this.#promisedBytes += bytes;
    try {
      return await write(written);
    } catch (thrown) {
      if (isOutOfRoom(thrown)) throw this.#refused(bytes, thrown);
      throw mayBeWrittenLater(thrown) ? this.#unavailable(thrown) : thrown;
    } finally {
      written(left);
    }
  }

  /** The disk said no although it had told of room: a quota, or somebody else was quicker. */
  #refused(bytes: number, cause: unknown): MetatrainError {
    const { freeBytes, directory } = this;
    const message =
      `the disk of ${directory} takes no more (${asMetatrainError(cause).message}): ${inMebibytes(freeBytes)} are free and ` +
      `${inMebibytes(bytes)} were to be written; make room there`;
    return new MetatrainError('DISK_FULL', message, { details: { directory, freeBytes, neededBytes: bytes }, cause });
  }

  #unavailable(cause: unknown): MetatrainError {
    const { directory } = this;
    const message = `the disk of ${directory} cannot be written to now: ${asMetatrainError(cause).message}; it is tried again every second`;
    return new MetatrainError('STORAGE_UNAVAILABLE', message, { details: { directory, neededBytes: 0 }, cause });
  }
}

const inMebibytes = (bytes: number): string => `${(bytes / mebibyte).toFixed(1)} MiB`;

function freeBytesOf(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}
