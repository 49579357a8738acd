// `metatrain compare`: jobs beside each other: what they reached, and what differs in their job files.
import { Command } from 'commander';
import { MetatrainError } from '../../shared/errors.ts';
import { type CommandContext, withClient } from './context.ts';
import { addExamples } from './help.ts';
import { jobIdsOf } from './job-id.ts';
import { type CommonOptions, coordinatorOption, idsHelp, jsonOption } from './options.ts';
import { differencesOf, renderComparedJobs } from './render/compared-jobs.ts';

export function compareCommand({ terminal, signal }: CommandContext): Command {
  const command = new Command('compare')
    .description('show jobs beside each other: their last evaluations, and what differs in their job files')
    .argument('<id...>', `${idsHelp}; two or more`)
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((ids: readonly string[], options: CommonOptions) =>
      withClient(options, async (client) => {
        const jobIds = [...new Set(await jobIdsOf(client, ids, signal))];
        if (jobIds.length < 2)
          throw new MetatrainError('REQUEST_INVALID', `compare: got ${jobIds.length} job; accepted: two or more`);
        const jobs = await Promise.all(jobIds.map((jobId) => client.getJob(jobId, { signal })));
        if (!options.json) {
          terminal.print(renderComparedJobs(jobs, terminal.style, terminal.tableWidth));
          return;
        }
        const compared = jobs.map(({ jobId, name, state, steps, evaluations }) => {
          return { jobId, name, state, steps, evaluation: evaluations.at(-1) ?? null };
        });
        terminal.printJson({ jobs: compared, differences: differencesOf(jobs.map(({ spec }) => spec)) });
      }),
    );
  return addExamples(command, [['metatrain compare 1f3a 9c20', 'two jobs, by the first characters of their ids']]);
}
