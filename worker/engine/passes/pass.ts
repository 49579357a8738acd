// What a pass is: a pure function from a graph to one that computes the same. The lists of passes,
// in their order, are in pipeline.ts.
import type { GraphBuilder } from '../graph/builder.ts';
import type { Graph } from '../graph/operation.ts';

export interface Pass {
  readonly name: string;
  readonly isRequired?: boolean;
  run(graph: Graph, request: PassRequest): PassResult;
}

export interface PassResult extends Graph {
  /** How often a rule of each family replaced a node; absent where there are no families. */
  readonly applied?: Readonly<Record<string, number>>;
}

export interface PassRequest {
  /** Tasks in one run. */
  readonly taskCount: number;
  /** Names of passes and rule families to leave out. */
  readonly without: ReadonlySet<string>;
  /** Every pass writes its graph with a builder of its own. */
  newBuilder(): GraphBuilder;
}
