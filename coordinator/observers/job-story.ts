// A job's story: the events that WatchJob replays and the cluster's log carries, made from
// happenings. The job book numbers and stores them (ADR 9). Changes no record: the runner writes
// records, since its decisions depend on them.
import { type CheckpointRecord, failureRecord, type JobEventBody, type JobRecord } from '../store/job-record.ts';
import type { Observer } from './happenings.ts';

/** @param append takes the record in its state with the event. */
export function jobStory(append: (record: JobRecord, at: number, body: JobEventBody) => void): Observer {
  return {
    jobStateChanged({ at, record, state, reason, failure }) {
      append(record, at, { kind: 'stateChanged', state, reason, ...(failure && { error: failure }) });
    },
    jobGivenUp({ at, record, failure }) {
      const error = failureRecord(failure);
      append(record, at, { kind: 'stateChanged', state: 'failed', reason: failure.message, error });
    },
    jobWaits({ at, record, reason }) {
      append(record, at, { kind: 'stateChanged', state: record.state, reason });
    },
    chainCompared({ at, record, finding }) {
      append(record, at, { kind: 'stateChanged', state: record.state, reason: finding });
    },
    metaStepsSummarised: ({ at, record, summary }) => append(record, at, { kind: 'metaStep', summary }),
    evaluated: ({ at, record, evaluation }) => append(record, at, { kind: 'evaluated', evaluation }),
    checkpointWritten({ at, record, checkpoint }) {
      if (isAskedFor(checkpoint)) append(record, at, { kind: 'checkpointWritten', checkpoint });
    },
    shardRetried({ at, record, lease: { batch, shard, worker }, reason }) {
      const { workerId } = worker;
      append(record, at, { kind: 'shardRetried', metaStep: batch.step, shard: shard.index, workerId, reason });
    },
  };
}

/** A recovery checkpoint may be removed within a minute, so it is not announced. */
const isAskedFor = ({ purpose }: CheckpointRecord): boolean => purpose !== 'recovery';
