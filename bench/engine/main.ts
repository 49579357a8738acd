// The engine against PyTorch and JAX: second-order MAML per task, one thread each, taking turns in
// one run so that other load slows all of them alike. A peer with another loss or gradient is not
// measured. Ratios are the peer's time over ours: above 1 we are faster.
import { parseArgs } from 'node:util';
import { createCompiledEngine } from '../../worker/engine/compiled.ts';
import { deviceFacts } from '../../worker/engine/devices.ts';
import type { CompileReport, TaskProgram } from '../../worker/engine/engine.ts';
import type { Target } from '../../worker/engine/passes/pipeline.ts';
import { measureGemm } from './gemm.ts';
import { type Peer, type PeerName, peerNames, peersPython, shareWorkload, startPeer } from './peers.ts';
import { paramArrays, program, taskArrays, type Workload, workloads } from './workloads.ts';

interface Timing {
  /** Median over all runs, and the best run, which other load on the machine disturbs least. */
  readonly medianMs: number;
  readonly bestMs: number;
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
  const chosen = workloads.filter(
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
  workload: Workload,
  python: string | undefined,
  wanted: readonly PeerName[],
  rounds: number,
  seconds: number,
  gemm: number,
  target: Target,
) {
  log(`${workload.name}: preparing`);
  const ours = await prepareOurs(workload, target);
  const shared = shareWorkload(workload);
  const peers: Peer[] = [];
  const refused: Record<string, string> = {};
  for (const name of python === undefined ? [] : wanted) {
    try {
      const peer = await startPeer(python!, name, shared.folder);
      const disagreement = relativeDifference([peer.start.loss, ...peer.start.gradient], [ours.loss, ...ours.gradient]);
      if (disagreement > 2e-3) {
        refused[name] = `differs by ${disagreement} (loss ${peer.start.loss}, ours ${ours.loss})`;
        peer.close();
      } else peers.push(peer);
    } catch (error) {
      refused[name] = error instanceof Error ? error.message : String(error);
    }
    log(`${workload.name}: ${name} ${refused[name] ?? 'ready'}`);
  }
  const ourTimes: number[] = [];
  const peerTimes = new Map<PeerName, number[]>(peers.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    ourTimes.push(...(await ours.measure(seconds)));
    for (const peer of peers) peerTimes.get(peer.name)!.push(...(await peer.measure(seconds)));
  }
  for (const peer of peers) peer.close();
  shared.remove();
  await ours.close();
  const timing = summary(ourTimes);
  const comparisons = peers.map(({ name, start }) => {
    const theirs = summary(peerTimes.get(name)!);
    return [
      name,
      {
        ...theirs,
        firstGradientSeconds: round(start.firstSeconds),
        ratio: round(theirs.medianMs / timing.medianMs),
        bestRatio: round(theirs.bestMs / timing.bestMs),
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

async function prepareOurs(workload: Workload, target: Target) {
  const started = performance.now();
  const reports: CompileReport[] = [];
  const engine = await createCompiledEngine({
    facts: deviceFacts('cpu'),
    passes: { target },
    onCompiled: (report) => reports.push(report),
  });
  const options = program(workload);
  const compiled: TaskProgram = await engine.compile(options);
  const [params, tasks] = [paramArrays(workload), taskArrays(workload)];
  const { sum } = await compiled.run(params, tasks);
  const firstSeconds = (performance.now() - started) / 1000;
  const { nodes, arithmetic, taskCount, tasksPerRun, executor, peakBytes } = reports[0]!;
  const name = workload.model === 'mlp' ? 'w2' : 'dense';
  return {
    firstSeconds,
    loss: sum.loss![0]!,
    gradient: Array.from(sum[name]!.slice(0, 4)),
    nodes,
    executor,
    peakBytes,
    arithmetic: (arithmetic * taskCount) / tasksPerRun,
    measure: async (seconds: number) => {
      const until = performance.now() + seconds * 1000;
      const times: number[] = [];
      while (performance.now() < until || times.length < 2) {
        const start = performance.now();
        await compiled.run(params, tasks);
        times.push((performance.now() - start) / workload.tasks);
      }
      return times;
    },
    close: () => engine.close(),
  };
}

function summary(times: readonly number[]): Timing {
  const sorted = [...times].sort((a, b) => a - b);
  return { medianMs: round(sorted[sorted.length >> 1]!), bestMs: round(sorted[0]!) };
}

/** The largest difference, relative to the largest value. */
function relativeDifference(a: readonly number[], b: readonly number[]): number {
  const size = Math.max(...b.map(Math.abs));
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) / size;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function log(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}
