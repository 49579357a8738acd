// A kernel is one pass over an iteration space that computes some nodes from tensors in memory:
// stores them, or adds them up. Here its loops are found: the space's axes, cut where a reshape
// needs it, unrolled along windows. What is emitted from it is in emit-kernel.ts.
import { type GraphNode, type Operation, type Shape, sameShape, sizeOf, uniformValue } from '../graph/operation.ts';
import { Expression, type Instruction, isWindow, LoopShouldUnroll } from './expression.ts';
import {
  type Address,
  addressOf,
  axisOf,
  type Digit,
  type Index,
  LoopMustSplit,
  NotFusable,
  withValues,
} from './indexing.ts';

/** How a value is stored: replacing what is there, or added to it. */
export interface Effect {
  readonly target: GraphNode;
  readonly address: Address;
  readonly value: number;
}

export interface Kernel {
  /**
   * Loop number → extent. The last loop runs along neighbouring elements, four at a time; unrolled
   * ones are not there.
   */
  readonly loops: ReadonlyMap<number, number>;
  readonly instructions: readonly Instruction[];
  readonly stores: readonly Effect[];
  readonly sums: readonly Effect[];
  /** Tensors that must be zero before. */
  readonly zeroed: readonly GraphNode[];
  /** Tensors whose sums become means, with the number to divide by. */
  readonly divided: ReadonlyMap<GraphNode, number>;
}

const largestUnrolling = 16;

/** The shape that a kernel for this node runs over. */
export function spaceOf(node: GraphNode): Shape {
  return isSum(node) || node.op.kind === 'pad' || node.op.kind === 'concat' ? node.inputs[0]!.shape : node.shape;
}

/** Nodes with equal keys can share a kernel. */
export function spaceKey(node: GraphNode): string {
  return spaceOf(node)
    .filter((length) => length > 1)
    .join();
}

/** Whether a reduction has a kernel of its own instead of being written out inside another. */
export function isSum(node: GraphNode): boolean {
  return node.op.kind === 'reduce' && !isWindow(node);
}

/** @throws NotFusable */
export function buildKernel(roots: readonly GraphNode[], isInMemory: (node: GraphNode) => boolean): Kernel {
  const unrolled = new Set<number>();
  let axes = spaceOf(roots[0]!)
    .filter((length) => length > 1)
    .map((extent, loop): Digit[] => [{ extent, loop, value: 0 }]);
  let nextLoop = axes.length;
  let mayUnroll = true;
  for (;;) {
    try {
      return build(roots, axes, unrolled, mayUnroll, isInMemory);
    } catch (error) {
      if (error instanceof LoopMustSplit) {
        const { loop, inner } = error;
        const [outerLoop, innerLoop] = [nextLoop++, nextLoop++];
        axes = axes.map((digits) =>
          digits.flatMap((digit) => {
            if (digit.loop !== loop) return [digit];
            return [
              { extent: digit.extent / inner, loop: outerLoop, value: 0 },
              { extent: inner, loop: innerLoop, value: 0 },
            ];
          }),
        );
      } else if (error instanceof LoopShouldUnroll) {
        unrolled.add(error.loop);
        if (combinationsOf(axes.flat(), unrolled).length > largestUnrolling) {
          unrolled.clear();
          mayUnroll = false;
        }
      } else throw error;
    }
  }
}

function build(
  roots: readonly GraphNode[],
  axes: readonly (readonly Digit[])[],
  unrolled: ReadonlySet<number>,
  mayUnroll: boolean,
  isInMemory: (node: GraphNode) => boolean,
): Kernel {
  const digits = axes.flat();
  const lanes = digits.at(-1);
  if (lanes?.loop === undefined || unrolled.has(lanes.loop)) throw new NotFusable('no loop along neighbours');
  const expression = new Expression((node) => isInMemory(node) && !roots.includes(node), mayUnroll);
  const stores: Effect[] = [];
  const sums: Effect[] = [];
  const zeroed: GraphNode[] = [];
  const divided = new Map<GraphNode, number>();
  for (const root of roots) {
    const full = indexOf(spaceOf(root), axes);
    if (isSum(root) || root.op.kind === 'pad') zeroed.push(root);
    for (const values of combinationsOf(digits, unrolled)) {
      const index = withValues(full, values);
      if (isSum(root)) sums.push(sum(root, index, expression));
      else if (root.op.kind === 'pad') stores.push(interior(root, root.op, index, expression));
      else if (root.op.kind === 'concat') stores.push(...sideBySide(root, root.op.axis, index, expression));
      else {
        const value = expression.value(root, index);
        stores.push({ target: root, address: addressOf(index, root.shape), value });
      }
    }
    if (root.op.kind === 'reduce' && root.op.fn === 'mean' && isSum(root))
      divided.set(root, sizeOf(root.inputs[0]!.shape) / sizeOf(root.shape));
  }
  const loops = new Map(digits.flatMap(({ loop, extent }) => (unrolled.has(loop!) ? [] : [[loop!, extent] as const])));
  const kernel = { loops, instructions: expression.instructions, stores, sums, zeroed, divided };
  return lanes.extent % 4 === 0 ? checked(kernel, lanes.loop) : flattened(kernel);
}

function sum(root: GraphNode, index: Index, expression: Expression): Effect {
  const { op } = root;
  if (op.kind !== 'reduce' || (op.fn !== 'sum' && op.fn !== 'mean')) throw new NotFusable('a long maximum');
  const x = root.inputs[0]!;
  if (op.axes.includes(x.shape.length - 1) && x.shape.at(-1)! > 1) throw new NotFusable('a sum along neighbours');
  const kept = index.filter((_, axis) => !op.axes.includes(axis));
  const place = op.keepDims ? index.map((axis, i) => (op.axes.includes(i) ? axisOf([]) : axis)) : kept;
  return { target: root, address: addressOf(place, root.shape), value: expression.value(x, index) };
}

function interior(
  root: GraphNode,
  op: Extract<Operation, { kind: 'pad' }>,
  index: Index,
  expression: Expression,
): Effect {
  if (op.value !== 0) throw new NotFusable('padding with numbers');
  const place = index.map((axis, i) => ({ ...axis, offset: axis.offset + op.before[i]! }));
  return { target: root, address: addressOf(place, root.shape), value: expression.value(root.inputs[0]!, index) };
}

function sideBySide(root: GraphNode, joined: number, index: Index, expression: Expression): Effect[] {
  let start = 0;
  return root.inputs.map((x) => {
    if (!sameShape(x.shape, root.inputs[0]!.shape)) throw new NotFusable('parts of different lengths');
    const offset = start;
    start += x.shape[joined]!;
    const place = index.map((axis, i) => (i === joined ? { ...axis, offset: axis.offset + offset } : axis));
    return { target: root, address: addressOf(place, root.shape), value: expression.value(x, index) };
  });
}

function indexOf(space: Shape, axes: readonly (readonly Digit[])[]): Index {
  let next = 0;
  return space.map((length) => axisOf(length > 1 ? axes[next++]! : []));
}

function combinationsOf(digits: readonly Digit[], unrolled: ReadonlySet<number>): Map<number, number>[] {
  let combinations: [number, number][][] = [[]];
  for (const { loop, extent } of digits) {
    if (loop === undefined || !unrolled.has(loop)) continue;
    combinations = combinations.flatMap((values) =>
      Array.from({ length: extent }, (_, value): [number, number][] => [...values, [loop, value]]),
    );
  }
  return combinations.map((values) => new Map(values));
}

/**
 * @throws NotFusable unless every tensor lies in one piece along the last loop, or is one number
 * there.
 */
function checked(kernel: Kernel, lanes: number): Kernel {
  for (const address of loadsOf(kernel)) {
    const stride = address.strides.get(lanes) ?? 0;
    if (stride !== 0 && stride !== 1) throw new NotFusable('neighbours that lie apart');
  }
  for (const { address } of [...kernel.stores, ...kernel.sums]) {
    if (address.strides.get(lanes) !== 1) throw new NotFusable('results that lie apart');
  }
  return kernel;
}

/**
 * Where all tensors are gone through in the same order, the loops are one: its length may be a
 * multiple of four though the last axis is not.
 */
function flattened(kernel: Kernel): Kernel {
  const { loops, stores, sums, zeroed } = kernel;
  const rowMajor = new Map<number, number>();
  let size = 1;
  for (const [loop, extent] of [...loops].reverse()) {
    rowMajor.set(loop, size);
    size *= extent;
  }
  const isFlat = ({ strides, offset }: Address) =>
    strides.size === 0 ||
    (offset === 0 &&
      strides.size === rowMajor.size &&
      [...strides].every(([loop, stride]) => rowMajor.get(loop) === stride));
  if (size % 4 !== 0 || sums.length + zeroed.length > 0 || !loadsOf(kernel).every(isFlat))
    throw new NotFusable('an odd number of neighbours');
  if (!stores.every(({ address }) => address.strides.size > 0 && isFlat(address)))
    throw new NotFusable('results in another order');
  const flat = (address: Address): Address => ({
    strides: new Map(address.strides.size === 0 ? [] : [[0, 1]]),
    offset: address.offset,
  });
  return {
    ...kernel,
    loops: new Map([[0, size]]),
    instructions: kernel.instructions.map((instruction) =>
      instruction.kind === 'load' ? { ...instruction, address: flat(instruction.address) } : instruction,
    ),
    stores: stores.map((effect) => ({ ...effect, address: flat(effect.address) })),
  };
}

function loadsOf({ instructions }: Kernel): Address[] {
  return instructions.flatMap((instruction) => (instruction.kind === 'load' ? [instruction.address] : []));
}

/** What a node is computed from, as far as it lies in memory. */
export function sourcesOf(root: GraphNode, isInMemory: (node: GraphNode) => boolean): Set<GraphNode> {
  const sources = new Set<GraphNode>();
  const seen = new Set<GraphNode>();
  const stack = [...root.inputs];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    if (isInMemory(node)) sources.add(node);
    else if (uniformValue(node) === undefined) stack.push(...node.inputs);
  }
  return sources;
}
