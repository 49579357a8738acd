// `npm run simulate -- --seeds N [--workers W] [--from S]`: runs the simulation for N seeds on
// every core, and for the seeds that once found a bug. Prints a summary as one JSON object. A
// failure prints its seed and the violated claim, and the exit code is 1.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { foundSeeds } from './found-seeds.ts';
import { type SimulationOptions, type SimulationReport, simulate } from './simulation.ts';

interface Failure extends SimulationOptions {
  readonly message: string;
}

interface Share {
  readonly reports: readonly SimulationReport[];
  readonly failures: readonly Failure[];
}

/** A share stops after this many failures: one suffices for a person to start. */
const maxFailures = 5;

function runShare(runs: Iterable<SimulationOptions>): Share {
  const reports: SimulationReport[] = [];
  const failures: Failure[] = [];
  for (const options of runs) {
    try {
      reports.push(simulate(options));
    } catch (thrown) {
      failures.push({ ...options, message: thrown instanceof Error ? (thrown.stack ?? thrown.message) : `${thrown}` });
      if (failures.length === maxFailures) break;
    }
  }
  return { reports, failures };
}

/** Every `shares`-th seed, beginning with the `share`-th. */
function* seedsOf(from: number, seeds: number, workers: number, share: number, shares: number) {
  for (let i = share; i < seeds; i += shares) yield { seed: from + i, workers };
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: '200' },
    share: { type: 'string' },
    shares: { type: 'string', default: String(availableParallelism()) },
  },
});
const [seeds, from, workers, shares] = [values.seeds, values.from, values.workers, values.shares].map((text) => {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  process.stderr.write(`simulate: got ${text}; accepted: a whole number from 1 on\n`);
  return process.exit(2);
}) as [number, number, number, number];

if (values.share === undefined) await runAll();
else process.send?.(runShare(seedsOf(from, seeds, workers, Number(values.share), shares)));

async function runAll(): Promise<never> {
  const startedAt = performance.now();
  const parts = await Promise.all([
    ...Array.from({ length: shares }, (_, share) => runInChild(share)),
    runShare(foundSeeds),
  ]);
  const reports = parts.flatMap((part) => part.reports);
  const failures = parts.flatMap((part) => part.failures);
  for (const { seed, workers: count, message } of failures) {
    process.stderr.write(`seed ${seed} with ${count} workers: ${message}\n`);
    process.stderr.write(`  again: npm run simulate -- --seeds 1 --from ${seed} --workers ${count}\n`);
  }
  const sum = (of: (report: SimulationReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const summary = {
    seeds: reports.length + failures.length,
    workers,
    failedSeeds: failures.map(({ seed }) => seed),
    faults: sum(({ faults }) => faults),
    coordinatorLives: sum(({ coordinatorLives }) => coordinatorLives),
    shardsCounted: sum(({ shardsCounted }) => shardsCounted),
    stepsProved: sum(({ stepsProved }) => stepsProved),
    resultsPresentedAgain: sum(({ resultsPresentedAgain }) => resultsPresentedAgain),
    quarantines: sum(({ quarantines }) => quarantines),
    spans: sum(({ spans }) => spans),
    spansStopped: sum(({ spansStopped }) => spansStopped),
    requestsAnswered: sum(({ requestsAnswered }) => requestsAnswered),
    requestsRefused: sum(({ requestsRefused }) => requestsRefused),
    virtualHours: Math.round(sum(({ virtualSeconds }) => virtualSeconds) / 36) / 100,
    wallSeconds: Math.round((performance.now() - startedAt) / 100) / 10,
  };
  process.stdout.write(`${JSON.stringify(summary)}\n`);
  process.exit(failures.length > 0 ? 1 : 0);
}

async function runInChild(share: number): Promise<Share> {
  const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--share', String(share)]);
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`a share of the seeds ended without a report: ${signal ?? `exit code ${code}`}`);
  });
  const [report] = (await Promise.race([once(child, 'message'), ended])) as [Share];
  return report;
}
