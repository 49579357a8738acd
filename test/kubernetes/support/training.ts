// Jobs as resources of the cluster, and the bytes that the same job file gives on a cluster of
// processes outside of it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { packageRoot } from '../../../shared/wire.ts';
import { kubectl, runCommand } from './kubectl.ts';
import { type KubernetesObject, waitFor } from './wait-for.ts';

/** A job file as an object. */
export type JobFile = Readonly<Record<string, unknown>>;

export interface MetaTrainJob extends KubernetesObject {
  readonly spec: { readonly job: JobFile; readonly suspend?: boolean };
  readonly status?: {
    readonly state?: string;
    readonly step?: number;
    readonly steps?: number;
    readonly progress?: string;
    readonly paramsSha256?: string;
    readonly message?: string;
    readonly jobId?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

/**
 * examples/sinusoid.yaml with this many meta-steps and a small evaluation at the end. Without spans,
 * in which it would end before pods are restarted under it.
 */
export function sinusoid(iterations: number): JobFile {
  const job = parse(readFileSync(join(packageRoot, 'examples', 'sinusoid.yaml'), 'utf8')) as {
    meta: object;
    evaluation: object;
    placement?: object;
  };
  return {
    ...job,
    meta: { ...job.meta, iterations },
    evaluation: { ...job.evaluation, tasks: 20, every: 0 },
    placement: { ...job.placement, spans: 'never' },
  };
}

/** The bytes of examples/sinusoid.yaml after 300 meta-steps, on any cluster of x86-64. */
export const shortSinusoidBegins = '577c0ff3f9228114';

/** Applies a job under a name, with further fields of its spec. */
export async function applyJob(namespace: string, name: string, job: JobFile, further: object = {}): Promise<void> {
  const object = { apiVersion: 'metatrain.dev/v1alpha1', kind: 'MetaTrainJob', metadata: { name } };
  const input = JSON.stringify({ ...object, spec: { job, ...further } });
  await kubectl(['apply', '--namespace', namespace, '--filename', '-'], { input });
}

/** Waits until the job is as wanted. */
export async function untilJob(
  namespace: string,
  name: string,
  what: string,
  isWanted: (job: MetaTrainJob) => boolean,
  timeoutMs = 120_000,
): Promise<MetaTrainJob> {
  const options = { namespace, timeoutMs };
  const [job] = await waitFor<MetaTrainJob>(
    `job ${name}: ${what}`,
    `metatrainjobs/${name}`,
    options,
    ([found]) => found !== undefined && isWanted(found),
  );
  return job!;
}

const ended = ['Succeeded', 'Failed', 'Cancelled', 'Refused'];

export const hasEnded = ({ status }: MetaTrainJob): boolean => ended.includes(status?.state ?? '');

/** Waits for the end of the job, whatever it is. */
export const untilEnded = (namespace: string, name: string, timeoutMs?: number): Promise<MetaTrainJob> =>
  untilJob(namespace, name, 'its end', hasEnded, timeoutMs);

/** `metatrain run` on this machine. Returns the SHA-256 of the trained parameters. */
export async function trainedOutside(job: JobFile): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'metatrain-outside-'));
  try {
    const file = join(folder, 'job.yaml');
    writeFileSync(file, JSON.stringify(job));
    const args = ['run', file, '--workers', '1', '--json', '--no-output'];
    const { code, stdout, stderr } = await metatrainCommand(args, 600_000);
    if (code !== 0) throw new Error(`metatrain run: exit code ${code}\n${stderr}`);
    return (JSON.parse(stdout.trim().split('\n').at(-1)!) as { paramsSha256: string }).paramsSha256;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The `metatrain` command of the build under test. */
export const metatrainCommand = (args: readonly string[], timeoutMs = 120_000) =>
  runCommand(process.execPath, [join(packageRoot, 'dist', 'client', 'cli', 'main.js'), ...args], { timeoutMs });
