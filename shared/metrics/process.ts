// Metrics of every process: processor, memory, files, garbage collection, and the load of its event
// loop. One set a process for all its servers, because prom-client's collectors cannot be stopped.
import { performance } from 'node:perf_hooks';
import { GCProfiler } from 'node:v8';
import { Counter, Histogram, Registry } from 'prom-client';
import heapSize from 'prom-client/lib/metrics/heapSizeAndUsed.js';
import residentMemory from 'prom-client/lib/metrics/osMemoryHeap.js';
import processorTime from 'prom-client/lib/metrics/processCpuTotal.js';
import fileLimit from 'prom-client/lib/metrics/processMaxFileDescriptors.js';
import openFiles from 'prom-client/lib/metrics/processOpenFileDescriptors.js';
import startTime from 'prom-client/lib/metrics/processStartTime.js';
import { type Clock, realClock } from '../clock.ts';
import type { MetricFacts } from './meter.ts';

/** Not shown: a sum of two other metrics, and memory figures of little use. */
const unshown = ['process_cpu_seconds_total', 'process_virtual_memory_bytes', 'process_heap_bytes'];

let collected: Registry | undefined;

/**
 * Begins to collect at the first call. Uses only those of prom-client's collectors that read at a
 * scrape. Its monitor of the event loop's lag wakes a process a hundred times a second, which costs
 * a small meta-step half a percent. Its observer of garbage collections runs at each collection,
 * too rarely to be compiled.
 */
export function processRegistry(): Registry {
  if (!collected) {
    collected = new Registry();
    for (const collect of [processorTime, startTime, residentMemory, openFiles, fileLimit, heapSize])
      collect(collected);
    for (const name of unshown) collected.removeSingleMetric(name);
    eventLoopActivity(collected);
    sampleCollections(collected, realClock);
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

/** The names that prom-client gives to V8's kinds. */
const collectionKinds: Readonly<Record<string, string>> = {
  Scavenge: 'minor',
  MinorMarkSweep: 'minor',
  MinorMarkCompact: 'minor',
  MarkSweepCompact: 'major',
  IncrementalMarking: 'incremental',
  ProcessWeakCallbacks: 'weakcb',
};
const sampleEveryMs = 10_000;
const sampleMs = 1_000;

/**
 * Time of garbage collections, estimated from one second in ten; each measured second stands for
 * ten. V8 examines the whole heap before and after a collection that it reports, which takes half a
 * millisecond. A process with five collections a second would pay that for each.
 */
export function sampleCollections(register: Registry, clock: Clock): void {
  const profiler = new GCProfiler();
  const histogram = new Histogram({
    name: 'nodejs_gc_duration_seconds',
    help: 'Garbage collection duration by kind, one of major, minor, incremental or weakcb; estimated from one second in ten.',
    labelNames: ['kind'],
    buckets: [0.001, 0.01, 0.1, 1, 2, 5],
    registers: [register],
  });
  for (const kind of Object.values(collectionKinds)) histogram.zero({ kind });
  clock.every(sampleEveryMs, () => {
    profiler.start();
    clock.after(sampleMs, () => {
      for (const { gcType, cost } of profiler.stop().statistics) {
        const kind = collectionKinds[gcType] ?? gcType;
        for (let counted = 0; counted < sampleEveryMs / sampleMs; counted++) histogram.observe({ kind }, cost / 1e6);
      }
    });
  });
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
