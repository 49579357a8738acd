// `metatrain reproduce`: trains what a published figure was made with, by the settings of its
// source, and says whether ours is the same.
import { relative } from 'node:path';
import { Command } from 'commander';
import { isClaim } from '../../shared/comparison.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { LogFormat } from '../../shared/log.ts';
import { missedOf } from '../../shared/reproduction.ts';
import type { CommandContext } from './context.ts';
import { addExamples } from './help.ts';
import { overrideTexts, readJobFile } from './job-file.ts';
import {
  dataDirectoryOption,
  jsonOption,
  logFormatOption,
  logLevelOption,
  parseOverride,
  stateDirectoryOption,
} from './options.ts';
import { type Published, publishedNames, readPublished } from './published.ts';
import { renderResult } from './render/result.ts';
import { table } from './render/text.ts';
import { runJob } from './run-job.ts';

interface ReproduceFlags {
  readonly list?: true;
  readonly quick?: true;
  readonly stateDir?: string;
  readonly dataDir: readonly string[];
  readonly logLevel: string;
  readonly logFormat: LogFormat;
  readonly json?: true;
}

export function reproduceCommand(context: CommandContext): Command {
  const command = new Command('reproduce')
    .description('train a published figure with the settings of its source; exit 0 if ours is inside, else 1')
    .argument('[name]', 'which figure; --list names them')
    .option('--list', 'name the figures, with the time that each takes on two cores')
    .option('--quick', 'a short version, with a gate of its own instead of the published figure')
    .addOption(stateDirectoryOption())
    .addOption(dataDirectoryOption())
    .addOption(logLevelOption('warn'))
    .addOption(logFormatOption())
    .addOption(jsonOption())
    .action(async (name: string | undefined, flags: ReproduceFlags) => {
      const { terminal } = context;
      if (flags.list) {
        const all = publishedNames().map(readPublished);
        if (flags.json) terminal.printJson({ figures: all });
        else terminal.print(listOf(all));
        return;
      }
      if (name === undefined) {
        throw new MetatrainError('REQUEST_INVALID', `name: got nothing; accepted: ${publishedNames().join(', ')}`);
      }
      await reproduce(readPublished(name), flags, context);
    });
  return addExamples(command, [
    ['metatrain reproduce --list', ''],
    ['metatrain reproduce sinusoid-maml', "MAML's sinusoid table, in some minutes"],
    ['metatrain reproduce omniglot-maml --state-dir ./state', 'hours; the same command goes on where it was'],
    ['metatrain reproduce sinusoid-maml --quick', 'for a pipeline'],
  ]);
}

async function reproduce(published: Published, flags: ReproduceFlags, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const { title, file, quick, minutes, replicated } = published;
  const overrides = flags.quick ? quick.set.map(parseOverride) : [];
  const spec = await readJobFile(file, overrides);
  if (!flags.json) {
    const shown = relative('.', file);
    terminal.print(
      `${title}\n${shown}${flags.quick ? ', shortened' : ''}: about ${duration(flags.quick ? quick.minutes : minutes)} on two cores`,
    );
    for (const text of replicated) terminal.print(`replicated by others: ${text}`);
  }
  const job = { spec, overrides: overrideTexts(overrides), plugins: [], output: undefined };
  const result = await runJob(job, { ...flags, workers: 1, plugin: [] }, context);
  const missed = flags.quick ? missedOf(quick.gate, result.evaluation?.measures ?? []) : [];
  const isInside =
    result.state === 'SUCCEEDED' &&
    !result.error &&
    (flags.quick ? missed.length === 0 : isClaim(result.verdict?.outcome ?? 'undecided'));
  if (flags.json) terminal.printJson({ name: published.name, isQuick: flags.quick ?? false, isInside, missed, result });
  else {
    terminal.print(`\n${renderResult(result, spec, { width: terminal.width, style: terminal.style })}`);
    if (flags.quick)
      terminal.print(
        `\n${isInside ? 'the gate of the quick version is passed' : `the gate is missed: ${missed.join('; ')}`}`,
      );
  }
  if (!isInside) context.exitCode = 1;
}

function listOf(all: readonly Published[]): string {
  const columns = ['NAME', 'FIGURE', 'TIME', 'QUICK'].map((title) => ({ title }));
  return table(
    columns,
    all.map(({ name, title, minutes, quick }) => [name, title, duration(minutes), duration(quick.minutes)]),
  );
}

const duration = (minutes: number): string =>
  minutes < 1 ? `${Math.round(60 * minutes)} s` : minutes < 90 ? `${minutes} min` : `${minutes / 60} h`;
