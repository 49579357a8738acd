// The task distributions by their name in the job file. A distribution is one file and one line here; a name without a line does not compile.
import type { TaskSpec } from '../../../shared/job-spec/task.ts';
import { refuseOtherData } from '../../../shared/other-data.ts';
import type { DistributionContext, OpenDistribution, TaskDistribution } from './distribution.ts';
import { openOmniglot } from './omniglot.ts';
import { openSinusoid } from './sinusoid.ts';

export const distributions: {
  readonly [Name in TaskSpec['distribution']]: OpenDistribution<Extract<TaskSpec, { distribution: Name }>>;
} = {
  sinusoid: openSinusoid,
  omniglot: openOmniglot,
};

/** @throws MetatrainError as `OpenDistribution` does. */
export async function openDistribution(
  spec: TaskSpec & { readonly queries: number },
  context: DistributionContext,
): Promise<TaskDistribution> {
  const distribution = await (distributions[spec.distribution] as OpenDistribution<TaskSpec>)(spec, context);
  refuseOtherData(context.expectedData ?? [], distribution.data);
  return distribution;
}
