// A test with a worker and a client that reach their coordinator only through nginx: first silence,
// then a job, and during the job nginx stops for a while. A watch of all events must survive this
// and report each event once.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { RealCluster, sinusoid } from '../integration/console/real-cluster.ts';
import { metatrain, resultOf, startCommand } from './command.ts';
import { Nginx } from './nginx.ts';
import type { TestProcess } from './processes.ts';

export interface Ordeal {
  /** Directives for the entrance. Default: none, so nginx's own defaults. */
  readonly grpcDirectives?: readonly string[];
  /** Keeps the cluster silent until it resolves. */
  readonly silence: (worker: TestProcess) => Promise<void>;
  /** nginx is stopped until this resolves. */
  readonly outage: (worker: TestProcess) => Promise<void>;
}

/** More meta-steps than a worker computes before nginx stops. */
const longIterations = 500;

export async function workBehindNginx(t: TestContext, { grpcDirectives = [], silence, outage }: Ordeal): Promise<void> {
  const cluster = await RealCluster.start(t);
  const nginx = await Nginx.start(t, { grpc: cluster.address, http: cluster.http, grpcDirectives });
  const worker = await cluster.startWorker('behind-nginx', nginx.grpc);
  const environment = { METATRAIN_COORDINATOR: nginx.grpc };
  const events = startCommand(t, ['events', '--since', '0', '--json'], environment);
  const file = (iterations: number) => {
    const path = join(cluster.directory, `${iterations}.json`);
    writeFileSync(path, JSON.stringify(sinusoid(`steps-${iterations}`, iterations)));
    return path;
  };
  await events.line();

  await silence(worker);
  const first = await metatrain(t, ['submit', file(20), '--watch', '--json'], environment);
  assert.equal(first.code, 0, first.stderr);
  assert.equal(first.json<{ state: string }>().state, 'SUCCEEDED');

  const watching = startCommand(t, ['submit', file(longIterations), '--watch', '--json'], environment);
  await watching.stderrSays(/submitted/);
  await nginx.stop();
  await outage(worker);
  await nginx.start();
  const second = await resultOf(watching);
  assert.equal(second.code, 0, second.stderr);
  assert.equal(second.json<{ state: string }>().state, 'SUCCEEDED');

  const told: string[] = [];
  while (!isEndOf(longIterations, told.at(-1))) {
    told.push(await events.line());
  }
  const sequences = told.map((line) => Number((JSON.parse(line) as { sequence: string }).sequence));
  assert.deepEqual(
    sequences,
    [...new Set(sequences)].sort((a, b) => a - b),
    'each event once, in order',
  );
}

function isEndOf(iterations: number, line = '{}'): boolean {
  const { data } = JSON.parse(line) as { data?: { name?: string; state?: string } };
  return data?.name === `steps-${iterations}` && data.state === 'succeeded';
}
