// `metatrain datasets`: lists the data sets, shows which are on this machine, and fetches them from
// their official source.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { builtIn } from '../../learning/registry.ts';
import { dataDirectories, userDataDirectory } from '../../shared/data-directory.ts';
import { candidatePaths, type DataSet } from '../../shared/data-sets.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { formatBytes } from '../../shared/numbers.ts';
import type { CommandContext } from './context.ts';
import { type FetchedFile, fetchDataSetFile } from './fetch-data-set.ts';
import { addExamples } from './help.ts';
import { coordinatorOption, dataDirectoryOption, jsonOption, mirrorOption, partOption } from './options.ts';
import { renderDataSets } from './render/data-sets.ts';

/** Of the built-in task distributions. */
const dataSets = builtIn.all('distribution').flatMap((part) => part.dataSets ?? []);

export const datasetsCommand = (context: CommandContext): Command =>
  new Command('datasets')
    .description('list and fetch data sets (default: list)')
    .addCommand(listCommand(context))
    .addCommand(fetchCommand(context));

function listCommand({ terminal, environment }: CommandContext): Command {
  return new Command('list')
    .description('list the data sets and which of their files are on this machine')
    .addOption(dataDirectoryOption())
    .addOption(coordinatorOption().hideHelp())
    .addOption(jsonOption())
    .action((options: { readonly dataDir: readonly string[]; readonly json?: true }) => {
      const directories = dataDirectories(options.dataDir, environment);
      const listed = dataSets.map((dataSet) => ({
        ...dataSet,
        files: dataSet.files.map((file) => ({
          ...file,
          path: candidatePaths(dataSet, file.file, directories).find((path) => existsSync(path)) ?? null,
        })),
      }));
      if (options.json) terminal.printJson({ directories, dataSets: listed });
      else terminal.print(renderDataSets(listed, directories, terminal.style));
    });
}

interface FetchFlags {
  readonly part?: string;
  readonly mirror?: string;
  readonly dataDir: readonly string[];
  readonly json?: true;
}

function fetchCommand({ terminal, environment, signal }: CommandContext): Command {
  const command = new Command('fetch')
    .description('fetch a data set from its official source into the cache, verified by SHA-256')
    .argument('<name>', dataSets.map(({ name }) => name).join(', '))
    .addOption(partOption())
    .addOption(mirrorOption())
    .addOption(dataDirectoryOption().argParser((text: string) => [text]))
    .addOption(coordinatorOption().hideHelp())
    .addOption(jsonOption())
    .action(async (name: string, { part, mirror, dataDir, json }: FetchFlags) => {
      const dataSet = named(name);
      const directory = join(dataDir[0] ?? userDataDirectory(environment), dataSet.name);
      const fetched: FetchedFile[] = [];
      for (const file of filesOf(dataSet, part)) {
        terminal.note(`${file.file}  ${formatBytes(file.bytes)}`);
        const result = await fetchDataSetFile(file, {
          directory,
          elsewhere: dataDir.length > 0 ? [] : candidatePaths(dataSet, file.file, dataDirectories([], environment)),
          signal,
          environment,
          ...(mirror === undefined ? {} : { mirror }),
          onProgress: (received, total) =>
            terminal.progress(file.file, () => `${formatBytes(received)} of ${formatBytes(total)}`),
        }).finally(() => terminal.endProgress(file.file));
        fetched.push(result);
        const verified =
          file.sha256 === null ? `SHA-256 ${result.sha256}, no official hash is known` : 'SHA-256 verified';
        terminal.note(`  ${result.alreadyThere ? `already there: ${result.path}` : 'fetched'}, ${verified}`);
      }
      const found = [...new Set(fetched.map(({ path }) => dirname(path)))].join(', ');
      if (json) terminal.printJson({ name, directory: found, files: fetched });
      else
        terminal.print(`${dataSet.name} is in ${found}\nlicence: ${dataSet.licence}\nplease cite: ${dataSet.citation}`);
    });
  return addExamples(command, [
    ['metatrain datasets fetch omniglot', 'all of it'],
    ['metatrain datasets fetch omniglot --part small', 'only the two small sets'],
    [
      'metatrain datasets fetch omniglot --mirror http://mirror.example/omniglot/',
      'if the official source is unreachable',
    ],
  ]);
}

function named(name: string): DataSet {
  const dataSet = dataSets.find((known) => known.name === name);
  if (dataSet) return dataSet;
  const accepted = dataSets.map((known) => known.name).join(', ');
  throw new MetatrainError('REQUEST_INVALID', `there is no data set ${name}; there are: ${accepted}`);
}

function filesOf(dataSet: DataSet, part: string | undefined): DataSet['files'] {
  const files = dataSet.files.filter((file) => part === undefined || file.part === part);
  if (files.length > 0) return files;
  const accepted = [...new Set(dataSet.files.map((file) => file.part))].join(', ');
  throw new MetatrainError('REQUEST_INVALID', `${dataSet.name} has no part ${part}; it has: ${accepted}`);
}
