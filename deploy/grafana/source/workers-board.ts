// The workers and their engines: which are connected and how busy they are, where their time goes,
// the cost of compiling, and memory beside its prediction.
import * as units from '@grafana/grafana-foundation-sdk/units';
import type { Board, Panel } from './board.ts';
import { rateWindow } from './expressions.ts';
import { processRow } from './process-row.ts';

const chosen = 'instance=~"$instance"';
const info = `metatrain_worker_info{${chosen}}`;
const of = (metric: string, matchers = ''): string => `${metric}{${chosen}${matchers}}`;
const perSecond = (metric: string, by: string, matchers = ''): string =>
  `sum by (${by}) (rate(${of(metric, matchers)}[${rateWindow}]))`;
/** Mean since the worker started: compiling is rare, so most windows would be empty. */
const meanSoFar = (name: string): string =>
  `sum by (instance) (${of(`${name}_sum`)}) / clamp_min(sum by (instance) (${of(`${name}_count`)}), 1)`;

const graph = (title: string, description: string, unit: string, queries: Panel['queries']): Panel => ({
  kind: 'graph',
  title,
  description,
  unit,
  queries,
});

export const workersBoard: Board = {
  uid: 'metatrain-workers',
  title: 'MetaTrain: workers and engine',
  description: 'Workers that serve their metrics (metatrain worker --http).',
  variables: [
    { name: 'instance', label: 'Worker', query: 'label_values(metatrain_worker_info, instance)', isMulti: true },
  ],
  rows: [
    {
      title: 'Now',
      panels: [
        {
          kind: 'stat',
          title: 'Workers',
          description: 'Workers by engine and device.',
          unit: units.Short,
          queries: [[`count by (engine, device, version) (${info})`, '{{engine}}/{{device}} {{version}}']],
          width: 6,
        },
        {
          kind: 'stat',
          title: 'Connected',
          description: 'Workers that a coordinator gives shards to.',
          unit: units.Short,
          queries: [[`sum(${of('metatrain_worker_connected')})`, 'connected']],
        },
        {
          kind: 'stat',
          title: 'Compute threads',
          description: 'Threads by state.',
          unit: units.Short,
          queries: [[`sum by (state) (${of('metatrain_worker_compute_threads')})`, '{{state}}']],
          width: 8,
        },
        {
          kind: 'stat',
          title: 'Queued shards',
          description: 'Shards that wait for a thread in a worker.',
          unit: units.Short,
          queries: [[`sum(${of('metatrain_worker_queued_shards')})`, 'queued']],
        },
      ],
    },
    {
      title: 'Shards',
      panels: [
        graph('Shards a second', 'Shards that ended, by worker and outcome.', units.Short, [
          [perSecond('metatrain_worker_shards_ended_total', 'instance, outcome'), '{{instance}} {{outcome}}'],
        ]),
        graph(
          'Compute time of a shard',
          'Median and 99th percentile over all chosen workers, by kind of work, without compiling.',
          units.Seconds,
          [
            [
              `histogram_quantile(0.5, ${perSecond('metatrain_worker_compute_seconds_bucket', 'le, work')})`,
              '{{work}} median',
            ],
            [
              `histogram_quantile(0.99, ${perSecond('metatrain_worker_compute_seconds_bucket', 'le, work')})`,
              '{{work}} p99',
            ],
          ],
        ),
        graph('Busy threads', 'Compute seconds a second, which is the number of busy threads.', units.Short, [
          [perSecond('metatrain_worker_compute_seconds_sum', 'instance'), '{{instance}}'],
        ]),
        graph(
          'Share of the engine',
          "Of the compute time the share in the engine's runs; the rest makes tasks and moves tensors.",
          units.PercentUnit,
          [
            [
              `${perSecond('metatrain_engine_run_seconds_total', 'instance')} / ${perSecond('metatrain_worker_compute_seconds_sum', 'instance')}`,
              '{{instance}}',
            ],
          ],
        ),
        graph(
          'Results',
          'Results sent a second: computed for their lease, or held from a lease that was lost.',
          units.Short,
          [[perSecond('metatrain_worker_results_sent_total', 'instance, origin'), '{{instance}} {{origin}}']],
        ),
        graph('Payload', 'Meta-parameters received, tensors of results sent.', units.BytesPerSecondIEC, [
          [perSecond('metatrain_worker_params_received_bytes_total', 'instance'), '{{instance}} in'],
          [perSecond('metatrain_worker_results_sent_bytes_total', 'instance'), '{{instance}} out'],
        ]),
      ],
    },
    {
      title: 'Engine',
      panels: [
        graph('Programs traced', 'Since the worker started.', units.Short, [
          [`sum by (instance) (${of('metatrain_engine_trace_seconds_count')})`, '{{instance}}'],
        ]),
        graph(
          'Sessions',
          'Sessions of programs since the worker started: created, or shared with a program of an equal graph.',
          units.Short,
          [[`sum by (instance, origin) (${of('metatrain_engine_sessions_total')})`, '{{instance}} {{origin}}']],
        ),
        graph(
          'Programs opened and evicted',
          "Programs of jobs that threads open a second, and those that they close to make room for another job's: where these go on, --memory is too small for the jobs at once.",
          units.Short,
          [
            [perSecond('metatrain_worker_programs_opened_total', 'instance'), '{{instance}} opened'],
            [perSecond('metatrain_worker_programs_evicted_total', 'instance'), '{{instance}} evicted'],
          ],
        ),
        graph(
          'Cost of a program',
          'Mean time to trace it, to optimise its graph and to create its session, since the worker started.',
          units.Seconds,
          [
            [meanSoFar('metatrain_engine_trace_seconds'), '{{instance}} trace'],
            [meanSoFar('metatrain_engine_optimize_seconds'), '{{instance}} optimise'],
            [meanSoFar('metatrain_engine_session_seconds'), '{{instance}} session'],
          ],
        ),
        graph(
          'Memory: predicted and measured',
          'Predicted peak memory of the open programs, its limit, and the largest resident memory of the process so far.',
          units.BytesIEC,
          [
            [of('metatrain_engine_predicted_bytes'), '{{instance}} predicted'],
            [of('metatrain_engine_memory_limit_bytes'), '{{instance}} limit'],
            [of('metatrain_worker_peak_resident_bytes'), '{{instance}} measured peak'],
          ],
        ),
        graph('Engine time by work', "Seconds a second in the engine's runs.", units.Short, [
          [perSecond('metatrain_engine_run_seconds_total', 'work'), '{{work}}'],
        ]),
      ],
    },
    {
      title: 'Connection and threads',
      panels: [
        graph('Welcomes and losses', 'Since the worker started.', units.Short, [
          [`sum by (instance) (${of('metatrain_worker_connections_total')})`, '{{instance}} welcomed'],
          [`sum by (instance) (${of('metatrain_worker_connection_losses_total')})`, '{{instance}} lost'],
        ]),
        graph('Threads that died', 'Since the worker started.', units.Short, [
          [`sum by (instance) (${of('metatrain_worker_threads_died_total')})`, '{{instance}}'],
        ]),
      ],
    },
    processRow('The processes', info, 'worker_id', '{{instance}}'),
  ],
};
