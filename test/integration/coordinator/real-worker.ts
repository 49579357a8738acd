// A real worker in the test's own process: session, compute thread and engine.
import type { TestContext } from 'node:test';
import { realClock } from '../../../shared/clock.ts';
import type { Connection } from '../../../shared/connection.ts';
import { silentLogger } from '../../../shared/log.ts';
import { ComputePool } from '../../../worker/compute/pool.ts';
import { Session } from '../../../worker/session.ts';
import { streamsTo } from '../../../worker/session-stream.ts';
import type { TestCluster } from './cluster.ts';

export interface RealWorkerOptions {
  readonly workerId?: string;
  readonly slots?: number;
  readonly dataDirectories?: readonly string[];
  readonly connection?: Connection;
}

/** Resolves once it is connected. It leaves when the test ends. */
export async function realWorker(
  t: TestContext,
  cluster: Pick<TestCluster, 'address'>,
  { workerId = 'real', slots = 1, dataDirectories = [], connection }: RealWorkerOptions = {},
): Promise<void> {
  const clock = realClock;
  const pool = await ComputePool.start({ slots, dataDirectories }, { clock, log: silentLogger });
  let onConnected: () => void = () => undefined;
  const connected = new Promise<void>((resolve) => {
    onConnected = resolve;
  });
  const session = new Session(
    { workerId, version: '0' },
    {
      openStream: streamsTo(cluster.address, connection),
      pool,
      clock,
      log: silentLogger,
      randomFraction: () => 0,
      onConnected,
    },
  );
  const end = session.run();
  t.after(async () => {
    session.drain('the test is over', 0);
    await end;
    await pool.close();
  });
  await connected;
}
