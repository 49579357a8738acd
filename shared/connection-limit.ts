// Limits the connections of a server. A connection is a stranger's until a call on it has been
// authorized. Strangers have a limited number of connections, each for a limited time. One more
// closes the oldest of these, so that clients without a token cannot use up every file descriptor.
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Clock } from './clock.ts';

export interface ConnectionLimits {
  /** Open at once. */
  readonly connections: number;
  /** Of those, strangers'. */
  readonly strangers: number;
  /** Maximum time of a stranger's connection. Default: until another one needs the place. */
  readonly strangerMs?: number;
}

interface Connection {
  readonly socket: Socket;
  readonly begunMs: number;
}

const sweepEveryMs = 1_000;

export class ConnectionLimit {
  readonly #limits: ConnectionLimits;
  readonly #clock: Clock;
  readonly #onClosed: (peer: string, reason: string) => void;
  /** By peer, the oldest first. */
  readonly #strangers = new Map<string, Connection>();
  readonly #trusted = new Map<string, Connection>();
  readonly #stopSweeping: () => void;

  /** @param onClosed called with every connection that is closed by a limit. */
  constructor(limits: ConnectionLimits, clock: Clock, onClosed: (peer: string, reason: string) => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onClosed = onClosed;
    this.#stopSweeping =
      limits.strangerMs === undefined ? () => undefined : clock.every(sweepEveryMs, () => this.#sweep());
  }

  /** @returns false if there is no place: the connection is then closed. */
  add(socket: Socket): boolean {
    const { connections, strangers } = this.#limits;
    const peer = peerOf(socket);
    const isFull = () => this.#strangers.size >= strangers || this.#strangers.size + this.#trusted.size >= connections;
    while (isFull()) {
      const [oldest] = this.#strangers.keys();
      if (oldest === undefined) {
        socket.destroy();
        this.#onClosed(peer, `${this.#trusted.size} connections are open, the limit`);
        return false;
      }
      this.#drop(
        oldest,
        `${connections} connections, ${strangers} of them without a call that was let in, are the limit`,
      );
    }
    const connection = { socket, begunMs: this.#clock.elapsedMs() };
    this.#strangers.set(peer, connection);
    socket.once('close', () => this.#forget(peer, connection));
    return true;
  }

  /** @param peer see `peerOf`. What is not connected any more is not heard of. */
  trust(peer: string): void {
    this.#move(peer, this.#strangers, this.#trusted);
  }

  /** Makes the connection a stranger's again, the newest one. */
  distrust(peer: string): void {
    this.#move(peer, this.#trusted, this.#strangers);
  }

  /** Closes every connection. */
  closeAll(): void {
    for (const connections of [this.#strangers, this.#trusted]) {
      for (const { socket } of [...connections.values()]) socket.destroy();
    }
  }

  /** Stops watching connections. May be called twice. */
  close(): void {
    this.#stopSweeping();
  }

  #move(peer: string, from: Map<string, Connection>, to: Map<string, Connection>): void {
    const connection = from.get(peer);
    if (!connection) return;
    from.delete(peer);
    to.set(peer, connection);
  }

  #sweep(): void {
    const { strangerMs = Number.POSITIVE_INFINITY } = this.#limits;
    const now = this.#clock.elapsedMs();
    for (const [peer, { begunMs }] of this.#strangers) {
      if (now - begunMs >= strangerMs) this.#drop(peer, `no call was let in within ${strangerMs / 1_000} s`);
    }
  }

  #drop(peer: string, reason: string): void {
    const connection = this.#strangers.get(peer);
    this.#strangers.delete(peer);
    connection?.socket.destroy();
    this.#onClosed(peer, reason);
  }

  /** The same address and port may have connected again. */
  #forget(peer: string, connection: Connection): void {
    for (const connections of [this.#strangers, this.#trusted]) {
      if (connections.get(peer) === connection) connections.delete(peer);
    }
  }
}

/** gRPC's name of the other end of a call's connection. */
export const peerOf = ({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string =>
  `${remoteAddress}:${remotePort}`;

/**
 * Maximum number of open files of this process, connections included; infinite if the system has no
 * answer.
 */
export function maxOpenFiles(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
