// Requests of a trained model at once, beside a running job: the time from each request to its
// answer, and what share of its meta-steps the job loses meanwhile. The requests adapt the linear
// example and predict, in one call each, each to a line of its own.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LocalCluster } from '../client/cli/local-cluster.ts';
import { MetatrainClient } from '../client/metatrain-client.ts';
import { delay } from '../shared/clock.ts';
import { packageRoot } from '../shared/wire.ts';
import { endlessJob } from './endless-job.ts';
import { workloads } from './engine/workloads.ts';

const usage = {
  /** At once. */
  requests: { type: 'string', default: '200' },
  rounds: { type: 'string', default: '3' },
  /** How long the job alone is measured, before each round. */
  seconds: { type: 'string', default: '4' },
} as const;

export async function run(args: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({ args: [...args], options: usage });
  const [requests, rounds, seconds] = [Number(values.requests), Number(values.rounds), Number(values.seconds)];
  const [workers, slots] = [1, 2];
  const cluster = await LocalCluster.start(
    { workers, slots, listen: '127.0.0.1:0', hasHttp: false, dataDirectories: [], logLevel: 'warn' },
    { environment: process.env, note: log, log: (title, line) => log(`${title}: ${line}`) },
  );
  const client = new MetatrainClient({ address: cluster.address });
  try {
    const { jobId } = await client.submitJob(readFileSync(join(packageRoot, 'examples', 'linear.yaml'), 'utf8'));
    for await (const event of client.watchJob(jobId)) void event;
    const { jobId: beside } = await client.submitJob(endlessJob(workloads[0]!, 13));
    const stepsIn = async (during: () => Promise<unknown>) => {
      const [before, started] = [(await client.getJob(beside)).steps, performance.now()];
      await during();
      return ((await client.getJob(beside)).steps - before) / ((performance.now() - started) / 1_000);
    };
    await ask(client, jobId, 1);
    await delay(5_000);
    const results = [];
    for (let round = 0; round < rounds; round += 1) {
      const alone = await stepsIn(() => delay(1_000 * seconds));
      let times: number[] = [];
      const whole = performance.now();
      const withRequests = await stepsIn(async () => {
        times = await Promise.all(Array.from({ length: requests }, (_, i) => ask(client, jobId, i / requests)));
      });
      times.sort((a, b) => a - b);
      const at = (share: number) => Math.round(times[Math.min(times.length - 1, Math.floor(share * times.length))]!);
      results.push({
        p50Ms: at(0.5),
        p99Ms: at(0.99),
        answersPerSecond: Math.round((1_000 * requests) / (performance.now() - whole)),
        jobStepsPerSecond: { alone: Math.round(alone), beside: Math.round(withRequests) },
      });
      log(JSON.stringify(results.at(-1)));
    }
    return { benchmark: 'adapt', node: process.version, workers, slots, requests, results };
  } finally {
    client.close();
    await cluster.close();
  }
}

/** @returns milliseconds until the answer. @throws Error for a wrong one. */
async function ask(client: MetatrainClient, jobId: string, slope: number): Promise<number> {
  const started = performance.now();
  const support = { inputs: { numbers: [1, 2, 3] }, targets: [slope, 2 * slope, 3 * slope] };
  const { predictions } = await client.models.predict({ jobId, support }, { numbers: [2] });
  const [output = Number.NaN] = predictions[0]!.outputs;
  if (!(Math.abs(output - 2 * slope) < 0.1)) throw new Error(`got ${output} for ${2 * slope}`);
  return performance.now() - started;
}

const log = (text: string) => void process.stderr.write(`bench: ${text}\n`);
