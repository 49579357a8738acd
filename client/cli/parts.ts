// `metatrain parts`: lists the parts that a job file may name, built in and of plugins, or prints
// the resource of Kubernetes that knows them.
import { Command, Option } from 'commander';
import { customResourceDefinition } from '../../learning/crd/definition.ts';
import { listParts } from '../../learning/listing.ts';
import { loadRegistry } from '../../learning/load.ts';
import { compactYamlText } from '../../shared/job-spec/yaml.ts';
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
    .addOption(
      new Option('--crd', 'print the CustomResourceDefinition of MetaTrainJob, for a cluster that is to know them'),
    )
    .action(async (options: { readonly plugin: readonly string[]; readonly json?: true; readonly crd?: true }) => {
      const registry = await loadRegistry(pluginFiles(options.plugin, environment));
      if (options.crd) {
        const definition = customResourceDefinition(registry);
        if (options.json) terminal.printJson(definition);
        else terminal.print(compactYamlText(definition).trimEnd());
        return;
      }
      const parts = listParts(registry);
      if (options.json) terminal.printJson({ parts });
      else terminal.print(renderParts(parts, terminal.style));
    });
  return addExamples(command, [
    ['metatrain parts', 'the built-in parts'],
    ['metatrain parts --plugin my-parts.js', 'with those of your own'],
    [
      'metatrain parts --crd --plugin my-parts.js | kubectl apply --filename -',
      'teach them to a cluster of Kubernetes',
    ],
  ]);
}
