// `metatrain jobs list`: the newest jobs as a table.
import { Command } from 'commander';
import type { JobState, JobSummary } from '../records.ts';
import { type CommandContext, withClient } from './context.ts';
import { type CommonOptions, coordinatorOption, jsonOption, limitOption, stateFilterOption } from './options.ts';
import { renderJobList } from './render/job.ts';

interface ListOptions extends CommonOptions {
  readonly state: readonly JobState[];
  readonly limit: number;
}

export function jobsListCommand({ terminal, signal }: CommandContext): Command {
  return new Command('list')
    .description('list jobs, newest first')
    .addOption(stateFilterOption())
    .addOption(limitOption())
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((options: ListOptions) =>
      withClient(options, async (client) => {
        const jobs: JobSummary[] = [];
        // One more than requested, to detect whether there are more.
        const pageSize = Math.min(options.limit + 1, 500);
        for await (const job of client.listJobs({ states: options.state, pageSize, signal })) {
          jobs.push(job);
          if (jobs.length > options.limit) break;
        }
        const hasMore = jobs.length > options.limit;
        const shown = jobs.slice(0, options.limit);
        if (options.json) {
          terminal.printJson({ jobs: shown, hasMore });
          return;
        }
        terminal.print(renderJobList(shown, terminal.style, terminal.tableWidth));
        if (hasMore) terminal.note(`there are more jobs; to see them: --limit ${options.limit * 2}`);
      }),
    );
}
