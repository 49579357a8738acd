// `npm run soak -- [--minutes M]`: jobs are submitted and cancelled without pause and eight workers come and go, while a thousand watchers look on, half
// of whom never read, and a console stays open; meanwhile the coordinator's memory is measured. It begins to measure when everything that is kept of
// ended jobs is at its bound. Prints it over time; passes when it is flat at the end (the last third's mean within 5 % of the middle third's, or 8 MB) and
// nothing is left: no worker, no open job, no more file descriptors than at the start, no watcher lost on the way.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { MetatrainClient } from '../../client/index.ts';
import { delay } from '../../shared/clock.ts';
import { taskRng } from '../../shared/rng.ts';
import { channelOptions, JobService } from '../../shared/wire.ts';
import { NullWorker } from '../integration/coordinator/null-worker.ts';
import { bounds } from './bounds.ts';
import { OpenConsole, Watchers, watcherCount } from './watchers.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' } },
});
const totalMs = Number(values.minutes) * 60_000;
const rng = taskRng(Number(values.seed), 'soak', 0);
const samples = 60;
const workerCount = 8;

interface Sample {
  readonly seconds: number;
  /** Memory that is the process's own, which is judged. */
  readonly anonymousMegabytes: number;
  /** With the pages of the database that are mapped: they are the disk's, and the system takes them back when it needs them. */
  readonly residentMegabytes: number;
  readonly fileDescriptors: number;
  readonly jobs: number;
  readonly workersSeen: number;
  readonly watched: number;
}

/** What lives, after a full collection. */
interface Heap {
  readonly heapUsed: number;
  readonly external: number;
}

const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-soak-'));
const coordinator: ChildProcess = fork(
  fileURLToPath(new URL('coordinator-process.js', import.meta.url)),
  [stateDirectory],
  { execArgv: ['--expose-gc'] },
);
const coordinatorExited = once(coordinator, 'exit');
const [{ address, http }] = (await once(coordinator, 'message')) as [{ address: string; http: string }];
// Memory is measured, not time: on a busy machine an answer may take a while.
const client = new MetatrainClient({ address, deadlineMs: 120_000 });
const rawJobs = new JobService(address, credentials.createInsecure(), channelOptions);
const startedAt = performance.now();
let isOver = false;
let jobs = 0;
let workersSeen = 0;
let watchers: Watchers | undefined;
/** Goes on all the time, behind the others: no worker spoils it. */
let watchedJob = '';

async function heap(): Promise<Heap> {
  const answer = once(coordinator, 'message');
  coordinator.send('heap');
  return ((await answer) as [Heap])[0];
}

const jobFile = (priority: 'low' | 'normal' | 'high', iterations: number) =>
  JSON.stringify({
    name: 'soak',
    seed: rng.below(1_000),
    task: { distribution: 'sinusoid' },
    model: { architecture: 'mlp', hiddenLayers: [2, 3] },
    algorithm: { name: 'maml' },
    meta: { iterations, batchSize: 16 },
    evaluation: { tasks: 8, innerSteps: 2 },
    checkpoint: { every: 50 },
    placement: { shardSize: 2, priority },
  });

/** Submits, lets it run for a moment, now and then pauses it or leaves a watcher that never reads, and cancels it. */
async function submitAndCancel(): Promise<void> {
  while (!isOver) {
    jobs += 1;
    const priority = (['low', 'normal', 'high'] as const)[rng.below(3)]!;
    const file = jobFile(priority, rng.uniform() < 0.3 ? 5 : 1_000_000);
    const { jobId } = await client.submitJob(file, { idempotencyKey: `soak-${jobs}` });
    const watch = rng.uniform() < 0.3 ? rawJobs.WatchJob({ jobId }).on('error', () => undefined) : undefined;
    watch?.pause();
    await delay(rng.between(0, 120));
    const chance = rng.uniform();
    if (chance < 0.2) await client.pauseJob(jobId).catch(ignoreEnded);
    if (chance < 0.1) await client.resumeJob(jobId).catch(ignoreEnded);
    await client.cancelJob(jobId).catch(ignoreEnded);
    watch?.cancel();
  }
}

/** It may have ended on its own in the meantime. */
function ignoreEnded(error: { code?: string }): void {
  if (error.code !== 'JOB_NOT_RUNNING') throw error;
}

/** Comes, works for a while (well, badly or not at all), and goes politely or by breaking its stream. */
async function comeAndGo(number: number): Promise<void> {
  while (!isOver) {
    workersSeen += 1;
    const character = number === 0 ? 1 : rng.uniform();
    const worker = new NullWorker({
      address,
      workerId: `worker-${number}`,
      slots: 1 + rng.below(3),
      onLease(lease, self) {
        const isSpared = lease.jobId === watchedJob;
        if (character < 0.1 && !isSpared) return;
        if (character < 0.2 && !isSpared) {
          const { leaseId, jobId } = lease;
          self.send({ shardFailure: { leaseId, jobId, code: 'INTERNAL', message: 'a bad day' } });
          return;
        }
        self.answer(lease);
      },
    });
    await Promise.race([worker.ended, delay(rng.between(200, 3_000))]);
    if (rng.uniform() < 0.5) await worker.kill();
    else await worker.close();
  }
}

function sample(): Sample {
  const status = readFileSync(`/proc/${coordinator.pid}/status`, 'utf8');
  return {
    seconds: Math.round((performance.now() - startedAt) / 1_000),
    anonymousMegabytes: megabytesOf(status, 'RssAnon'),
    residentMegabytes: megabytesOf(status, 'VmRSS'),
    fileDescriptors: readdirSync(`/proc/${coordinator.pid}/fd`).length,
    jobs,
    workersSeen,
    watched: watchers?.read ?? 0,
  };
}

const megabytesOf = (status: string, field: string) =>
  Math.round(Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 102.4) / 10;

const meanOf = (part: readonly Sample[], field: 'anonymousMegabytes' | 'residentMegabytes') =>
  Math.round((part.reduce((sum, { [field]: value }) => sum + value, 0) / part.length) * 10) / 10;

const third = Math.floor(samples / 3);

async function soak(): Promise<object> {
  const first = sample();
  ({ jobId: watchedJob } = await client.submitJob(jobFile('low', 1_000_000_000)));
  watchers = new Watchers(address, watchedJob);
  const openConsole = await OpenConsole.open(http);
  const busy = Promise.all([
    submitAndCancel(),
    submitAndCancel(),
    ...Array.from({ length: workerCount }, (_, number) => comeAndGo(number)),
  ]);
  while (jobs < 1.2 * bounds.endedJobs) await Promise.race([delay(2_000), busy]);
  const warmUp = { jobs, seconds: sample().seconds };
  const heapBefore = await heap();
  const taken: Sample[] = [];
  for (let i = 0; i < samples; i += 1) {
    await Promise.race([delay(totalMs / samples), busy]);
    taken.push(sample());
    process.stderr.write(`${JSON.stringify(taken.at(-1))}\n`);
  }
  const heapAfter = await heap();
  isOver = true;
  await busy;
  const failures: string[] = [];
  const [middle, last] = [taken.slice(third, 2 * third), taken.slice(2 * third)];
  const before = meanOf(middle, 'anonymousMegabytes');
  const after = meanOf(last, 'anonymousMegabytes');
  if (after > before * 1.05 && after > before + 8) {
    failures.push(`memory grows: ${before} MB in the middle third, ${after} MB in the last`);
  }
  const { lost, read } = watchers;
  if (lost.length > 0) failures.push(`${lost.length} watchers were lost, the first with: ${lost[0]}`);
  watchers.close();
  await openConsole.close();
  await client.cancelJob(watchedJob);
  const left = await client.listWorkers();
  if (left.length > 0) failures.push(`${left.length} workers are left behind`);
  for await (const { jobId, state } of client.listJobs({ states: ['QUEUED', 'RUNNING', 'PAUSED'] })) {
    failures.push(`job ${jobId} is left open: ${state}`);
  }
  rawJobs.close();
  // Sockets of the calls above are still closing; this client's own stays.
  const deadline = performance.now() + 10_000;
  while (sample().fileDescriptors > first.fileDescriptors + 1 && performance.now() < deadline) await delay(50);
  const { fileDescriptors } = sample();
  if (fileDescriptors > first.fileDescriptors + 1) {
    failures.push(`file descriptors: ${first.fileDescriptors} at the start, ${fileDescriptors} at the end`);
  }
  return {
    benchmark: 'soak',
    minutes: Number(values.minutes),
    warmUp,
    jobs,
    workersSeen,
    watchers: watcherCount,
    messagesRead: read,
    console: openConsole.kind,
    anonymousMegabytes: thirds(taken, 'anonymousMegabytes'),
    residentMegabytes: thirds(taken, 'residentMegabytes'),
    heapMegabytes: { before: megabytes(heapBefore), after: megabytes(heapAfter) },
    failures,
  };
}

const thirds = (taken: readonly Sample[], field: 'anonymousMegabytes' | 'residentMegabytes') => ({
  first: meanOf(taken.slice(0, third), field),
  middle: meanOf(taken.slice(third, 2 * third), field),
  last: meanOf(taken.slice(2 * third), field),
});

const megabytes = ({ heapUsed, external }: Heap) => Math.round((heapUsed + external) / 104_857.6) / 10;

let exitCode = 1;
try {
  const report = (await soak()) as { readonly failures: readonly string[] };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  exitCode = report.failures.length > 0 ? 1 : 0;
} catch (error) {
  process.stderr.write(`soak: ${error instanceof Error ? error.stack : error}\n`);
} finally {
  client.close();
  coordinator.kill('SIGKILL');
  await coordinatorExited;
  rmSync(stateDirectory, { recursive: true, force: true });
}
process.exit(exitCode);
