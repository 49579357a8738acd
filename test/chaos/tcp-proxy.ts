// A network that can be broken: forwards TCP between a worker and the coordinator, and cuts, silences, slows or garbles it when told.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #targetPort: number;
  readonly #targetHost: string;
  #isSilent = false;
  #delayMs = 0;

  private constructor(server: Server, targetPort: number, targetHost: string) {
    this.#server = server;
    this.#targetPort = targetPort;
    this.#targetHost = targetHost;
  }

  static async listen(targetPort: number, targetHost = '127.0.0.1'): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server, targetPort, targetHost);
    server.on('connection', (near) => proxy.#forward(near));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Every connection is reset; new ones are taken. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** Both sides finish politely, as a proxy that is restarted does. */
  end(): void {
    for (const { near, far } of this.#pairs) {
      near.end();
      far.end();
    }
  }

  /** Nothing passes, nothing is said: neither side learns of it but by silence. Over when called with false. */
  silence(isSilent: boolean): void {
    this.#isSilent = isSilent;
    for (const { near, far } of this.#pairs) {
      for (const socket of [near, far]) {
        if (isSilent) socket.pause();
        else socket.resume();
      }
    }
  }

  /** The connections that are open now say nothing more and do not end; new ones pass. */
  freeze(): void {
    for (const { near, far } of this.#pairs) {
      near.pause();
      far.pause();
    }
  }

  /** Every piece of data arrives this much later. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** Bytes that belong to no protocol, towards both sides. */
  garble(): void {
    const garbage = Buffer.from('\u0000\u0007 neither HTTP/2 nor anything else \u00ff'.repeat(20), 'latin1');
    for (const { near, far } of this.#pairs) {
      near.write(garbage);
      far.write(garbage);
    }
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #forward(near: Socket): void {
    const far = connect(this.#targetPort, this.#targetHost);
    const pair = { near, far };
    this.#pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true);
      from.on('data', (data) => {
        if (this.#delayMs === 0) to.write(data);
        else setTimeout(() => to.destroyed || to.write(data), this.#delayMs);
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        this.#pairs.delete(pair);
      });
      if (this.#isSilent) from.pause();
    }
  }
}
