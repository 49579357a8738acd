// Writes a kernel as a WebAssembly function. The loops over rows are outermost, then comes the one
// along channels, a vector of four or two of them at a time, and innermost the last row: numbers of
// a channel are read once for the whole row, and sums stay in registers along it before they are
// added to memory, which also keeps long sums exact. Every operation is IEEE 754's in a fixed
// order, so the bits are the same on any processor.
import { type GraphNode, sizeOf } from '../graph/operation.ts';
import { FunctionBody } from './assembler.ts';
import type { Address } from './indexing.ts';
import type { Effect, Kernel } from './kernel.ts';

export interface EmittedKernel {
  readonly body: FunctionBody;
  /** The tensors whose addresses are the function's arguments. */
  readonly tensors: readonly GraphNode[];
}

export function emitKernel(kernel: Kernel): EmittedKernel {
  const tensors = [
    ...new Set([
      ...kernel.instructions.flatMap((instruction) => (instruction.kind === 'load' ? [instruction.source] : [])),
      ...[...kernel.stores, ...kernel.sums].map(({ target }) => target),
    ]),
  ];
  const body = new FunctionBody(tensors.length);
  new KernelEmitter(kernel, body, tensors).run();
  return { body, tensors };
}

/** A pointer that moves with the loops; tensors read at fixed distances share it. */
interface Stream {
  readonly tensor: number;
  readonly strides: ReadonlyMap<number, number>;
  /** The offset that it starts at. With negative strides it must not point before the tensor. */
  lowest: number;
  /** The local that holds it in the loops entered so far. */
  local: number;
}

/**
 * Instructions of a kernel that goes along two vectors of channels at a time: it reads twice as
 * much of a cache line while it is there. More have no registers.
 */
const largestPaired = 24;

/**
 * Tensors of so many bytes are fetched a row at a time before it is computed. Going along four
 * channels of a row, a kernel reads every fourth line of the cache only, which the processor does
 * not prefetch; smaller tensors are still in the second level.
 */
const leastFetched = 1 << 17;
/** The most runs of consecutive cache lines in a row: a row of a pool reads two rows of its images. */
const mostRuns = 4;
const floatsPerLine = 16;

class KernelEmitter {
  private readonly kernel: Kernel;
  private readonly body: FunctionBody;
  private readonly tensors: readonly GraphNode[];
  private readonly streams = new Map<string, Stream>();
  private readonly lanes: number;
  private readonly inner: number | undefined;
  /** Vectors side by side that go through the loops together. */
  private readonly vectors: number;
  /** Instruction → its local for each vector. */
  private readonly values: Map<number, number>[];
  /** Instructions that differ from vector to vector. */
  private readonly wide: ReadonlySet<number>;

  constructor(kernel: Kernel, body: FunctionBody, tensors: readonly GraphNode[]) {
    this.kernel = kernel;
    this.body = body;
    this.tensors = tensors;
    const order = [...kernel.loops.keys()];
    this.lanes = order.at(-1)!;
    this.inner = order.at(-2);
    this.wide = this.varyingAlong(this.lanes);
    const canPair = kernel.loops.get(this.lanes)! % 8 === 0 && kernel.instructions.length <= largestPaired;
    this.vectors = canPair ? 2 : 1;
    this.values = Array.from({ length: this.vectors }, () => new Map());
    for (const instruction of kernel.instructions) {
      if (instruction.kind === 'load') this.addStream(instruction.source, instruction.address);
    }
    for (const { target, address } of [...kernel.stores, ...kernel.sums]) this.addStream(target, address);
  }

  run(): void {
    const { body, kernel } = this;
    for (const tensor of kernel.zeroed) {
      body.get(this.tensors.indexOf(tensor));
      body.zero(4 * sizeOf(tensor.shape));
    }
    for (const stream of this.streams.values()) {
      if (stream.lowest === 0) continue;
      const local = body.local('i32');
      body.get(stream.tensor);
      body.i32Const(4 * stream.lowest);
      body.op('i32.add');
      body.set(local);
      stream.local = local;
    }
    const rows = [...kernel.loops.keys()].slice(0, -2);
    this.nest(rows, () => {
      this.fetchRow();
      this.nest([this.lanes], () => this.row());
    });
    for (const [tensor, count] of kernel.divided) this.divide(tensor, count);
  }

  /** Loops around `emit`, with each pointer moving along. */
  private nest(loops: readonly number[], emit: () => void): void {
    const [loop, ...rest] = loops;
    if (loop === undefined) {
      emit();
      return;
    }
    const { body } = this;
    const isLanes = loop === this.lanes;
    const moving = [...this.streams.values()].flatMap((stream) => {
      const stride = stream.strides.get(loop) ?? 0;
      return stride === 0
        ? []
        : [{ stream, bytes: 4 * stride * (isLanes ? 4 * this.vectors : 1), outer: stream.local }];
    });
    for (const { stream } of moving) {
      const local = body.local('i32');
      body.get(stream.local);
      body.set(local);
      stream.local = local;
    }
    const extent = this.kernel.loops.get(loop)!;
    body.loop(isLanes ? extent / 4 / this.vectors : extent, () => {
      this.nest(rest, emit);
      for (const { stream, bytes } of moving) {
        body.get(stream.local);
        body.i32Const(bytes);
        body.op('i32.add');
        body.set(stream.local);
      }
    });
    for (const { stream, outer } of moving) stream.local = outer;
  }

  /**
   * Reads a number of each line of the cache that a row is about to meet of large tensors, in their
   * order, which the processor prefetches.
   */
  private fetchRow(): void {
    const { body, kernel, inner } = this;
    if (inner === undefined) return;
    const lines = new Map<Stream, Set<number>>();
    const places = kernel.instructions.flatMap((load) =>
      load.kind === 'load' ? [{ target: load.source, ...load }] : [],
    );
    for (const { target, address } of [...places, ...kernel.stores]) {
      const [across, along] = [address.strides.get(this.lanes), address.strides.get(inner)];
      if (4 * sizeOf(target.shape) < leastFetched || !across || !along) continue;
      const stream = this.streamOf(target, address);
      const ofStream = lines.get(stream) ?? new Set();
      lines.set(stream, ofStream);
      for (let step = 0; step < kernel.loops.get(inner)!; step++) {
        for (let channel = 0; channel < kernel.loops.get(this.lanes)!; channel += 4) {
          ofStream.add(Math.floor((address.offset - stream.lowest + step * along + channel) / floatsPerLine));
        }
      }
    }
    for (const [stream, ofStream] of lines) {
      const runs = runsOf(ofStream);
      if (runs.length > mostRuns) continue;
      for (const { from, count } of runs) {
        const pointer = body.local('i32');
        body.get(stream.local);
        body.i32Const(4 * floatsPerLine * from);
        body.op('i32.add');
        body.set(pointer);
        body.loop(count, () => {
          body.get(pointer);
          body.load('f32', 0);
          body.drop();
          body.get(pointer);
          body.i32Const(4 * floatsPerLine);
          body.op('i32.add');
          body.set(pointer);
        });
      }
    }
  }

  /** One row of four channels: what is the same along it first. */
  private row(): void {
    const { body, kernel, inner } = this;
    const varying = this.varyingAlong(inner);
    kernel.instructions.forEach((_, position) => {
      if (!varying.has(position)) this.each((vector) => this.compute(position, vector));
    });
    const inRegisters = kernel.sums.filter(({ address }) => inner === undefined || !address.strides.get(inner));
    const totals = new Map<string, { readonly locals: readonly number[]; readonly effect: Effect }>();
    for (const effect of inRegisters) {
      const key = this.placeKey(effect);
      if (totals.has(key)) continue;
      const locals = this.values.map(() => {
        const local = body.local('v128');
        body.f32x4Const(0);
        body.set(local);
        return local;
      });
      totals.set(key, { locals, effect });
    }
    this.nest(inner === undefined ? [] : [inner], () => {
      for (const effect of kernel.sums) {
        const total = totals.get(this.placeKey(effect));
        this.each((vector) => {
          this.compute(effect.value, vector);
          if (total === undefined) {
            this.addToMemory(effect, vector, () => this.push(effect.value, vector));
            return;
          }
          body.get(total.locals[vector]!);
          this.push(effect.value, vector);
          body.op('f32x4.add');
          body.set(total.locals[vector]!);
        });
      }
      for (const { target, address, value } of kernel.stores) {
        this.each((vector) => {
          this.compute(value, vector);
          const stream = this.streamOf(target, address);
          body.get(stream.local);
          this.push(value, vector);
          body.store('v128', 4 * (address.offset - stream.lowest) + 16 * vector);
        });
      }
    });
    for (const { locals, effect } of totals.values()) {
      this.each((vector) => this.addToMemory(effect, vector, () => body.get(locals[vector]!)));
    }
  }

  private each(emit: (vector: number) => void): void {
    for (let vector = 0; vector < this.vectors; vector++) emit(vector);
  }

  private addToMemory({ target, address }: Effect, vector: number, push: () => void): void {
    const { body } = this;
    const stream = this.streamOf(target, address);
    const offset = 4 * (address.offset - stream.lowest) + 16 * vector;
    body.get(stream.local);
    body.get(stream.local);
    body.load('v128', offset);
    push();
    body.op('f32x4.add');
    body.store('v128', offset);
  }

  private varyingAlong(loop: number | undefined): Set<number> {
    const varying = new Set<number>();
    this.kernel.instructions.forEach((instruction, position) => {
      const varies =
        instruction.kind === 'load'
          ? loop !== undefined && (instruction.address.strides.get(loop) ?? 0) !== 0
          : instruction.kind === 'apply' && instruction.args.some((arg) => varying.has(arg));
      if (varies) varying.add(position);
    });
    return varying;
  }

  /** Emits a value once, right after its operands, so that few values occupy registers at a time. */
  private compute(position: number, vector: number): void {
    const { body } = this;
    const instruction = this.kernel.instructions[position]!;
    const values = this.valuesOf(position, vector);
    if (instruction.kind === 'constant' || values.has(position)) return;
    if (instruction.kind === 'load') {
      const stream = this.streamOf(instruction.source, instruction.address);
      body.get(stream.local);
      const isSplat = (instruction.address.strides.get(this.lanes) ?? 0) === 0;
      const offset = 4 * (instruction.address.offset - stream.lowest);
      body.load(isSplat ? 'f32x4-splat' : 'v128', isSplat ? offset : offset + 16 * vector);
    } else {
      for (const arg of instruction.args) this.compute(arg, vector);
      for (const arg of instruction.args) this.push(arg, vector);
      body.op(instruction.code);
    }
    const local = body.local('v128');
    body.set(local);
    values.set(position, local);
  }

  private push(position: number, vector: number): void {
    const instruction = this.kernel.instructions[position]!;
    if (instruction.kind === 'constant') this.body.f32x4Const(instruction.value);
    else this.body.get(this.valuesOf(position, vector).get(position)!);
  }

  /** What is the same for all vectors is kept once. */
  private valuesOf(position: number, vector: number): Map<number, number> {
    return this.values[this.wide.has(position) ? vector : 0]!;
  }

  private divide(tensor: GraphNode, count: number): void {
    const { body } = this;
    const pointer = body.local('i32');
    body.get(this.tensors.indexOf(tensor));
    body.set(pointer);
    body.loop(sizeOf(tensor.shape) / 4, () => {
      body.get(pointer);
      body.get(pointer);
      body.load('v128', 0);
      body.f32x4Const(count);
      body.op('f32x4.div');
      body.store('v128', 0);
      body.get(pointer);
      body.i32Const(16);
      body.op('i32.add');
      body.set(pointer);
    });
  }

  private addStream(node: GraphNode, address: Address): void {
    const tensor = this.tensors.indexOf(node);
    const key = streamKey(tensor, address);
    const known = this.streams.get(key);
    const lowest = Math.min(known?.lowest ?? address.offset, address.offset);
    if (known === undefined) this.streams.set(key, { tensor, strides: address.strides, lowest, local: tensor });
    else known.lowest = lowest;
  }

  private streamOf(node: GraphNode, address: Address): Stream {
    return this.streams.get(streamKey(this.tensors.indexOf(node), address))!;
  }

  private placeKey({ target, address }: Effect): string {
    return `${streamKey(this.tensors.indexOf(target), address)} ${address.offset}`;
  }
}

/** Numbers one after another. */
function runsOf(numbers: ReadonlySet<number>): { readonly from: number; readonly count: number }[] {
  const runs: { from: number; count: number }[] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last.from + last.count === number) last.count += 1;
    else runs.push({ from: number, count: 1 });
  }
  return runs;
}

function streamKey(tensor: number, { strides }: Address): string {
  const moves = [...strides].filter(([, stride]) => stride !== 0).sort(([a], [b]) => a - b);
  return `${tensor}: ${moves.join(' ')}`;
}
