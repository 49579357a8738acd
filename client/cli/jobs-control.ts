// `metatrain jobs cancel | pause | resume`: one call for each job. Prints the resulting states.
import { Command } from 'commander';
import type { Job } from '../records.ts';
import { type CommandContext, withClient } from './context.ts';
import { jobIdsOf } from './job-id.ts';
import { type CommonOptions, coordinatorOption, idsHelp, jsonOption } from './options.ts';
import { progressLine, viewOf } from './render/progress.ts';

export function controlCommand(
  action: 'cancel' | 'pause' | 'resume',
  description: string,
  { terminal, signal }: CommandContext,
): Command {
  return new Command(action)
    .description(description)
    .argument('<id...>', idsHelp)
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((ids: readonly string[], options: CommonOptions) =>
      withClient(options, async (client) => {
        const jobs: Job[] = [];
        for (const jobId of await jobIdsOf(client, ids, signal)) {
          const job = await client[`${action}Job` as const](jobId, { signal });
          jobs.push(job);
          if (!options.json) terminal.print(progressLine(viewOf(job), terminal.width, terminal.style));
        }
        if (options.json) terminal.printJson(ids.length === 1 ? jobs[0] : { jobs });
      }),
    );
}
