// `metatrain jobs`: the group of commands about jobs; each is a file of its own.
import { Command } from 'commander';
import type { CommandContext } from './context.ts';
import { controlCommand } from './jobs-control.ts';
import { jobsListCommand } from './jobs-list.ts';
import { jobsShowCommand } from './jobs-show.ts';
import { jobsWatchCommand } from './jobs-watch.ts';

export const jobsCommand = (context: CommandContext): Command =>
  new Command('jobs')
    .description('list, show, watch and control jobs (alone: list)')
    .addCommand(jobsListCommand(context))
    .addCommand(jobsShowCommand(context))
    .addCommand(jobsWatchCommand(context))
    .addCommand(controlCommand('cancel', 'end a job that has not ended; its checkpoints stay', context))
    .addCommand(controlCommand('pause', 'hold a job back after the shards now in flight', context))
    .addCommand(controlCommand('resume', 'let a paused job go on', context));
