// `metatrain jobs`: the group of commands about jobs. Each command has its own file.
import { Command } from 'commander';
import type { CommandContext } from './context.ts';
import { controlCommand } from './jobs-control.ts';
import { jobsDeleteCommand } from './jobs-delete.ts';
import { jobsListCommand } from './jobs-list.ts';
import { jobsShowCommand } from './jobs-show.ts';
import { jobsWatchCommand } from './jobs-watch.ts';

export const jobsCommand = (context: CommandContext): Command =>
  new Command('jobs')
    .description('list, show, watch and control jobs (default: list)')
    .addCommand(jobsListCommand(context))
    .addCommand(jobsShowCommand(context))
    .addCommand(jobsWatchCommand(context))
    .addCommand(controlCommand('cancel', 'cancel an unfinished job; its checkpoints stay', context))
    .addCommand(controlCommand('pause', 'pause a job; shards in flight finish first', context))
    .addCommand(controlCommand('resume', 'resume a paused job', context))
    .addCommand(jobsDeleteCommand(context));
