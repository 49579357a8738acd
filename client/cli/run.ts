// `metatrain run`: one job on a local cluster that lives as long as the job.
import { Command } from 'commander';
import type { CommandContext } from './context.ts';
import { addExamples } from './help.ts';
import { protocolOverrides, readJobFile } from './job-file.ts';
import {
  dataDirectoryOption,
  jsonOption,
  logFormatOption,
  logLevelOption,
  type Override,
  setOption,
  stateDirectoryOption,
  workersOption,
} from './options.ts';
import { renderResult } from './render/result.ts';
import { type ClusterFlags, runJob } from './run-job.ts';

interface RunOptions extends ClusterFlags {
  readonly set: readonly Override[];
  readonly json?: true;
}

export function runCommand(context: CommandContext): Command {
  const command = new Command('run')
    .description('run a job on a local cluster, print its result and stop the cluster')
    .argument('<job-file>', 'YAML or JSON; `-` reads stdin')
    .addOption(workersOption())
    .addOption(setOption())
    .addOption(stateDirectoryOption())
    .addOption(dataDirectoryOption())
    .addOption(logLevelOption('warn'))
    .addOption(logFormatOption())
    .addOption(jsonOption())
    .action(async (file: string, options: RunOptions) => {
      const spec = await readJobFile(file, options.set);
      const result = await runJob(spec, options, context);
      const { terminal } = context;
      if (options.json) {
        terminal.printJson(result);
      } else {
        const overrides = protocolOverrides(options.set);
        terminal.print(`\n${renderResult(result, spec, { overrides, width: terminal.width, style: terminal.style })}`);
      }
      if (result.state !== 'SUCCEEDED') context.exitCode = 1;
    });
  return addExamples(command, [
    ['metatrain run examples/sinusoid.yaml', 'reproduce MAML on sine waves'],
    ['metatrain run job.yaml --set meta.iterations=500 --json', 'a short run, for a script'],
    ['metatrain run job.yaml --state-dir ./state', 'go on later with the same command'],
  ]);
}
