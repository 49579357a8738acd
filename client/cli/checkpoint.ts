// `metatrain checkpoint download`: a job's meta-parameters and optimizer state as a safetensors file.
import { Command } from 'commander';
import { formatBytes, formatCount } from '../../shared/numbers.ts';
import { type CommandContext, withClient } from './context.ts';
import { addExamples } from './help.ts';
import { jobIdOf } from './job-id.ts';
import { type CommonOptions, coordinatorOption, idHelp, jsonOption, stepOption } from './options.ts';

interface DownloadOptions extends CommonOptions {
  readonly output?: string;
  readonly step?: number;
}

export function checkpointCommand(context: CommandContext): Command {
  return new Command('checkpoint').description("fetch a job's checkpoints").addCommand(downloadCommand(context));
}

function downloadCommand({ terminal, signal }: CommandContext): Command {
  const command = new Command('download')
    .description('save a checkpoint (safetensors), verified against its SHA-256')
    .argument('<id>', idHelp)
    .option('--output <file>', 'where to save it; an existing file is replaced (default: <id>.safetensors)')
    .addOption(stepOption())
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((id: string, options: DownloadOptions) =>
      withClient(options, async (client) => {
        const jobId = await jobIdOf(client, id, signal);
        const file = options.output ?? `${jobId.replaceAll(/[^A-Za-z0-9._-]/g, '_')}.safetensors`;
        const step = options.step === undefined ? {} : { step: options.step };
        const info = await client.downloadCheckpoint(jobId, file, { signal, ...step });
        if (options.json) terminal.printJson({ file, ...info });
        else {
          terminal.print(
            `saved ${file}: meta-step ${formatCount(info.step)}, ${formatBytes(info.bytes)}, SHA-256 ${info.sha256}`,
          );
        }
      }),
    );
  return addExamples(command, [['metatrain checkpoint download JOB-ID --output model.safetensors', 'the latest one']]);
}
