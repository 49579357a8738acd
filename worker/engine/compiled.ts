// The compiled executor: a task function is traced once, its graph optimised, written as ONNX and
// run by ONNX Runtime, on the cpu with one thread; convolutional graphs are run by the fused
// executor there. Sessions are shared between programs that compute the same. At run time only
// arrays of a wrong length are refused.
import { MetatrainError } from '../../shared/errors.ts';
import type { DeviceFacts, DeviceKind } from './devices.ts';
import type { CompileReport, Engine, NamedArrays, TaskProgram, TaskProgramOptions, TypedArray } from './engine.ts';
import { fingerprintOf } from './fingerprint.ts';
import { createFusedSession } from './fused/executor.ts';
import { nodesOf } from './graph/operation.ts';
import { graphKey } from './graph/print.ts';
import { inputName, loweringFor, lowerToOnnx } from './onnx/lower.ts';
import { probeDevice } from './onnx/probe.ts';
import { createSession, type Feed } from './onnx/session.ts';
import type { OptimizeOptions } from './passes/pipeline.ts';
import { FusedPlans, type Plan, planProgram } from './plan.ts';
import { type HeldSession, SessionCache } from './session-cache.ts';
import { startStopwatch } from './stopwatch.ts';
import { checkedArray, type OutputSpecs, outputSpecs, stackedOutputs } from './task-arrays.ts';

/**
 * Bumped whenever a pass, a lowering, the budget of a run or a session option changes the bits of
 * any result.
 */
export const engineBuild = 9;

export interface CompiledEngineOptions {
  readonly facts: DeviceFacts;
  readonly passes?: OptimizeOptions;
  /** Default: a cache of this engine alone, without a limit. */
  readonly sessions?: SessionCache;
  /** Instead of `runBudgetBytes`, for tests. */
  readonly runBudgetBytes?: number;
  /** See `SessionRequest`. */
  readonly makeRoom?: () => Promise<boolean>;
  readonly onCompiled?: (report: CompileReport) => void;
}

/** @throws MetatrainError `DEVICE_MISSING` when ONNX Runtime cannot compute on the device. */
export async function createCompiledEngine(options: CompiledEngineOptions): Promise<Engine> {
  const { facts, passes, makeRoom, onCompiled } = options;
  const device = facts.kind;
  await probeDevice(device);
  const sessions = options.sessions ?? new SessionCache();
  const plans = new FusedPlans();
  const held = new Set<HeldSession>();
  const statistics = { programs: 0, sessionsCreated: 0, sessionsShared: 0, traceMs: 0, optimizeMs: 0, sessionMs: 0 };
  let isClosed = false;

  const compile = async (program: TaskProgramOptions): Promise<TaskProgram> => {
    if (isClosed) throw new MetatrainError('SHUTTING_DOWN', 'the engine is closed');
    const plan = planProgram(program, { device, ...passes }, options.runBudgetBytes, plans);
    const elapsed = startStopwatch();
    const { peakBytes, tasksPerRun } = plan;
    const source = sessionSource(plan, device);
    const session = await sessions.acquire({
      program: program.name,
      ...source,
      device,
      peakBytes,
      tasksPerRun,
      makeRoom,
    });
    held.add(session);
    const report = reportOf(program, plan, session, elapsed());
    statistics.programs += 1;
    statistics[session.isShared ? 'sessionsShared' : 'sessionsCreated'] += 1;
    for (const part of ['traceMs', 'optimizeMs', 'sessionMs'] as const) statistics[part] += report[part];
    onCompiled?.(report);
    const dispose = async () => {
      held.delete(session);
      await session.release();
    };
    return { ...createProgram(program, plan, session), dispose };
  };

  return {
    fingerprint: fingerprintOf({ device: facts, build: engineBuild }),
    get statistics() {
      return { ...statistics };
    },
    compile,
    close: async () => {
      isClosed = true;
      const open = [...held];
      held.clear();
      for (const session of open) await session.release();
    },
  };
}

/**
 * The memory that an open session takes in addition to its run, measured as the growth of a
 * process: 0.5 MiB for a small MLP in ONNX Runtime; 15 MiB for a conv4 in the fused executor, which
 * has sessions and compiled functions for each kind of product.
 */
const openBytes = { onnx: 2 ** 19, fused: 2 ** 24 } as const;

/** The fused executor if the plan has one, otherwise ONNX Runtime with the whole graph as one model. */
function sessionSource({ graph, fused, peakBytes }: Plan, device: DeviceKind) {
  if (fused !== undefined) {
    const identity = Buffer.from(`fused ${graphKey(graph)}`);
    return { identity, openBytes: openBytes.fused, open: () => createFusedSession(fused) };
  }
  const model = lowerToOnnx(graph, loweringFor(device));
  return { identity: model, openBytes: openBytes.onnx, open: () => createSession(model, device, { peakBytes }) };
}

function reportOf(program: TaskProgramOptions, plan: Plan, session: HeldSession, sessionMs: number): CompileReport {
  const { traced, graph, tasksPerRun, peakBytes, arithmetic, traceMs, optimizeMs } = plan;
  return {
    program: program.name,
    taskCount: program.taskCount,
    tasksPerRun,
    nodesTraced: traced.recorded.live,
    nodes: nodesOf(graph).length,
    peakBytes,
    arithmetic,
    executor: plan.fused === undefined ? 'onnx' : 'fused',
    isSessionShared: session.isShared,
    traceMs,
    optimizeMs,
    sessionMs,
  };
}

/** Computes runs of equal size one after another, in task order, and adds their sums in that order. */
function createProgram(
  program: TaskProgramOptions,
  { traced, graph, tasksPerRun }: Plan,
  { session }: HeldSession,
): Omit<TaskProgram, 'dispose'> {
  const used = new Set<string>();
  for (const { op } of nodesOf(graph)) if (op.kind === 'input') used.add(inputName(op.source, op.name));
  const outputs: OutputSpecs = outputSpecs(traced, program.taskCount);
  const runs = program.taskCount / tasksPerRun;
  return {
    outputs,
    run: async (metaParams, tasks) => {
      const feeds = Array.from({ length: runs }, (): Record<string, Feed> => ({}));
      for (const [key, { shape, dtype }] of Object.entries(program.metaParams)) {
        const name = inputName('metaParams', key);
        const values = checkedArray(name, metaParams[key], { shape, dtype });
        if (used.has(name)) for (const feed of feeds) feed[name] = { shape, dtype, values };
      }
      for (const [key, { shape, dtype }] of Object.entries(program.task)) {
        const name = inputName('task', key);
        const values = checkedArray(name, tasks[key], { shape: stacked(program.taskCount, shape), dtype });
        if (!used.has(name)) continue;
        const size = values.length / runs;
        for (let run = 0; run < runs; run++) {
          const part = runs === 1 ? values : values.subarray(run * size, (run + 1) * size);
          feeds[run]![name] = { shape: stacked(tasksPerRun, shape), dtype, values: part };
        }
      }
      const results: Record<string, TypedArray>[] = [];
      for (const feed of feeds) results.push(await session.run(feed));
      return runs === 1 ? grouped(outputs, results[0]!) : stackedOutputs(outputs, results);
    },
  };
}

/** A graph of one task has no task axis. */
const stacked = (taskCount: number, shape: readonly number[]): readonly number[] =>
  taskCount > 1 ? [taskCount, ...shape] : shape;

function grouped(outputs: OutputSpecs, results: NamedArrays): { sum: NamedArrays; each: NamedArrays } {
  const group = (prefix: 'sum' | 'each') =>
    Object.fromEntries(Object.keys(outputs[prefix]).map((name) => [name, results[`${prefix}.${name}`]!]));
  return { sum: group('sum'), each: group('each') };
}
