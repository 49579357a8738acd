// Computes a span's shards on the thread that leads it and on those that help: each claims the next
// shard, and sums cross in shared memory, so that handing one over costs microseconds. Who computes
// a shard changes none of its bytes. A helper that is lost or fails costs time and nothing else:
// the lead computes what is missing itself. Knows no lease and no message.
import { squaredNorm } from '../../learning/outer-loop/meta-gradient.ts';
import {
  computeSpan,
  type HashedShardSum,
  type SpanEnd,
  type SpanStart,
  shardsOfMetaBatch,
} from '../../learning/outer-loop/span.ts';
import { bytesOfVector, sha256 } from '../../shared/tensor-codec.ts';
import type { JobProgram } from '../learning/job-program.ts';

/** What the threads of one span share. */
export interface CrewMemory {
  /** See `at`. */
  readonly control: SharedArrayBuffer;
  /** Of each shard: whether its sum is here. */
  readonly published: SharedArrayBuffer;
  /** θ of the meta-step, float32. */
  readonly metaParams: SharedArrayBuffer;
  /** Of each shard, float32. */
  readonly sums: SharedArrayBuffer;
  /** Of each shard: weight, squared norm, number of tasks that are left out, float64. */
  readonly facts: SharedArrayBuffer;
  /** Of each shard, [measures × tasks], float64. */
  readonly measures: SharedArrayBuffer;
  /** Of each shard, offsets of tasks, uint32. */
  readonly leftOut: SharedArrayBuffer;
  /** Of each shard, 32 bytes. */
  readonly hashes: SharedArrayBuffer;
}

/**
 * Indices of the control words. `next` is set last: who claims a shard finds the meta-step and θ as
 * they belong to it.
 */
const at = { next: 0, done: 1, turn: 2, metaStep: 3, isOver: 4, isHelperLost: 5 } as const;
const controlWords = 6;
const factsPerShard = 3;
const hashBytes = 32;
/** Looks at a control word before a thread sleeps, which costs more than most meta-steps' waits. */
const spins = 4_000;
/** A sleeping lead looks whether a helper was lost. */
const lookMs = 50;

/** Ends a crew whose lead is gone, or tells the lead that a helper is. */
export function disband(memory: CrewMemory, who: 'lead' | 'helper'): void {
  const control = new Int32Array(memory.control);
  Atomics.store(control, who === 'lead' ? at.isOver : at.isHelperLost, 1);
  Atomics.notify(control, at.turn);
  Atomics.notify(control, at.done);
}

export interface SpanRun {
  /** Threads that compute it, this one among them. */
  readonly threads: number;
  /** Others may help with this memory, until it is disbanded. */
  recruit(memory: CrewMemory): void;
  isOver(): boolean;
}

/** @throws what `computeSpan` throws. */
export async function leadSpan(program: JobProgram, start: SpanStart, run: SpanRun): Promise<SpanEnd> {
  const shards = shardsOfMetaBatch(program.job.spec);
  const { isOver } = run;
  const alone = async (metaStep: number, metaParams: Float32Array) => {
    const sums: HashedShardSum[] = [];
    for (const shard of shards) sums.push(await shardSum(program, metaStep, metaParams, shard));
    return sums;
  };
  if (Math.min(run.threads, shards.length) < 2) return computeSpan(program.job, start, { shardsOf: alone, isOver });
  const crew = new Crew(program);
  run.recruit(crew.memory);
  try {
    const shardsOf = (metaStep: number, metaParams: Float32Array) =>
      crew.isHelperLost ? alone(metaStep, metaParams) : crew.lead(metaStep, metaParams);
    return await computeSpan(program.job, start, { shardsOf, isOver });
  } finally {
    disband(crew.memory, 'lead');
  }
}

/** Computes shards of the span until its crew is disbanded. */
export const helpSpan = (program: JobProgram, memory: CrewMemory): Promise<void> => new Crew(program, memory).help();

async function shardSum(
  program: JobProgram,
  metaStep: number,
  metaParams: Float32Array,
  [offset, taskCount]: readonly [number, number],
): Promise<HashedShardSum> {
  const firstTask = metaStep * program.job.spec.meta.batchSize + offset;
  const { metaGradientSum, weight, measures, nonFiniteTasks } = await program.train(metaParams, {
    metaStep,
    firstTask,
    taskCount,
  });
  return {
    metaGradientSum,
    squaredNorm: squaredNorm(metaGradientSum),
    taskCount,
    weight,
    measures,
    nonFiniteTasks,
    sha256: sha256(bytesOfVector(metaGradientSum)),
  };
}

class Crew {
  readonly memory: CrewMemory;
  readonly #program: JobProgram;
  readonly #shards: readonly (readonly [number, number])[];
  readonly #elements: number;
  readonly #tasks: number;
  readonly #control: Int32Array;
  readonly #published: Int32Array;
  readonly #metaParams: Float32Array;
  readonly #sums: Float32Array;
  readonly #facts: Float64Array;
  readonly #measures: Float64Array;
  readonly #leftOut: Uint32Array;
  readonly #hashes: Uint8Array;

  /** @param memory of the lead; default: a new crew's. */
  constructor(program: JobProgram, memory?: CrewMemory) {
    const { spec, parameterCount, measures } = program.job;
    this.#program = program;
    this.#shards = shardsOfMetaBatch(spec);
    this.#elements = parameterCount;
    this.#tasks = spec.placement.shardSize;
    this.memory = memory ?? allocate(this.#shards.length, parameterCount, this.#tasks, measures.train.length);
    this.#control = new Int32Array(this.memory.control);
    this.#published = new Int32Array(this.memory.published);
    this.#metaParams = new Float32Array(this.memory.metaParams);
    this.#sums = new Float32Array(this.memory.sums);
    this.#facts = new Float64Array(this.memory.facts);
    this.#measures = new Float64Array(this.memory.measures);
    this.#leftOut = new Uint32Array(this.memory.leftOut);
    this.#hashes = new Uint8Array(this.memory.hashes);
  }

  get isHelperLost(): boolean {
    return Atomics.load(this.#control, at.isHelperLost) === 1;
  }

  async lead(metaStep: number, metaParams: Float32Array): Promise<readonly HashedShardSum[]> {
    this.#begin(metaStep, metaParams);
    const sums = new Array<HashedShardSum | undefined>(this.#shards.length);
    for (let shard = this.#claim(); shard !== undefined; shard = this.#claim()) {
      sums[shard] = await shardSum(this.#program, metaStep, metaParams, this.#shards[shard]!);
      this.#count();
    }
    this.#awaitShards();
    const all: HashedShardSum[] = [];
    for (const [shard, range] of this.#shards.entries()) {
      const sum = sums[shard] ?? this.#read(shard);
      all.push(sum ?? (await shardSum(this.#program, metaStep, metaParams, range)));
    }
    return all;
  }

  async help(): Promise<void> {
    // Native code takes no shared memory.
    const metaParams = new Float32Array(this.#elements);
    let copiedStep = -1;
    for (;;) {
      const turn = Atomics.load(this.#control, at.turn);
      if (Atomics.load(this.#control, at.isOver) === 1) return;
      const shard = this.#claim();
      if (shard === undefined) {
        this.#await(at.turn, turn, Number.POSITIVE_INFINITY);
        continue;
      }
      const metaStep = Atomics.load(this.#control, at.metaStep);
      if (copiedStep !== metaStep) metaParams.set(this.#metaParams);
      copiedStep = metaStep;
      try {
        this.#publish(shard, await shardSum(this.#program, metaStep, metaParams, this.#shards[shard]!));
      } catch {
        // The lead meets the error itself, or does better.
      }
      this.#count();
    }
  }

  #begin(metaStep: number, metaParams: Float32Array): void {
    this.#metaParams.set(metaParams);
    this.#published.fill(0);
    Atomics.store(this.#control, at.metaStep, metaStep);
    Atomics.store(this.#control, at.done, 0);
    Atomics.store(this.#control, at.next, 0);
    Atomics.add(this.#control, at.turn, 1);
    Atomics.notify(this.#control, at.turn);
  }

  /** The next shard of the meta-step; undefined when every one is somebody's. */
  #claim(): number | undefined {
    const shard = Atomics.add(this.#control, at.next, 1);
    return shard < this.#shards.length ? shard : undefined;
  }

  #count(): void {
    Atomics.add(this.#control, at.done, 1);
    Atomics.notify(this.#control, at.done);
  }

  #awaitShards(): void {
    while (!this.isHelperLost) {
      const done = Atomics.load(this.#control, at.done);
      if (done === this.#shards.length) return;
      this.#await(at.done, done, lookMs);
    }
  }

  /** Until the word is another, or for so long. */
  #await(word: number, value: number, ms: number): void {
    for (let spin = 0; spin < spins; spin += 1) if (Atomics.load(this.#control, word) !== value) return;
    Atomics.wait(this.#control, word, value, ms);
  }

  #publish(shard: number, sum: HashedShardSum): void {
    this.#sums.set(sum.metaGradientSum, shard * this.#elements);
    this.#hashes.set(sum.sha256, shard * hashBytes);
    this.#facts.set([sum.weight, sum.squaredNorm ?? Number.NaN, sum.nonFiniteTasks.length], shard * factsPerShard);
    this.#leftOut.set(sum.nonFiniteTasks, shard * this.#tasks);
    for (const [i, { values }] of sum.measures.entries()) {
      this.#measures.set(values, (shard * sum.measures.length + i) * this.#tasks);
    }
    Atomics.store(this.#published, shard, 1);
  }

  #read(shard: number): HashedShardSum | undefined {
    if (Atomics.load(this.#published, shard) === 0) return undefined;
    const [, taskCount] = this.#shards[shard]!;
    const heads = this.#program.job.measures.train;
    const [weight = 0, squares, leftOut = 0] = this.#facts.subarray(shard * factsPerShard);
    const begin = shard * this.#elements;
    const measures = heads.map(({ name }, i) => {
      const first = (shard * heads.length + i) * this.#tasks;
      return { name, values: [...this.#measures.subarray(first, first + taskCount)] };
    });
    const firstOffset = shard * this.#tasks;
    return {
      metaGradientSum: this.#sums.subarray(begin, begin + this.#elements),
      ...(squares !== undefined && { squaredNorm: squares }),
      taskCount,
      weight,
      measures,
      nonFiniteTasks: [...this.#leftOut.subarray(firstOffset, firstOffset + leftOut)],
      sha256: this.#hashes.slice(shard * hashBytes, (shard + 1) * hashBytes),
    };
  }
}

function allocate(shards: number, elements: number, tasks: number, measures: number): CrewMemory {
  const floats = (count: number) => new SharedArrayBuffer(count * Float32Array.BYTES_PER_ELEMENT);
  const doubles = (count: number) => new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT);
  const control = new SharedArrayBuffer(controlWords * Int32Array.BYTES_PER_ELEMENT);
  // Nothing is to be claimed before the first meta-step.
  new Int32Array(control)[at.next] = shards;
  return {
    control,
    published: new SharedArrayBuffer(shards * Int32Array.BYTES_PER_ELEMENT),
    metaParams: floats(elements),
    sums: floats(shards * elements),
    facts: doubles(shards * factsPerShard),
    measures: doubles(shards * measures * tasks),
    leftOut: new SharedArrayBuffer(shards * tasks * Uint32Array.BYTES_PER_ELEMENT),
    hashes: new SharedArrayBuffer(shards * hashBytes),
  };
}
