// Runs one job on its own local cluster, from the job file to the result. `run` and `quickstart`
// share this code.
import { createHash } from 'node:crypto';
import { realClock } from '../../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { type LogFormat, linePrinter } from '../../shared/log.ts';
import type { PluginIdentity } from '../../shared/plugin-identity.ts';
import { MetatrainClient } from '../metatrain-client.ts';
import type { Job, JobError } from '../records.ts';
import { type CommandContext, Interruption } from './context.ts';
import { followJob } from './follow-job.ts';
import { LocalCluster, type LocalClusterOptions } from './local-cluster.ts';
import { type ModelFile, type SavedModel, saveModel } from './model-file.ts';
import { usualSlots } from './options.ts';
import { type RunResult, runResult, ThroughputMeter } from './run-result.ts';
import type { Terminal } from './terminal.ts';

export interface ClusterFlags {
  readonly workers: number;
  /** Of each worker. Default: `usualSlots`. */
  readonly slots?: number;
  readonly stateDir?: string;
  readonly dataDir: readonly string[];
  readonly plugin: readonly string[];
  readonly logLevel: string;
  readonly logFormat: LogFormat;
}

export interface JobToRun {
  readonly spec: JobSpec;
  /** For the job's record. */
  readonly overrides: readonly string[];
  /** Whose parts it uses: with other bytes it is another job. */
  readonly plugins: readonly PluginIdentity[];
  /** Where the model is saved after success. Undefined: nowhere. */
  readonly output: ModelFile | undefined;
}

/** @throws MetatrainError when the cluster or the job cannot start, or the cluster fails; an Interruption when a person stopped it. */
export async function runJob(job: JobToRun, flags: ClusterFlags, context: CommandContext): Promise<RunResult> {
  // Workers with another engine or device would leave the job waiting for ever.
  const cluster = await startCluster(
    { ...flags, listen: '127.0.0.1:0', hasHttp: false, placement: job.spec.placement },
    context,
  );
  const client = new MetatrainClient({ address: cluster.address });
  const stopWatching = new AbortController();
  const signal = AbortSignal.any([context.signal, stopWatching.signal]);
  context.afterInterruption =
    flags.stateDir === undefined
      ? 'nothing is kept of this run; with --state-dir DIR the same command continues it later'
      : `the job is kept in ${flags.stateDir}; the same command continues it`;
  try {
    return await Promise.race([submitAndFollow(client, job, flags, context, signal), cluster.failed]);
  } finally {
    stopWatching.abort(new MetatrainError('SHUTTING_DOWN', 'the local cluster has stopped'));
    client.close();
    await cluster.close();
  }
}

/**
 * Starts a local cluster. Its messages and logs go to the terminal. A second Ctrl-C during the stop
 * kills it.
 */
export async function startCluster(
  flags: ClusterFlags & Pick<LocalClusterOptions, 'listen' | 'hasHttp' | 'placement'> & { readonly insecure?: true },
  { terminal, environment, signal }: CommandContext,
): Promise<LocalCluster> {
  return LocalCluster.start(
    {
      workers: flags.workers,
      slots: flags.slots ?? usualSlots(flags.workers),
      listen: flags.listen,
      hasHttp: flags.hasHttp,
      isInsecure: flags.insecure ?? false,
      ...(flags.stateDir === undefined ? {} : { stateDirectory: flags.stateDir }),
      dataDirectories: flags.dataDir,
      plugins: flags.plugin,
      logLevel: flags.logLevel,
      ...(flags.placement && { placement: flags.placement }),
    },
    { environment, note: (text) => terminal.note(text), log: logPrinter(terminal, flags.logFormat) },
    signal,
  );
}

/**
 * Passes on the processes' logs: unchanged JSON for machines, or readable lines with the process's
 * name for a person.
 */
function logPrinter(terminal: Terminal, format: LogFormat): (title: string, line: string) => void {
  const isReadable = format === 'pretty' || (format === 'auto' && terminal.isLive);
  if (!isReadable) return (_, line) => terminal.note(line);
  const printers = new Map<string, (line: string) => string>();
  return (title, line) => {
    const print = printers.get(title) ?? linePrinter(terminal.notesHaveColour, title);
    printers.set(title, print);
    terminal.note(print(line));
  };
}

async function submitAndFollow(
  client: MetatrainClient,
  { spec, overrides, plugins, output }: JobToRun,
  { stateDir }: ClusterFlags,
  context: CommandContext,
  signal: AbortSignal,
): Promise<RunResult> {
  const startedMs = realClock.elapsedMs();
  const meter = new ThroughputMeter(realClock.now());
  const { jobId, isNew } =
    stateDir === undefined
      ? { jobId: (await client.submitJob(JSON.stringify(spec), { overrides, signal })).jobId, isNew: true }
      : await submitOrResume(client, { spec, overrides, plugins }, stateDir, context, signal);
  const job = await followJob(client, jobId, context, { signal, onEvent: (event) => meter.observe(event) });
  const wallSeconds = (realClock.elapsedMs() - startedMs) / 1000;
  // A job without a second progress report has no rate.
  const metaStepsPerSecond = meter.metaStepsPerSecond || (isNew ? job.steps / wallSeconds : 0);
  return { ...runResult(job, wallSeconds, metaStepsPerSecond), ...(await keepModel(client, job, output)) };
}

/** If the model cannot be saved, the result is still returned. */
async function keepModel(
  client: MetatrainClient,
  job: Job,
  output: ModelFile | undefined,
): Promise<{ readonly model: SavedModel | null; readonly error?: JobError }> {
  if (!output || job.state !== 'SUCCEEDED') return { model: null };
  try {
    return { model: await saveModel(client, job, output) };
  } catch (thrown) {
    const { code, message } = asMetatrainError(thrown);
    return { model: null, error: { code, message: `the model is not saved: ${message}` } };
  }
}

/**
 * With a kept state directory, the same job file continues its job: the idempotency key comes from
 * the spec and the plugins of its parts. A failed or cancelled job stays unchanged, and the next attempt begins.
 */
async function submitOrResume(
  client: MetatrainClient,
  { spec, overrides, plugins }: Omit<JobToRun, 'output'>,
  stateDir: string,
  { terminal }: CommandContext,
  signal: AbortSignal,
): Promise<{ readonly jobId: string; readonly isNew: boolean }> {
  const text = JSON.stringify(spec);
  const specHash = createHash('sha256')
    .update([text, ...plugins.map(({ sha256 }) => sha256)].join())
    .digest('hex')
    .slice(0, 32);
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const idempotencyKey = `run-${specHash}-${attempt}`;
    const { jobId, alreadySubmitted } = await client.submitJob(text, { idempotencyKey, overrides, signal });
    if (!alreadySubmitted) return { jobId, isNew: true };
    const job = await client.getJob(jobId, { signal });
    if (job.state === 'FAILED' || job.state === 'CANCELLED') continue;
    terminal.note(resumeNote(job, stateDir));
    if (job.state === 'PAUSED') await client.resumeJob(jobId, { signal });
    return { jobId, isNew: false };
  }
  throw new MetatrainError(
    'JOB_EXISTS',
    `${stateDir} holds ${maxAttempts} attempts of this job that failed; use another --state-dir`,
  );
}

const maxAttempts = 100;

const resumeNote = ({ jobId, state, steps, iterations }: Job, stateDir: string): string =>
  state === 'SUCCEEDED'
    ? `this job has already been run in ${stateDir} (${jobId}); this is its result`
    : `continues ${jobId} from ${stateDir}, after meta-step ${steps} of ${iterations}`;

/** The `--json` output of a run that ended by an error or a signal. */
export function errorRecord(thrown: unknown): { readonly error: { readonly code: string; readonly message: string } } {
  if (thrown instanceof Interruption) return { error: { code: 'SHUTTING_DOWN', message: thrown.message } };
  const { code, message } = asMetatrainError(thrown);
  return { error: { code, message } };
}
