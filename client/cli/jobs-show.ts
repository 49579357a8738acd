// `metatrain jobs show`: prints one job with its spec and every default, or draws its curves.
import { Command } from 'commander';
import { historyOf } from '../history.ts';
import { type CommandContext, withClient } from './context.ts';
import { addExamples } from './help.ts';
import { jobIdOf } from './job-id.ts';
import { type CommonOptions, coordinatorOption, idHelp, jsonOption } from './options.ts';
import { renderJobDetails } from './render/job.ts';
import { renderJobPlots } from './render/job-plots.ts';

interface ShowOptions extends CommonOptions {
  readonly plot?: true;
  readonly ascii?: true;
}

export function jobsShowCommand({ terminal, signal }: CommandContext): Command {
  const command = new Command('show')
    .description('show a job: state, evaluations, checkpoints and its spec with every default')
    .argument('<id>', idHelp)
    .option(
      '--plot',
      'draw its curves instead: the measures of training, the meta-gradient norm, and what adaptation gains',
    )
    .option(
      '--ascii',
      'with --plot: draw with ASCII characters only (default: if the terminal or the locale has no Unicode)',
    )
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((id: string, options: ShowOptions) =>
      withClient(options, async (client) => {
        const jobId = await jobIdOf(client, id, signal);
        const job = await client.getJob(jobId, { signal });
        const { width, style } = terminal;
        if (!options.plot) {
          if (options.json) terminal.printJson(job);
          else terminal.print(renderJobDetails(job, { width, style }));
          return;
        }
        const history = historyOf(await client.jobHistory(jobId, { signal }));
        if (options.json) {
          terminal.printJson({ ...job, metaSteps: history.metaSteps });
          return;
        }
        const characters = options.ascii || !terminal.hasUnicode ? 'ascii' : 'unicode';
        terminal.print(renderJobPlots(job, history, { width, characters, style }));
      }),
    );
  return addExamples(command, [
    ['metatrain jobs show JOB-ID --plot', 'curves as wide as the terminal'],
    ['metatrain jobs show JOB-ID --plot --json', 'the numbers behind them: `metaSteps` and `evaluations`'],
  ]);
}
