// How one job learns: the meta-loss, what adaptation gains step by step, how the tasks' gradients agree, and how far the job is.
import * as units from '@grafana/grafana-foundation-sdk/units';
import type { Board, Panel } from './board.ts';

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
  description: 'How one job learns.',
  variables: [
    { name: 'name', label: 'Job', query: 'label_values(metatrain_job_iterations, name)' },
    { name: 'job_id', label: 'Id', query: 'label_values(metatrain_job_iterations{name="$name"}, job_id)' },
  ],
  rows: [
    {
      title: 'Progress',
      panels: [
        stat(
          'Progress',
          'Meta-steps applied, as a share of those asked for.',
          units.PercentUnit,
          `${ofJob('meta_steps')} / ${ofJob('iterations')}`,
        ),
        stat(
          'Time left',
          'Until the last meta-step at the present pace, evaluations left out.',
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
          'Meta-loss',
          'Mean query loss after adaptation over the newest meta-batch, a few times a second.',
          units.Short,
          [[ofJob('meta_loss'), 'meta-loss']],
        ),
        graph(
          'Meta-accuracy',
          'Mean query accuracy after adaptation over the newest meta-batch. Classification only.',
          units.PercentUnit,
          [[ofJob('meta_accuracy_ratio'), 'accuracy']],
          0,
        ),
        graph(
          'Learning rate',
          'Of the meta-optimizer, as its schedule has it.',
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
          'Query loss by inner steps',
          'Of the evaluations: mean loss on the query set after 0, 1, … inner steps. The distance between the lines is what adaptation gains; 0 is before it.',
          units.Short,
          [[ofJob('evaluation_loss'), 'after {{inner_step}}']],
        ),
        graph(
          'Query accuracy by inner steps',
          'Of the evaluations: mean accuracy on the query set after 0, 1, … inner steps. Classification only.',
          units.PercentUnit,
          [[ofJob('evaluation_accuracy_ratio'), 'after {{inner_step}}']],
          0,
        ),
        {
          kind: 'bars',
          title: 'The newest adaptation curve',
          description: 'The newest evaluation alone: mean query loss after so many inner steps.',
          unit: units.Short,
          queries: [[`sort_desc(${ofJob('evaluation_loss')})`, 'after {{inner_step}}']],
        },
        graph(
          'Gain in loss',
          'By how much adaptation lowers the query loss: before it less after its last inner step. Below 0, adaptation harms.',
          units.Short,
          [[ofJob('adaptation_gain_loss'), 'gain']],
        ),
        graph(
          'Gain in accuracy',
          'By how much adaptation raises the query accuracy. Classification only.',
          units.PercentUnit,
          [[ofJob('adaptation_gain_accuracy_ratio'), 'gain']],
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
