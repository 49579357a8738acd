// Postpones transposes. Each value is carried as a tensor in some order of axes and the permutation
// that is still owed; elementwise operators, reductions, pads and most reshapes work in whatever
// order their largest operand has, so the two transposes around a chain of them cancel. A transpose
// is written only where an operator needs a certain order of axes: convolutions, products, outputs.
// In effect activations stay in the convolutions' own order.
import { type GraphBuilder, isIdentity } from '../../graph/builder.ts';
import { type Graph, type GraphNode, nodesOf, type Shape, sizeOf } from '../../graph/operation.ts';
import type { PassRequest } from '../pass.ts';

/** The value is transpose(node, perm): its axis i is the node's axis perm[i]. */
interface Lazy {
  readonly node: GraphNode;
  readonly perm: readonly number[];
}

export function postponeTransposes(graph: Graph, { newBuilder }: PassRequest): Graph {
  const builder = newBuilder();
  const values = new Map<GraphNode, Lazy>();
  for (const node of nodesOf(graph)) {
    const inputs = node.inputs.map((input) => values.get(input)!);
    values.set(node, rewrite(node, inputs, builder) ?? plain(builder.make(node.op, inputs.map((input) => settle(input, builder))))); // biome-ignore format: one call
  }
  return { outputs: graph.outputs.map(({ name, node }) => ({ name, node: settle(values.get(node)!, builder) })) };
}

function plain(node: GraphNode): Lazy {
  return { node, perm: node.shape.map((_, axis) => axis) };
}

function settle({ node, perm }: Lazy, builder: GraphBuilder): GraphNode {
  return builder.transpose(node, perm);
}

function rewrite(node: GraphNode, inputs: readonly Lazy[], builder: GraphBuilder): Lazy | undefined {
  const { op } = node;
  const x = inputs[0];
  if (op.kind === 'transpose') return { node: x!.node, perm: op.perm.map((axis) => x!.perm[axis]!) };
  if (inputs.every(({ perm }) => isIdentity(perm))) return undefined;
  switch (op.kind) {
    case 'unary':
    case 'cast':
      return { node: builder.make(op, [x!.node]), perm: x!.perm };
    case 'binary':
    case 'select': {
      const perm = orderOfLargest(node, inputs);
      if (perm === undefined) return undefined;
      const operands = inputs.map((input) => inOrder(input, perm, builder));
      return { node: builder.make(op, operands), perm };
    }
    case 'broadcast': {
      const perm = x!.perm;
      if (perm.length !== op.shape.length) return undefined;
      return { node: builder.broadcast(x!.node, reordered(op.shape, perm)), perm };
    }
    case 'reduce': {
      if (!op.keepDims) return undefined;
      return { node: builder.reduce(op.fn, x!.node, op.axes.map((axis) => x!.perm[axis]!), true), perm: x!.perm }; // biome-ignore format: one call
    }
    case 'pad':
      return {
        node: builder.pad(x!.node, reordered(op.before, x!.perm), reordered(op.after, x!.perm), op.value),
        perm: x!.perm,
      };
    case 'slice': {
      const { perm } = x!;
      return {
        node: builder.slice(x!.node, reordered(op.begin, perm), reordered(op.size, perm), reordered(op.strides, perm)),
        perm,
      };
    }
    case 'concat': {
      const { perm } = x!;
      return { node: builder.concat(inputs.map((input) => inOrder(input, perm, builder)), perm[op.axis]!), perm }; // biome-ignore format: one call
    }
    case 'after':
      return {
        node: builder.make(
          op,
          inputs.map((input) => input.node),
        ),
        perm: x!.perm,
      };
    case 'reshape':
      return reshape(x!, op.shape, builder);
    default:
      return undefined;
  }
}

/** The order of the largest operand of full rank; of equally large ones, one that owes a transpose. */
function orderOfLargest(node: GraphNode, inputs: readonly Lazy[]): readonly number[] | undefined {
  const full = inputs.filter(({ perm }) => perm.length === node.shape.length);
  let best: Lazy | undefined;
  for (const input of full) {
    const [size, known] = [sizeOf(input.node.shape), best === undefined ? -1 : sizeOf(best.node.shape)];
    if (size > known || (size === known && isIdentity(best!.perm))) best = input;
  }
  return best === undefined || isIdentity(best.perm) ? undefined : best.perm;
}

/**
 * An operand laid out so that transposing it by `perm` gives its value with ones in front;
 * broadcasting needs no more.
 */
function inOrder(input: Lazy, perm: readonly number[], builder: GraphBuilder): GraphNode {
  if (input.perm.length === perm.length && input.perm.every((axis, i) => axis === perm[i])) return input.node;
  const value = settle(input, builder);
  if (value.shape.length === 0) return value;
  const padded = builder.reshape(value, [...new Array(perm.length - value.shape.length).fill(1), ...value.shape]);
  return builder.transpose(padded, inverse(perm));
}

function inverse(perm: readonly number[]): number[] {
  const result = new Array<number>(perm.length);
  perm.forEach((axis, position) => {
    result[axis] = position;
  });
  return result;
}

/** What belongs to the value's axis i, put at the node's axis perm[i]. */
function reordered(values: readonly number[], perm: readonly number[]): number[] {
  const result = new Array<number>(values.length);
  perm.forEach((axis, position) => {
    result[axis] = values[position]!;
  });
  return result;
}

/**
 * A reshape splits and joins axes in groups. Where each group's axes lie side by side in memory in
 * the same order, the reshape can be done there and the rest of the permutation stays owed;
 * otherwise undefined.
 */
function reshape({ node, perm }: Lazy, shape: Shape, builder: GraphBuilder): Lazy | undefined {
  const groups = groupAxes(
    perm.map((axis) => node.shape[axis]!),
    shape,
  );
  if (groups === undefined) return undefined;
  const placed: { readonly start: number; readonly to: readonly number[] }[] = [];
  for (const { from, to } of groups) {
    const memory = from.map((axis) => perm[axis]!);
    const ordered = memory.every((axis, i) => i === 0 || isNext(memory[i - 1]!, axis, node.shape));
    if (!ordered) return undefined;
    placed.push({ start: memory[0] ?? Number.POSITIVE_INFINITY, to });
  }
  const inMemory = [...placed].sort((a, b) => a.start - b.start).flatMap(({ to }) => to);
  const result = builder.reshape(
    node,
    inMemory.map((axis) => shape[axis]!),
  );
  return { node: result, perm: inverse(inMemory) };
}

/** Whether axis b follows axis a in memory, except for axes of length one. */
function isNext(a: number, b: number, shape: Shape): boolean {
  if (b <= a) return false;
  for (let axis = a + 1; axis < b; axis++) if (shape[axis] !== 1) return false;
  return true;
}

/**
 * Groups of source axes and target axes of equal size, from left to right; axes of length one that
 * the source lacks join a group of their own.
 */
function groupAxes(from: Shape, to: Shape): { from: number[]; to: number[] }[] | undefined {
  const groups: { from: number[]; to: number[] }[] = [];
  let i = 0;
  let j = 0;
  while (i < from.length || j < to.length) {
    if (i < from.length && from[i] === 1) {
      i++;
      continue;
    }
    if (j < to.length && to[j] === 1) {
      groups.push({ from: [], to: [j++] });
      continue;
    }
    if (i >= from.length || j >= to.length) return undefined;
    const group = { from: [i], to: [j] };
    let left = from[i++]!;
    let right = to[j++]!;
    while (left !== right) {
      if (left < right) {
        if (i >= from.length) return undefined;
        if (from[i] !== 1) group.from.push(i);
        left *= from[i++]!;
      } else {
        if (j >= to.length) return undefined;
        group.to.push(j);
        right *= to[j++]!;
      }
    }
    groups.push(group);
  }
  return groups;
}
