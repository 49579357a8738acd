// What is told of jobs and workers, made from what the coordinator keeps. Pure: the log numbers and keeps it, the wire and NATS carry it.
import type { EventData, EventName } from '../shared/cluster-event.ts';
import type { Happening } from './observer.ts';
import type { JobEventRecord, JobRecord } from './store/job-record.ts';

/** An event before the log has numbered it. */
export type LoggedEvent = {
  [Name in EventName]: {
    readonly name: Name;
    /** The job's or the worker's id. */
    readonly subject: string;
    readonly at: number;
    readonly data: EventData[Name];
  };
}[EventName];

/** @param record as it is with the event. */
export function jobEvent(record: JobRecord, { sequence: jobSequence, at, body }: JobEventRecord): LoggedEvent {
  const { jobId } = record;
  const head = { subject: jobId, at };
  const ids = { jobId, jobSequence };
  switch (body.kind) {
    case 'stateChanged': {
      const { state, reason, error } = body;
      const { name, steps, iterations, paramsSha256, spec, submittedAt, startedAt, endedAt } = record;
      const data = {
        ...ids,
        name,
        state,
        reason,
        ...(error && { error }),
        steps,
        iterations,
        paramsSha256,
        submittedAt: isoTime(submittedAt),
        ...(startedAt !== undefined && { startedAt: isoTime(startedAt) }),
        ...(endedAt !== undefined && { endedAt: isoTime(endedAt) }),
        checkpoints: keptSteps(record),
        ...(jobSequence === 1 && { spec }),
      };
      return { ...head, name: 'job.state_changed', data };
    }
    case 'metaStep':
      return { ...head, name: 'job.meta_steps_applied', data: { ...ids, ...body.summary } };
    case 'evaluated':
      return { ...head, name: 'job.evaluated', data: { ...ids, ...body.evaluation } };
    case 'checkpointWritten': {
      const { step, sha256, bytes, paramsSha256 } = body.checkpoint;
      const data = { ...ids, step, sha256, bytes, paramsSha256, checkpoints: keptSteps(record) };
      return { ...head, name: 'job.checkpoint_written', data };
    }
    case 'shardRetried': {
      const { metaStep, shard, workerId, reason } = body;
      return { ...head, name: 'job.shard_retried', data: { ...ids, metaStep, shard, workerId, reason } };
    }
    default:
      return body satisfies never;
  }
}

/** Undefined for what is not told of a worker. */
export function workerEvent(happening: Happening): LoggedEvent | undefined {
  const { at } = happening;
  switch (happening.kind) {
    case 'workerConnected': {
      const { workerId, address, engine, device, fingerprint: engineFingerprint, slots, version } = happening.link;
      const data = { workerId, address, engine, device: { ...device }, engineFingerprint, slots, version };
      return { name: 'worker.connected', subject: workerId, at, data };
    }
    case 'workerDisconnected':
    case 'workerDraining': {
      const { workerId } = happening.link;
      const name = happening.kind === 'workerDraining' ? 'worker.drain_started' : 'worker.disconnected';
      return { name, subject: workerId, at, data: { workerId, reason: happening.reason } };
    }
    case 'workerQuarantined': {
      const { workerId, coolDownMs, reason } = happening;
      return { name: 'worker.quarantined', subject: workerId, at, data: { workerId, coolDownMs, reason } };
    }
    case 'workerLetBack': {
      const { workerId, reason } = happening;
      return { name: 'worker.let_back', subject: workerId, at, data: { workerId, reason } };
    }
    default:
      return undefined;
  }
}

const isoTime = (ms: number): string => new Date(ms).toISOString();

/** Of the checkpoints that clients see: recovery ones may be gone in a minute. */
const keptSteps = ({ checkpoints }: JobRecord): number[] =>
  checkpoints.filter(({ purpose }) => purpose !== 'recovery').map(({ step }) => step);
