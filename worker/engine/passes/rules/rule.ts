// What a local rewrite rule is, for the rules and for the traversal that runs them.
import type { GraphBuilder } from '../../graph/builder.ts';
import type { GraphNode } from '../../graph/operation.ts';

export interface RuleContext {
  readonly builder: GraphBuilder;
  /**
   * How many nodes and outputs read a node. Folding work into a node that others read too would
   * repeat it.
   */
  usesOf(node: GraphNode): number;
}

/** A replacement for the node, or undefined. */
export type Rule = (node: GraphNode, context: RuleContext) => GraphNode | undefined;
