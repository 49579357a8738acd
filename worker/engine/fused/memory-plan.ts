// Where each tensor of a fused run lies in the one WebAssembly memory: memory is taken when a step
// first writes it and given to others after the last step that reads it. The same graph always gets
// the same plan.
import { type GraphNode, sizeOf } from '../graph/operation.ts';

export interface Lifetime {
  readonly node: GraphNode;
  /** Positions of steps; both ends included. */
  readonly from: number;
  readonly to: number;
}

export interface MemoryPlan {
  readonly addresses: ReadonlyMap<GraphNode, number>;
  readonly totalBytes: number;
}

/**
 * A cache line; tensors that differ by a multiple of a page would meet in the same lines of the
 * cache, so each is followed by one line more.
 */
const line = 64;

export function bytesOf({ shape, dtype }: Pick<GraphNode, 'shape' | 'dtype'>): number {
  return sizeOf(shape) * (dtype === 'bool' ? 1 : 4);
}

export function planMemory(lifetimes: readonly Lifetime[], start: number): MemoryPlan {
  const addresses = new Map<GraphNode, number>();
  /** Free pieces in the order of their addresses. */
  let free: { from: number; to: number }[] = [];
  let top = start;
  const ends = [...lifetimes].sort((a, b) => a.to - b.to || a.node.id - b.node.id);
  let ended = 0;
  for (const { node, from } of [...lifetimes].sort((a, b) => a.from - b.from || a.node.id - b.node.id)) {
    for (; ended < ends.length && ends[ended]!.to < from; ended++) {
      const address = addresses.get(ends[ended]!.node)!;
      free = merged(free, { from: address, to: address + room(ends[ended]!.node) });
    }
    const needed = room(node);
    const best = free.filter((piece) => piece.to - piece.from >= needed).sort(bySize)[0];
    if (best === undefined) {
      const last = free.at(-1);
      const address = last !== undefined && last.to === top ? last.from : top;
      if (address !== top) free = free.slice(0, -1);
      addresses.set(node, address);
      top = address + needed;
    } else {
      addresses.set(node, best.from);
      free = free.flatMap((piece) => {
        if (piece !== best) return [piece];
        return piece.to - piece.from > needed ? [{ from: piece.from + needed, to: piece.to }] : [];
      });
    }
  }
  return { addresses, totalBytes: top };
}

const bySize = (a: { from: number; to: number }, b: { from: number; to: number }) =>
  a.to - a.from - (b.to - b.from) || a.from - b.from;

function room(node: GraphNode): number {
  return (Math.ceil(bytesOf(node) / line) + 1) * line;
}

function merged(free: readonly { from: number; to: number }[], piece: { from: number; to: number }) {
  const all = [...free, piece].sort((a, b) => a.from - b.from);
  const result: { from: number; to: number }[] = [];
  for (const { from, to } of all) {
    const last = result.at(-1);
    if (last?.to === from) result[result.length - 1] = { from: last.from, to };
    else result.push({ from, to });
  }
  return result;
}
