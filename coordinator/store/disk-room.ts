// How much room the disk under the state directory has, and the one rule about it: nothing is written unless a reserve stays free. lmdb may
// corrupt its memory when a write meets a full disk (seen with 3.5), so the store refuses before. The reserve has two levels, so that when new work is
// refused there is still room to write down what the work in hand has come to. Measured at every write: others write to the disk, too.
import { statfsSync } from 'node:fs';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';

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
  /** Of writes under way, which the disk does not show yet. */
  #promisedBytes = 0;

  /** @param measure bytes that may still be written; throws where the file system does not tell. */
  constructor(directory: string, measure: (directory: string) => number = freeBytesOf) {
    this.directory = directory;
    this.#measure = measure;
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

  /** The error `DISK_FULL` that writing so much would be, undefined where there is room for it. */
  missing(bytes: number, reserve: number = reserveBytes): MetatrainError | undefined {
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
   * @throws MetatrainError `DISK_FULL` when there is no room, and then `write` has not begun; or when it failed because there was none after all.
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
      throw isOutOfRoom(thrown) ? this.#refused(bytes, thrown) : thrown;
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
}

const inMebibytes = (bytes: number): string => `${(bytes / mebibyte).toFixed(1)} MiB`;

export const isDiskFull = (thrown: unknown): thrown is MetatrainError =>
  thrown instanceof MetatrainError && thrown.code === 'DISK_FULL';

/** As Node names it, and as lmdb does: with errno. */
function isOutOfRoom(thrown: unknown): boolean {
  const code = (thrown as { readonly code?: unknown } | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 28 || code === 122;
}

function freeBytesOf(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}
