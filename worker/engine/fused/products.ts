// A product with a convolution's columns, cut along the images so that what it is made of stays in
// the processor's cache: it is laid out and multiplied, and its memory is used again. Where the
// columns' rows are what is added up (a filter's gradient), the pieces' products are added in the
// order of the images. What is laid out are the columns themselves, here, or patches in Winograd's
// domain, in tiles.ts.
import { GraphBuilder } from '../graph/builder.ts';
import { type Graph, type GraphNode, type Operation, type Shape, sizeOf, storageOf } from '../graph/operation.ts';
import type { FunctionBody } from './assembler.ts';
import { type Columns, emitAddition, emitColumns } from './emit-columns.ts';
import { NotFusable } from './indexing.ts';

export interface ProductPlan {
  readonly node: GraphNode;
  readonly columns: GraphNode & { readonly op: Columns };
  readonly op: Extract<Operation, { kind: 'matmul' }>;
  /** Where the columns' images lie in memory, in whatever shape. */
  readonly images: GraphNode;
  /** The product's other operand, a matrix, and where it lies. */
  readonly other: GraphNode;
  readonly otherStorage: GraphNode;
  /** Which operand the columns are. */
  readonly position: 0 | 1;
  /** The columns' rows are added up: the result is a sum over pieces. */
  readonly isSummed: boolean;
}

export interface Piece {
  readonly firstImage: number;
  readonly images: number;
}

/**
 * What a step of products does, one after another. What has the same key is the same function, or
 * the same model, and made once.
 */
export type Work =
  | {
      readonly kind: 'call';
      readonly key: string;
      readonly emit: () => FunctionBody;
      readonly addresses: readonly number[];
    }
  | {
      /** Inputs are `task.` and a name. */
      readonly kind: 'model';
      readonly key: string;
      readonly graph: () => Graph;
      readonly inputs: Blocks;
      readonly outputs: Blocks;
    };

export type Blocks = Readonly<Record<string, Block>>;

/** Floats one after another. */
export interface Block {
  readonly shape: Shape;
  readonly address: number;
}

export type AddressOf = (node: GraphNode) => number;

/** Memory that is a step's own, from an address on. */
export class Scratch {
  end: number;

  constructor(start: number) {
    this.end = start;
  }

  take(floats: number): number {
    const address = this.end;
    // beyond the next cache line
    this.end = (Math.ceil((address + 4 * floats) / 64) + 1) * 64;
    return address;
  }
}

/**
 * The size of the columns in a piece. It is more than a second-level cache holds, since a product
 * packs its other operand again for every piece, which costs more than reads from the third level.
 * Five images of 14 × 14 with 64 channels, a support set's, are one piece.
 */
const pieceBytes = 9 << 18;

/** @throws NotFusable for a form that convolutions and their gradients do not have. */
export function planProduct(node: GraphNode, isInMemory: (node: GraphNode) => boolean): ProductPlan {
  const { op } = node;
  const position = node.inputs.findIndex((input) => input.op.kind === 'columns') as 0 | 1;
  const columns = node.inputs[position]!;
  const other = node.inputs[1 - position]!;
  if (op.kind !== 'matmul' || columns.op.kind !== 'columns' || other.op.kind === 'columns')
    throw new NotFusable('a product of columns with columns');
  const isSummed = position === 0 ? op.transposeA : !op.transposeB;
  // the other operand is cut along its rows where the columns' rows are added up
  const isCut = position === 0 ? !op.transposeB : op.transposeA;
  if ((position === 1 && !isSummed) || (isSummed && !isCut)) throw new NotFusable('columns in a place of their own');
  return {
    node,
    columns: columns as GraphNode & { op: Columns },
    op,
    images: operandOf(columns, isInMemory),
    other,
    otherStorage: operandOf(other, isInMemory),
    position,
    isSummed,
  };
}

/** The tensor in memory that a product's operand is read from. */
function operandOf(operand: GraphNode, isInMemory: (node: GraphNode) => boolean): GraphNode {
  return storageOf(operand.op.kind === 'columns' ? operand.inputs[0]! : operand, isInMemory);
}

/** As few pieces of equal size as keep within the bytes. */
export function piecesOf(images: number, bytesPerImage: number, bytesPerPiece: number): Piece[] {
  const largest = Math.max(1, Math.floor(bytesPerPiece / bytesPerImage));
  const count = Math.ceil(images / largest);
  const each = Math.ceil(images / count);
  return Array.from({ length: Math.ceil(images / each) }, (_, i) => ({
    firstImage: i * each,
    images: Math.min(each, images - i * each),
  }));
}

/** Products with the same columns: they are laid out piece by piece, and all products multiply them. */
export function multiplyColumns(plans: readonly ProductPlan[], addressOf: AddressOf, scratch: Scratch): Work[] {
  const { images, columns } = plans[0]!;
  const { shape } = columns.inputs[0]!;
  const count = shape[0]!;
  const [rowsPerImage, width] = [sizeOf(columns.op.outputSize), columns.shape[1]!];
  const pieces = piecesOf(count, 4 * rowsPerImage * width, pieceBytes);
  const columnsAddress = scratch.take(pieces[0]!.images * rowsPerImage * width);
  const parts = plans.map(({ node, isSummed }) =>
    isSummed && pieces.length > 1 ? scratch.take(sizeOf(node.shape)) : 0,
  );
  return pieces.flatMap(({ firstImage, images: length }): Work[] => {
    const from = addressOf(images) + 4 * firstImage * (sizeOf(shape) / count);
    const [firstRow, rows] = [firstImage * rowsPerImage, length * rowsPerImage];
    const inputs: Record<string, Block> = { columns: { shape: [rows, width], address: columnsAddress } };
    const outputs: Record<string, Block> = {};
    const additions: Work[] = [];
    for (const [i, { node, other, otherStorage, isSummed }] of plans.entries()) {
      const across = (isSummed ? other : node).shape[1]!;
      const [place, operand] = [addressOf(node), addressOf(otherStorage)];
      const ofRows = (address: number): Block => ({ shape: [rows, across], address: address + 4 * firstRow * across });
      inputs[i] = isSummed ? ofRows(operand) : { shape: other.shape, address: operand };
      const isAdded = isSummed && firstImage > 0;
      outputs[i] = isSummed ? { shape: node.shape, address: isAdded ? parts[i]! : place } : ofRows(place);
      if (isAdded) additions.push(addition(sizeOf(node.shape), place, parts[i]!));
    }
    const layOut = { key: `columns of ${length} ${JSON.stringify([shape, columns.op])}`, emit: () => emitColumns(columns.op, shape, length) }; // biome-ignore format: one line
    return [
      { kind: 'call', ...layOut, addresses: [from, columnsAddress] },
      productModel(plans, { inputs, outputs, shared: 'columns' }),
      ...additions,
    ];
  });
}

/** Adds floats to others. */
export function addition(floats: number, total: number, part: number): Work {
  return { kind: 'call', key: `addition of ${floats}`, emit: () => emitAddition(floats), addresses: [total, part] };
}

/**
 * The products of the input `shared`, which stands for the columns, with the inputs `0`, `1`, …;
 * the results are called so too.
 */
export function productModel(
  plans: readonly ProductPlan[],
  { inputs, outputs, shared }: { readonly inputs: Blocks; readonly outputs: Blocks; readonly shared: string },
): Work {
  const graph = (): Graph => {
    const builder = new GraphBuilder();
    const input = (name: string) =>
      builder.make({ kind: 'input', source: 'task', name, shape: inputs[name]!.shape, dtype: 'float32' });
    const columns = input(shared);
    const nodes = plans.map(({ op, position }, i) => {
      const other = input(String(i));
      return builder.make(op, position === 0 ? [columns, other] : [other, columns]);
    });
    return { outputs: nodes.map((node, i) => ({ name: String(i), node })) };
  };
  const shapes = Object.entries(inputs).map(([name, { shape }]) => [name, shape]);
  const key = JSON.stringify([shapes, plans.map(({ op, position }) => [op, position])]);
  return { kind: 'model', key, graph, inputs, outputs };
}
