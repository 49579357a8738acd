// A product with a convolution's columns, cut along the images so that the columns of a piece stay in the processor's cache: they are laid out, multiplied
// and forgotten. Where the columns' rows are what is added up (a filter's gradient), the pieces' products are added in the order of the images.
import { GraphBuilder } from '../graph/builder.ts';
import { type Graph, type GraphNode, type Operation, type Shape, sizeOf } from '../graph/operation.ts';
import type { Columns } from './emit-columns.ts';
import { NotFusable } from './indexing.ts';
import { operandOf } from './schedule.ts';

export interface Piece {
  readonly firstImage: number;
  readonly images: number;
}

export interface ProductPlan {
  readonly columns: GraphNode & { readonly op: Columns };
  readonly op: Extract<Operation, { kind: 'matmul' }>;
  /** Where the images [N, H, W, C] lie in memory. */
  readonly images: GraphNode;
  /** The product's other operand, a matrix, and where it lies. */
  readonly other: GraphNode;
  readonly otherStorage: GraphNode;
  /** Which operand the columns are. */
  readonly position: 0 | 1;
  /** The columns' rows are added up: the result is a sum over pieces. */
  readonly isSummed: boolean;
  readonly pieces: readonly Piece[];
  /** Rows of the columns for one image. */
  readonly rowsPerImage: number;
}

/**
 * Of the columns in a piece: more than a second-level cache holds, since a product packs its other operand again for every piece, and what is read from
 * the third level in between costs less than that. Five images of 14 × 14 with 64 channels, a support set's, are one piece.
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
    columns: columns as GraphNode & { op: Columns },
    op,
    images: operandOf(columns, isInMemory),
    other,
    otherStorage: operandOf(other, isInMemory),
    position,
    isSummed,
    pieces: piecesOf(columns),
    rowsPerImage: sizeOf(columns.op.outputSize),
  };
}

function piecesOf({ shape, inputs }: GraphNode): Piece[] {
  const images = inputs[0]!.shape[0]!;
  const largest = Math.max(1, Math.floor(pieceBytes / (4 * (sizeOf(shape) / images))));
  const count = Math.ceil(images / largest);
  const each = Math.ceil(images / count);
  return Array.from({ length: Math.ceil(images / each) }, (_, i) => ({
    firstImage: i * each,
    images: Math.min(each, images - i * each),
  }));
}

/** Of a piece: what its columns are multiplied with, and what comes out. */
export function pieceShapes({ isSummed, other }: ProductPlan, node: GraphNode, rows: number): [Shape, Shape] {
  return isSummed ? [[rows, other.shape[1]!], node.shape] : [other.shape, [rows, node.shape[1]!]];
}

/** The products of one piece as a graph: inputs `task.columns` and `task.0`, `task.1`, …, one for each product, whose results are `0`, `1`, … */
export function pieceGraph(plans: readonly ProductPlan[], nodes: readonly GraphNode[], rows: number): Graph {
  const builder = new GraphBuilder();
  const input = (name: string, shape: Shape) =>
    builder.make({ kind: 'input', source: 'task', name, shape, dtype: 'float32' });
  const columns = input('columns', [rows, plans[0]!.columns.shape[1]!]);
  const outputs = plans.map((plan, i) => {
    const other = input(String(i), pieceShapes(plan, nodes[i]!, rows)[0]);
    const operands = plan.position === 0 ? [columns, other] : [other, columns];
    return { name: String(i), node: builder.make(plan.op, operands) };
  });
  return { outputs };
}
