// The workers of a cluster as a table. Pure.
import { describeData } from '../../../shared/data-identity.ts';
import { printableRecord } from '../../../shared/foreign-text.ts';
import { formatCount, formatTime } from '../../../shared/numbers.ts';
import { describePlugin } from '../../../shared/plugin-identity.ts';
import type { WorkerDevice, WorkerInfo } from '../../records.ts';
import { fittingTable, plainStyle, type Style } from './text.ts';

/** @param width characters at most; what matters least is left out first. Default: no limit. */
export function renderWorkers(
  workers: readonly WorkerInfo[],
  style: Style = plainStyle,
  width = Number.POSITIVE_INFINITY,
): string {
  if (workers.length === 0) return 'no workers; start one with `metatrain worker --coordinator HOST:PORT`';
  const someRead = workers.some(({ data }) => data.length > 0);
  const someLoaded = workers.some(({ plugins }) => plugins.length > 0);
  const someIdle = workers.some(({ idleReason }) => idleReason !== '');
  return fittingTable(
    [
      { title: 'ID' },
      { title: 'STATE' },
      { title: 'LEASES/SLOTS', align: 'right' },
      { title: 'SHARDS DONE', align: 'right' },
      { title: 'ENGINE', importance: 6 },
      { title: 'DEVICE', importance: 5 },
      { title: 'FINGERPRINT', importance: 1 },
      { title: 'VERSION', importance: 3 },
      { title: 'ADDRESS', importance: 4 },
      { title: 'CONNECTED', importance: 2 },
      ...(someRead ? [{ title: 'DATA READ', importance: 2 }] : []),
      ...(someLoaded ? [{ title: 'PLUGINS', importance: 3 }] : []),
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
    width,
    style,
  );
}

/** For example `cuda: NVIDIA H100, 80 GiB, NVIDIA 550.54`; what is unknown is left out. */
function describeDevice({ kind, name, memoryBytes, driver }: WorkerDevice): string {
  const memory = memoryBytes > 0 ? `${Math.round(memoryBytes / 2 ** 30)} GiB` : '';
  const facts = [name, memory, driver].filter((fact) => fact !== '').join(', ');
  return facts ? `${kind}: ${facts}` : kind;
}
