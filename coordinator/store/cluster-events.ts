// The events of jobs and workers as the log stores them, and how a job's event follows from its
// record. Pure: the log numbers and stores events, the wire and NATS carry them.
import type { EventData, EventName } from '../../shared/cluster-event.ts';
import { askedFor, type JobEventRecord, type JobRecord } from './job-record.ts';

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

/** @param record in its state with the event. */
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

const isoTime = (ms: number): string => new Date(ms).toISOString();

const keptSteps = (record: JobRecord): number[] => askedFor(record).map(({ step }) => step);
