// The row on processes that the boards of the coordinator and the workers share.
import * as units from '@grafana/grafana-foundation-sdk/units';
import type { Row } from './board.ts';
import { ofProcess, rateWindow } from './expressions.ts';

/**
 * @param info a metric that only the shown processes have.
 * @param legend names a process.
 */
export function processRow(title: string, info: string, labels: string, legend: string): Row {
  const own = (series: string) => ofProcess(series, info, labels);
  return {
    title,
    panels: [
      {
        kind: 'stacked',
        title: 'Processor',
        description: 'Cores in use, by the process and by the system for it.',
        unit: units.Short,
        queries: [
          [own(`rate(process_cpu_user_seconds_total[${rateWindow}])`), `${legend} user`],
          [own(`rate(process_cpu_system_seconds_total[${rateWindow}])`), `${legend} system`],
        ],
      },
      {
        kind: 'graph',
        title: 'Memory',
        description:
          "Resident memory, and its parts: the JavaScript heap, in use and reserved, and JavaScript's memory outside the heap (tensors).",
        unit: units.BytesIEC,
        queries: [
          [own('process_resident_memory_bytes'), `${legend} resident`],
          [own('nodejs_heap_size_used_bytes'), `${legend} heap used`],
          [own('nodejs_heap_size_total_bytes'), `${legend} heap`],
          [own('nodejs_external_memory_bytes'), `${legend} external`],
        ],
      },
      {
        kind: 'graph',
        title: 'Event loop',
        description: 'Share of the time that the event loop is busy. Near 1, heartbeats are answered late.',
        unit: units.PercentUnit,
        queries: [[own(`rate(nodejs_eventloop_active_seconds_total[${rateWindow}])`), legend]],
      },
      {
        kind: 'graph',
        title: 'Garbage collection',
        description: 'Share of the time spent collecting garbage, by kind of collection.',
        unit: units.PercentUnit,
        queries: [[own(`rate(nodejs_gc_duration_seconds_sum[${rateWindow}])`), `${legend} {{kind}}`]],
      },
      {
        kind: 'graph',
        title: 'Open files',
        description: 'Open file descriptors, as a share of the limit.',
        unit: units.PercentUnit,
        queries: [[own('process_open_fds / process_max_fds'), legend]],
      },
      {
        kind: 'graph',
        title: 'Uptime',
        description: 'Time since the process started: a step down is a restart.',
        unit: units.Seconds,
        queries: [[own('(time() - process_start_time_seconds)'), legend]],
      },
    ],
  };
}
