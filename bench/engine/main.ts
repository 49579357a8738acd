// The engine against PyTorch and JAX: MAML and whole training shards per task, one thread each,
// taking turns in one run so that other load slows all of them alike. A peer with another loss or
// gradient is not measured. Ratios are the peer's time over ours: above 1 we are faster.
import { parseArgs } from 'node:util';
import { createCompiledEngine } from '../../worker/engine/compiled.ts';
import { deviceFacts } from '../../worker/engine/devices.ts';
import type { CompileReport, Engine, NamedArrays } from '../../worker/engine/engine.ts';
import type { Target } from '../../worker/engine/passes/pipeline.ts';
import { measureGemm } from './gemm.ts';
import { type JobWorkload, jobArrays, jobShard, jobWorkloads } from './jobs.ts';
import {
  type MeasuredRuns,
  type Peer,
  type PeerName,
  type PeerStart,
  peerNames,
  peersPython,
  shareWorkload,
  startPeer,
} from './peers.ts';
import { arraysOf, program, type Workload, workloads } from './workloads.ts';

interface Timing {
  /** Median over all runs, and the best run, which other load on the machine disturbs least. */
  readonly medianMs: number;
  readonly bestMs: number;
  /** The processor's time, mean over all runs: what other load changes less. */
  readonly processorMs: number;
}

const usage = {
  only: { type: 'string' },
  peers: { type: 'string', default: peerNames.join(',') },
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '2' },
  /** `onnx`: one ONNX model instead of the fused executor. */
  target: { type: 'string', default: 'fused' },
} as const;

export async function run(args: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({ args: [...args], options: usage });
  const chosen = [...workloads, ...jobWorkloads].filter(
    ({ name }) => values.only === undefined || values.only.split(',').some((part) => name.includes(part)),
  );
  const wanted = peerNames.filter((name) => values.peers.split(',').includes(name));
  const python = wanted.length === 0 ? { missing: 'none asked for' } : peersPython();
  if ('missing' in python) log(`peers left out: ${python.missing}`);
  const gemm = await measureGemm();
  const results: unknown[] = [];
  for (const workload of chosen) {
    results.push(
      await measure(
        workload,
        'python' in python ? python.python : undefined,
        wanted,
        Number(values.rounds),
        Number(values.seconds),
        gemm,
        values.target === 'onnx' ? 'onnx' : 'fused',
      ),
    );
  }
  return {
    benchmark: 'engine',
    node: process.version,
    gemmGflops: round(gemm),
    peersMissing: 'missing' in python ? python.missing : undefined,
    results,
  };
}

async function measure(
  workload: Workload | JobWorkload,
  python: string | undefined,
  wanted: readonly PeerName[],
  rounds: number,
  seconds: number,
  gemm: number,
  target: Target,
) {
  log(`${workload.name}: preparing`);
  const ours = await prepareOurs(workload, target);
  const shared = shareWorkload(workload, 'job' in workload ? jobArrays(workload) : arraysOf(workload));
  const peers: Peer[] = [];
  const refused: Record<string, string> = {};
  for (const name of python === undefined ? [] : wanted) {
    try {
      const peer = await startPeer(python!, name, shared.folder);
      const disagreement = differenceOf(peer.start, ours);
      if (!(disagreement <= 2e-3)) {
        refused[name] = `differs by ${disagreement} (loss ${peer.start.loss}, ours ${ours.loss})`;
        peer.close();
      } else peers.push(peer);
    } catch (error) {
      refused[name] = error instanceof Error ? error.message : String(error);
    }
    log(`${workload.name}: ${name} ${refused[name] ?? 'ready'}`);
  }
  const ourRuns: MeasuredRuns[] = [];
  const peerRuns = new Map<PeerName, MeasuredRuns[]>(peers.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    ourRuns.push(await ours.measure(seconds));
    for (const peer of peers) peerRuns.get(peer.name)!.push(await peer.measure(seconds));
  }
  for (const peer of peers) peer.close();
  shared.remove();
  await ours.close();
  const timing = summary(ourRuns);
  const comparisons = peers.map(({ name, start }) => {
    const theirs = summary(peerRuns.get(name)!);
    return [
      name,
      {
        ...theirs,
        firstGradientSeconds: round(start.firstSeconds),
        ratio: round(theirs.medianMs / timing.medianMs),
        bestRatio: round(theirs.bestMs / timing.bestMs),
        processorRatio: round(theirs.processorMs / timing.processorMs),
      },
    ];
  });
  const result = {
    workload: workload.name,
    tasksPerRun: workload.tasks,
    ...timing,
    firstGradientSeconds: round(ours.firstSeconds),
    nodes: ours.nodes,
    executor: ours.executor,
    peakBytes: ours.peakBytes,
    gflopsPerSecond: round(ours.arithmetic / workload.tasks / timing.bestMs / 1e6),
    shareOfGemm: round(ours.arithmetic / workload.tasks / timing.bestMs / 1e6 / gemm),
    peers: Object.fromEntries(comparisons),
    refused,
  };
  log(JSON.stringify(result));
  return result;
}

/** The workload on our engine, computed once. `target`: what programs are compiled for. */
export async function prepareOurs(workload: Workload | JobWorkload, target: Target = 'fused') {
  const started = performance.now();
  const reports: CompileReport[] = [];
  const engine = await createCompiledEngine({
    facts: deviceFacts('cpu'),
    passes: { target },
    onCompiled: (report) => reports.push(report),
  });
  let arithmetic = 0;
  const counting: Engine = {
    fingerprint: engine.fingerprint,
    statistics: engine.statistics,
    async compile(options) {
      const program = await engine.compile(options);
      const { arithmetic: ofRun, taskCount, tasksPerRun } = reports.at(-1)!;
      return {
        outputs: program.outputs,
        run(params, tasks) {
          arithmetic += (ofRun * taskCount) / tasksPerRun;
          return program.run(params, tasks);
        },
        dispose: () => program.dispose(),
      };
    },
    close: () => engine.close(),
  };
  const run = 'job' in workload ? jobShard(workload, counting) : await mamlShard(workload, counting);
  const { loss, gradient } = await run();
  const firstSeconds = (performance.now() - started) / 1000;
  const ofFirst = arithmetic;
  return {
    firstSeconds,
    loss,
    gradientNorms: Object.fromEntries(
      Object.entries(gradient).map(([name, values]) => [name, lengthOf(values as Float32Array)]),
    ),
    nodes: reports.reduce((sum, { nodes }) => sum + nodes, 0),
    executor: [...new Set(reports.map(({ executor }) => executor))].join(', '),
    peakBytes: Math.max(...reports.map(({ peakBytes }) => peakBytes)),
    arithmetic: ofFirst,
    measure: async (seconds: number): Promise<MeasuredRuns> => {
      const until = performance.now() + seconds * 1000;
      const processor = process.cpuUsage();
      const times: number[] = [];
      while (performance.now() < until || times.length < 2) {
        const start = performance.now();
        await run();
        times.push((performance.now() - start) / workload.tasks);
      }
      const { user, system } = process.cpuUsage(processor);
      return { milliseconds: times, processorMs: (user + system) / 1000 / workload.tasks };
    },
    close: () => engine.close(),
  };
}

async function mamlShard(workload: Workload, engine: Engine) {
  const compiled = await engine.compile(program(workload));
  const { params, tasks } = arraysOf(workload);
  return async (): Promise<{ readonly loss: number; readonly gradient: NamedArrays }> => {
    const { sum } = await compiled.run(params, tasks);
    const { loss, ...gradient } = sum;
    return { loss: loss![0]!, gradient };
  };
}

function summary(runs: readonly MeasuredRuns[]): Timing {
  const sorted = runs.flatMap(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  const processorMs = runs.reduce((sum, run) => sum + run.processorMs, 0) / sorted.length;
  return { medianMs: round(sorted[sorted.length >> 1]!), bestMs: round(sorted[0]!), processorMs: round(processorMs) };
}

const lengthOf = (vector: Float32Array): number => Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));

/** Of the losses, relative, or of the gradients' lengths, relative to the longest: the larger. */
export function differenceOf(
  theirs: Pick<PeerStart, 'loss' | 'gradientNorms'>,
  ours: Pick<PeerStart, 'loss' | 'gradientNorms'>,
): number {
  const longest = Math.max(...Object.values(ours.gradientNorms));
  const ofNorms = Object.entries(ours.gradientNorms).map(
    ([name, norm]) => Math.abs(norm - (theirs.gradientNorms[name] ?? Number.NaN)) / longest,
  );
  return Math.max(Math.abs(theirs.loss - ours.loss) / Math.abs(ours.loss), ...ofNorms);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function log(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}
