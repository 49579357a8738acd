// `metatrain run`: one job on a local cluster that lives as long as the job.
import { Command } from 'commander';
import { pluginsOf } from '../../learning/job.ts';
import { loadRegistry } from '../../learning/load.ts';
import { pluginFiles } from '../../shared/plugin-file.ts';
import type { CommandContext } from './context.ts';
import { gateOption, passesGate, refuseWithoutFigure } from './gate.ts';
import { addExamples } from './help.ts';
import { overrideTexts, readJobFile } from './job-file.ts';
import { modelFile } from './model-file.ts';
import {
  dataDirectoryOption,
  jsonOption,
  logFormatOption,
  logLevelOption,
  type Override,
  pluginOption,
  setOption,
  slotsOption,
  stateDirectoryOption,
  workersOption,
} from './options.ts';
import { renderResult } from './render/result.ts';
import { type ClusterFlags, runJob } from './run-job.ts';

interface RunOptions extends ClusterFlags {
  readonly set: readonly Override[];
  /** False with `--no-output`. */
  readonly output?: string | false;
  readonly gate?: true;
  readonly json?: true;
}

export function runCommand(context: CommandContext): Command {
  const command = new Command('run')
    .description('run a job on a local cluster, print its result and stop the cluster')
    .argument('<job-file>', 'YAML or JSON; `-` reads stdin')
    .addOption(workersOption())
    .addOption(slotsOption())
    .addOption(setOption())
    .addOption(stateDirectoryOption())
    .addOption(dataDirectoryOption())
    .addOption(pluginOption())
    .option('--output <file>', 'save the trained model (safetensors) here; an existing file is replaced')
    .option('--no-output', 'do not save the model (default: NAME.safetensors in the working directory)')
    .addOption(gateOption())
    .addOption(logLevelOption('warn'))
    .addOption(logFormatOption())
    .addOption(jsonOption())
    .action(async (file: string, options: RunOptions) => {
      const registry = await loadRegistry(pluginFiles(options.plugin, context.environment));
      const spec = await readJobFile(file, options.set, registry);
      if (options.gate) refuseWithoutFigure(spec);
      const output = await modelFile(spec, options.output);
      const result = await runJob(
        { spec, overrides: overrideTexts(options.set), plugins: pluginsOf(spec, registry), output },
        options,
        context,
      );
      const { terminal } = context;
      if (options.json) {
        terminal.printJson(result);
      } else {
        terminal.print(`\n${renderResult(result, spec, { width: terminal.width, style: terminal.style })}`);
      }
      const isGood = result.state === 'SUCCEEDED' && !result.error;
      if (!isGood || (options.gate && !passesGate(result.verdict))) context.exitCode = 1;
    });
  return addExamples(command, [
    ['metatrain run examples/sinusoid-paper.yaml', "MAML's sinusoid table with the paper's own settings"],
    ['metatrain run job.yaml --set meta.iterations=500 --json', 'a short run, for a script'],
    ['metatrain run job.yaml --state-dir ./state', 'the same command continues the job later'],
    [
      'metatrain run job.yaml --gate --output model.safetensors',
      'for a pipeline: exit 1 unless the published figure is met',
    ],
  ]);
}
