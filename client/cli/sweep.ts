// `metatrain sweep`: one job file with several values and several seeds. Submits its jobs as a group with
// one tag, follows them, and reports means over the seeds. The group's name and the idempotency keys of
// its jobs follow from what is asked for, so the same command goes on after an interruption.
import { createHash } from 'node:crypto';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseJobSpec } from '../../learning/job-file.ts';
import { loadRegistry } from '../../learning/load.ts';
import type { Registry } from '../../learning/registry.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { pluginFiles } from '../../shared/plugin-file.ts';
import type { Job } from '../records.ts';
import { type CommandContext, patienceOf, withClient } from './context.ts';
import { followJob } from './follow-job.ts';
import { addExamples } from './help.ts';
import { jobFileText, overrideTexts } from './job-file.ts';
import { maxWatched } from './jobs-watch.ts';
import {
  type CommonOptions,
  coordinatorOption,
  giveUpOption,
  jsonOption,
  type Override,
  parseOverride,
  pluginOption,
  setOption,
  wholeNumber,
} from './options.ts';
import { renderSweep, summaryOfSetting } from './render/sweep.ts';

interface SweepOptions extends CommonOptions {
  readonly grid: readonly Axis[];
  readonly seeds: number;
  readonly set: readonly Override[];
  readonly plugin: readonly string[];
  readonly giveUpSeconds: number;
}

/** A field of the job file with the values that it is to have, as YAML. */
export interface Axis {
  readonly field: string;
  readonly values: readonly string[];
}

/** One job of a sweep. */
export interface SweepMember {
  /** What the grid sets in it. */
  readonly setting: readonly Override[];
  readonly overrides: readonly Override[];
  readonly spec: JobSpec;
}

export interface Sweep {
  /** The tag of its jobs. */
  readonly tag: string;
  /** Setting by setting, each with its seeds in order. */
  readonly members: readonly SweepMember[];
}

export function sweepCommand(context: CommandContext): Command {
  const { terminal, signal } = context;
  const command = new Command('sweep')
    .description('run a job file with several values and seeds as one group, and report means over the seeds')
    .argument('<job-file>', 'YAML or JSON; `-` reads stdin')
    .addOption(
      new Option(
        '--grid <path.to.field=values>',
        'values to try, with commas between; may be repeated: every combination',
      )
        .default([], 'none')
        .argParser((text: string, earlier: readonly Axis[]) => [...earlier, parseAxis(text)]),
    )
    .option('--seeds <count>', "seeds for each combination, from the job file's own on", wholeNumber(1, maxWatched), 1)
    .addOption(setOption())
    .addOption(pluginOption())
    .addOption(giveUpOption())
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((file: string, options: SweepOptions) =>
      withClient(options, async (client) => {
        const registry = await loadRegistry(pluginFiles(options.plugin, context.environment));
        const { tag, members } = sweepOf(await jobFileText(file), options, registry);
        const patience = patienceOf(options, terminal);
        context.afterInterruption = `the cluster works on; the same command goes on with ${tag}`;
        const jobIds: string[] = [];
        for (const [i, { spec, overrides }] of members.entries()) {
          const { jobId } = await client.submitJob(JSON.stringify(spec), {
            ...{ signal, ...patience, idempotencyKey: `${tag}-${i}` },
            overrides: overrideTexts(overrides),
          });
          jobIds.push(jobId);
        }
        terminal.note(`${tag}: ${jobIds.length} jobs; to list them: metatrain jobs --tag ${tag}`);
        const jobs = await Promise.all(jobIds.map((jobId) => followJob(client, jobId, context, { patience })));
        const settings = bySetting(members, jobs).map(([setting, own]) => summaryOfSetting(setting, own));
        if (options.json) terminal.printJson({ tag, jobIds, settings });
        else terminal.print(`\n${renderSweep(tag, settings, terminal.style, terminal.tableWidth)}`);
        if (jobs.some(({ state }) => state !== 'SUCCEEDED')) context.exitCode = 1;
      }),
    );
  return addExamples(command, [
    ['metatrain sweep job.yaml --seeds 5', 'mean ± 95 % over five seeds'],
    ['metatrain sweep job.yaml --grid meta.optimizer.learningRate=0.001,0.003 --seeds 3', 'six jobs'],
  ]);
}

/** Of each setting of the grid, in order: the jobs with its seeds. */
function bySetting(members: readonly SweepMember[], jobs: readonly Job[]): [readonly Override[], Job[]][] {
  const settings = new Map<readonly Override[], Job[]>();
  for (const [i, { setting }] of members.entries()) settings.set(setting, [...(settings.get(setting) ?? []), jobs[i]!]);
  return [...settings];
}

/**
 * Every combination of the grid with every seed.
 *
 * @throws MetatrainError `REQUEST_INVALID` where there are too many, or one of them is not valid.
 */
export function sweepOf(
  text: string,
  { grid, seeds, set }: Pick<SweepOptions, 'grid' | 'seeds' | 'set'>,
  registry?: Registry,
): Sweep {
  const settings = grid.reduce<Override[][]>(
    (earlier, { field, values }) =>
      earlier.flatMap((one) => values.map((value): Override[] => [...one, [field, value]])),
    [[]],
  );
  const count = settings.length * seeds;
  if (count > maxWatched) {
    throw new MetatrainError('REQUEST_INVALID', `a sweep has at most ${maxWatched} jobs, and this one has ${count}`);
  }
  const hash = createHash('sha256')
    .update(JSON.stringify([text, grid, seeds, set]))
    .digest('hex')
    .slice(0, 8);
  const tag = `sweep-${hash}`;
  const members = settings.flatMap((setting) => {
    const chosen = [...set, ...setting];
    const { seed, tags = [] } = parseJobSpec(text, chosen, registry);
    return Array.from({ length: seeds }, (_, i): SweepMember => {
      const overrides: Override[] = [...chosen, ['seed', String(seed + i)]];
      const spec = parseJobSpec(text, [...overrides, ['tags', JSON.stringify([...tags, tag])]], registry);
      return { setting, overrides, spec };
    });
  });
  return { tag, members };
}

/** Values stand between commas; a comma within brackets, braces or quotes belongs to its value. */
export function parseAxis(text: string): Axis {
  const [field, all] = parseOverride(text);
  const values = (all.match(/(?:\[[^\]]*\]|\{[^}]*\}|"[^"]*"|'[^']*'|[^,])+/g) ?? []).map((value) => value.trim());
  if (values.length === 0 || values.includes('')) {
    throw new InvalidArgumentError(
      'it must be path.to.field=value,value, such as meta.optimizer.learningRate=0.001,0.003',
    );
  }
  return { field, values };
}
