// Products with the columns of a 3 × 3 filter that moves pixel by pixel, in Winograd's domain: two
// by two pixels take sixteen products instead of thirty-six. F(2×2, 3×3) for what the filter makes
// of the images, F(3×3, 2×2) for what the filter's gradient sums up (Lavin and Gray, 2015); both
// read the same patches of the images, so that a convolution's two gradients share them as they
// share columns. A pixel's sum is rounded differently at each place in a patch. So values that are
// compared with each other, as in a pool, would differ where they are equal by definition. They
// stay products of columns, which add up every pixel's terms in the same order.
import { type Graph, type GraphNode, nodesOf } from '../graph/operation.ts';
import {
  emitFromPlanes,
  emitToPlanes,
  ofFilter,
  ofPair,
  ofWindow,
  type Patches,
  planeCount,
  planeFloats,
  toFilter,
  toPair,
} from './emit-tiles.ts';
import { isWindow } from './expression.ts';
import {
  type AddressOf,
  addition,
  type Block,
  type ProductPlan,
  piecesOf,
  productModel,
  type Scratch,
  type Work,
} from './products.ts';

/** Pixels along a side of what sixteen planes stand for. */
const tile = 2;
/**
 * The size of the images' patches in a piece; their other operands and results take some three
 * times as much.
 */
const pieceBytes = 1 << 20;
/**
 * The least number of multiplications saved for each pair of channels; below it, the transforms
 * take longer than the products.
 */
const leastSaved = 2048;

/** @param compared of `comparedNodes` */
export function isTiled(plan: ProductPlan, compared: ReadonlySet<GraphNode>): boolean {
  const { op, inputs } = plan.columns;
  const [images, , , channels] = inputs[0]!.shape as [number, number, number, number];
  const [down, across] = gridOf(op.outputSize);
  return (
    op.filterSize.every((length) => length === 3) &&
    [...op.strides, ...op.dilations].every((step) => step === 1) &&
    [channels, otherChannels(plan)].every((count) => count % 4 === 0) &&
    images * (9 * op.outputSize[0] * op.outputSize[1] - planeCount * down * across) >= leastSaved &&
    !compared.has(plan.node)
  );
}

/**
 * Nodes whose elements are compared with each other or with a number, directly or after what keeps
 * neighbours apart: a rounding error of one element alone would decide.
 */
export function comparedNodes(graph: Graph): ReadonlySet<GraphNode> {
  const compared = new Set<GraphNode>();
  for (const node of nodesOf(graph).toReversed()) {
    if (!compares(node) && !(compared.has(node) && keepsApart(node))) continue;
    for (const input of node.inputs) compared.add(input);
  }
  return compared;
}

const stepFunctions: readonly string[] = ['relu', 'step', 'abs', 'sign', 'floor', 'ceil', 'round'];
const smoothFunctions: readonly string[] = ['add', 'sub', 'mul', 'div', 'pow'];

function compares({ op }: GraphNode): boolean {
  if (op.kind === 'unary') return stepFunctions.includes(op.fn);
  if (op.kind === 'binary') return !smoothFunctions.includes(op.fn);
  return op.kind === 'argReduce' || (op.kind === 'reduce' && (op.fn === 'max' || op.fn === 'min'));
}

/** Long sums and products mix what goes into them. */
function keepsApart(node: GraphNode): boolean {
  const { kind } = node.op;
  return kind === 'reduce' ? isWindow(node) : kind !== 'matmul' && kind !== 'columns';
}

/**
 * A product with the images' patches: its filter and the pixels on its other side, and where their
 * planes lie.
 */
interface Tiled extends ProductPlan {
  /** What a filter makes, or what its gradient is summed over. */
  readonly pixels: (images: number) => Patches;
  readonly pixelPlanes: number;
  readonly filter: Patches;
  readonly filterPlanes: number;
  /** Of a piece, to be added to the filter's. */
  readonly partPlanes: number;
}

/** As `multiplyColumns`. */
export function multiplyTiles(plans: readonly ProductPlan[], addressOf: AddressOf, scratch: Scratch): Work[] {
  const { images, columns } = plans[0]!;
  const { outputSize, pads } = columns.op;
  const [count, ...image] = columns.inputs[0]!.shape as [number, number, number, number];
  const grid = gridOf(outputSize);
  const windows = (length: number): Patches => ({ images: length, image, extent: tile + 2, grid, step: tile, pads: [pads[0]!, pads[1]!] }); // biome-ignore format: one line
  const pieces = piecesOf(count, 4 * planeCount * planeFloats(windows(1)), pieceBytes);
  const take = (patches: Patches) => scratch.take(planeCount * planeFloats(patches));
  const windowPlanes = take(windows(pieces[0]!.images));
  const products = plans.map((plan): Tiled => {
    const pixels = (length: number): Patches => ({ images: length, image: [...outputSize, otherChannels(plan)], extent: tile, grid, step: tile, pads: [0, 0] }); // biome-ignore format: one line
    const filter = filterPatches(plan);
    const partPlanes = plan.isSummed && pieces.length > 1 ? take(filter) : 0;
    return { ...plan, pixels, filter, pixelPlanes: take(pixels(pieces[0]!.images)), filterPlanes: take(filter), partPlanes }; // biome-ignore format: one line
  });
  const [sums, maps] = [products.filter(({ isSummed }) => isSummed), products.filter(({ isSummed }) => !isSummed)];
  const works = maps.map(({ filter, otherStorage, filterPlanes }) =>
    toPlanes(filter, 'ofFilter', [addressOf(otherStorage), filterPlanes]),
  );
  for (const { firstImage, images: length } of pieces) {
    const from = (node: GraphNode, [height, width, channels]: Patches['image']) =>
      addressOf(node) + 4 * firstImage * height * width * channels;
    works.push(toPlanes(windows(length), 'ofWindow', [from(images, image), windowPlanes]));
    for (const { pixels, otherStorage, pixelPlanes } of sums) {
      const patches = pixels(length);
      works.push(toPlanes(patches, 'ofPair', [from(otherStorage, patches.image), pixelPlanes]));
    }
    const isFirst = firstImage === 0;
    works.push(
      model(products, { shape: [planeCount, length * grid[0] * grid[1], image[2]], address: windowPlanes }, isFirst),
    );
    for (const { pixels, node, pixelPlanes } of maps) {
      const patches = pixels(length);
      works.push(fromPlanes(patches, 'toPair', [from(node, patches.image), pixelPlanes]));
    }
    for (const { filter, filterPlanes, partPlanes } of isFirst ? [] : sums) {
      works.push(addition(planeCount * planeFloats(filter), filterPlanes, partPlanes));
    }
  }
  for (const { filter, node, filterPlanes } of sums) {
    works.push(fromPlanes(filter, 'toFilter', [addressOf(node), filterPlanes]));
  }
  return works;
}

const transforms = { ofWindow, ofFilter, ofPair, toPair, toFilter };
type Name = keyof typeof transforms;

function toPlanes(patches: Patches, name: Name, addresses: readonly number[]): Work {
  const emit = () => emitToPlanes(patches, transforms[name]);
  return { kind: 'call', key: `${name} to planes ${JSON.stringify(patches)}`, emit, addresses };
}

function fromPlanes(patches: Patches, name: Name, addresses: readonly number[]): Work {
  const emit = () => emitFromPlanes(patches, transforms[name]);
  return { kind: 'call', key: `${name} from planes ${JSON.stringify(patches)}`, emit, addresses };
}

/** The planes' products of a piece. */
function model(products: readonly Tiled[], windows: Block, isFirst: boolean): Work {
  const inputs: Record<string, Block> = { windows };
  const outputs: Record<string, Block> = {};
  const [planes, rows, channels] = windows.shape as [number, number, number];
  for (const [i, product] of products.entries()) {
    const { isSummed, filterPlanes, partPlanes } = product;
    const others = otherChannels(product);
    const pixels = { shape: [planes, rows, others], address: product.pixelPlanes };
    const filter = {
      shape: areNineLast(product) ? [planes, others, channels] : [planes, channels, others],
      address: isSummed && !isFirst ? partPlanes : filterPlanes,
    };
    inputs[i] = isSummed ? pixels : filter;
    outputs[i] = isSummed ? filter : pixels;
  }
  return productModel(products, { inputs, outputs, shared: 'windows' });
}

/** On the side of the product that has no columns. */
function otherChannels({ isSummed, other, node }: ProductPlan): number {
  return (isSummed ? other : node).shape[1]!;
}

/**
 * Whether a filter lies in memory as [others, 3, 3, channels], its nine numbers beside the columns'
 * channels; else as [3, 3, channels, others].
 */
function areNineLast({ isSummed, position, op }: ProductPlan): boolean {
  return isSummed ? position === 1 : op.transposeB;
}

function filterPatches(plan: ProductPlan): Patches {
  const channels = plan.columns.inputs[0]!.shape[3]!;
  const others = otherChannels(plan);
  const [images, lanes] = areNineLast(plan) ? [others, channels] : [1, channels * others];
  return { images, image: [3, 3, lanes], extent: 3, grid: [1, 1], step: 3, pads: [0, 0] };
}

function gridOf(size: readonly [number, number]): [number, number] {
  return [Math.ceil(size[0] / tile), Math.ceil(size[1] / tile)];
}
