// Gives a graph that computes one task a leading task axis, so that T tasks are one run. Each
// operator has one rule: a node that depends on meta-parameters alone stays as it is (all tasks
// share it), and a node that depends on a task's tensor gains a first axis of length T. A
// convolution whose filter differs from task to task becomes a grouped one, a group a task; `sum`
// outputs are added over the axis inside the graph.
import type { GraphBuilder } from '../graph/builder.ts';
import { type Graph, type GraphNode, nodesOf, type Operation, type Shape } from '../graph/operation.ts';
import type { PassRequest } from './pass.ts';

/** A node of the batched graph and whether it has the task axis. */
interface Value {
  readonly node: GraphNode;
  readonly isBatched: boolean;
}

/** With one task the graph keeps its nodes and only its `each` outputs gain the axis. */
export function batchTasks(
  graph: Graph,
  { taskCount, newBuilder }: Pick<PassRequest, 'taskCount' | 'newBuilder'>,
): Graph {
  const builder = newBuilder();
  const values = new Map<GraphNode, Value>();
  const batching = new Batching(builder, taskCount);
  for (const node of nodesOf(graph)) {
    values.set(
      node,
      batching.node(
        node,
        node.inputs.map((input) => values.get(input)!),
      ),
    );
  }
  return {
    outputs: graph.outputs.map(({ name, node }) => ({
      name,
      node: batching.output(values.get(node)!, name.startsWith('sum.')),
    })),
  };
}

class Batching {
  private readonly builder: GraphBuilder;
  private readonly taskCount: number;

  constructor(builder: GraphBuilder, taskCount: number) {
    this.builder = builder;
    this.taskCount = taskCount;
  }

  output({ node, isBatched }: Value, isSum: boolean): GraphNode {
    const { builder, taskCount } = this;
    if (taskCount === 1) return isSum ? node : builder.reshape(node, [1, ...node.shape]);
    if (isSum && isBatched) return builder.reduce('sum', node, [0]);
    if (isSum) return builder.binaryScalar('mul', node, taskCount);
    return isBatched ? node : builder.broadcast(node, [taskCount, ...node.shape]);
  }

  node(node: GraphNode, inputs: readonly Value[]): Value {
    const { builder, taskCount } = this;
    const { op } = node;
    if (op.kind === 'input' && op.source === 'task' && taskCount > 1) {
      return { node: builder.make({ ...op, shape: [taskCount, ...op.shape] }), isBatched: true };
    }
    if (!inputs.some(({ isBatched }) => isBatched)) {
      return {
        node: builder.make(
          op,
          inputs.map((input) => input.node),
        ),
        isBatched: false,
      };
    }
    if (op.kind === 'after') {
      // what it waits for may have the task axis or not
      return {
        node: builder.make(
          op,
          inputs.map((input) => input.node),
        ),
        isBatched: inputs[0]!.isBatched,
      };
    }
    return { node: this.batched(node, op, inputs), isBatched: true };
  }

  /** The node with its task axis; at least one operand has it. */
  private batched(node: GraphNode, op: Operation, inputs: readonly Value[]): GraphNode {
    const { builder, taskCount } = this;
    const x = inputs[0]!.node;
    const behind = (axes: readonly number[]) => axes.map((axis) => axis + 1);
    switch (op.kind) {
      case 'unary':
      case 'cast':
      case 'softmax':
        return builder.make(op, [x]);
      case 'binary':
      case 'select':
      case 'matmul': {
        const rank = node.shape.length;
        return builder.make(
          op,
          inputs.map((input) => this.aligned(input, rank)),
        );
      }
      case 'reshape':
        return builder.reshape(x, [taskCount, ...op.shape]);
      case 'broadcast':
        return builder.broadcast(this.aligned(inputs[0]!, op.shape.length), [taskCount, ...op.shape]);
      case 'transpose':
        return builder.transpose(x, [0, ...behind(op.perm)]);
      case 'slice':
        return builder.slice(x, [0, ...op.begin], [taskCount, ...op.size], [1, ...op.strides]);
      case 'pad':
        return builder.pad(x, [0, ...op.before], [0, ...op.after], op.value);
      case 'concat':
        return builder.concat(
          inputs.map((input) => this.full(input)),
          op.axis + 1,
        );
      case 'reverse':
        return builder.make({ ...op, axes: behind(op.axes) }, [x]);
      case 'reduce':
        return builder.reduce(op.fn, x, behind(op.axes), op.keepDims);
      case 'argReduce':
      case 'cumulativeSum':
        return builder.make({ ...op, axis: op.axis + 1 }, [x]);
      case 'conv2d':
      case 'convInputGradient':
        return this.convolution(node, op, inputs[0]!, inputs[1]!);
      case 'convFilterGradient': {
        const operands = inputs.map((input) => this.channelsOfTasks(this.full(input)));
        const gradient = builder.make({ ...op, groups: op.groups * taskCount }, operands);
        return builder.reshape(gradient, [taskCount, ...node.shape]);
      }
      case 'gather':
        return this.gather(op.axis, inputs[0]!, inputs[1]!);
      case 'input':
      case 'constant':
      case 'oneHot':
      case 'segmentSum':
      case 'after':
      case 'columns':
        throw new Error(`operator ${op.kind} has no task axis; a pass before batching should have rewritten it`);
      default:
        return op satisfies never;
    }
  }

  /**
   * An operand of an elementwise operator or product whose result has `rank` axes within a task:
   * ones go between the task axis and its own.
   */
  private aligned({ node, isBatched }: Value, rank: number): GraphNode {
    if (!isBatched) return node;
    const own = node.shape.slice(1);
    return this.builder.reshape(node, [node.shape[0]!, ...new Array(rank - own.length).fill(1), ...own]);
  }

  private full({ node, isBatched }: Value): GraphNode {
    return isBatched ? node : this.builder.broadcast(node, [this.taskCount, ...node.shape]);
  }

  /**
   * Images stay outermost in memory, [N, T, C, H, W]: read as [N·T, C, H, W] all tasks share a
   * filter, as [N, T·C, H, W] each group has its own, and neither moves a number. The layout pass
   * carries that order through the operators between convolutions.
   */
  private convolution(
    node: GraphNode,
    op: Extract<Operation, { kind: 'conv2d' | 'convInputGradient' }>,
    x: Value,
    filter: Value,
  ): GraphNode {
    const { builder, taskCount } = this;
    const [images, channels, ...size] = node.shape as [number, number, number, number];
    if (!filter.isBatched) {
      const merged = builder.reshape(this.imagesFirst(x.node), [
        x.node.shape[1]! * taskCount,
        ...x.node.shape.slice(2),
      ]);
      const result = builder.make(op, [merged, filter.node]);
      return builder.transpose(builder.reshape(result, [images, taskCount, channels, ...size]), [1, 0, 2, 3, 4]);
    }
    const perTask = filter.node.shape.slice(1);
    const filters = builder.reshape(filter.node, [taskCount * perTask[0]!, ...perTask.slice(1)]);
    const operands = [this.channelsOfTasks(this.full(x)), filters];
    const result = builder.make({ ...op, groups: op.groups * taskCount }, operands);
    return builder.transpose(builder.reshape(result, [images, taskCount, channels, ...size]), [1, 0, 2, 3, 4]);
  }

  /** [T, N, …] → [N, T, …] */
  private imagesFirst(x: GraphNode): GraphNode {
    return this.builder.transpose(x, [1, 0, 2, 3, 4]);
  }

  /** [T, N, C, H, W] → [N, T·C, H, W] */
  private channelsOfTasks(x: GraphNode): GraphNode {
    const [tasks, images, channels, ...size] = x.shape as [number, number, number, number, number];
    return this.builder.reshape(this.imagesFirst(x), [images, tasks * channels, ...size]);
  }

  private gather(axis: number, x: Value, indices: Value): GraphNode {
    const { builder, taskCount } = this;
    if (!indices.isBatched) return builder.make({ kind: 'gather', axis: axis + 1 }, [x.node, indices.node]);
    if (!x.isBatched) {
      // the task axis comes out where the gathered one was
      const picked = builder.make({ kind: 'gather', axis }, [x.node, indices.node]);
      return builder.transpose(picked, moveToFront(picked.shape, axis));
    }
    // each task reads its own rows of one tall table
    const own = x.node.shape.slice(1);
    const rows = own[axis]!;
    const rest = own.filter((_, position) => position !== axis);
    const tall = builder.reshape(builder.transpose(x.node, rowsFirst(own.length, axis)), [taskCount * rows, ...rest]);
    const starts = Int32Array.from({ length: taskCount }, (_, task) => task * rows);
    const offsets = builder.constant(starts, [taskCount, ...new Array(indices.node.shape.length - 1).fill(1)], 'int32');
    const picked = builder.make({ kind: 'gather', axis: 0 }, [tall, builder.binary('add', indices.node, offsets)]);
    return builder.transpose(picked, rowsBack(indices.node.shape.length - 1, own.length - 1, axis));
  }
}

function moveToFront(shape: Shape, axis: number): number[] {
  return [axis, ...shape.map((_, position) => position).filter((position) => position !== axis)];
}

/** [T, …, rows, …] → [T, rows, …, …] */
function rowsFirst(rank: number, axis: number): number[] {
  const rest = Array.from({ length: rank }, (_, position) => position + 1).filter((position) => position !== axis + 1);
  return [0, axis + 1, ...rest];
}

/** [T, indices…, before…, after…] → [T, before…, indices…, after…] where `before` has `axis` axes. */
function rowsBack(indexRank: number, restRank: number, axis: number): number[] {
  const indices = Array.from({ length: indexRank }, (_, position) => position + 1);
  const rest = Array.from({ length: restRank }, (_, position) => position + 1 + indexRank);
  return [0, ...rest.slice(0, axis), ...indices, ...rest.slice(axis)];
}
