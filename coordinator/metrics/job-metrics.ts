// A job's learning as series of its own. They begin with the job's first lease, are read from its
// record at each scrape, and end a little after the job, so that Prometheus sees the last value.
// The number of jobs with series is bounded.
import type { Clock } from '../../shared/clock.ts';
import { isOfSeveralKinds, type Measure, maxMeasures } from '../../shared/measures.ts';
import type { Meter } from '../../shared/metrics/meter.ts';
import type { Happening } from '../observers/happenings.ts';
import { hasEnded, type JobRecord, type MetaStepRecord } from '../store/job-record.ts';

/**
 * Jobs with series at a time: more than run at a time by default. Beyond it, the first to start
 * have them.
 */
const maxJobs = 128;

export interface JobMetrics {
  jobStateChanged(happening: Happening<'jobStateChanged'>): void;
  close(): void;
}

interface ShownJob {
  readonly record: JobRecord;
  /** Set once the job has ended. */
  cancelRemoval?: () => void;
}

export function jobMetrics(
  meter: Meter,
  { endedJobSeriesMs }: { readonly endedJobSeriesMs: number },
  clock: Clock,
): JobMetrics {
  const shown = new Map<string, ShownJob>();
  declareSeries(meter, () => [...shown.values()].map(({ record }) => record));
  return {
    jobStateChanged({ record, state }) {
      const { jobId } = record;
      const known = shown.get(jobId);
      if (!hasEnded(state)) {
        if (!known && state === 'running' && shown.size < maxJobs) shown.set(jobId, { record });
      } else if (known) {
        known.cancelRemoval = clock.after(endedJobSeriesMs, () => shown.delete(jobId));
      }
    },
    close() {
      for (const { cancelRemoval } of shown.values()) cancelRemoval?.();
      shown.clear();
    },
  };
}

function declareSeries(meter: Meter, records: () => readonly JobRecord[]): void {
  const perJob = (name: string, help: string, read: (record: JobRecord) => number | undefined) =>
    meter.series('gauge', `metatrain_job_${name}`, help, ['job_id', 'name'], () =>
      records().flatMap((record) => {
        const value = read(record);
        return isShown(value) ? [{ labels: labelsOf(record), value }] : [];
      }),
    );
  /**
   * Of each measure, as many values as labels. Of an evaluation only the first and the last point,
   * however many points there are.
   */
  const perMeasure = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: (record: JobRecord) => readonly MeasuredValue<Label>[],
  ) =>
    meter.series('gauge', `metatrain_job_${name}`, help, ['job_id', 'name', 'measure', ...labelNames], () =>
      records().flatMap((record) =>
        read(record)
          .filter(({ value }) => isShown(value))
          .map(({ measure, labels, value }) => ({ labels: { ...labelsOf(record), measure, ...labels }, value })),
      ),
    );

  perJob('meta_steps', 'Meta-steps applied.', ({ steps }) => steps);
  perJob('iterations', 'Meta-steps of the whole job.', ({ iterations }) => iterations);
  perJob('eta_seconds', 'Time until the last meta-step at the present pace.', lastStep('etaSeconds'));
  perJob(
    'tasks_per_second',
    'Training tasks a second, smoothed over the newest summaries.',
    lastStep('tasksPerSecond'),
  );
  perMeasure('training_measure', 'Mean after adaptation over the newest meta-batch.', [], ({ lastMetaStep }) =>
    (lastMetaStep?.measures ?? [])
      .slice(0, maxMeasures)
      .map(({ name, value }) => ({ measure: name, labels: {}, value })),
  );
  perJob('meta_gradient_norm', 'Global norm of the meta-gradient, before clipping.', lastStep('metaGradientNorm'));
  perJob(
    'task_gradient_variance',
    "Trace of the covariance of the tasks' meta-gradients, estimated from the shards' sums.",
    lastStep('taskGradientVariance'),
  );
  perJob(
    'task_gradient_cosine',
    "Mean cosine between the meta-gradients of two tasks, estimated from the shards' sums: 1 agree, 0 unrelated.",
    lastStep('taskGradientCosine'),
  );
  perJob('learning_rate', 'Learning rate of the meta-optimizer.', lastStep('learningRate'));
  perJob(
    'skipped_tasks',
    'Training tasks left out because their meta-gradient was not finite.',
    (record) => record.skippedTasks,
  );
  perJob('checkpoint_meta_step', 'Meta-step of the newest checkpoint.', ({ checkpoints }) => checkpoints.at(-1)?.step);

  const newest = ({ evaluations }: JobRecord) => evaluations.at(-1);
  const measuresOf = (record: JobRecord) => newest(record)?.measures.slice(0, maxMeasures) ?? [];
  perMeasure(
    'evaluation_measure',
    "Mean of the newest evaluation at the last point of the measure's axis (after the last inner step, for one), and at the first.",
    ['point'],
    (record) => measuresOf(record).flatMap(endsOf),
  );
  perJob(
    'evaluation_meta_step',
    'Meta-steps applied when the newest evaluation was made.',
    (record) => newest(record)?.step,
  );
  perMeasure(
    'adaptation_gain',
    'Improvement of the newest evaluation from the first to the last point of the axis. Below 0, adaptation harms.',
    [],
    (record) => measuresOf(record).flatMap(gainOf),
  );
}

interface MeasuredValue<Label extends string> {
  readonly measure: string;
  readonly labels: Readonly<Record<Label, string>>;
  readonly value: number;
}

/**
 * The first point and the last. Of a measure with a single point, that point as the last; of one
 * along kinds, such as domains, neither.
 */
function endsOf({ name, points, estimates }: Measure): MeasuredValue<'point'>[] {
  if (isOfSeveralKinds(points)) return [];
  const ends = [
    ['first', estimates.length > 1 ? estimates[0] : undefined] as const,
    ['last', estimates.at(-1)] as const,
  ];
  return ends.flatMap(([point, estimate]) =>
    estimate ? [{ measure: name, labels: { point }, value: estimate.mean }] : [],
  );
}

function gainOf({ name, better, points, estimates }: Measure): MeasuredValue<never>[] {
  const [first, last] = [estimates[0], estimates.at(-1)];
  if (!first || !last || estimates.length < 2 || better === 'neither' || isOfSeveralKinds(points)) return [];
  const rise = last.mean - first.mean;
  return [{ measure: name, labels: {}, value: better === 'higher' ? rise : -rise }];
}

const labelsOf = ({ jobId, name }: JobRecord) => ({ job_id: jobId, name });

type NumberField = Exclude<keyof MetaStepRecord, 'measures'>;

const lastStep =
  (field: NumberField) =>
  ({ lastMetaStep }: JobRecord): number | undefined =>
    lastMetaStep?.[field];

const isShown = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value);
