// ClusterService: the cluster as its operators see it.
import type { ClusterServiceHandlers } from '../../shared/gen/metatrain/v1/ClusterService.ts';
import type { WorkerInfo } from '../../shared/gen/metatrain/v1/WorkerInfo.ts';
import type { Logger } from '../../shared/log.ts';
import type { Runner, WorkerView } from '../runner.ts';
import { timestamp } from './job-messages.ts';
import { unary } from './status.ts';

export function clusterService({ runner, log }: { runner: Runner; log: Logger }): ClusterServiceHandlers {
  return {
    ListWorkers: unary(log, () => ({ workers: runner.workers().map(workerMessage) })),
  };
}

function workerMessage({ link, worker, shardsCompleted, idleReason }: WorkerView): WorkerInfo {
  const isBusy = worker.leases.size >= worker.slots;
  return {
    workerId: link.workerId,
    state: worker.isDraining ? 'WORKER_STATE_DRAINING' : isBusy ? 'WORKER_STATE_BUSY' : 'WORKER_STATE_IDLE',
    address: link.address,
    engineFingerprint: link.fingerprint,
    slots: link.slots,
    leases: worker.leases.size,
    shardsCompleted,
    connectedAt: timestamp(link.connectedAt),
    lastHeartbeatAt: timestamp(worker.lastSeenAt),
    idleReason,
    version: link.version,
    engine: link.engine,
    device: link.device,
  };
}
