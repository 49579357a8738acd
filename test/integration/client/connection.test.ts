import assert from 'node:assert/strict';
import test from 'node:test';
import { ChannelCredentials } from '@grpc/grpc-js';
import { MetatrainClient } from '../../../client/metatrain-client.ts';
import { connectionTo } from '../../../shared/connection.ts';
import { TestCluster } from '../coordinator/cluster.ts';

/** The first attempt to connect is never answered, as of a Service whose pod was away for its first packet. */
class FirstAttemptHangs extends ChannelCredentials {
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
        return this.attempts === 1 ? new Promise(() => {}) : connector.connect(socket);
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }
}

test('a client whose attempt to connect is never answered makes another one', { timeout: 30_000 }, async (t) => {
  const cluster = await TestCluster.start(t);
  const credentials = new FirstAttemptHangs();
  const client = new MetatrainClient({
    address: cluster.address,
    connection: { ...connectionTo(cluster.address), credentials },
    deadlineMs: 1_000,
  });
  t.after(() => client.close());
  // Two at once: the second failure must not abandon the attempt that the first one has begun.
  const first = await Promise.allSettled([client.listWorkers(), client.listWorkers()]);
  const codes = first.map((result) => result.status === 'rejected' && result.reason.code);
  assert.equal(codes[0], 'DEADLINE_EXCEEDED');
  assert.match(codes[1], /^(DEADLINE_EXCEEDED|NOT_READY)$/);
  assert.deepEqual(await client.listWorkers(), []);
  assert.equal(credentials.attempts, 2);
});
