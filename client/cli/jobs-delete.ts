// `metatrain jobs delete`: forgets jobs that have ended, with their events and checkpoints.
import { Command } from 'commander';
import { formatBytes } from '../../shared/numbers.ts';
import { type CommandContext, withClient } from './context.ts';
import { jobIdsOf } from './job-id.ts';
import { type CommonOptions, coordinatorOption, idsHelp, jsonOption } from './options.ts';

export function jobsDeleteCommand({ terminal, signal }: CommandContext): Command {
  return new Command('delete')
    .description('delete jobs that have ended, with their events and checkpoints')
    .argument('<id...>', idsHelp)
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((ids: readonly string[], options: CommonOptions) =>
      withClient(options, async (client) => {
        const deleted: object[] = [];
        for (const jobId of await jobIdsOf(client, ids, signal)) {
          const gone = await client.deleteJob(jobId, { signal });
          deleted.push({ jobId, ...gone });
          const { checkpoints, checkpointBytes } = gone;
          const what = `${checkpoints} ${checkpoints === 1 ? 'checkpoint' : 'checkpoints'}, ${formatBytes(checkpointBytes)}`;
          if (!options.json) terminal.print(`deleted ${jobId} with ${what}`);
        }
        if (options.json) terminal.printJson({ deleted });
      }),
    );
}
