// The learning of one job: the measures of training, the gain from adaptation, the agreement of the
// tasks' gradients, and the job's progress.
import * as units from '@grafana/grafana-foundation-sdk/units';
import type { Board, Panel } from './board.ts';

const ofMeasure = (what: string): string => `metatrain_job_${what}{job_id="$job_id",measure="$measure"}`;
const ofJob = (what: string): string => `metatrain_job_${what}{job_id="$job_id"}`;

const graph = (title: string, description: string, unit: string, queries: Panel['queries'], min?: number): Panel => ({
  kind: 'graph',
  title,
  description,
  unit,
  queries,
  min,
});

const stat = (title: string, description: string, unit: string, expression: string): Panel => ({
  kind: 'stat',
  title,
  description,
  unit,
  queries: [[expression, title]],
});

export const jobBoard: Board = {
  uid: 'metatrain-job',
  title: 'MetaTrain: job',
  description: 'The learning of one job.',
  variables: [
    { name: 'name', label: 'Job', query: 'label_values(metatrain_job_iterations, name)' },
    { name: 'job_id', label: 'Id', query: 'label_values(metatrain_job_iterations{name="$name"}, job_id)' },
    {
      name: 'measure',
      label: 'Measure',
      query: 'label_values(metatrain_job_training_measure{job_id="$job_id"}, measure)',
    },
  ],
  rows: [
    {
      title: 'Progress',
      panels: [
        stat(
          'Progress',
          "Meta-steps applied, as a share of the job's iterations.",
          units.PercentUnit,
          `${ofJob('meta_steps')} / ${ofJob('iterations')}`,
        ),
        stat(
          'Time left',
          'Time until the last meta-step at the present pace, without evaluations.',
          units.DurationSeconds,
          ofJob('eta_seconds'),
        ),
        stat('Tasks a second', 'Training tasks a second, smoothed.', units.Short, ofJob('tasks_per_second')),
        stat(
          'Skipped tasks',
          'Training tasks left out because their meta-gradient was not finite.',
          units.Short,
          ofJob('skipped_tasks'),
        ),
        stat('Checkpoint', 'Meta-step of the newest checkpoint.', units.Short, ofJob('checkpoint_meta_step')),
        stat(
          'Evaluated at',
          'Meta-steps applied when the newest evaluation was made.',
          units.Short,
          ofJob('evaluation_meta_step'),
        ),
      ],
    },
    {
      title: 'Learning',
      panels: [
        graph(
          'Training: $measure',
          'Mean after adaptation over the newest meta-batch, a few times a second. Shares, such as accuracies, are from 0 to 1.',
          units.Short,
          [[ofMeasure('training_measure'), '{{measure}}']],
        ),
        graph(
          'Learning rate',
          'Learning rate of the meta-optimizer, after its schedule.',
          units.Short,
          [[ofJob('learning_rate'), 'learning rate']],
          0,
        ),
      ],
    },
    {
      title: 'Adaptation',
      panels: [
        graph(
          'Evaluation: $measure',
          "Of the evaluations: the mean at the first and at the last point of the measure's axis (before the first inner step and after the last, for one). The distance between the lines is what adaptation gains.",
          units.Short,
          [[ofMeasure('evaluation_measure'), '{{point}}']],
        ),
        {
          kind: 'bars',
          title: 'The newest evaluation',
          description: 'The newest evaluation: every measure at the first and the last point of its axis.',
          unit: units.Short,
          queries: [[ofJob('evaluation_measure'), '{{measure}}, {{point}}']],
        },
        graph(
          'Gain: $measure',
          'Improvement from the first to the last point, positive if the last is better. Below 0, adaptation harms.',
          units.Short,
          [[ofMeasure('adaptation_gain'), 'gain']],
        ),
      ],
    },
    {
      title: 'Gradients',
      panels: [
        graph(
          'Meta-gradient norm',
          'Global norm before clipping.',
          units.Short,
          [[ofJob('meta_gradient_norm'), 'norm']],
          0,
        ),
        graph(
          'Variance between tasks',
          "Trace of the covariance of the tasks' meta-gradients, estimated from the shards' sums. Its square root beside the norm says how noisy a meta-step is: with B tasks the noise is √(variance/B).",
          units.Short,
          [[ofJob('task_gradient_variance'), 'variance']],
          0,
        ),
        graph(
          'Cosine between tasks',
          "Mean cosine between two tasks' meta-gradients, estimated from the shards' sums: 1 all pull the same way, 0 nothing in common, below 0 against each other. One meta-batch is a noisy sample: look at the trend.",
          units.Short,
          [[ofJob('task_gradient_cosine'), 'cosine']],
        ),
      ],
    },
  ],
};
