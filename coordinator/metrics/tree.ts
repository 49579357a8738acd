// Every metric of the coordinator except those of single jobs: names, help, labels.
// `cluster-metrics.ts` sets their values.
import { type Meter, secondsBuckets } from '../../shared/metrics/meter.ts';
import { requestWorks, workKinds } from '../core/state.ts';

/** Of tasks: those of a span are training tasks. */
export const works = ['initialize', 'train', 'evaluate'] as const;

/** The phases of a meta-step. */
const phases = ['broadcast', 'compute', 'reduce', 'apply', 'checkpoint', 'evaluate'] as const;

export type CoordinatorTree = ReturnType<typeof coordinatorTree>;

/**
 * Metrics that are added to when something happens. Metrics that are read at a scrape are declared
 * where they are read.
 */
export function coordinatorTree(meter: Meter) {
  return {
    jobs: {
      submitted: meter.counter('metatrain_jobs_submitted_total', 'Jobs that were accepted.'),
      restored: meter.counter('metatrain_jobs_restored_total', "Jobs restored after a coordinator's restart."),
      ended: meter.counter('metatrain_jobs_ended_total', 'Jobs that ended, by state.', [
        'state',
        ['succeeded', 'failed', 'cancelled'],
      ]),
      wait: meter.histogram(
        'metatrain_queue_wait_seconds',
        "Time from a job's submission to its first lease.",
        secondsBuckets,
      ),
    },
    leases: {
      granted: meter.counter('metatrain_leases_granted_total', 'Leases granted, by kind of work.', ['work', workKinds]),
      cancelled: meter.counter('metatrain_leases_cancelled_total', 'Leases that were cancelled, by cause.', [
        'cause',
        ['deadline', 'overtaken', 'jobEnded'],
      ]),
      speculative: meter.counter(
        'metatrain_leases_speculative_total',
        'Second leases of shards that another worker was slow to compute.',
      ),
      speculativeWon: meter.counter(
        'metatrain_leases_speculative_won_total',
        'Speculative leases whose result came first.',
      ),
      staleness: meter.histogram(
        'metatrain_result_staleness_meta_steps',
        'Meta-steps between the meta-parameters that a counted training shard was computed with and those that it updates.',
        [0, 1, 2, 4, 8, 16, 32],
      ),
    },
    shards: {
      results: meter.counter(
        'metatrain_shard_results_total',
        'Results of shards by outcome: counted, dropped (late, or after another result), rejected (invalid), failed.',
        ['outcome', ['counted', 'dropped', 'rejected', 'failed']],
      ),
      retried: meter.counter('metatrain_shards_retried_total', 'Shards that went to another worker, by cause.', [
        'cause',
        ['deadline', 'failure', 'rejected', 'workerLost', 'otherData'],
      ]),
      tasks: meter.counter('metatrain_tasks_total', 'Tasks in counted shards, by kind of work.', ['work', works]),
      skippedTasks: meter.counter(
        'metatrain_tasks_skipped_total',
        'Training tasks left out because their meta-gradient was not finite.',
      ),
    },
    requests: {
      ended: meter.counter(
        'metatrain_requests_total',
        'Requests of trained models that ended: to encode inputs, to adapt, to predict; answered, or failed.',
        ['work', requestWorks],
        ['outcome', ['answered', 'failed']],
      ),
      seconds: meter.histogram(
        'metatrain_request_seconds',
        'Time from a request of a trained model to its answer, by kind of work.',
        secondsBuckets,
        ['work', requestWorks],
      ),
      retried: meter.counter(
        'metatrain_requests_retried_total',
        'Requests of trained models that went to another worker.',
      ),
    },
    metaSteps: {
      applied: meter.counter('metatrain_meta_steps_total', 'Meta-steps applied.'),
      spanned: meter.counter(
        'metatrain_meta_steps_spanned_total',
        'Meta-steps that one worker computed as part of a span.',
      ),
      seconds: meter.histogram(
        'metatrain_meta_step_seconds',
        "Time from a meta-step's first lease to its last result; in a span, the span's time over its meta-steps.",
        secondsBuckets,
      ),
      phase: meter.histogram(
        'metatrain_meta_step_phase_seconds',
        'Time of each phase. Per counted training shard: broadcast (from lease to result without compute: transfers, and waiting for a thread), ' +
          'compute (in the compute thread), reduce (into the sum). Per meta-step: apply. Per checkpoint: checkpoint. Per evaluation: evaluate (first lease to last result).',
        secondsBuckets,
        ['phase', phases],
      ),
      evaluations: meter.counter('metatrain_evaluations_total', 'Evaluations completed.'),
      checkpoints: meter.counter('metatrain_checkpoints_total', 'Checkpoints, by outcome.', [
        'outcome',
        ['written', 'failed'],
      ]),
      checkpointBytes: meter.counter('metatrain_checkpoint_written_bytes_total', 'Bytes of the checkpoints written.'),
    },
    payload: {
      sent: meter.counter('metatrain_payload_sent_bytes_total', 'Bytes of meta-parameters sent to workers.'),
      received: meter.counter('metatrain_payload_received_bytes_total', 'Bytes of tensors in counted results.'),
    },
    compute: {
      seconds: meter.counter(
        'metatrain_compute_seconds_total',
        'Compute time: useful (of counted results) and wasted (of leases that ended without one, from their grant on: an upper bound). ' +
          'useful / (useful + wasted) is the goodput.',
        ['use', ['useful', 'wasted']],
      ),
      recovery: meter.histogram(
        'metatrain_recovery_seconds',
        "Time to recover: from a worker's loss until each of its shards is counted, and from a coordinator's restart until the first result of a restored job is counted.",
        secondsBuckets,
        ['after', ['workerLost', 'restart']],
      ),
    },
    workers: {
      joined: meter.counter('metatrain_workers_joined_total', 'Worker streams that were accepted.'),
      left: meter.counter('metatrain_workers_left_total', 'Worker streams that ended.'),
      drained: meter.counter('metatrain_workers_drained_total', 'Workers that said they would leave.'),
      quarantined: meter.counter('metatrain_workers_quarantined_total', 'Quarantines imposed.'),
    },
  };
}
