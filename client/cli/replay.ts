// `metatrain replay`: computes one training shard of a job again on this machine, and compares its
// hash with the hash of the result that counted. Use it for a task that was skipped as not finite,
// or to check a worker.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Command, InvalidArgumentError } from 'commander';
import { dataDirectories } from '../../shared/data-directory.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import { pluginFiles } from '../../shared/plugin-file.ts';
import type { MetatrainClient } from '../metatrain-client.ts';
import type { Job } from '../records.ts';
import { type CommandContext, withClient } from './context.ts';
import { addExamples } from './help.ts';
import { jobIdOf } from './job-id.ts';
import {
  type CommonOptions,
  coordinatorOption,
  dataDirectoryOption,
  idHelp,
  jsonOption,
  pluginOption,
} from './options.ts';
import { programFile } from './programs.ts';

interface ReplayOptions extends CommonOptions {
  readonly dataDir: readonly string[];
  readonly plugin: readonly string[];
}

/** What replay/main.ts prints. */
interface Replayed {
  readonly firstTask: number;
  readonly taskCount: number;
  readonly fromStep: number;
  readonly paramsSha256: string;
  readonly payloadSha256: string;
  /** Of each task. */
  readonly measures: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
  readonly nonFiniteTasks: readonly number[];
  readonly engineFingerprint: string;
}

export function replayCommand(context: CommandContext): Command {
  const command = new Command('replay')
    .description('compute one training shard again on this machine, and compare its hash')
    .argument('<id>', idHelp)
    .argument('<meta-step>', 'meta-step of the shard, from 0', wholeNumber)
    .argument('<shard>', 'index of the shard in its meta-batch, from 0', wholeNumber)
    .addOption(dataDirectoryOption())
    .addOption(pluginOption())
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((id: string, metaStep: number, shard: number, options: ReplayOptions) =>
      withClient(options, async (client) => {
        const { signal, terminal } = context;
        const jobId = await jobIdOf(client, id, signal);
        const program = programFile('replay');
        const job = await client.getJob(jobId, { signal });
        const recorded = await client.shardHash(jobId, metaStep, shard, { signal });
        const replayed = await replayShard(
          { client, program },
          job,
          metaStep,
          shard,
          [
            ...flagsOf('--data-dir', dataDirectories(options.dataDir, context.environment)),
            ...flagsOf('--plugin', pluginFiles(options.plugin, context.environment)),
          ],
          signal,
        );
        const isEqual = replayed.payloadSha256 === recorded;
        if (options.json) terminal.printJson({ jobId, ...replayed, recordedSha256: recorded, equal: isEqual });
        else terminal.print(describe(job, replayed, recorded));
        context.exitCode = isEqual ? 0 : 1;
      }),
    );
  return addExamples(command, [
    ['metatrain jobs show JOB-ID --json', 'shards with skipped tasks: skippedShards'],
    ['metatrain replay JOB-ID 120 3', 'shard 3 of meta-step 120'],
  ]);
}

function wholeNumber(value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('Accepted: a whole number from 0.');
}

const flagsOf = (name: string, values: readonly string[]): string[] => values.flatMap((value) => [name, value]);

async function replayShard(
  { client, program }: { readonly client: MetatrainClient; readonly program: string },
  job: Job,
  metaStep: number,
  shard: number,
  given: readonly string[],
  signal: AbortSignal,
): Promise<Replayed> {
  const scratch = await mkdtemp(join(tmpdir(), 'metatrain-replay-'));
  try {
    const spec = join(scratch, 'job.json');
    await writeFile(spec, JSON.stringify(job.spec));
    const flags = ['--spec', spec, '--meta-step', String(metaStep), '--shard', String(shard)];
    flags.push('--expected-data', JSON.stringify(job.data));
    const nearest = job.checkpoints.filter(({ step }) => step <= metaStep).sort((a, b) => b.step - a.step)[0];
    if (nearest) {
      const file = join(scratch, 'checkpoint.safetensors');
      await client.downloadCheckpoint(job.jobId, file, { step: nearest.step, signal });
      flags.push('--checkpoint', file);
    }
    return await runReplay(program, [...flags, ...given], signal);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function runReplay(program: string, flags: readonly string[], signal: AbortSignal): Promise<Replayed> {
  const child = spawn(process.execPath, [program, ...flags], { stdio: ['ignore', 'pipe', 'pipe'], signal });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [said, complained, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== 0) throw new MetatrainError('INTERNAL', complained.trim() || `the replay ended with exit code ${code}`);
  try {
    return JSON.parse(said) as Replayed;
  } catch (cause) {
    throw new MetatrainError('INTERNAL', `the replay printed ${said}: ${asMetatrainError(cause).message}`, { cause });
  }
}

function describe(job: Job, replayed: Replayed, recorded: string): string {
  const { firstTask, taskCount, fromStep, payloadSha256, nonFiniteTasks, measures, engineFingerprint } = replayed;
  const isEqual = payloadSha256 === recorded;
  const lines = [
    `tasks       ${firstTask} to ${firstTask + taskCount - 1}, from the parameters of meta-step ${fromStep} on`,
    ...measures.map(
      ({ name, values }) =>
        `${name.padEnd(10)}  ${values.map((value) => value?.toPrecision(4) ?? 'not finite').join(' ')}`,
    ),
    `not finite  ${nonFiniteTasks.join(', ') || 'none'}`,
    `on record   ${recorded}`,
    `replayed    ${payloadSha256}`,
    isEqual ? 'The bytes are equal.' : 'The bytes differ.',
  ];
  if (!isEqual && engineFingerprint !== job.engineFingerprint) {
    lines.push(`This machine's engine is ${engineFingerprint}; the job was computed by ${job.engineFingerprint}.`);
  }
  return lines.join('\n');
}
