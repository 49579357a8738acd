// The log of jobs, workers and leases: one line a happening, with its ids. Lines of single shards
// are for the debug level only: at other levels nothing subscribes to them, and they cost nothing.
import type { Logger } from '../../shared/log.ts';
import { describeLease } from '../core/state.ts';
import type { Observer } from './happenings.ts';

export function logLines(log: Logger): Observer {
  return {
    jobStateChanged: ({ record: { jobId }, state, reason }) => log.info({ jobId, state, reason }, 'job state'),
    jobGivenUp: ({ record: { jobId }, failure: { code, message: reason } }) =>
      log.error({ jobId, code, reason }, 'a job cannot be taken up again'),
    jobWaits: ({ record: { jobId }, reason }) => log.warn({ jobId, reason }, 'a job waits for workers, or goes on'),
    workerConnected({ link: { workerId, engine, device, fingerprint, slots } }) {
      log.info({ workerId, engine, device: device.kind, fingerprint, slots }, 'worker connected');
    },
    workerDisconnected: ({ link: { workerId }, reason }) => log.info({ workerId, reason }, 'worker disconnected'),
    workerDraining: ({ link: { workerId }, reason }) => log.info({ workerId, reason }, 'worker drains'),
    workerQuarantined: ({ workerId, coolDownMs, reason }) =>
      log.warn({ workerId, coolDownMs, reason }, 'a worker keeps failing and is quarantined'),
    workerLetBack: ({ workerId }) => log.info({ workerId }, 'a quarantined worker has proved itself and is let back'),
    resultsOffered: ({ link: { workerId }, results }) => log.info({ workerId, results }, 'worker still holds results'),
    resultRejected({ lease, code, reason }) {
      const { workerId } = lease.worker;
      log.warn({ ...describeLease(lease), workerId, code, reason }, 'a result was rejected');
    },
    shardFailed({ lease, leaseId, workerId, code, reason }) {
      const what = lease ? describeLease(lease) : { leaseId };
      log.warn({ ...what, workerId, code, reason }, 'a shard failed');
    },
    shardRetried({ lease: { job, batch, shard, worker }, reason }) {
      const where = { jobId: job.plan.jobId, metaStep: batch.step, shard: shard.index, workerId: worker.workerId };
      log.warn({ ...where, reason }, 'shard goes to another worker');
    },
    requestRetried: ({ plan: { requestId, work }, workerId, reason }) =>
      log.warn({ requestId, work, workerId, reason }, 'request goes to another worker'),
    requestEnded({ plan: { requestId, work }, tookMs, reason }) {
      if (reason === undefined) log.debug({ requestId, work, tookMs }, 'a request is answered');
      else log.warn({ requestId, work, tookMs, reason }, 'a request is not answered');
    },
    chainCompared: ({ record: { jobId }, metaStep, finding }) => log.info({ jobId, metaStep }, finding),
    checkpointFailed: ({ record: { jobId }, metaStep, code, reason }) =>
      log.error({ jobId, metaStep, code, reason }, 'a checkpoint could not be written'),
    shardHashesLost: ({ record: { jobId }, error: err }) =>
      log.error({ jobId, err }, 'shard hashes could not be stored'),
    ...(log.isLevelEnabled('debug') && ofEveryShard(log)),
  };
}

const ofEveryShard = (log: Logger): Observer => ({
  resultKept({ lease, computeMs }) {
    log.debug({ ...describeLease(lease), workerId: lease.worker.workerId, computeMs }, 'a result counts');
  },
  resultDropped: ({ workerId, leaseId, reason }) => log.debug({ workerId, leaseId, reason }, 'a result does not count'),
});
