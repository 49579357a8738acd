// `metatrain validate`: checks job files as a coordinator does, without one.
import { Command } from 'commander';
import { loadRegistry } from '../../learning/load.ts';
import { asMetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { formatCount } from '../../shared/numbers.ts';
import { pluginFiles } from '../../shared/plugin-file.ts';
import type { CommandContext } from './context.ts';
import { addExamples } from './help.ts';
import { readJobFile } from './job-file.ts';
import { jsonOption, type Override, pluginOption, setOption } from './options.ts';

interface ValidateOptions {
  readonly set: readonly Override[];
  readonly plugin: readonly string[];
  readonly json?: true;
}

type Checked =
  | { readonly file: string; readonly spec: JobSpec }
  | { readonly file: string; readonly error: { readonly code: string; readonly message: string } };

export function validateCommand(context: CommandContext): Command {
  const { terminal, environment } = context;
  const command = new Command('validate')
    .description('check job files as a coordinator does, without one; exit 1 unless all are valid')
    .argument('<job-file...>', 'YAML or JSON; `-` reads stdin')
    .addOption(setOption())
    .addOption(pluginOption())
    .addOption(jsonOption('print the job files with every default, or their errors, as one JSON object'))
    .action(async (files: readonly string[], options: ValidateOptions) => {
      const registry = await loadRegistry(pluginFiles(options.plugin, environment));
      const checked: Checked[] = [];
      for (const file of files) {
        try {
          checked.push({ file, spec: await readJobFile(file, options.set, registry) });
        } catch (thrown) {
          const { code, message } = asMetatrainError(thrown);
          checked.push({ file, error: { code, message } });
          context.exitCode = 1;
        }
      }
      if (options.json) terminal.printJson({ files: checked });
      else for (const one of checked) terminal.print(describe(one));
    });
  return addExamples(command, [
    ['metatrain validate job.yaml', 'before it is submitted, or in a pipeline'],
    ['metatrain validate job.yaml --set meta.iterations=500 --json', 'the job file with every default'],
  ]);
}

function describe(checked: Checked): string {
  if ('error' in checked) return `${checked.file}: ${checked.error.message}`;
  const { name, algorithm, task, meta } = checked.spec;
  const distribution = 'mixture' in task ? 'a mixture' : task.distribution;
  return `${checked.file}: valid (${name}: ${algorithm.name} on ${distribution}, ${formatCount(meta.iterations)} meta-steps)`;
}
