// `metatrain parts`: lists the parts that a job file may name, built in and of plugins.
import { Command } from 'commander';
import { listParts } from '../../learning/listing.ts';
import { loadRegistry } from '../../learning/load.ts';
import { pluginFiles } from '../../shared/plugin-file.ts';
import type { CommandContext } from './context.ts';
import { addExamples } from './help.ts';
import { jsonOption, pluginOption } from './options.ts';
import { renderParts } from './render/parts.ts';

export function partsCommand({ terminal, environment }: CommandContext): Command {
  const command = new Command('parts')
    .description('list the algorithms, models, task distributions, objectives and meta-optimizers, and what each takes')
    .addOption(pluginOption())
    .addOption(jsonOption())
    .action(async (options: { readonly plugin: readonly string[]; readonly json?: true }) => {
      const parts = listParts(await loadRegistry(pluginFiles(options.plugin, environment)));
      if (options.json) terminal.printJson({ parts });
      else terminal.print(renderParts(parts, terminal.style));
    });
  return addExamples(command, [
    ['metatrain parts', 'the built-in parts'],
    ['metatrain parts --plugin my-parts.js', 'with those of your own'],
  ]);
}
