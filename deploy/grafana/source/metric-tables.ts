// Every metric of the processes, as their code declares them, and the tables of docs/monitoring.md
// made from these declarations.
import { ClusterMetrics } from '../../../coordinator/metrics/cluster-metrics.ts';
import { callMeter } from '../../../coordinator/rpc/call-meter.ts';
import { realClock } from '../../../shared/clock.ts';
import type { MetricFacts } from '../../../shared/metrics/meter.ts';
import { processFacts } from '../../../shared/metrics/process.ts';
import { WorkerMetrics } from '../../../worker/metrics.ts';
import { ControllerMetrics } from '../../controller/metrics.ts';

function coordinatorFacts(): readonly MetricFacts[] {
  const metrics = new ClusterMetrics({ version: '0', endedJobSeriesMs: 0 }, realClock);
  callMeter(metrics.meter, realClock);
  metrics.close();
  return metrics.meter.facts;
}

function workerFacts(): readonly MetricFacts[] {
  const options = { workerId: 'w', version: '0', engine: 'compiled', device: 'cpu', memoryBytes: 1 };
  return new WorkerMetrics(options).meter.facts;
}

/** What metrics describe: the coordinator, single jobs (shown by the coordinator), a worker, the controller, any process. */
type Described = 'coordinator' | 'job' | 'worker' | 'controller' | 'process';

export function metricFacts(): Readonly<Record<Described, readonly MetricFacts[]>> {
  const isOfJob = ({ name }: MetricFacts) => name.startsWith('metatrain_job_');
  const coordinator = coordinatorFacts();
  return {
    coordinator: coordinator.filter((metric) => !isOfJob(metric)),
    job: coordinator.filter(isOfJob),
    worker: workerFacts(),
    controller: new ControllerMetrics().meter.facts,
    process: processFacts(),
  };
}

/**
 * The page with each of its tables up to date.
 *
 * @throws when the marks of a table are missing.
 */
export function withMetricTables(page: string): string {
  let text = page;
  for (const [name, facts] of Object.entries(metricFacts())) {
    const marks = new RegExp(`(<!-- table ${name} -->\n)[^]*?(<!-- end of table -->)`);
    if (!marks.test(text)) throw new Error(`the page has no marks for the table ${name}`);
    text = text.replace(marks, (_, head, tail) => `${head}${table(facts)}${tail}`);
  }
  return text;
}

function table(facts: readonly MetricFacts[]): string {
  const rows = facts.map(({ name, type, help, labels }) => {
    const named = labels.length > 0 ? `\`${name}\` {${labels.join(', ')}}` : `\`${name}\``;
    return `| ${named} | ${type} | ${help} |\n`;
  });
  return ['| metric | kind | what |\n', '|---|---|---|\n', ...rows].join('');
}
