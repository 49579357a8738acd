// `metatrain submit`: sends a job file to a coordinator. With `--watch`, follows the job.
import { Command } from 'commander';
import { loadRegistry } from '../../learning/load.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { pluginFiles } from '../../shared/plugin-file.ts';
import { type CommandContext, patienceOf, withClient } from './context.ts';
import { followJob, jobsGoOn } from './follow-job.ts';
import { gateOption, passesGate, refuseWithoutFigure } from './gate.ts';
import { addExamples } from './help.ts';
import { overrideTexts, readJobFile } from './job-file.ts';
import {
  type CommonOptions,
  coordinatorOption,
  giveUpOption,
  jsonOption,
  type Override,
  pluginOption,
  setOption,
} from './options.ts';
import { renderJob } from './render/job.ts';

interface SubmitOptions extends CommonOptions {
  readonly set: readonly Override[];
  readonly plugin: readonly string[];
  readonly watch?: true;
  readonly gate?: true;
  readonly idempotencyKey?: string;
  readonly giveUpSeconds: number;
}

export function submitCommand(context: CommandContext): Command {
  const { terminal, signal } = context;
  const command = new Command('submit')
    .description('submit a job to a coordinator and print its id')
    .argument('<job-file>', 'YAML or JSON; `-` reads stdin')
    .option('--watch', 'follow the job until it ends; exit 1 unless it succeeds')
    .addOption(gateOption())
    .addOption(setOption())
    .addOption(pluginOption())
    .option(
      '--idempotency-key <text>',
      'submit at most once with this key; a retry returns the id of the first submission',
    )
    .addOption(giveUpOption())
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((file: string, options: SubmitOptions) =>
      withClient(options, async (client) => {
        const registry = await loadRegistry(pluginFiles(options.plugin, context.environment));
        const spec = await readJobFile(file, options.set, registry);
        if (options.gate) refuseWithoutFigure(spec);
        if (options.gate && !options.watch) throw new MetatrainError('REQUEST_INVALID', '--gate needs --watch');
        const key = options.idempotencyKey;
        const submitted = await client.submitJob(JSON.stringify(spec), {
          signal,
          overrides: overrideTexts(options.set),
          ...(key === undefined ? {} : { idempotencyKey: key }),
        });
        if (!options.watch) {
          if (options.json) terminal.printJson(submitted);
          else terminal.print(submitted.jobId);
          return;
        }
        terminal.note(`submitted ${submitted.jobId}`);
        context.afterInterruption = jobsGoOn([submitted.jobId]);
        const job = await followJob(client, submitted.jobId, context, {
          patience: patienceOf(options, terminal),
        });
        if (options.json) terminal.printJson(job);
        else {
          terminal.print(`\n${renderJob(job, { width: terminal.width, style: terminal.style })}`);
        }
        const isGood = job.state === 'SUCCEEDED' && (!options.gate || passesGate(job.verdict));
        if (!isGood) context.exitCode = 1;
      }),
    );
  return addExamples(command, [
    ['metatrain submit job.yaml', 'prints the id alone, for a script'],
    ['metatrain submit job.yaml --watch', 'follows the job to its result'],
  ]);
}
