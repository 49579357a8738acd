// `metatrain export`: writes a job in a form that another tool reads.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { MetatrainError } from '../../shared/errors.ts';
import { formatCount } from '../../shared/numbers.ts';
import { historyOf } from '../history.ts';
import { eventFile } from '../tensorboard/event-file.ts';
import { scalarsOf } from '../tensorboard/scalars.ts';
import { type CommandContext, withClient } from './context.ts';
import { addExamples } from './help.ts';
import { jobIdOf } from './job-id.ts';
import { type CommonOptions, coordinatorOption, idHelp, jsonOption } from './options.ts';

interface ExportOptions extends CommonOptions {
  readonly output?: string;
}

export function exportCommand({ terminal, signal }: CommandContext): Command {
  const command = new Command('export')
    .description('write the curves of a job for TensorBoard')
    .argument('<id>', `${idHelp}; in any state`)
    .addOption(new Option('--format <name>', 'what to write').choices(['tensorboard']).makeOptionMandatory())
    .option('--output <directory>', 'made where it is missing; an earlier export there is replaced (default: <id>)')
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((id: string, options: ExportOptions) =>
      withClient(options, async (client) => {
        const jobId = await jobIdOf(client, id, signal);
        const directory = options.output ?? jobId.replaceAll(/[^A-Za-z0-9._-]/g, '_');
        const job = await client.getJob(jobId, { signal });
        const events = await client.jobHistory(jobId, { signal });
        const scalars = scalarsOf(historyOf(events));
        const wallSeconds = (events[0]?.time.getTime() ?? 0) / 1000;
        const file = join(directory, 'events.out.tfevents.0.metatrain');
        try {
          await mkdir(directory, { recursive: true });
          await writeFile(file, eventFile(scalars, wallSeconds));
        } catch (cause) {
          const reason = cause instanceof Error ? cause.message : String(cause);
          throw new MetatrainError('REQUEST_INVALID', `cannot write ${file}: ${reason}`, { details: { file }, cause });
        }
        if (options.json) terminal.printJson({ file, scalars: scalars.length, jobId, state: job.state });
        else terminal.print(`wrote ${file}: ${job.name}, ${formatCount(scalars.length)} scalars`);
      }),
    );
  return addExamples(command, [
    ['metatrain export JOB-ID --format tensorboard --output runs/a', 'then: tensorboard --logdir runs'],
  ]);
}
