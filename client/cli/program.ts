// The tree of `metatrain` commands: the text of `metatrain --help`, and the file of each command.
import { Command } from 'commander';
import { adaptCommand, adaptedCommand, predictCommand } from './adapt.ts';
import { certsCommand } from './certs.ts';
import { checkpointCommand } from './checkpoint.ts';
import { compareCommand } from './compare.ts';
import { completionCommand } from './completion.ts';
import type { CommandContext } from './context.ts';
import { datasetsCommand } from './datasets.ts';
import { eventsCommand } from './events.ts';
import { exportCommand } from './export.ts';
import { addExamples } from './help.ts';
import { jobsCommand } from './jobs.ts';
import { partsCommand } from './parts.ts';
import { backupCommand, coordinatorCommand, workerCommand } from './processes.ts';
import { quickstartCommand } from './quickstart.ts';
import { replayCommand } from './replay.ts';
import { reportCommand } from './report.ts';
import { reproduceCommand } from './reproduce.ts';
import { runCommand } from './run.ts';
import { schemaCommand } from './schema.ts';
import { submitCommand } from './submit.ts';
import { sweepCommand } from './sweep.ts';
import { tokenCommand } from './token.ts';
import { upCommand } from './up.ts';
import { validateCommand } from './validate.ts';
import { workersCommand } from './workers.ts';

export function buildProgram(context: CommandContext, version: string): Command {
  const program = new Command('metatrain')
    .description(
      'Distributed meta-training. A coordinator shards meta-learning tasks across workers. A job gives the same bytes on any cluster.',
    )
    .version(version, '--version', 'print the version')
    .enablePositionalOptions()
    .helpCommand('help [command]', 'help on a command')
    .addHelpText(
      'after',
      '\nA flag whose help names an environment variable can be set by it: --coordinator by METATRAIN_COORDINATOR.\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 or 143 interrupted.',
    )
    .commandsGroup('On this machine:')
    .addCommand(quickstartCommand(context))
    .addCommand(runCommand(context))
    .addCommand(reproduceCommand(context))
    .addCommand(upCommand(context))
    .addCommand(validateCommand(context))
    .addCommand(datasetsCommand(context))
    .addCommand(partsCommand(context))
    .addCommand(schemaCommand(context))
    .addCommand(completionCommand(context))
    .commandsGroup('With a cluster:')
    .addCommand(submitCommand(context))
    .addCommand(jobsCommand(context))
    .addCommand(compareCommand(context))
    .addCommand(sweepCommand(context))
    .addCommand(adaptCommand(context))
    .addCommand(predictCommand(context))
    .addCommand(adaptedCommand(context))
    .addCommand(workersCommand(context))
    .addCommand(eventsCommand(context))
    .addCommand(checkpointCommand(context))
    .addCommand(reportCommand(context, version))
    .addCommand(exportCommand(context))
    .addCommand(replayCommand(context))
    .commandsGroup('The processes of a cluster:')
    .addCommand(coordinatorCommand(context))
    .addCommand(workerCommand(context))
    .addCommand(backupCommand(context))
    .addCommand(tokenCommand(context))
    .addCommand(certsCommand(context));
  return addExamples(program, [
    ['metatrain run examples/sinusoid-paper.yaml', "one job, one command: MAML's sinusoid table"],
    ['metatrain up', 'a local cluster, then from another terminal:'],
    ['metatrain submit examples/sinusoid.yaml --watch', ''],
  ]);
}

/** `metatrain jobs` without a command means `jobs list`; the same holds for `datasets` and `adapted`. */
export function withDefaultCommands(args: readonly string[]): string[] {
  const [group, next, ...rest] = args;
  const isGroup = group === 'jobs' || group === 'datasets' || group === 'adapted';
  if (!isGroup || next === '--help' || next === '-h') return [...args];
  if (next === undefined) return [group, 'list'];
  return next.startsWith('-') ? [group, 'list', next, ...rest] : [...args];
}
