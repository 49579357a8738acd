// `npm run soak -- [--minutes M]`: jobs are submitted and cancelled without pause, watchers come, do not read and go, and eight workers come and
// go, while the coordinator's memory is measured. Prints it over time; passes when it is flat at the end (the last third's mean within 5 % of
// the middle third's, or 8 MB) and nothing is left: no worker, no open job, no more file descriptors than at the start.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { ManagedProcess } from '../../client/cli/managed-process.ts';
import { MetatrainClient } from '../../client/index.ts';
import { delay } from '../../shared/clock.ts';
import { taskRng } from '../../shared/rng.ts';
import { channelOptions, JobService } from '../../shared/wire.ts';
import { NullWorker } from '../integration/coordinator/null-worker.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' } },
});
const totalMs = Number(values.minutes) * 60_000;
const rng = taskRng(Number(values.seed), 'soak', 0);
const samples = 60;
const workerCount = 8;

interface Sample {
  readonly seconds: number;
  readonly rssMegabytes: number;
  readonly fileDescriptors: number;
  readonly jobs: number;
  readonly workersSeen: number;
}

const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-soak-'));
const coordinator = new ManagedProcess({
  title: 'the coordinator',
  file: fileURLToPath(new URL('../../coordinator/main.js', import.meta.url)),
  flags: ['--listen', '127.0.0.1:0', '--state-dir', stateDirectory, '--log-level', 'error', '--exit-with-parent'],
  environment: process.env,
  onLog: (line) => process.stderr.write(`${line}\n`),
});
const { address } = (await coordinator.ready) as { address: string };
const client = new MetatrainClient({ address });
const rawJobs = new JobService(address, credentials.createInsecure(), channelOptions);
const startedAt = performance.now();
let isOver = false;
let jobs = 0;
let workersSeen = 0;

const jobFile = () =>
  JSON.stringify({
    name: 'soak',
    seed: rng.below(1_000),
    task: { distribution: 'sinusoid' },
    model: { architecture: 'mlp' },
    algorithm: { name: 'maml' },
    meta: { iterations: rng.uniform() < 0.3 ? 5 : 1_000_000, batchSize: 16 },
    evaluation: { tasks: 8, innerSteps: 2 },
    checkpoint: { every: 50 },
    placement: { shardSize: 2, priority: (['low', 'normal', 'high'] as const)[rng.below(3)] },
  });

/** Submits, lets it run for a moment, now and then pauses it or leaves a watcher that never reads, and cancels it. */
async function submitAndCancel(): Promise<void> {
  while (!isOver) {
    jobs += 1;
    const { jobId } = await client.submitJob(jobFile(), { idempotencyKey: `soak-${jobs}` });
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
        if (character < 0.1) return;
        if (character < 0.2) {
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
    rssMegabytes: Math.round(Number(/^RssAnon:\s+(\d+)/m.exec(status)?.[1]) / 102.4) / 10,
    fileDescriptors: readdirSync(`/proc/${coordinator.pid}/fd`).length,
    jobs,
    workersSeen,
  };
}

const meanOf = (part: readonly Sample[]) => part.reduce((sum, { rssMegabytes }) => sum + rssMegabytes, 0) / part.length;

async function soak(): Promise<{ samples: readonly Sample[]; failures: readonly string[] }> {
  const first = sample();
  const busy = Promise.all([
    submitAndCancel(),
    submitAndCancel(),
    ...Array.from({ length: workerCount }, (_, number) => comeAndGo(number)),
  ]);
  const taken: Sample[] = [];
  for (let i = 0; i < samples; i += 1) {
    await Promise.race([delay(totalMs / samples), busy]);
    taken.push(sample());
    process.stderr.write(`${JSON.stringify(taken.at(-1))}\n`);
  }
  isOver = true;
  await busy;
  const failures: string[] = [];
  const third = Math.floor(samples / 3);
  const [middle, last] = [meanOf(taken.slice(third, 2 * third)), meanOf(taken.slice(2 * third))];
  if (last > middle * 1.05 && last > middle + 8) {
    failures.push(`memory grows: ${middle.toFixed(1)} MB in the middle third, ${last.toFixed(1)} MB in the last`);
  }
  const left = await client.listWorkers();
  if (left.length > 0) failures.push(`${left.length} workers are left behind`);
  for await (const { jobId, state } of client.listJobs({ states: ['QUEUED', 'RUNNING', 'PAUSED'] })) {
    failures.push(`job ${jobId} is left open: ${state}`);
  }
  rawJobs.close();
  // Sockets of the calls above are still closing; this client's own stays.
  const deadline = performance.now() + 10_000;
  while (sample().fileDescriptors > first.fileDescriptors + 1 && performance.now() < deadline) await delay(50);
  const after = sample();
  if (after.fileDescriptors > first.fileDescriptors + 1) {
    failures.push(`file descriptors: ${first.fileDescriptors} at the start, ${after.fileDescriptors} at the end`);
  }
  return { samples: taken, failures };
}

let exitCode = 1;
try {
  const { samples: taken, failures } = await soak();
  const third = Math.floor(samples / 3);
  const report = {
    minutes: Number(values.minutes),
    jobs,
    workersSeen,
    rssMegabytes: {
      first: taken[0]?.rssMegabytes,
      middleThird: Math.round(meanOf(taken.slice(third, 2 * third)) * 10) / 10,
      lastThird: Math.round(meanOf(taken.slice(2 * third)) * 10) / 10,
    },
    failures,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  exitCode = failures.length > 0 ? 1 : 0;
} catch (error) {
  process.stderr.write(`soak: ${error instanceof Error ? error.stack : error}\n`);
} finally {
  client.close();
  coordinator.kill();
  await coordinator.exited;
  rmSync(stateDirectory, { recursive: true, force: true });
}
process.exit(exitCode);
