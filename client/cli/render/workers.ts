// The workers of a cluster as a table. Pure.
import { describeData } from '../../../shared/data-identity.ts';
import { printableRecord } from '../../../shared/foreign-text.ts';
import { formatCount, formatTime } from '../../../shared/numbers.ts';
import { describePlugin } from '../../../shared/plugin-identity.ts';
import type { WorkerDevice, WorkerInfo } from '../../records.ts';
import { plainStyle, type Style, table } from './text.ts';

export function renderWorkers(workers: readonly WorkerInfo[], style: Style = plainStyle): string {
  if (workers.length === 0) return 'no workers; start one with `metatrain worker --coordinator HOST:PORT`';
  const someRead = workers.some(({ data }) => data.length > 0);
  const someLoaded = workers.some(({ plugins }) => plugins.length > 0);
  const someIdle = workers.some(({ idleReason }) => idleReason !== '');
  return table(
    [
      { title: 'ID' },
      { title: 'STATE' },
      { title: 'LEASES/SLOTS', align: 'right' },
      { title: 'SHARDS DONE', align: 'right' },
      { title: 'ENGINE' },
      { title: 'DEVICE' },
      { title: 'FINGERPRINT' },
      { title: 'VERSION' },
      { title: 'ADDRESS' },
      { title: 'CONNECTED' },
      ...(someRead ? [{ title: 'DATA READ' }] : []),
      ...(someLoaded ? [{ title: 'PLUGINS' }] : []),
      ...(someIdle ? [{ title: 'IDLES BECAUSE' }] : []),
    ],
    workers
      .map(printableRecord)
      .map((worker) => [
        worker.workerId,
        worker.state.toLowerCase(),
        `${worker.leases}/${worker.slots}`,
        formatCount(worker.shardsCompleted),
        worker.engine,
        describeDevice(worker.device),
        worker.engineFingerprint,
        worker.version,
        worker.address,
        worker.connectedAt ? formatTime(worker.connectedAt) : '-',
        ...(someRead ? [describeData(worker.data) || '-'] : []),
        ...(someLoaded ? [worker.plugins.map(describePlugin).join(', ') || '-'] : []),
        ...(someIdle ? [worker.idleReason] : []),
      ]),
    style,
  );
}

/** For example `cuda: NVIDIA H100, 80 GiB, NVIDIA 550.54`; what is unknown is left out. */
function describeDevice({ kind, name, memoryBytes, driver }: WorkerDevice): string {
  const memory = memoryBytes > 0 ? `${Math.round(memoryBytes / 2 ** 30)} GiB` : '';
  const facts = [name, memory, driver].filter((fact) => fact !== '').join(', ');
  return facts ? `${kind}: ${facts}` : kind;
}
