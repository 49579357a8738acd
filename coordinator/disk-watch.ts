// Checks once a second that the state directory exists and that its disk has room. When either is
// missing, every job pauses with the reason before anything is lost. When both are back, the jobs
// go on and the writes that had to wait are made.
import type { Clock } from '../shared/clock.ts';
import type { MetatrainError } from '../shared/errors.ts';
import type { Logger } from '../shared/log.ts';
import type { Checkpointing } from './jobs/checkpointing.ts';
import type { JobBook } from './jobs/job-book.ts';
import type { Runner } from './runner/runner.ts';
import { type DiskRoom, roomToGoOnBytes } from './store/disk-room.ts';

const lookEveryMs = 1_000;

export interface DiskWatchDependencies {
  readonly room: DiskRoom;
  readonly book: JobBook;
  readonly checkpointing: Checkpointing;
  readonly runner: Runner;
  readonly clock: Clock;
  readonly log: Logger;
}

export class DiskWatch {
  readonly #dependencies: DiskWatchDependencies;
  readonly #stop: () => void;
  #refusal: MetatrainError | undefined;

  /** Checks once at once. */
  constructor(dependencies: DiskWatchDependencies) {
    this.#dependencies = dependencies;
    this.#stop = dependencies.clock.every(lookEveryMs, () => this.#look());
    this.#look();
  }

  /**
   * Why nothing can be stored at the moment; undefined when only room is short, or nothing is
   * wrong.
   */
  get notReady(): string | undefined {
    return this.#refusal?.code === 'STORAGE_UNAVAILABLE' ? this.#refusal.message : undefined;
  }

  #look(): void {
    const { room, book, checkpointing, runner } = this.#dependencies;
    book.retry();
    const refusal = room.missing(0);
    this.#report(refusal);
    if (refusal) {
      const neededBytes = refusal.code === 'DISK_FULL' ? roomToGoOnBytes : 0;
      runner.hearOfDisk({ kind: 'roomMissing', neededBytes, reason: refusal.message });
    }
    const { freeBytes } = room;
    const waiting = checkpointing.retry(freeBytes);
    for (const { jobId, error } of waiting) {
      const { message: reason, details } = error;
      runner.hearOfDisk({ kind: 'roomMissing', jobId, neededBytes: Number(details.neededBytes), reason });
    }
    const stillWaiting = new Set(waiting.map(({ jobId }) => jobId));
    if (!refusal) runner.hearOfDisk({ kind: 'roomSeen', freeBytes, stillWaiting });
  }

  /** Logs each kind of refusal once. */
  #report(refusal: MetatrainError | undefined): void {
    const before = this.#refusal;
    this.#refusal = refusal;
    if (before?.code === refusal?.code) return;
    const { log } = this.#dependencies;
    if (!refusal) log.info('the disk takes writes again');
    else {
      const { code, message: reason } = refusal;
      log.error({ code, reason }, 'every job waits for the disk, and no new one is taken');
    }
  }

  /** May be called twice. */
  close(): void {
    this.#stop();
  }
}
