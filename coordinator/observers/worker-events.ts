// Turns what happens to workers into events for the log. A job's events are stored with its record
// and need no observer.
import type { LoggedEvent } from '../store/cluster-events.ts';
import type { Observer } from './happenings.ts';

/** Passes the happenings of workers on as events. */
export const workerEvents = (tell: (event: LoggedEvent) => void) =>
  ({
    workerConnected: ({ at, link }) => {
      const { workerId, address, engine, device, fingerprint: engineFingerprint, slots, version } = link;
      const data = { workerId, address, engine, device: { ...device }, engineFingerprint, slots, version };
      tell({ name: 'worker.connected', subject: workerId, at, data });
    },
    workerDisconnected: ({ at, link: { workerId }, reason }) =>
      tell({ name: 'worker.disconnected', subject: workerId, at, data: { workerId, reason } }),
    workerDraining: ({ at, link: { workerId }, reason }) =>
      tell({ name: 'worker.drain_started', subject: workerId, at, data: { workerId, reason } }),
    workerQuarantined: ({ at, workerId, coolDownMs, reason }) =>
      tell({ name: 'worker.quarantined', subject: workerId, at, data: { workerId, coolDownMs, reason } }),
    workerLetBack: ({ at, workerId, reason }) =>
      tell({ name: 'worker.let_back', subject: workerId, at, data: { workerId, reason } }),
  }) satisfies Observer;
