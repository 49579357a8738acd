// Opens what a job draws its tasks from: one distribution, or one for training and another for evaluation.
import type { ResolvedJob } from '../../learning/job.ts';
import { openInTurn, refuseSharedClasses } from '../../learning/several.ts';
import { evaluatedSplits, type TaskIo, type Tasks } from '../../learning/tasks.ts';

/**
 * @throws MetatrainError as `DistributionPart.open`, and `REQUEST_INVALID` for an evaluation that
 *   would show a class of training.
 */
export async function openTasks(job: ResolvedJob, io: TaskIo): Promise<Tasks> {
  const { trained, evaluated, spec } = job;
  const tasks = await (evaluated === trained ? trained.distribution.open(spec.task, io) : openBoth(job, io));
  for (const split of evaluatedSplits(spec.evaluation)) refuseSharedClasses(evaluated.path, tasks, split);
  return tasks;
}

async function openBoth({ trained, evaluated, spec }: ResolvedJob, io: TaskIo): Promise<Tasks> {
  const [training, evaluation] = await openInTurn(
    [
      { tasks: trained, usedSplits: ['train'] },
      { tasks: evaluated, usedSplits: evaluatedSplits(spec.evaluation) },
    ],
    io,
  );
  const of = (split: string) => (split === 'train' ? training! : evaluation!);
  return {
    splitDescription: `${evaluation!.splitDescription}; trained on: ${training!.splitDescription}`,
    data: [...training!.data, ...evaluation!.data],
    classes: (split) => of(split).classes(split),
    sample: (split, index, task) => of(split).sample(split, index, task),
  };
}
