// A compute thread's inside: takes messages one after another, runs shards on the job's program, answers each with its outcome.
// Knows nothing of leases' deadlines or the network, and starts nothing by itself: `thread.ts` composes it.
import type { MessagePort } from 'node:worker_threads';
import { builtIn, type Registry } from '../../learning/registry.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { bytesOfVector, sha256 } from '../../shared/tensor-codec.ts';
import type { JobProgram } from '../learning/job-program.ts';
import type { LearnerProgram } from '../learning/learner-program.ts';
import { type OpenLearner, type OpenProgram, ProgramCache } from './program-cache.ts';
import type { FromThread, ToThread } from './protocol.ts';
import { failureOf, type RequestWork, type ShardOutput, type ShardWork } from './shard.ts';
import { helpSpan, leadSpan, type SpanRun } from './span.ts';

export interface ComputeThread {
  readonly fingerprint: string;
  readonly openProgram: OpenProgram;
  readonly openLearner: OpenLearner;
  /** The parts that jobs may name. Default: the built-in ones. */
  readonly registry?: Registry;
  /** Milliseconds spent in the engine's runs, ever growing. Default: not measured, 0. */
  readonly engineMs?: () => number;
  /** What the open programs take, by prediction. Default: not known, 0. */
  readonly predictedBytes?: () => number;
}

/** Answers `port` until `stop`; `prepare` finds the engine, and its failure is told to the agent as the reason of the exit. */
export async function serveShards(port: MessagePort, prepare: () => Promise<ComputeThread>): Promise<void> {
  const tell = (message: FromThread, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  let thread: ComputeThread;
  try {
    thread = await prepare();
  } catch (thrown) {
    tell({ kind: 'unable', failure: failureOf(thrown) });
    port.close();
    return;
  }
  const compilation = new Compilation(tell);
  const programs = new ProgramCache({
    registry: thread.registry ?? builtIn,
    openProgram: thread.openProgram,
    openLearner: thread.openLearner,
    compiling: (compile) => compilation.during(compile),
    onCompiled: (jobId, report) => tell({ kind: 'compiled', jobId, report }),
    onOpened: (jobId) => tell({ kind: 'opened', jobId }),
    onEvicted: (jobId) => tell({ kind: 'evicted', jobId }),
  });
  const params = new ParamsCopy();
  const engineMs = thread.engineMs ?? (() => 0);
  let toldBytes = 0;
  const tellMemory = () => {
    const predictedBytes = thread.predictedBytes?.() ?? 0;
    if (predictedBytes !== toldBytes) tell({ kind: 'memory', predictedBytes });
    toldBytes = predictedBytes;
  };

  const runShard = async (message: ToThread & { kind: 'runShard' }) => {
    const { leaseId, jobId, work } = message;
    try {
      const startedAt = performance.now();
      const engineMsBefore = engineMs();
      compilation.begin(leaseId);
      const metaParams = message.params && params.of(message.params);
      const span: SpanRun = {
        threads: work.kind === 'span' ? work.span.threads : 1,
        recruit: (crew) => tell({ kind: 'crew', leaseId, crew }),
        isOver: () => isSpanOver(work, message.stop, performance.now() - startedAt - compilation.tookMs),
      };
      const { output, data } = await compute(programs, jobId, work, span, metaParams);
      const computeMs = performance.now() - startedAt - compilation.tookMs;
      const engineTookMs = engineMs() - engineMsBefore;
      tell({ kind: 'finished', leaseId, output, data, computeMs, engineMs: engineTookMs }, transferable(output));
    } catch (thrown) {
      tell({ kind: 'failed', leaseId, failure: failureOf(thrown) });
    }
    tellMemory();
  };

  const help = async ({ jobId, crew }: ToThread & { kind: 'helpSpan' }) => {
    try {
      await helpSpan(await programs.programOf(jobId), crew);
    } catch {
      // The lead meets what opening the program meets, and computes the span alone.
    }
    tell({ kind: 'helped' });
    tellMemory();
  };

  const handle = async (message: ToThread): Promise<void> => {
    switch (message.kind) {
      case 'openJob':
        return programs.openJob(message.jobId, message.opening);
      case 'closeJob':
        await programs.closeJob(message.jobId);
        return tellMemory();
      case 'runShard':
        return runShard(message);
      case 'helpSpan':
        return help(message);
      case 'stop':
        await programs.close();
        return port.close();
      default:
        message satisfies never;
    }
  };

  let previous = Promise.resolve();
  port.on('message', (message: ToThread) => {
    previous = previous.then(() => handle(message));
  });
  tell({ kind: 'ready', fingerprint: thread.fingerprint });
}

/**
 * Of the shard at hand: tells the agent when compiling begins and ends, since the thread answers nobody
 * meanwhile.
 */
class Compilation {
  readonly #tell: (message: FromThread) => void;
  #leaseId = '';
  #isUnderWay = false;
  /** So far, for this shard. */
  tookMs = 0;

  constructor(tell: (message: FromThread) => void) {
    this.#tell = tell;
  }

  begin(leaseId: string): void {
    this.#leaseId = leaseId;
    this.tookMs = 0;
  }

  /** Opening a program may compile: what is inside another counts once. */
  async during<Result>(compile: () => Promise<Result>): Promise<Result> {
    if (this.#isUnderWay) return compile();
    const leaseId = this.#leaseId;
    const startedAt = performance.now();
    this.#isUnderWay = true;
    this.#tell({ kind: 'compiling', leaseId });
    try {
      return await compile();
    } finally {
      this.#isUnderWay = false;
      this.tookMs += performance.now() - startedAt;
      this.#tell({ kind: 'computing', leaseId });
    }
  }
}

/** The thread's own copy of θ: native code takes no shared memory, and a buffer kept is a page fault saved. */
class ParamsCopy {
  #vector = new Float32Array(0);

  of(shared: SharedArrayBuffer): Float32Array {
    const source = new Float32Array(shared);
    if (this.#vector.length !== source.length) this.#vector = new Float32Array(source.length);
    this.#vector.set(source);
    return this.#vector;
  }
}

/** The output, and what its tasks were drawn from. */
async function compute(
  programs: ProgramCache,
  jobId: string,
  work: ShardWork,
  span: SpanRun,
  metaParams?: Float32Array,
): Promise<{ readonly output: ShardOutput; readonly data: readonly DataIdentity[] }> {
  if (work.kind === 'adapt' || work.kind === 'predict' || work.kind === 'encode') {
    return { output: await serveRequest(await programs.learnerOf(jobId), work, given(metaParams)), data: [] };
  }
  const program = await programs.programOf(jobId);
  return { output: await computeShard(program, work, span, metaParams), data: program.data };
}

/** Told to end, or its time is over. */
function isSpanOver(work: ShardWork, stop: SharedArrayBuffer | undefined, tookMs: number): boolean {
  if (work.kind !== 'span') return false;
  return tookMs >= work.span.budgetMs || (stop !== undefined && Atomics.load(new Int32Array(stop), 0) !== 0);
}

async function serveRequest(
  learner: LearnerProgram,
  work: RequestWork,
  metaParams: Float32Array,
): Promise<ShardOutput> {
  const { kind } = work;
  switch (kind) {
    case 'adapt': {
      const adapted = await learner.adapt(metaParams, work.request);
      return { kind, adapted, payloadSha256: hashOf(adapted.state) };
    }
    case 'predict': {
      const made = await learner.predict(metaParams, work.request);
      const predictions = { ...made, outputs: made.outputs.slice() };
      return { kind, predictions, payloadSha256: hashOf(predictions.outputs) };
    }
    case 'encode': {
      const encoded = await learner.encode(work.request);
      return { kind, encoded, payloadSha256: hashOf(encoded.values) };
    }
    default:
      return work satisfies never;
  }
}

async function computeShard(
  program: JobProgram,
  work: Exclude<ShardWork, RequestWork>,
  span: SpanRun,
  metaParams?: Float32Array,
): Promise<ShardOutput> {
  switch (work.kind) {
    case 'initialize': {
      const made = program.initialize();
      const initial = { ...made, metaParams: made.metaParams.slice() };
      return { kind: 'initialize', initial, payloadSha256: hashOf(initial.metaParams) };
    }
    case 'train': {
      const { metaGradientSum, ...result } = await program.train(given(metaParams), work.shard);
      // A copy, because what is transferred is lost to its owner, and native code may own it.
      const payload = Uint8Array.from(program.encode(metaGradientSum, work.shard));
      const carrySha256 = result.carry && { carrySha256: hashOf(result.carry) };
      return { kind: 'train', result, payload, payloadSha256: new Uint8Array(sha256(payload)), ...carrySha256 };
    }
    case 'span': {
      // The thread's own copy of θ is overwritten by its next shard, which comes after the span.
      const start = { step: work.paramsVersion, metaParams: given(metaParams), ...work.span };
      const end = await leadSpan(program, start, span);
      return { kind: 'span', end, payloadSha256: hashOf(end.state) };
    }
    case 'evaluate':
      return { kind: 'evaluate', result: await program.evaluate(given(metaParams), work.shard) };
    default:
      return work satisfies never;
  }
}

function given(metaParams: Float32Array | undefined): Float32Array {
  if (!metaParams) throw new MetatrainError('INTERNAL', 'a shard that needs meta-parameters came without them');
  return metaParams;
}

/** On a buffer of its own, so that the clone carries 32 bytes and not the pool they lie in. */
const hashOf = (vector: Float32Array): Uint8Array => new Uint8Array(sha256(bytesOfVector(vector)));

function transferable(output: ShardOutput): ArrayBuffer[] {
  switch (output.kind) {
    case 'initialize':
      return [output.initial.metaParams.buffer as ArrayBuffer];
    case 'train':
      return [output.payload, output.result.carry].flatMap((array) => (array ? [array.buffer as ArrayBuffer] : []));
    case 'span':
      return [output.end.state.buffer as ArrayBuffer];
    case 'evaluate':
      return [];
    case 'adapt':
      return [output.adapted.state.buffer as ArrayBuffer];
    case 'predict':
      return [output.predictions.outputs.buffer as ArrayBuffer];
    case 'encode':
      return [output.encoded.values.buffer as ArrayBuffer];
    default:
      return output satisfies never;
  }
}
