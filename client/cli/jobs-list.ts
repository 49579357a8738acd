// `metatrain jobs list`: the newest jobs as a table.
import { Command, Option } from 'commander';
import type { JobState, JobSummary } from '../records.ts';
import { type CommandContext, withClient } from './context.ts';
import {
  type CommonOptions,
  coordinatorOption,
  jsonOption,
  limitOption,
  stateFilterOption,
  tagFilterOption,
} from './options.ts';
import { renderJobList } from './render/job.ts';

const orders = ['newest', 'oldest', 'name', 'state'] as const;
type JobOrder = (typeof orders)[number];

const submitted = ({ submittedAt }: JobSummary): number => submittedAt?.getTime() ?? 0;
const newest = (a: JobSummary, b: JobSummary): number => submitted(b) - submitted(a);

/** Equal jobs stay newest first. By state: those that are at work first. */
const comparisons: Readonly<Record<JobOrder, (a: JobSummary, b: JobSummary) => number>> = {
  newest,
  oldest: (a, b) => newest(b, a),
  name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : newest(a, b)),
  state: (a, b) => statesAtWorkFirst.indexOf(a.state) - statesAtWorkFirst.indexOf(b.state) || newest(a, b),
};

const statesAtWorkFirst: readonly JobState[] = ['RUNNING', 'PAUSED', 'QUEUED', 'FAILED', 'CANCELLED', 'SUCCEEDED'];

interface ListOptions extends CommonOptions {
  readonly state: readonly JobState[];
  readonly limit: number;
  readonly tag: readonly string[];
  readonly name?: string;
  readonly sort: JobOrder;
}

export function jobsListCommand({ terminal, signal }: CommandContext): Command {
  return new Command('list')
    .description('list jobs, newest first')
    .addOption(stateFilterOption())
    .addOption(tagFilterOption())
    .option('--name <text>', 'only jobs whose name contains this text')
    .addOption(new Option('--sort <order>', 'the order of the jobs that are listed').choices(orders).default('newest'))
    .addOption(limitOption())
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((options: ListOptions) =>
      withClient(options, async (client) => {
        const jobs: JobSummary[] = [];
        // One more than requested, to detect whether there are more.
        const isFiltered = options.tag.length > 0 || options.name !== undefined;
        const pageSize = isFiltered ? 500 : Math.min(options.limit + 1, 500);
        for await (const job of client.listJobs({ states: options.state, pageSize, signal })) {
          if (isWanted(job, options)) jobs.push(job);
          if (jobs.length > options.limit) break;
        }
        const hasMore = jobs.length > options.limit;
        const shown = jobs.slice(0, options.limit).sort(comparisons[options.sort]);
        if (options.json) {
          terminal.printJson({ jobs: shown, hasMore });
          return;
        }
        terminal.print(renderJobList(shown, terminal.style, terminal.tableWidth));
        if (hasMore) terminal.note(`there are more jobs; to see them: --limit ${options.limit * 2}`);
      }),
    );
}

const isWanted = ({ tags, name }: JobSummary, wanted: ListOptions): boolean =>
  wanted.tag.every((tag) => tags.includes(tag)) && name.includes(wanted.name ?? '');
