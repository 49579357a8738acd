// Looks once a second at the room on the disk: when it goes short every job pauses with the reason, before anything is lost, and goes on by itself
// when there is room again. What could not be written meanwhile is written then.
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/log.ts';
import type { Checkpointing } from './checkpointing.ts';
import type { JobBook } from './job-book.ts';
import type { Runner } from './runner.ts';
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
  #isFull = false;

  /** Looks at once, too. */
  constructor(dependencies: DiskWatchDependencies) {
    this.#dependencies = dependencies;
    this.#stop = dependencies.clock.every(lookEveryMs, () => this.#look());
    this.#look();
  }

  #look(): void {
    const { room, book, checkpointing, runner } = this.#dependencies;
    book.retry();
    const missing = room.missing(0);
    this.#report(missing?.message);
    if (missing) {
      runner.hearOfDisk({ kind: 'roomMissing', neededBytes: roomToGoOnBytes, reason: missing.message });
    }
    const { freeBytes } = room;
    for (const { jobId, error } of checkpointing.retry(freeBytes)) {
      const { message: reason, details } = error;
      runner.hearOfDisk({ kind: 'roomMissing', jobId, neededBytes: Number(details.neededBytes), reason });
    }
    if (!missing) runner.hearOfDisk({ kind: 'roomSeen', freeBytes });
  }

  #report(reason: string | undefined): void {
    if (this.#isFull === (reason !== undefined)) return;
    this.#isFull = reason !== undefined;
    const { log } = this.#dependencies;
    if (reason === undefined) log.info('there is room on the disk again');
    else log.error({ code: 'DISK_FULL', reason }, 'every job waits for room on the disk, and no new one is taken');
  }

  /** May be called twice. */
  close(): void {
    this.#stop();
  }
}
