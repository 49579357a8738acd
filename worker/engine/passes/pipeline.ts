// The list of passes that a traced graph goes through before it becomes ONNX. Each can be left out by name, which measurements and tests use;
// only those marked `required` must stay, since the ONNX writer depends on them.
import { type Graph, nodesOf } from '../graph/operation.ts';
import { batchTasks } from './batch-tasks.ts';
import { postponeTransposes } from './layout.ts';
import { lowerFilterGradients, lowerIndices } from './lower-composites.ts';
import { simplify } from './simplify.ts';
import { dropKeptAxes } from './unit-axes.ts';
import { spreadWindows } from './windows.ts';

export interface Pass {
  readonly name: string;
  readonly isRequired?: boolean;
  run(
    graph: Graph,
    request: PassRequest,
  ): { readonly graph: Graph; readonly applied?: Readonly<Record<string, number>> };
}

export interface PassRequest {
  /** Tasks in one run. */
  readonly taskCount: number;
  /** Names of passes and rule families to leave out. */
  readonly without: ReadonlySet<string>;
}

/** In the order in which they run. `simplify` consists of rule families (see there), which can be left out by their own names too. */
export const passes: readonly Pass[] = [
  { name: 'simplify', run: (graph, { without }) => simplify(graph, without) },
  { name: 'lower-indices', isRequired: true, run: (graph) => ({ graph: lowerIndices(graph) }) },
  { name: 'batch-tasks', isRequired: true, run: (graph, { taskCount }) => ({ graph: batchTasks(graph, taskCount) }) },
  { name: 'simplify-batched', run: (graph, { without }) => simplify(graph, without) },
  { name: 'postpone-transposes', run: (graph) => ({ graph: postponeTransposes(graph) }) },
  { name: 'simplify-ordered', run: (graph, { without }) => simplify(graph, without) },
  { name: 'lower-filter-gradients', isRequired: true, run: (graph) => ({ graph: lowerFilterGradients(graph) }) },
  { name: 'simplify-lowered', run: (graph, { without }) => simplify(graph, without) },
  { name: 'spread-windows', run: (graph) => ({ graph: spreadWindows(graph) }) },
  { name: 'drop-kept-axes', run: (graph) => ({ graph: dropKeptAxes(graph) }) },
];

export interface PassReport {
  readonly name: string;
  readonly nodesBefore: number;
  readonly nodesAfter: number;
  readonly milliseconds: number;
  /** How often each rule family replaced a node. */
  readonly applied: Readonly<Record<string, number>>;
}

export interface OptimizeOptions {
  /** Names of passes or rule families to leave out. Default none. */
  readonly without?: readonly string[];
}

/** From one task's traced graph to the graph of a run of `taskCount` tasks, ready for the ONNX writer. */
export function optimize(
  graph: Graph,
  taskCount: number,
  options: OptimizeOptions = {},
): { graph: Graph; reports: PassReport[] } {
  const without = new Set(options.without ?? []);
  const reports: PassReport[] = [];
  let current = graph;
  for (const pass of passes) {
    if (without.has(pass.name) && pass.isRequired !== true) continue;
    const started = performance.now();
    const nodesBefore = nodesOf(current).length;
    const result = pass.run(current, { taskCount, without });
    current = result.graph;
    const milliseconds = performance.now() - started;
    reports.push({
      name: pass.name,
      nodesBefore,
      nodesAfter: nodesOf(current).length,
      milliseconds,
      applied: result.applied ?? {},
    });
  }
  return { graph: current, reports };
}
