// ClusterService: the cluster as its operators see it.
import type { ClusterServiceHandlers } from '../../shared/gen/metatrain/v1/ClusterService.ts';
import type { WorkerInfo } from '../../shared/gen/metatrain/v1/WorkerInfo.ts';
import type { WorkerState as WorkerStateMessage } from '../../shared/gen/metatrain/v1/WorkerState.ts';
import type { Logger } from '../../shared/log.ts';
import { workerState } from '../core/census.ts';
import type { WorkerState } from '../core/state.ts';
import type { Runner, WorkerView } from '../runner.ts';
import { timestamp } from './job-messages.ts';
import { unary } from './status.ts';

export function clusterService({ runner, log }: { runner: Runner; log: Logger }): ClusterServiceHandlers {
  return {
    ListWorkers: unary(log, () => ({ workers: runner.workers().map(workerMessage) })),
  };
}

function workerMessage({ link, worker, shardsCompleted, resultsRejected, idleReason }: WorkerView): WorkerInfo {
  return {
    workerId: link.workerId,
    state: stateMessages[workerState(worker)],
    address: link.address,
    engineFingerprint: link.fingerprint,
    slots: link.slots,
    leases: worker.leases.size,
    shardsCompleted,
    connectedAt: timestamp(link.connectedAt),
    lastHeartbeatAt: timestamp(worker.lastSeenAt),
    idleReason,
    version: link.version,
    resultsRejected,
    engine: link.engine,
    device: link.device,
  };
}

const stateMessages = {
  idle: 'WORKER_STATE_IDLE',
  busy: 'WORKER_STATE_BUSY',
  draining: 'WORKER_STATE_DRAINING',
  quarantined: 'WORKER_STATE_QUARANTINED',
} as const satisfies Record<WorkerState, WorkerStateMessage>;
