// Runs a fused plan: one WebAssembly memory holds every tensor, kernels are functions over it, and
// ONNX Runtime's sessions read and write it in place. One thread, one order: equal inputs give
// equal bytes.
import type { TypedArray } from '../engine.ts';
import { type GraphNode, sizeOf, storageOf, uniformValue } from '../graph/operation.ts';
import { inputName, loweringFor, lowerToOnnx } from '../onnx/lower.ts';
import { type BindableSession, createSession, type Feed, type Session } from '../onnx/session.ts';
import { arrayTypes } from '../task-arrays.ts';
import type { FunctionBody } from './assembler.ts';
import { emitKernel } from './emit-kernel.ts';
import { partGraph } from './part-graph.ts';
import { type FusedPlan, worksOf } from './plan.ts';
import { type Blocks, Scratch } from './products.ts';
import type { Step } from './schedule.ts';
import { type Call, createMemory, instantiate, type Memory } from './webassembly.ts';

type Action = () => undefined | Promise<void>;

/** A session like ONNX Runtime's. @throws RangeError when the memory cannot be had. */
export async function createFusedSession(plan: FusedPlan): Promise<Session> {
  const executor = new FusedExecutor(plan);
  try {
    await executor.prepare();
  } catch (error) {
    await executor.release();
    throw error;
  }
  return executor;
}

class FusedExecutor implements Session {
  private readonly plan: FusedPlan;
  private readonly memory: Memory;
  private readonly functions = new Functions();
  private readonly sessions = new Map<string, BindableSession>();
  private actions: Action[] = [];

  constructor(plan: FusedPlan) {
    this.plan = plan;
    this.memory = createMemory(plan.memory.totalBytes);
  }

  async prepare(): Promise<void> {
    const makers: (() => Action)[] = [];
    for (const step of this.plan.steps) makers.push(...(await this.makersOf(step)));
    this.functions.instantiate(this.memory);
    this.actions = makers.map((make) => make());
    for (const node of this.plan.memory.addresses.keys()) {
      if (node.op.kind === 'constant') this.view(node).set(node.op.values);
    }
  }

  async run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, TypedArray>> {
    for (const node of this.plan.memory.addresses.keys()) {
      if (node.op.kind === 'input') this.view(node).set(feeds[inputName(node.op.source, node.op.name)]!.values);
    }
    for (const action of this.actions) {
      const pending = action();
      if (pending !== undefined) await pending;
    }
    const results: Record<string, TypedArray> = {};
    for (const { name, node } of this.plan.graph.outputs) results[name] = this.copyOf(node);
    return results;
  }

  async release(): Promise<void> {
    const sessions = [...this.sessions.values()];
    this.sessions.clear();
    this.actions = [];
    for (const session of sessions) await session.release();
  }

  private copyOf(node: GraphNode): TypedArray {
    const number = uniformValue(node);
    if (number !== undefined) return new arrayTypes[node.dtype](sizeOf(node.shape)).fill(number);
    return this.view(this.storageOf(node)).slice();
  }

  private storageOf(node: GraphNode): GraphNode {
    return storageOf(node, (owner) => this.plan.memory.addresses.has(owner));
  }

  private address(node: GraphNode): number {
    return this.plan.memory.addresses.get(node)!;
  }

  private view(node: GraphNode, address = this.address(node)): TypedArray {
    return new arrayTypes[node.dtype](this.memory.buffer, address, sizeOf(node.shape));
  }

  /** What a step does, once the functions are instantiated. */
  private async makersOf(step: Step): Promise<(() => Action)[]> {
    switch (step.kind) {
      case 'kernel': {
        const { body, tensors } = emitKernel(step.kernel);
        const key = `${body.parameterCount} ${textOf(Uint8Array.from(body.encode()))}`;
        const call = this.functions.add(key, () => body);
        const addresses = tensors.map((tensor) => this.address(tensor));
        return [() => call(addresses)];
      }
      case 'products':
        return this.productMakers(step);
      case 'part': {
        const model = lowerToOnnx(partGraph(step.nodes, step.inputs, step.writes), loweringFor('cpu'));
        const session = await this.session(textOf(model), () => model);
        const feed = (node: GraphNode): Feed => ({
          shape: node.shape,
          dtype: node.dtype,
          values: this.view(node, this.address(this.storageOf(node))),
        });
        const inputs = Object.fromEntries(step.inputs.map((node, i) => [inputName('task', `i${i}`), feed(node)]));
        const outputs = Object.fromEntries(step.writes.map((node, i) => [`o${i}`, feed(node)]));
        return [() => session.bind(inputs, outputs)];
      }
      default:
        return step satisfies never;
    }
  }

  private async productMakers(step: Extract<Step, { kind: 'products' }>): Promise<(() => Action)[]> {
    const makers: (() => Action)[] = [];
    for (const work of worksOf(step, (node) => this.address(node), new Scratch(this.plan.scratchAddress))) {
      if (work.kind === 'call') {
        const call = this.functions.add(work.key, work.emit);
        makers.push(() => call(work.addresses));
      } else {
        const session = await this.session(work.key, () => lowerToOnnx(work.graph(), loweringFor('cpu')));
        const inputs = this.feeds(work.inputs, (name) => inputName('task', name));
        const outputs = this.feeds(work.outputs, (name) => name);
        makers.push(() => session.bind(inputs, outputs));
      }
    }
    return makers;
  }

  private feeds(blocks: Blocks, rename: (name: string) => string): Record<string, Feed> {
    return Object.fromEntries(
      Object.entries(blocks).map(([name, { shape, address }]) => [
        rename(name),
        { shape, dtype: 'float32', values: new Float32Array(this.memory.buffer, address, sizeOf(shape)) },
      ]),
    );
  }

  /** One session for a key. */
  private async session(key: string, makeModel: () => Uint8Array): Promise<BindableSession> {
    let session = this.sessions.get(key);
    if (session === undefined) {
      session = await createSession(makeModel(), 'cpu');
      this.sessions.set(key, session);
    }
    return session;
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Functions of one module; those with equal keys are there once. */
class Functions {
  private readonly bodies: FunctionBody[] = [];
  private readonly positions = new Map<string, number>();
  private exports: Readonly<Record<string, Call>> = {};

  /** Returns what makes a call, to be used after `instantiate`. */
  add(key: string, emit: () => FunctionBody): (addresses: readonly number[]) => Action {
    let position = this.positions.get(key);
    if (position === undefined) {
      position = this.bodies.push(emit()) - 1;
      this.positions.set(key, position);
    }
    const index = position;
    return (addresses) => {
      const run = this.exports[index]!;
      return () => {
        run(...addresses);
        return undefined;
      };
    };
  }

  instantiate(memory: Memory): void {
    this.exports = instantiate(this.bodies, memory);
  }
}
