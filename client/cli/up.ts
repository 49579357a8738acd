// `metatrain up`: runs a local cluster until it is interrupted.
import { once } from 'node:events';
import { Command } from 'commander';
import { defaultCoordinatorAddress } from '../../shared/wire.ts';
import { type CommandContext, Interruption } from './context.ts';
import { addExamples } from './help.ts';
import type { LocalCluster } from './local-cluster.ts';
import {
  dataDirectoryOption,
  jsonOption,
  listenOption,
  logFormatOption,
  logLevelOption,
  pluginOption,
  slotsOption,
  stateDirectoryOption,
  workersOption,
} from './options.ts';
import { type ClusterFlags, startCluster } from './run-job.ts';

interface UpOptions extends ClusterFlags {
  readonly listen: string;
  readonly insecure?: true;
  readonly json?: true;
}

export function upCommand(context: CommandContext): Command {
  const command = new Command('up')
    .description('start a local cluster that runs until it is interrupted, and print its addresses')
    .addOption(workersOption())
    .addOption(slotsOption())
    .addOption(listenOption())
    .option('--insecure', 'allow --listen beyond this machine; anyone who can connect then has full control')
    .addOption(stateDirectoryOption())
    .addOption(dataDirectoryOption())
    .addOption(pluginOption())
    .addOption(logLevelOption('info'))
    .addOption(logFormatOption())
    .addOption(jsonOption())
    .action(async (options: UpOptions) => {
      const { terminal, signal } = context;
      const cluster = await startCluster({ ...options, hasHttp: true }, context).catch((thrown: unknown) => {
        if (thrown instanceof Interruption) return undefined;
        throw thrown;
      });
      if (!cluster) return;
      try {
        if (options.json)
          terminal.printJson({ coordinator: cluster.address, http: cluster.http, workers: cluster.workerIds });
        else terminal.print(welcome(cluster, options.stateDir));
        // An interruption is the normal end of this command.
        if (!signal.aborted) await Promise.race([once(signal, 'abort'), cluster.failed]);
        terminal.note(terminal.isLive && signal.aborted ? '\nstopping' : 'stopping');
      } finally {
        await cluster.close();
      }
    });
  return addExamples(command, [
    ['metatrain up --workers 4 --state-dir ./state', 'jobs survive a restart'],
    ['metatrain submit job.yaml --watch', 'in another terminal'],
  ]);
}

function welcome({ address, http, workerIds }: LocalCluster, stateDir: string | undefined): string {
  const flag = address === defaultCoordinatorAddress ? '' : ` --coordinator ${address}`;
  return [
    `coordinator  ${address}`,
    `console      http://${http}  (also metrics and health)`,
    `workers      ${workerIds.length}`,
    `state        ${stateDir ?? 'temporary, removed at the end (keep it with --state-dir)'}`,
    '',
    `submit a job from another terminal:  metatrain submit examples/sinusoid.yaml --watch${flag}`,
    'stop with Ctrl-C',
  ].join('\n');
}
