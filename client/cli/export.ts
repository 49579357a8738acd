// `metatrain export`: writes a job, or what it has learned, in a form that another tool reads.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { resolveJob } from '../../learning/job.ts';
import { parseJobSpec } from '../../learning/job-file.ts';
import { loadRegistry } from '../../learning/load.ts';
import { type Checkpoint, decodeCheckpoint, namedMetaParams } from '../../shared/checkpoint.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { formatCount } from '../../shared/numbers.ts';
import { pluginFiles } from '../../shared/plugin-file.ts';
import { historyOf } from '../history.ts';
import type { MetatrainClient } from '../metatrain-client.ts';
import { type NamedTensor, pytorchFiles, type Tensors } from '../pytorch/model.ts';
import { safetensors } from '../pytorch/safetensors.ts';
import { eventFile } from '../tensorboard/event-file.ts';
import { scalarsOf } from '../tensorboard/scalars.ts';
import { type CommandContext, withClient } from './context.ts';
import { addExamples } from './help.ts';
import { jobIdOf } from './job-id.ts';
import { type CommonOptions, coordinatorOption, jsonOption, pluginOption, stepOption } from './options.ts';

type Format = 'pytorch' | 'safetensors' | 'tensorboard';

interface ExportOptions extends CommonOptions {
  readonly format: Format;
  readonly output?: string;
  readonly step?: number;
  readonly adapted?: string;
  readonly plugin: readonly string[];
}

/** What has been written, for `--json`. */
interface Written {
  readonly files: readonly string[];
  readonly [fact: string]: unknown;
}

export function exportCommand(context: CommandContext): Command {
  const { terminal, signal } = context;
  const command = new Command('export')
    .description('write what a job has learned for PyTorch or as plain safetensors, or its curves for TensorBoard')
    .argument('<job-or-file>', 'id of a job, or its first characters; or a checkpoint file')
    .addOption(
      new Option('--format <name>', 'what to write')
        .choices(['pytorch', 'safetensors', 'tensorboard'])
        .makeOptionMandatory(),
    )
    .option(
      '--output <path>',
      'a directory, or a file for safetensors; what is there is replaced (default: <id>, or <id>.safetensors)',
    )
    .addOption(stepOption())
    .option('--adapted <id>', 'the parameters as they were adapted, by the id that metatrain adapt gave')
    .addOption(pluginOption())
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((id: string, options: ExportOptions) => {
      const isFile = existsSync(id);
      const write = async (client: MetatrainClient | undefined) => {
        const jobId = client ? await jobIdOf(client, id, signal) : undefined;
        const { text, ...written } = await exported(jobId ?? id, options, { client, context });
        if (options.json) terminal.printJson(written);
        else terminal.print(text);
      };
      return isFile && options.format !== 'tensorboard' && options.adapted === undefined
        ? write(undefined)
        : withClient(options, write);
    });
  return addExamples(command, [
    ['metatrain export JOB-ID --format pytorch --output model', 'model/model.py and model/model.safetensors'],
    ['metatrain export omniglot.safetensors --format pytorch', 'of a file that run or checkpoint download saved'],
    ['metatrain export JOB-ID --format safetensors --adapted ADAPTED-ID', 'the parameters of one task'],
    ['metatrain export JOB-ID --format tensorboard --output runs/a', 'then: tensorboard --logdir runs'],
  ]);
}

type Exported = Written & { readonly text: string };

async function exported(
  id: string,
  options: ExportOptions,
  { client, context }: { readonly client: MetatrainClient | undefined; readonly context: CommandContext },
): Promise<Exported> {
  const name = id.replace(/\.safetensors$/, '').replaceAll(/[^A-Za-z0-9._-]/g, '_');
  if (options.format === 'tensorboard') return curves(client!, id, options.output ?? name, context.signal);
  const checkpoint = client ? await downloaded(client, id, options.step, context.signal) : await readCheckpoint(id);
  const { metadata } = checkpoint;
  const origin = `Meta-step ${formatCount(metadata.step)} of job ${metadata.jobId}, exported by MetaTrain${options.adapted === undefined ? '' : ', adapted to a task'}.`;
  const tensors = await tensorsOf(checkpoint, client, options.adapted, context.signal);
  const texts = { format: 'pt', job: metadata.jobId, step: String(metadata.step) };
  if (options.format === 'safetensors') {
    const file = options.output ?? `${name}-parameters.safetensors`;
    await put(file, safetensors(tensors, { ...texts, spec: metadata.spec }));
    return {
      files: [file],
      step: metadata.step,
      text: `wrote ${file}: ${formatCount(tensors.size)} tensors by the job's names`,
    };
  }
  const registry = await loadRegistry(pluginFiles(options.plugin, context.environment));
  const job = resolveJob(parseJobSpec(metadata.spec, [], registry), registry);
  const { tensors: named, module } = pytorchFiles(job, tensors, origin);
  const directory = options.output ?? `${name}-pytorch`;
  const files = ['model.py', 'model.safetensors'].map((file) => join(directory, file));
  await mkdir(directory, { recursive: true }).catch((cause: unknown) => refuse(directory, cause));
  await put(files[0]!, Buffer.from(module));
  await put(files[1]!, safetensors(named, texts));
  return {
    files,
    step: metadata.step,
    text: `wrote ${files.join(' and ')}\n\nin Python, in ${directory}:\n\n  from model import load\n  model = load()\n  model(x)`,
  };
}

async function curves(
  client: MetatrainClient,
  jobId: string,
  directory: string,
  signal: AbortSignal,
): Promise<Exported> {
  const job = await client.getJob(jobId, { signal });
  const events = await client.jobHistory(jobId, { signal });
  const scalars = scalarsOf(historyOf(events));
  const wallSeconds = (events[0]?.time.getTime() ?? 0) / 1000;
  const file = join(directory, 'events.out.tfevents.0.metatrain');
  await mkdir(directory, { recursive: true }).catch((cause: unknown) => refuse(directory, cause));
  await put(file, eventFile(scalars, wallSeconds));
  const text = `wrote ${file}: ${job.name}, ${formatCount(scalars.length)} scalars`;
  return { files: [file], file, scalars: scalars.length, jobId, state: job.state, text };
}

async function downloaded(
  client: MetatrainClient,
  jobId: string,
  step: number | undefined,
  signal: AbortSignal,
): Promise<Checkpoint> {
  const scratch = await mkdtemp(join(tmpdir(), 'metatrain-export-'));
  try {
    const file = join(scratch, 'checkpoint.safetensors');
    await client.downloadCheckpoint(jobId, file, { signal, ...(step !== undefined && { step }) });
    return await readCheckpoint(file);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function readCheckpoint(file: string): Promise<Checkpoint> {
  const bytes = await readFile(file).catch((cause: unknown) => refuse(file, cause, 'read'));
  return decodeCheckpoint(bytes, file);
}

/** θ; with an adapted model, its state over θ. */
async function tensorsOf(
  checkpoint: Checkpoint,
  client: MetatrainClient | undefined,
  adapted: string | undefined,
  signal: AbortSignal,
): Promise<Tensors> {
  const values = namedMetaParams(checkpoint);
  const tensors = new Map<string, NamedTensor>(
    checkpoint.layout.tensors.map(({ name, shape }) => [name, { shape, values: values[name]! }]),
  );
  if (adapted === undefined) return tensors;
  const { jobId, step, state } = await client!.models.get(adapted, { signal });
  const { metadata } = checkpoint;
  if (jobId !== metadata.jobId || step !== metadata.step) {
    const got = `${adapted}, which was adapted from meta-step ${step} of job ${jobId}`;
    throw new MetatrainError(
      'REQUEST_INVALID',
      `--adapted: got ${got}; accepted: one of meta-step ${metadata.step} of job ${metadata.jobId}`,
    );
  }
  for (const [name, tensor] of Object.entries(state ?? {})) tensors.set(name, tensor);
  return tensors;
}

async function put(file: string, bytes: Buffer | Uint8Array): Promise<void> {
  await writeFile(file, bytes).catch((cause: unknown) => refuse(file, cause));
}

function refuse(file: string, cause: unknown, what: 'read' | 'write' = 'write'): never {
  const reason = cause instanceof Error ? cause.message : String(cause);
  throw new MetatrainError('REQUEST_INVALID', `cannot ${what} ${file}: ${reason}`, { details: { file }, cause });
}
