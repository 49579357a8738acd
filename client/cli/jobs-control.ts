// `metatrain jobs cancel | pause | resume`: one call each. Prints the resulting state.
import { Command } from 'commander';
import { type CommandContext, withClient } from './context.ts';
import { type CommonOptions, coordinatorOption, jsonOption } from './options.ts';
import { progressLine, viewOf } from './render/progress.ts';

export function controlCommand(
  action: 'cancel' | 'pause' | 'resume',
  description: string,
  { terminal, signal }: CommandContext,
): Command {
  return new Command(action)
    .description(description)
    .argument('<id>', 'id of the job')
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((jobId: string, options: CommonOptions) =>
      withClient(options, async (client) => {
        const job = await client[`${action}Job` as const](jobId, { signal });
        if (options.json) terminal.printJson(job);
        else terminal.print(progressLine(viewOf(job), terminal.width, terminal.style));
      }),
    );
}
