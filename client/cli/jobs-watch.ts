// `metatrain jobs watch`: follows jobs until they end, with one live line each.
import { Command } from 'commander';
import type { MetatrainClient } from '../metatrain-client.ts';
import type { Job } from '../records.ts';
import { type CommandContext, patienceOf, withClient } from './context.ts';
import { followJob, jobsGoOn } from './follow-job.ts';
import { jobIdsOf } from './job-id.ts';
import { type CommonOptions, coordinatorOption, giveUpOption, idsHelp, jsonOption } from './options.ts';
import { renderJob } from './render/job.ts';

interface WatchOptions extends CommonOptions {
  readonly giveUpSeconds: number;
}

/** Maximum number of watched jobs: each one needs a stream. */
export const maxWatched = 50;

export function jobsWatchCommand(context: CommandContext): Command {
  const { terminal } = context;
  return new Command('watch')
    .description('follow jobs until they end; exit 1 unless all succeed')
    .argument('[id...]', `${idsHelp} (default: all unfinished jobs, at most ${maxWatched})`)
    .addOption(giveUpOption())
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((ids: readonly string[], options: WatchOptions) =>
      withClient(options, async (client) => {
        const { signal } = context;
        const jobIds = ids.length > 0 ? await jobIdsOf(client, ids, signal) : await unfinished(client, signal);
        // Checked first, so that a wrong address or id fails at once instead of after
        // `--give-up-seconds`.
        if (ids.length > 0) await Promise.all(jobIds.map((jobId) => client.getJob(jobId, { signal })));
        if (jobIds.length === 0) terminal.note('no job is queued, running or paused');
        context.afterInterruption = jobsGoOn(jobIds);
        const patience = patienceOf(options, terminal);
        const jobs = await Promise.all(jobIds.map((jobId) => followJob(client, jobId, context, { patience })));
        if (options.json) terminal.printJson(ids.length === 1 ? jobs[0] : { jobs });
        else for (const job of jobs) terminal.print(renderEnd(job, context));
        if (jobs.some(({ state }) => state !== 'SUCCEEDED')) context.exitCode = 1;
      }),
    );
}

async function unfinished(client: MetatrainClient, signal: AbortSignal): Promise<string[]> {
  const jobIds: string[] = [];
  for await (const { jobId } of client.listJobs({ states: ['RUNNING', 'PAUSED', 'QUEUED'], signal })) {
    jobIds.push(jobId);
    if (jobIds.length === maxWatched) break;
  }
  return jobIds;
}

const renderEnd = (job: Job, { terminal }: CommandContext): string =>
  `\n${renderJob(job, { width: terminal.width, style: terminal.style })}`;
