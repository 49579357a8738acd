// `metatrain schema`: the job file's JSON Schema, for editors.
import { Command } from 'commander';
import { jobFileSchema } from '../../learning/json-schema.ts';
import { loadRegistry } from '../../learning/load.ts';
import { pluginFiles } from '../../shared/plugin-file.ts';
import type { CommandContext } from './context.ts';
import { addExamples } from './help.ts';
import { jsonOption, pluginOption } from './options.ts';

export function schemaCommand({ terminal, environment }: CommandContext): Command {
  const command = new Command('schema')
    .description('print the JSON Schema of job files, with which an editor completes and checks them')
    .addOption(pluginOption())
    .addOption(jsonOption('print it on one line'))
    .action(async (options: { readonly plugin: readonly string[]; readonly json?: true }) => {
      const schema = jobFileSchema(await loadRegistry(pluginFiles(options.plugin, environment)));
      if (options.json) terminal.printJson(schema);
      else terminal.print(JSON.stringify(schema, undefined, 2));
    });
  return addExamples(command, [
    ['metatrain schema > job-file.schema.json', 'then, in the first line of a job file:'],
    ['# yaml-language-server: $schema=job-file.schema.json', ''],
    ['metatrain schema --plugin my-parts.js', 'with parts of your own'],
  ]);
}
