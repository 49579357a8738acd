// `metatrain jobs show`: all that is known about one job, its spec with every default.
import { Command } from 'commander';
import { type CommandContext, withClient } from './context.ts';
import { type CommonOptions, coordinatorOption, jsonOption } from './options.ts';
import { renderJobDetails } from './render/job.ts';

export function jobsShowCommand({ terminal, signal }: CommandContext): Command {
  return new Command('show')
    .description('show a job: state, evaluations, checkpoints and its spec with every default')
    .argument('<id>', 'id of the job')
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((jobId: string, options: CommonOptions) =>
      withClient(options, async (client) => {
        const job = await client.getJob(jobId, { signal });
        if (options.json) terminal.printJson(job);
        else terminal.print(renderJobDetails(job, { overrides: [], width: terminal.width, style: terminal.style }));
      }),
    );
}
