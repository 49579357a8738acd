// `metatrain quickstart`, which `npm start` runs: reaches the figures of MAML's sinusoid table on a
// local cluster, in fewer meta-steps than the paper, and explains them to a newcomer. It writes no
// file.
import { dirname, join, relative } from 'node:path';
import { Command } from 'commander';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { formatCount } from '../../shared/numbers.ts';
import { packageRoot } from '../../shared/wire.ts';
import type { CommandContext } from './context.ts';
import { readJobFile } from './job-file.ts';
import { describeWorkers } from './local-cluster.ts';
import { jsonOption, logFormatOption, logLevelOption, usualSlots } from './options.ts';
import { renderResult } from './render/result.ts';
import { fields, type Style } from './render/text.ts';
import { type ClusterFlags, runJob } from './run-job.ts';

export function quickstartCommand(context: CommandContext): Command {
  const { terminal } = context;
  return new Command('quickstart')
    .description(
      `reach the figures of MAML's sinusoid table, in fewer meta-steps than the paper, on this machine; \`npm start\` runs this`,
    )
    .addOption(logLevelOption('warn'))
    .addOption(logFormatOption())
    .addOption(jsonOption())
    .action(async (options: Pick<ClusterFlags, 'logLevel' | 'logFormat'> & { readonly json?: true }) => {
      const file = join(packageRoot, 'examples', 'sinusoid.yaml');
      const spec = await readJobFile(file, []);
      const shownFile = relative('.', file);
      if (!options.json) terminal.print(introduction(spec, shownFile, terminal.style));
      const { logLevel, logFormat } = options;
      const flags = { workers: 1, dataDir: [], plugin: [], logLevel, logFormat };
      const result = await runJob({ spec, overrides: [], plugins: [], output: undefined }, flags, context);
      if (options.json) terminal.printJson(result);
      else {
        const rendered = renderResult(result, spec, { width: terminal.width, style: terminal.style });
        terminal.print(`\n${rendered}\n\n${nextSteps(shownFile, terminal.style)}`);
      }
      if (result.state !== 'SUCCEEDED') context.exitCode = 1;
    });
}

function introduction(spec: JobSpec, file: string, style: Style): string {
  const { published } = spec;
  const figures = Object.entries(published?.at ?? {})
    .map(([steps, { mean }]) => `${mean} after ${steps}`)
    .join(', ');
  return [
    style.bold('MetaTrain learns to learn sine waves.'),
    '',
    `A coordinator shards meta-learning tasks over ${describeWorkers({ workers: 1, slots: usualSlots(1) })}, all on this machine. Each task is`,
    `a sine wave of unknown amplitude and phase, seen at ${spec.task.shots} points. MAML looks for the start from which one`,
    'gradient step learns any of them.',
    '',
    fields(
      [
        [
          'job',
          `${file}: ${formatCount(spec.meta.iterations)} meta-steps of ${spec.meta.batchSize} tasks, quicker than the paper's`,
        ],
        ...(published
          ? ([['to reach', `${published.source}: mean squared error ${figures} inner steps`]] as const)
          : []),
      ],
      style,
    ),
    '',
  ].join('\n');
}

function nextSteps(file: string, style: Style): string {
  const examples = dirname(file);
  return [
    style.bold('What to try next'),
    fields(
      [
        [`npx metatrain run ${file}`, 'the same job, and its model is saved'],
        [`npx metatrain run ${file} --set seed=2`, 'another seed; --set changes any field'],
        [`npx metatrain run ${examples}/sinusoid-paper.yaml`, "the same table with the paper's own settings"],
        [`npx metatrain run ${examples}/sinusoid-reptile.yaml`, 'the same tasks with Reptile'],
        ['npx metatrain datasets fetch omniglot', 'handwritten characters, then:'],
        [
          `npx metatrain run ${examples}/omniglot-5way-1shot.yaml`,
          'a convolutional network that learns a character from one drawing',
        ],
        ['npx metatrain up', 'a cluster that stays, for `metatrain submit`'],
        ['npx metatrain --help', 'every command'],
      ],
      style,
      2,
    ),
  ].join('\n');
}
