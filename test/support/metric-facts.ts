// Every metric of both processes, as their own code declares them.
import { ClusterMetrics } from '../../coordinator/metrics/cluster-metrics.ts';
import { callMeter } from '../../coordinator/rpc/call-meter.ts';
import { realClock } from '../../shared/clock.ts';
import type { MetricFacts } from '../../shared/metrics/meter.ts';
import { processFacts } from '../../shared/metrics/process.ts';
import { WorkerMetrics } from '../../worker/metrics.ts';

export function coordinatorFacts(): readonly MetricFacts[] {
  const metrics = new ClusterMetrics({ version: '0', endedJobSeriesMs: 0 }, realClock);
  callMeter(metrics.meter, realClock);
  metrics.close();
  return metrics.meter.facts;
}

export function workerFacts(): readonly MetricFacts[] {
  const options = { workerId: 'w', version: '0', engine: 'compiled', device: 'cpu', memoryBytes: 1 };
  return new WorkerMetrics(options).meter.facts;
}

export { processFacts };
