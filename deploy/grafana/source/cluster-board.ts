// The cluster in an overview, then in parts: work, scheduling, faults, calls, the coordinator's
// process.
import * as units from '@grafana/grafana-foundation-sdk/units';
import type { Board } from './board.ts';
import { mean, quantile, rate, summed } from './expressions.ts';
import { processRow } from './process-row.ts';

const computeRate = (matchers = '') => rate(`metatrain_compute_seconds_total${matchers}`);

export const clusterBoard: Board = {
  uid: 'metatrain-cluster',
  title: 'MetaTrain: cluster',
  description: 'Jobs, queues, workers, faults and calls of a MetaTrain cluster.',
  variables: [],
  rows: [
    {
      title: 'Now',
      panels: [
        {
          kind: 'stat',
          title: 'Jobs',
          description: 'Jobs that have not ended, by state.',
          unit: units.Short,
          queries: [[summed('metatrain_jobs', 'state'), '{{state}}']],
          width: 6,
        },
        {
          kind: 'stat',
          title: 'Workers',
          description: 'Connected workers by state. Idle: with at least one free slot.',
          unit: units.Short,
          queries: [[summed('metatrain_workers', 'state'), '{{state}}']],
          width: 8,
        },
        {
          kind: 'stat',
          title: 'Tasks a second',
          description: 'Tasks in counted shards, of training and evaluation together.',
          unit: units.Short,
          queries: [[rate('metatrain_tasks_total'), 'tasks/s']],
        },
        {
          kind: 'stat',
          title: 'Goodput',
          description:
            'Share of the compute time of counted results. Wasted time is an upper bound: a lease that ended without a result counts from its grant on.',
          unit: units.PercentUnit,
          queries: [[`${computeRate('{use="useful"}')} / ${computeRate()}`, 'goodput']],
          width: 3,
        },
        {
          kind: 'stat',
          title: 'Version',
          description: "The coordinator's version.",
          unit: units.Short,
          queries: [['metatrain_coordinator_info', '{{version}}']],
          width: 3,
        },
      ],
    },
    {
      title: 'Work',
      panels: [
        {
          kind: 'graph',
          title: 'Meta-steps a second',
          description:
            'Meta-steps applied, those of them that one worker computed in a span, and evaluations completed, of all jobs.',
          unit: units.Short,
          queries: [
            [rate('metatrain_meta_steps_total'), 'meta-steps/s'],
            [rate('metatrain_meta_steps_spanned_total'), 'in spans/s'],
            [rate('metatrain_evaluations_total'), 'evaluations/s'],
          ],
        },
        {
          kind: 'stacked',
          title: 'Tasks a second by work',
          description: 'Tasks in counted shards.',
          unit: units.Short,
          queries: [[rate('metatrain_tasks_total', 'work'), '{{work}}']],
        },
        {
          kind: 'graph',
          title: 'Meta-step time',
          description: "From a meta-step's first lease to its last result.",
          unit: units.Seconds,
          queries: [
            [quantile(0.5, 'metatrain_meta_step_seconds'), 'median'],
            [quantile(0.99, 'metatrain_meta_step_seconds'), 'p99'],
            [mean('metatrain_meta_step_seconds'), 'mean'],
          ],
        },
        {
          kind: 'graph',
          title: 'Where the time goes',
          description:
            'Mean time of each phase. Per shard: broadcast (transfers, and waiting for a thread), compute, reduce. Per meta-step: apply. Per checkpoint: checkpoint. Per evaluation: evaluate.',
          unit: units.Seconds,
          queries: [[mean('metatrain_meta_step_phase_seconds', 'phase'), '{{phase}}']],
        },
        {
          kind: 'stacked',
          title: 'Seconds a second by phase',
          description: 'Total time of each phase in the whole cluster.',
          unit: units.Short,
          queries: [[rate('metatrain_meta_step_phase_seconds_sum', 'phase'), '{{phase}}']],
        },
        {
          kind: 'graph',
          title: 'Bytes',
          description:
            'Meta-parameters sent to workers, tensors received in results that count, checkpoints written to the disk.',
          unit: units.BytesPerSecondIEC,
          queries: [
            [rate('metatrain_payload_sent_bytes_total'), 'sent'],
            [rate('metatrain_payload_received_bytes_total'), 'received'],
            [rate('metatrain_checkpoint_written_bytes_total'), 'checkpoints'],
          ],
        },
        {
          kind: 'graph',
          title: 'Checkpoints',
          description: 'Checkpoints written and failed, a second.',
          unit: units.Short,
          queries: [[rate('metatrain_checkpoints_total', 'outcome'), '{{outcome}}']],
        },
        {
          kind: 'graph',
          title: 'Staleness',
          description:
            'Meta-steps between the meta-parameters that a training shard was computed with and those that it updates. Above 0 only with meta.update.mode: async.',
          unit: units.Short,
          queries: [[mean('metatrain_result_staleness_meta_steps'), 'mean']],
        },
        {
          kind: 'graph',
          title: 'Skipped tasks',
          description:
            'Training tasks a second left out because their meta-gradient was not finite (meta.onNonFinite: skip).',
          unit: units.Short,
          queries: [[rate('metatrain_tasks_skipped_total'), 'tasks/s']],
        },
      ],
    },
    {
      title: 'Scheduling',
      panels: [
        {
          kind: 'graph',
          title: 'Slots and shards',
          description:
            'Shards that wait, shards that are leased, the slots of all workers, and the slots that could compute at once. If shards wait while slots are free, metatrain workers shows the reason.',
          unit: units.Short,
          queries: [
            ['sum(metatrain_queue_shards)', 'waiting'],
            ['sum(metatrain_leases)', 'leased'],
            ['sum(metatrain_workers_slots)', 'slots'],
            ['sum(metatrain_useful_slots)', 'useful slots'],
          ],
        },
        {
          kind: 'graph',
          title: 'Queue',
          description: 'Age of the oldest queued job, and the time that jobs waited for their first lease.',
          unit: units.Seconds,
          queries: [
            ['max(metatrain_queue_oldest_job_seconds)', 'oldest'],
            [
              'sum(metatrain_queue_wait_seconds_sum) / clamp_min(sum(metatrain_queue_wait_seconds_count), 1)',
              'mean wait',
            ],
          ],
        },
        {
          kind: 'stacked',
          title: 'Why jobs wait',
          description:
            'Jobs that have not ended and compute nothing. noWorker, otherPlugin, otherEngine, otherData and workersHeld need a person to act; metatrain jobs list says how.',
          unit: units.Short,
          queries: [[summed('metatrain_jobs_waiting', 'reason'), '{{reason}}']],
        },
        {
          kind: 'graph',
          title: 'Jobs',
          description: 'Jobs submitted, restored after a restart, and ended, since the coordinator started.',
          unit: units.Short,
          queries: [
            ['sum(metatrain_jobs_submitted_total)', 'submitted'],
            ['sum(metatrain_jobs_restored_total)', 'restored'],
            [summed('metatrain_jobs_ended_total', 'state'), '{{state}}'],
          ],
        },
        {
          kind: 'graph',
          title: 'Leases granted',
          description: 'Leases a second by kind of work.',
          unit: units.Short,
          queries: [[rate('metatrain_leases_granted_total', 'work'), '{{work}}']],
        },
        {
          kind: 'graph',
          title: 'Slow tail',
          description:
            'Slow shards a second that were leased to a second worker, and those whose second lease gave the first result.',
          unit: units.Short,
          queries: [
            [rate('metatrain_leases_speculative_total'), 'speculative'],
            [rate('metatrain_leases_speculative_won_total'), 'won'],
          ],
        },
        {
          kind: 'graph',
          title: 'Shards by worker',
          description: 'Counted shards a second of each connected worker.',
          unit: units.Short,
          queries: [[rate('metatrain_worker_shards_total', 'worker_id'), '{{worker_id}}']],
        },
      ],
    },
    {
      title: 'Faults',
      panels: [
        {
          kind: 'graph',
          title: 'Retries',
          description: 'Shards a second that went to another worker, by cause.',
          unit: units.Short,
          queries: [[rate('metatrain_shards_retried_total', 'cause'), '{{cause}}']],
        },
        {
          kind: 'graph',
          title: 'Leases cancelled',
          description:
            'Leases a second that were cancelled, by cause. Overtaken: another lease of the shard gave the first result.',
          unit: units.Short,
          queries: [[rate('metatrain_leases_cancelled_total', 'cause'), '{{cause}}']],
        },
        {
          kind: 'graph',
          title: 'Results',
          description: 'Results of shards a second, by outcome.',
          unit: units.Short,
          queries: [[rate('metatrain_shard_results_total', 'outcome'), '{{outcome}}']],
        },
        {
          kind: 'graph',
          title: 'Time to recover',
          description:
            'Mean since the coordinator started: from the loss of a worker until its shard counts, from a restart until the first result of a restored job counts.',
          unit: units.Seconds,
          queries: [
            [
              'sum by (after) (metatrain_recovery_seconds_sum) / clamp_min(sum by (after) (metatrain_recovery_seconds_count), 1)',
              'after {{after}}',
            ],
          ],
        },
        {
          kind: 'stacked',
          title: 'Compute time',
          description: 'Seconds a second of compute, useful and wasted: the goodput in parts.',
          unit: units.Short,
          queries: [[rate('metatrain_compute_seconds_total', 'use'), '{{use}}']],
        },
        {
          kind: 'graph',
          title: 'Coming and going',
          description:
            'Workers that connected, disconnected and announced to leave, and quarantines, since the coordinator started.',
          unit: units.Short,
          queries: [
            ['sum(metatrain_workers_joined_total)', 'joined'],
            ['sum(metatrain_workers_left_total)', 'left'],
            ['sum(metatrain_workers_drained_total)', 'drained'],
            ['sum(metatrain_workers_quarantined_total)', 'quarantined'],
          ],
        },
        {
          kind: 'graph',
          title: 'Rejected results by worker',
          description: 'Invalid results of each connected worker since it connected.',
          unit: units.Short,
          queries: [[summed('metatrain_worker_results_rejected_total', 'worker_id'), '{{worker_id}}']],
        },
      ],
    },
    {
      title: 'Disk and certificates',
      panels: [
        {
          kind: 'graph',
          title: 'Room on the disk',
          description:
            'Bytes that can still be written to the disk of the state directory. Below the reserve every job waits.',
          unit: units.BytesIEC,
          queries: [
            ['min(metatrain_disk_free_bytes)', 'free'],
            ['max(metatrain_disk_reserve_bytes)', 'reserve'],
          ],
        },
        {
          kind: 'graph',
          title: 'Certificates expire in',
          description: "Time until the coordinator's certificates expire, as read at its start. No data without TLS.",
          unit: units.DurationSeconds,
          queries: [
            ['min by (certificate) (metatrain_certificate_expiry_timestamp_seconds) - time()', '{{certificate}}'],
          ],
        },
      ],
    },
    {
      title: 'Calls',
      panels: [
        {
          kind: 'graph',
          title: 'gRPC calls a second',
          description: 'Calls that ended, by method.',
          unit: units.Short,
          queries: [[rate('metatrain_rpc_calls_total', 'method'), '{{method}}']],
        },
        {
          kind: 'graph',
          title: 'gRPC statuses',
          description: 'Calls a second by status. CANCELLED is the usual end of a watch.',
          unit: units.Short,
          queries: [[rate('metatrain_rpc_calls_total', 'status'), '{{status}}']],
        },
        {
          kind: 'graph',
          title: 'gRPC call time',
          description:
            'Mean time of calls with one answer, by method, since the coordinator started, and the 95th percentile of all in the window.',
          unit: units.Seconds,
          queries: [
            [
              'sum by (method) (metatrain_rpc_call_seconds_sum) / clamp_min(sum by (method) (metatrain_rpc_call_seconds_count), 1)',
              '{{method}}',
            ],
            [quantile(0.95, 'metatrain_rpc_call_seconds'), 'p95'],
          ],
        },
        {
          kind: 'graph',
          title: 'Open calls',
          description: "gRPC calls that are open: workers' streams, watches, downloads.",
          unit: units.Short,
          queries: [[summed('metatrain_rpc_calls_in_flight', 'method'), '{{method}}']],
        },
      ],
    },
    {
      title: 'Trained models',
      panels: [
        {
          kind: 'graph',
          title: 'Requests a second',
          description:
            'Requests of trained models that ended, by kind of work; those that failed; and those that went to another worker.',
          unit: units.Short,
          queries: [
            [rate('metatrain_requests_total', 'work'), '{{work}}'],
            [rate('metatrain_requests_total{outcome="failed"}'), 'failed'],
            [rate('metatrain_requests_retried_total'), 'retried'],
          ],
        },
        {
          kind: 'graph',
          title: 'Time to the answer',
          description: 'Median and 99th percentile of answered requests in the window.',
          unit: units.Seconds,
          queries: [
            [quantile(0.5, 'metatrain_request_seconds'), 'p50'],
            [quantile(0.99, 'metatrain_request_seconds'), 'p99'],
          ],
        },
        {
          kind: 'graph',
          title: 'Adapted models',
          description: 'Adapted models that are kept for clients.',
          unit: units.Short,
          queries: [[summed('metatrain_adapted_models'), 'kept']],
        },
        {
          kind: 'graph',
          title: 'Memory of adapted models',
          description: 'What they take in the coordinator.',
          unit: units.BytesIEC,
          queries: [[summed('metatrain_adapted_bytes'), 'bytes']],
        },
      ],
    },
    {
      title: 'Events',
      panels: [
        {
          kind: 'graph',
          title: 'Events to NATS',
          description:
            'Events a second that the stream has acknowledged, and events that the log dropped before. No data without NATS.',
          unit: units.Short,
          queries: [
            [rate('metatrain_events_published_total'), 'published'],
            [rate('metatrain_events_dropped_total'), 'dropped'],
          ],
        },
        {
          kind: 'graph',
          title: 'Events that wait',
          description:
            'The outbox: events that wait to be published to NATS. It grows while NATS is away; training does not wait.',
          unit: units.Short,
          queries: [['sum(metatrain_events_pending)', 'waiting']],
        },
        {
          kind: 'graph',
          title: 'Connection to NATS',
          description:
            '1 while there is one; and how often it could not be made or was lost, since the coordinator started.',
          unit: units.Short,
          queries: [
            ['max(metatrain_events_bus_connected)', 'connected'],
            ['sum(metatrain_events_bus_failures_total)', 'failures'],
          ],
        },
      ],
    },
    processRow('The coordinator', 'metatrain_coordinator_info', 'version', 'coordinator'),
  ],
};
