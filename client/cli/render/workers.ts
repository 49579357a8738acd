// The workers of a cluster as a table. Pure.
import type { WorkerInfo } from '../../records.ts';
import { formatCount, formatTime } from './numbers.ts';
import { plainStyle, type Style, table } from './text.ts';

export function renderWorkers(workers: readonly WorkerInfo[], style: Style = plainStyle): string {
  if (workers.length === 0) return 'no workers; start one with `metatrain worker --coordinator HOST:PORT`';
  const someIdle = workers.some(({ idleReason }) => idleReason !== '');
  return table(
    [
      { title: 'ID' },
      { title: 'STATE' },
      { title: 'LEASES/SLOTS', align: 'right' },
      { title: 'SHARDS DONE', align: 'right' },
      { title: 'ENGINE' },
      { title: 'VERSION' },
      { title: 'ADDRESS' },
      { title: 'CONNECTED' },
      ...(someIdle ? [{ title: 'IDLES BECAUSE' }] : []),
    ],
    workers.map((worker) => [
      worker.workerId,
      worker.state.toLowerCase(),
      `${worker.leases}/${worker.slots}`,
      formatCount(worker.shardsCompleted),
      worker.engineFingerprint,
      worker.version,
      worker.address,
      worker.connectedAt ? formatTime(worker.connectedAt) : '-',
      ...(someIdle ? [worker.idleReason] : []),
    ]),
    style,
  );
}
