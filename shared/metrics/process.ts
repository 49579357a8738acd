// What every process of ours tells about itself: processor, memory, files, garbage collection and how busy its event loop is. Once a process,
// however many servers it runs: the collectors of prom-client cannot be stopped again.
import { performance } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Registry } from 'prom-client';
import type { MetricFacts } from './meter.ts';

/** Of prom-client's own those that say something here; some of the others are called `_total` and are no counters, which Prometheus dislikes. */
const shown: ReadonlySet<string> = new Set([
  'process_cpu_user_seconds_total',
  'process_cpu_system_seconds_total',
  'process_start_time_seconds',
  'process_resident_memory_bytes',
  'process_open_fds',
  'process_max_fds',
  'nodejs_heap_size_total_bytes',
  'nodejs_heap_size_used_bytes',
  'nodejs_external_memory_bytes',
  'nodejs_gc_duration_seconds',
  'nodejs_eventloop_active_seconds_total',
]);

/**
 * prom-client's monitor of the event loop's lag is a timer, by default a hundred times a second: that wakes an idle process often enough to
 * cost a small meta-step half a percent. How busy the loop is says nearly as much, and Node.js keeps count of it anyway.
 */
const farAwayMs = 2 ** 31 - 1;

let collected: Registry | undefined;

/** Begins to collect, the first time that it is called. */
export function processRegistry(): Registry {
  if (!collected) {
    collected = new Registry();
    collectDefaultMetrics({ register: collected, eventLoopMonitoringPrecision: farAwayMs });
    eventLoopActivity(collected);
    for (const { name } of collected.getMetricsAsArray()) {
      if (!shown.has(name)) collected.removeSingleMetric(name);
    }
  }
  return collected;
}

function eventLoopActivity(register: Registry): void {
  function collect(this: Counter): void {
    this.reset();
    this.inc(performance.eventLoopUtilization().active / 1_000);
  }
  const help = 'Time that the event loop was busy; its rate is the share of the time, at most 1.';
  new Counter({ name: 'nodejs_eventloop_active_seconds_total', help, registers: [register], collect });
}

/** In Prometheus' text format. */
export const exposeProcess = (): Promise<string> => processRegistry().metrics();

export const processFacts = (): MetricFacts[] =>
  processRegistry()
    .getMetricsAsArray()
    .map((metric) => {
      const { name, help, type, labelNames } = metric as unknown as MetricFacts & { readonly labelNames: string[] };
      return { name, help, type, labels: labelNames };
    });
