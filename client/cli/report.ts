// `metatrain report`: writes a job as one HTML file.
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { realClock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { formatBytes } from '../../shared/numbers.ts';
import { historyOf } from '../history.ts';
import { readReportAssets } from '../report/report-assets.ts';
import { renderReport } from '../report/report-page.ts';
import { type CommandContext, withClient } from './context.ts';
import { addExamples } from './help.ts';
import { jobIdOf } from './job-id.ts';
import { type CommonOptions, coordinatorOption, idHelp, jsonOption } from './options.ts';

interface ReportOptions extends CommonOptions {
  readonly output?: string;
}

export function reportCommand({ terminal, signal }: CommandContext, version: string): Command {
  const command = new Command('report')
    .description('write a job as one self-contained HTML file: curves, result, protocol, job file, events')
    .argument('<id>', `${idHelp}; in any state`)
    .option('--output <file>', 'where to write it; an existing file is replaced (default: <id>.html)')
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((id: string, options: ReportOptions) =>
      withClient(options, async (client) => {
        const jobId = await jobIdOf(client, id, signal);
        const file = options.output ?? `${jobId.replaceAll(/[^A-Za-z0-9._-]/g, '_')}.html`;
        const job = await client.getJob(jobId, { signal });
        const history = historyOf(await client.jobHistory(jobId, { signal }));
        const input = { job, history, version, writtenAt: new Date(realClock.now()) };
        const page = await renderReport(input, await readReportAssets());
        await writeFile(file, page).catch((cause: unknown) => {
          const reason = cause instanceof Error ? cause.message : String(cause);
          throw new MetatrainError('REQUEST_INVALID', `cannot write ${file}: ${reason}`, { details: { file }, cause });
        });
        const bytes = Buffer.byteLength(page);
        if (options.json) terminal.printJson({ file, bytes, jobId, state: job.state });
        else terminal.print(`wrote ${file}: ${job.name}, ${job.state.toLowerCase()}, ${formatBytes(bytes)}`);
      }),
    );
  return addExamples(command, [
    ['metatrain report JOB-ID --output result.html', 'opens in any browser, also without a network'],
  ]);
}
