// What a job learns, as series of its own: they begin with its first lease, are read off its record at a scrape, and end a little after the
// job, so that Prometheus sees the last value. A bounded number of jobs has them.
import type { Clock } from '../../shared/clock.ts';
import type { Meter } from '../../shared/metrics/meter.ts';
import type { Estimate } from '../aggregation/evaluation-summary.ts';
import type { Happening } from '../observers/happenings.ts';
import { hasEnded, type JobRecord } from '../store/job-record.ts';

/** Jobs with series at once. More than run at once by default; where more do, the first to start have them. */
const maxJobs = 128;
/** Of an evaluation's estimates those after 0 to 20 inner steps and the last are shown. */
const maxInnerStep = 20;

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
  const perInnerStep = (name: string, help: string, read: (record: JobRecord) => readonly Estimate[]) =>
    meter.series('gauge', `metatrain_job_${name}`, help, ['job_id', 'name', 'inner_step'], () =>
      records().flatMap((record) => {
        const estimates = read(record);
        const chosen = estimates.map(({ mean }, step) => ({ mean, step }));
        return chosen
          .filter(({ mean, step }) => isShown(mean) && (step <= maxInnerStep || step === estimates.length - 1))
          .map(({ mean, step }) => ({ labels: { ...labelsOf(record), inner_step: String(step) }, value: mean }));
      }),
    );

  perJob('meta_steps', 'Meta-steps applied.', ({ steps }) => steps);
  perJob('iterations', 'Meta-steps that the job asks for.', ({ iterations }) => iterations);
  perJob('eta_seconds', 'Time until the last meta-step at the present pace.', lastStep('etaSeconds'));
  perJob(
    'tasks_per_second',
    'Training tasks a second, smoothed over the newest summaries.',
    lastStep('tasksPerSecond'),
  );
  perJob('meta_loss', 'Mean query loss after adaptation over the newest meta-batch.', lastStep('queryLoss'));
  perJob(
    'meta_accuracy_ratio',
    'Mean query accuracy after adaptation over the newest meta-batch, 0 to 1.',
    lastStep('queryAccuracy'),
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
  perInnerStep(
    'evaluation_loss',
    'Mean query loss of the newest evaluation after so many inner steps; 0 is before adaptation.',
    (record) => newest(record)?.lossByInnerStep ?? [],
  );
  perInnerStep(
    'evaluation_accuracy_ratio',
    'Mean query accuracy of the newest evaluation after so many inner steps, 0 to 1; 0 is before adaptation.',
    (record) => newest(record)?.accuracyByInnerStep ?? [],
  );
  perJob(
    'evaluation_meta_step',
    'Meta-steps applied when the newest evaluation was made.',
    (record) => newest(record)?.step,
  );
  perJob(
    'adaptation_gain_loss',
    'By how much adaptation lowers the query loss in the newest evaluation: before it less after its last inner step.',
    (record) => negated(gain(newest(record)?.lossByInnerStep)),
  );
  perJob(
    'adaptation_gain_accuracy_ratio',
    'By how much adaptation raises the query accuracy in the newest evaluation: after its last inner step less before it.',
    (record) => gain(newest(record)?.accuracyByInnerStep),
  );
}

const labelsOf = ({ jobId, name }: JobRecord) => ({ job_id: jobId, name });

const lastStep =
  (field: keyof NonNullable<JobRecord['lastMetaStep']>) =>
  ({ lastMetaStep }: JobRecord): number | undefined =>
    lastMetaStep?.[field];

const isShown = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value);

function gain(estimates: readonly Estimate[] | undefined): number | undefined {
  const [first] = estimates ?? [];
  const last = estimates?.at(-1);
  return first && last ? last.mean - first.mean : undefined;
}

const negated = (value: number | undefined): number | undefined => (value === undefined ? undefined : -value);
