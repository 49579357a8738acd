// The two lists of passes that a traced graph goes through, one for each target. Each pass can be
// left out by name, which measurements and tests use; only those marked `isRequired` must stay,
// since what runs the graph depends on them.
import { GraphBuilder } from '../graph/builder.ts';
import { type Graph, nodesOf } from '../graph/operation.ts';
import { startStopwatch } from '../stopwatch.ts';
import { batchTasks } from './batch-tasks.ts';
import { lowerConvolutions } from './fused/columns.ts';
import { keepLeadingAxes } from './fused/leading-axes.ts';
import { lowerShortColumns } from './fused/short-columns.ts';
import { lowerIndices } from './indices.ts';
import { joinBiases } from './onnx/biases.ts';
import { lowerFilterGradients } from './onnx/filter-gradients.ts';
import { dropKeptAxes } from './onnx/kept-axes.ts';
import { postponeTransposes } from './onnx/layout.ts';
import { chooseScales } from './onnx/scales.ts';
import { spreadWindows } from './onnx/windows.ts';
import type { Pass, PassRequest } from './pass.ts';
import { ruleFamilies, simplify } from './rules/simplify.ts';

/**
 * Not a pass: every builder shares equal nodes as they are made. Left out by this name, in the
 * trace's builder too.
 */
export const commonSubexpressions = 'common-subexpressions';

/** The builder that the options ask for. */
export function builderFor({ without = [] }: OptimizeOptions): GraphBuilder {
  return new GraphBuilder({ shareEqualNodes: !without.includes(commonSubexpressions) });
}

/** ONNX Runtime runs the graph as one model: activations are laid out as its convolutions want them. */
const onnxPasses: readonly Pass[] = [
  { name: 'simplify', run: simplify },
  { name: 'lower-indices', isRequired: true, run: lowerIndices },
  { name: 'batch-tasks', isRequired: true, run: batchTasks },
  { name: 'simplify-batched', run: simplify },
  { name: 'postpone-transposes', run: postponeTransposes },
  { name: 'simplify-ordered', run: simplify },
  { name: 'lower-filter-gradients', isRequired: true, run: lowerFilterGradients },
  { name: 'simplify-lowered', run: simplify },
  { name: 'spread-windows', run: spreadWindows },
  { name: 'drop-kept-axes', run: dropKeptAxes },
  { name: 'choose-scales', run: chooseScales },
  { name: 'join-biases', run: joinBiases },
];

/**
 * The fused executor runs the graph, a task a run: activations keep TensorFlow's order, and
 * convolutions are products of rows.
 */
const fusedPasses: readonly Pass[] = [
  { name: 'simplify', run: simplify },
  { name: 'lower-indices', isRequired: true, run: lowerIndices },
  { name: 'batch-tasks', isRequired: true, run: batchTasks },
  { name: 'simplify-batched', run: simplify },
  { name: 'lower-convolutions', isRequired: true, run: lowerConvolutions },
  { name: 'simplify-lowered', run: simplify },
  { name: 'keep-leading-axes', run: keepLeadingAxes },
  { name: 'simplify-kept', run: simplify },
  { name: 'lower-short-columns', run: lowerShortColumns },
];

/** What runs the graph: ONNX Runtime as one model, or the fused executor (`../fused`). */
export type Target = 'onnx' | 'fused';

/**
 * In the order in which they run. `simplify` consists of rule families (`rules/`), which can be
 * left out by their own names too.
 */
const pipelines: Readonly<Record<Target, readonly Pass[]>> = { onnx: onnxPasses, fused: fusedPasses };

/** The names that `without` takes. */
export const switchable: readonly string[] = namesOf(onnxPasses);

function namesOf(list: readonly Pass[]): string[] {
  const optional = list.filter(({ isRequired }) => !isRequired).map(({ name }) => name);
  return [commonSubexpressions, ...optional, ...Object.keys(ruleFamilies)];
}

export interface PassReport {
  readonly name: string;
  readonly nodesBefore: number;
  readonly nodesAfter: number;
  readonly milliseconds: number;
  /** How often each rule family replaced a node. */
  readonly applied: Readonly<Record<string, number>>;
}

export interface OptimizeOptions {
  /** Default: `onnx` for `optimize`; a program's plan tries the fused executor first. */
  readonly target?: Target;
  /** Names of passes or rule families to leave out. Default none. */
  readonly without?: readonly string[];
}

/** From one task's traced graph to the graph of a run of `taskCount` tasks, ready for the target. */
export function optimize(
  graph: Graph,
  taskCount: number,
  options: OptimizeOptions = {},
): { graph: Graph; reports: PassReport[] } {
  const known = new Set([...switchable, ...namesOf(fusedPasses)]);
  const unknown = options.without?.filter((name) => !known.has(name)) ?? [];
  if (unknown.length > 0)
    throw new Error(`no pass "${unknown.join(', ')}" to leave out; there are ${[...known].join(', ')}`);
  const request: PassRequest = {
    taskCount,
    without: new Set(options.without ?? []),
    newBuilder: () => builderFor(options),
  };
  const reports: PassReport[] = [];
  let current = graph;
  for (const pass of pipelines[options.target ?? 'onnx']) {
    if (request.without.has(pass.name) && pass.isRequired !== true) continue;
    const elapsed = startStopwatch();
    const nodesBefore = nodesOf(current).length;
    const { outputs, applied = {} } = pass.run(current, request);
    current = { outputs };
    const milliseconds = elapsed();
    reports.push({
      name: pass.name,
      nodesBefore,
      nodesAfter: nodesOf(current).length,
      milliseconds,
      applied,
    });
  }
  return { graph: current, reports };
}
