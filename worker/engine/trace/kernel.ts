// What a traced kernel is, for the tables of kernels and for the trace that calls them.
import type { GraphBuilder } from '../graph/builder.ts';
import type { GraphNode } from '../graph/operation.ts';

/** A kernel's call: its operands by tfjs's name for them, its attributes, and where to put nodes. */
export interface Call {
  readonly builder: GraphBuilder;
  /** @throws when the call has no such operand: a bug of ours. */
  node(name: string): GraphNode;
  hasNode(name: string): boolean;
  /** All operands of a kernel that takes a list. */
  nodes(): GraphNode[];
  readonly attributes: Readonly<Record<string, unknown>>;
  /** The error for a use of this kernel that we do not cover. */
  refuse(what: string): Error;
}

export type Kernel = (call: Call) => GraphNode | GraphNode[];
