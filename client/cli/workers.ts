// `metatrain workers`: lists the workers, and why one idles.
import { Command } from 'commander';
import { type CommandContext, withClient } from './context.ts';
import { type CommonOptions, coordinatorOption, jsonOption } from './options.ts';
import { renderWorkers } from './render/workers.ts';

export function workersCommand({ terminal, signal }: CommandContext): Command {
  return new Command('workers')
    .description('list the workers of a cluster, with their engines')
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((options: CommonOptions) =>
      withClient(options, async (client) => {
        const workers = await client.listWorkers({ signal });
        if (options.json) terminal.printJson({ workers });
        else terminal.print(renderWorkers(workers, terminal.style, terminal.tableWidth));
      }),
    );
}
