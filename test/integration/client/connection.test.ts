import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ChannelCredentials } from '@grpc/grpc-js';
import { MetatrainClient } from '../../../client/metatrain-client.ts';
import { connectionTo } from '../../../shared/connection.ts';
import { TestCluster } from '../coordinator/cluster.ts';

/**
 * As a Service whose pod is away: the first attempt to connect is refused, and the second never answered.
 */
class PodIsAway extends ChannelCredentials {
  readonly #plain = ChannelCredentials.createInsecure();
  attempts = 0;

  override _isSecure(): boolean {
    return false;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    ...args: Parameters<ChannelCredentials['_createSecureConnector']>
  ): ReturnType<ChannelCredentials['_createSecureConnector']> {
    const connector = this.#plain._createSecureConnector(...args);
    return {
      connect: (socket) => {
        this.attempts += 1;
        if (this.attempts === 1) return Promise.reject(new Error('refused'));
        return this.attempts === 2 ? new Promise(() => {}) : connector.connect(socket);
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }
}

test('a client whose attempt to connect is never answered makes another one', async (t) => {
  const cluster = await TestCluster.start(t);
  const credentials = new PodIsAway();
  const client = new MetatrainClient({
    address: cluster.address,
    connection: { ...connectionTo(cluster.address), credentials },
    deadlineMs: 1_000,
  });
  t.after(() => client.close());
  const lastMs = performance.now() + 20_000;
  const answer = async (): Promise<unknown> => {
    // Two at a time: of a channel's calls that fail together, only one makes another channel.
    const [first] = await Promise.allSettled([client.listWorkers(), client.listWorkers()]);
    if (first.status === 'fulfilled') return first.value;
    if (performance.now() > lastMs) throw first.reason;
    await delay(200);
    return answer();
  };
  assert.deepEqual(await answer(), []);
  assert.equal(credentials.attempts, 3);
});
