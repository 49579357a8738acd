// Runs the local rules: each looks at one node whose operands are already simplified and may
// replace it by a cheaper one. Rules come in named families that can be left out one by one; the
// traversal repeats until no rule applies.
import { rewriteGraph } from '../../graph/builder.ts';
import { type Graph, type GraphNode, usesOf } from '../../graph/operation.ts';
import type { PassRequest, PassResult } from '../pass.ts';
import { algebraRules } from './algebra.ts';
import { broadcastRules } from './broadcasts.ts';
import { factorRules } from './factors.ts';
import { foldConstants } from './fold-constants.ts';
import { movementRules } from './movement.ts';
import { productRules } from './products.ts';
import type { Rule, RuleContext } from './rule.ts';
import { taskSumRules } from './task-sums.ts';
import { unitAxisRules } from './unit-axes.ts';

export const ruleFamilies: Readonly<Record<string, Rule>> = {
  'fold-constants': foldConstants,
  algebra: algebraRules,
  broadcasts: broadcastRules,
  movement: movementRules,
  factors: factorRules,
  products: productRules,
  'unit-axes': unitAxisRules,
  'task-sums': taskSumRules,
};

const maxTraversals = 6;
const maxRulesPerNode = 20;

export function simplify(graph: Graph, { without, newBuilder }: PassRequest): PassResult {
  const families = Object.entries(ruleFamilies).filter(([name]) => !without.has(name));
  const applied: Record<string, number> = Object.fromEntries(families.map(([name]) => [name, 0]));
  let current = graph;
  for (let traversal = 0; traversal < maxTraversals; traversal++) {
    const builder = newBuilder();
    const oldUses = usesOf(current);
    // a node that a rule makes on the way has one reader, the node that it is made for
    const newUses = new Map<GraphNode, number>();
    const context: RuleContext = { builder, usesOf: (node) => newUses.get(node) ?? 1 };
    let changes = 0;
    current = rewriteGraph(current, builder, (original, inputs) => {
      let node = builder.make(original.op, inputs);
      for (let round = 0; round < maxRulesPerNode; round++) {
        const next = firstReplacement(families, node, context);
        if (next === undefined) break;
        applied[next.family]!++;
        changes++;
        node = next.node;
      }
      newUses.set(node, (newUses.get(node) ?? 0) + oldUses.get(original)!);
      return node;
    });
    if (changes === 0) break;
  }
  return { ...current, applied };
}

function firstReplacement(families: readonly (readonly [string, Rule])[], node: GraphNode, context: RuleContext) {
  for (const [family, rule] of families) {
    const replacement = rule(node, context);
    if (replacement !== undefined && replacement !== node) return { family, node: replacement };
  }
  return undefined;
}
