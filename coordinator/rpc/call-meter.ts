// Counts the gRPC calls: how many, how they ended, how long they took, how many are open. The door tells it of each, refused ones too; an
// interceptor of its own would be one more station for every message of a worker's stream.
import { status } from '@grpc/grpc-js';
import type { Clock } from '../../shared/clock.ts';
import { type Meter, secondsBuckets } from '../../shared/metrics/meter.ts';
import { ClusterService, JobService, ModelService } from '../../shared/wire.ts';
import { calledMethods } from './access.ts';

const answeredOnce: readonly string[] = [JobService, ModelService, ClusterService]
  .flatMap(({ service }) => Object.values(service))
  .filter(({ requestStream, responseStream }) => !requestStream && !responseStream)
  .map(({ path }) => shortName(path));

interface MethodTally {
  open: number;
  /** Ended calls by status. */
  readonly ended: Map<string, number>;
}

/** Told of a call that begins. @returns to be told how it ended; what is told after that counts no more. */
export type CallMeter = (path: string) => (code: status) => void;

export function callMeter(meter: Meter, clock: Clock): CallMeter {
  const tallies = new Map<string, MethodTally>(
    calledMethods.map((path) => [shortName(path), { open: 0, ended: new Map([['OK', 0]]) }]),
  );
  meter.series(
    'counter',
    'metatrain_rpc_calls_total',
    'gRPC calls that ended, by method and status.',
    ['method', 'status'],
    () =>
      [...tallies].flatMap(([method, { ended }]) =>
        [...ended].map(([status, value]) => ({ labels: { method, status }, value })),
      ),
  );
  meter.series('gauge', 'metatrain_rpc_calls_in_flight', 'gRPC calls that are open, streams too.', ['method'], () =>
    [...tallies].map(([method, { open }]) => ({ labels: { method }, value: open })),
  );
  const duration = meter.histogram(
    'metatrain_rpc_call_seconds',
    'How long the gRPC calls with one answer took, by method.',
    secondsBuckets.filter((bound) => bound <= 10),
    ['method', answeredOnce],
  );

  return (path) => {
    const method = shortName(path);
    const tally = tallies.get(method);
    if (!tally) return () => {};
    const begunMs = clock.elapsedMs();
    tally.open += 1;
    let isOpen = true;
    return (code) => {
      if (!isOpen) return;
      isOpen = false;
      tally.open -= 1;
      const name = status[code] ?? 'UNKNOWN';
      tally.ended.set(name, (tally.ended.get(name) ?? 0) + 1);
      duration[method]?.observe((clock.elapsedMs() - begunMs) / 1_000);
    };
  };
}

/** `/metatrain.v1.JobService/GetJob` → `JobService/GetJob`. */
function shortName(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1);
}
