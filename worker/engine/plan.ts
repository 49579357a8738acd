// Turns a task function into a plan: traces it, optimises its graph, and divides its tasks into
// runs. The number of tasks in a run follows from the graph and one constant, never from the
// machine or the cluster, since sums are rounded in the order of the runs.
import { createHash } from 'node:crypto';
import type { DeviceKind } from './devices.ts';
import type { TaskProgramOptions } from './engine.ts';
import { type FusedPlan, planFused } from './fused/plan.ts';
import { hasVectorInstructions } from './fused/webassembly.ts';
import { arithmeticOf, peakBytesOf } from './graph/cost.ts';
import { type Graph, nodesOf } from './graph/operation.ts';
import { graphKey } from './graph/print.ts';
import { builderFor, type OptimizeOptions, optimize, type PassReport } from './passes/pipeline.ts';
import { startStopwatch } from './stopwatch.ts';
import { type TracedGraph, trace } from './trace/trace.ts';

/**
 * A shard whose run would take more memory is computed as several equal runs, in task order.
 * Joining tasks saves dispatch where tensors are small; large tensors gain nothing on a core and do
 * not fit into its caches. A change of this constant changes bits: see `engineBuild`.
 */
export const runBudgetBytes: Readonly<Record<DeviceKind, number>> = { cpu: 2 ** 28, webgpu: 2 ** 30, cuda: 2 ** 30 };

export interface Plan {
  readonly traced: TracedGraph;
  /** The graph of one run. */
  readonly graph: Graph;
  readonly tasksPerRun: number;
  /** Present if the fused executor runs the graph: a run is one task then. */
  readonly fused?: FusedPlan;
  readonly passes: readonly PassReport[];
  /** Predicted for one run; docs/engine.md compares predictions with measurements. */
  readonly peakBytes: number;
  /** Floating-point operations of one run, in products and convolutions. */
  readonly arithmetic: number;
  readonly traceMs: number;
  readonly optimizeMs: number;
}

type Fused = { readonly plan: FusedPlan; readonly passes: readonly PassReport[] } | undefined;

/**
 * The newest plans of an engine's fused executor, by what was traced. A run is one task there, so
 * one function has equal plans for all numbers of tasks: whole shards, the last one, and single
 * tasks.
 */
export class FusedPlans {
  readonly #plans = new Map<string, Fused>();

  get(traced: TracedGraph, plan: () => Fused): Fused {
    const key = createHash('sha256').update(graphKey(traced)).digest('hex');
    const known = this.#plans.has(key) ? this.#plans.get(key) : plan();
    this.#plans.delete(key);
    this.#plans.set(key, known);
    if (this.#plans.size > mostKnownPlans) this.#plans.delete(this.#plans.keys().next().value!);
    return known;
  }
}

/** A job has one for training and one or two for evaluation. */
const mostKnownPlans = 4;

/**
 * On the cpu the fused executor is tried first, unless `target` is `onnx`.
 * @param known made with the same options. Default: none is known.
 * @throws MetatrainError `REQUEST_INVALID` when the function cannot be traced.
 */
export function planProgram(
  program: TaskProgramOptions,
  { device = 'cpu', ...options }: OptimizeOptions & { readonly device?: DeviceKind } = {},
  budget = runBudgetBytes[device],
  known = new FusedPlans(),
): Plan {
  const tracing = startStopwatch();
  const traced = trace(program, builderFor(options));
  const traceMs = tracing();
  const optimizing = startStopwatch();
  const fused = device === 'cpu' && options.target !== 'onnx' ? fuse(traced, options, known) : undefined;
  if (fused !== undefined) {
    const arithmetic = arithmeticOf(fused.plan.graph);
    const { graph, peakBytes } = fused.plan;
    const optimizeMs = optimizing();
    return { traced, graph, fused: fused.plan, tasksPerRun: 1, passes: fused.passes, peakBytes, arithmetic, traceMs, optimizeMs }; // biome-ignore format: one line
  }
  let tasksPerRun = program.taskCount;
  let run = sized(traced, tasksPerRun, options);
  // Memory grows with the tasks, except for the part that they share. So a divisor need not be
  // tried if its proportional share of the known peak already exceeds the budget.
  const { peakBytes } = run;
  for (const divisor of divisorsBelow(program.taskCount)) {
    if (run.peakBytes <= budget) break;
    if (divisor > 1 && (peakBytes * divisor) / program.taskCount > budget) continue;
    tasksPerRun = divisor;
    run = sized(traced, divisor, options);
  }
  return {
    traced,
    graph: run.graph,
    tasksPerRun,
    passes: run.reports,
    peakBytes: run.peakBytes,
    arithmetic: arithmeticOf(run.graph),
    traceMs,
    optimizeMs: optimizing(),
  };
}

/** Undefined if there is no convolution, or one that the fused executor cannot run. */
function fuse(traced: TracedGraph, options: OptimizeOptions, known: FusedPlans): Fused {
  if (!hasVectorInstructions() || !nodesOf(traced).some(({ op }) => op.kind === 'conv2d')) return undefined;
  return known.get(traced, () => {
    const { graph, reports } = optimize(traced, 1, { ...options, target: 'fused' });
    const plan = planFused(graph);
    return plan === undefined ? undefined : { plan, passes: reports };
  });
}

function sized(traced: TracedGraph, taskCount: number, options: OptimizeOptions) {
  const { graph, reports } = optimize(traced, taskCount, { ...options, target: 'onnx' });
  return { graph, reports, peakBytes: peakBytesOf(graph) };
}

/** The largest first. */
function divisorsBelow(count: number): number[] {
  return Array.from({ length: count - 1 }, (_, i) => count - 1 - i).filter((divisor) => count % divisor === 0);
}
