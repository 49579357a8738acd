// The coordinator's directory: `jobs.lmdb` (records and events), `checkpoints/<job>/` (files) and `coordinator.lock`. One coordinator at a
// time: the lock is a listening socket, which the operating system gives up with the process, however that ends; a lock file with a
// process id would lie after a restart in a container, where ids repeat.
import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import { sha256 } from '../../shared/tensor-codec.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import { DiskRoom } from './disk-room.ts';
import type { EventLogLimits } from './event-log.ts';
import { JobStore } from './job-store.ts';

/** Unix socket paths are limited to 104 bytes on macOS and 108 on Linux. */
const maxSocketPathBytes = 100;

export class StateDirectory {
  readonly path: string;
  readonly jobs: JobStore;
  readonly checkpoints: CheckpointStore;
  readonly room: DiskRoom;
  readonly #lock: Server;

  private constructor(path: string, lock: Server, limits: Partial<EventLogLimits>) {
    this.path = path;
    this.#lock = lock;
    this.room = new DiskRoom(path);
    this.jobs = JobStore.open(join(path, 'jobs.lmdb'), limits, this.room);
    this.checkpoints = new CheckpointStore(join(path, 'checkpoints'), this.room);
  }

  /**
   * Makes the directory where it is missing.
   *
   * @throws MetatrainError `REQUEST_INVALID` when it cannot be written to, `NOT_READY` when another coordinator uses it, `DISK_FULL` when there is too little room.
   */
  static async open(path: string, limits: Partial<EventLogLimits> = {}): Promise<StateDirectory> {
    let real: string;
    try {
      mkdirSync(join(path, 'checkpoints'), { recursive: true });
      real = realpathSync(path);
    } catch (cause) {
      const message = `state directory ${path}: ${asMetatrainError(cause).message}; give one that can be written to (--state-dir)`;
      throw new MetatrainError('REQUEST_INVALID', message, { cause });
    }
    const lock = await takeLock(real);
    try {
      return new StateDirectory(real, lock, limits);
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.jobs.close();
    await new Promise((resolve) => this.#lock.close(resolve));
  }
}

async function takeLock(path: string): Promise<Server> {
  const inside = join(path, 'coordinator.lock');
  const name = `metatrain-${sha256(Buffer.from(path)).toString('hex', 0, 8)}.lock`;
  const socket = Buffer.byteLength(inside) <= maxSocketPathBytes ? inside : join(tmpdir(), name);
  const first = await listen(socket);
  if (first) return first;
  if (await answers(socket)) throw inUse(path);
  // Nobody listens: its owner was killed.
  rmSync(socket, { force: true });
  const second = await listen(socket);
  if (!second) throw inUse(path);
  return second;
}

function inUse(path: string): MetatrainError {
  const message = `state directory ${path} is in use by another coordinator; stop it, or give this one another directory (--state-dir)`;
  return new MetatrainError('NOT_READY', message, { details: { path } });
}

/** Undefined when the address is taken. */
function listen(socket: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(socket, () => {
      server.unref();
      resolve(server);
    });
  });
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket, () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}
