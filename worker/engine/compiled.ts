// The compiled executor: a task function is traced once, its graph optimised, written as ONNX and run by ONNX Runtime, on the cpu with one thread.
// Sessions are shared between programs whose models are equal byte for byte. Refuses nothing at run time but arrays of a wrong length.
import { createHash } from 'node:crypto';
import { MetatrainError } from '../../shared/errors.ts';
import type { DeviceFacts } from './devices.ts';
import type { Engine, NamedArrays, TaskProgram, TaskProgramOptions, TensorSpecs } from './engine.ts';
import { fingerprintOf } from './fingerprint.ts';
import { type Graph, nodesOf } from './graph/operation.ts';
import { inputName, loweringFor, lowerToOnnx } from './onnx/lower.ts';
import { probeDevice } from './onnx/probe.ts';
import { createSession, type Feed, type Session } from './onnx/session.ts';
import { type OptimizeOptions, optimize } from './passes/pipeline.ts';
import { checkedArray, type OutputSpecs, outputSpecs } from './task-arrays.ts';
import { trace } from './trace/trace.ts';

/** Bumped whenever a pass, a lowering or a session option changes the bits of any result. */
export const engineBuild = 2;

export interface CompiledEngineOptions {
  readonly facts: DeviceFacts;
  readonly passes?: OptimizeOptions;
}

/** @throws MetatrainError `DEVICE_MISSING` when ONNX Runtime cannot compute on the device. */
export async function createCompiledEngine(options: CompiledEngineOptions): Promise<Engine> {
  const device = options.facts.kind;
  await probeDevice(device);
  const sessions = new Map<string, Promise<Session>>();
  const openSession = (model: Uint8Array): Promise<Session> => {
    const hash = createHash('sha256').update(model).digest('hex');
    let session = sessions.get(hash);
    if (session === undefined) {
      session = createSession(model, device);
      sessions.set(hash, session);
    }
    return session;
  };
  let isClosed = false;
  return {
    fingerprint: fingerprintOf({ device: options.facts, build: engineBuild }),
    compile: async (program) => {
      if (isClosed) throw new MetatrainError('SHUTTING_DOWN', 'the engine is closed');
      const traced = trace(program);
      const { graph } = optimize(traced, program.taskCount, options.passes);
      const session = await openSession(lowerToOnnx(graph, loweringFor(device)));
      return createProgram(program, graph, outputSpecs(traced, program.taskCount), session);
    },
    close: async () => {
      isClosed = true;
      const open = await Promise.allSettled(sessions.values());
      sessions.clear();
      for (const result of open) if (result.status === 'fulfilled') await result.value.release();
    },
  };
}

function createProgram(program: TaskProgramOptions, graph: Graph, outputs: OutputSpecs, session: Session): TaskProgram {
  const used = new Set<string>();
  for (const { op } of nodesOf(graph)) if (op.kind === 'input') used.add(inputName(op.source, op.name));
  return {
    outputs,
    run: async (metaParams, tasks) => {
      const feeds: Record<string, Feed> = {};
      const feed = (source: 'metaParams' | 'task', arrays: NamedArrays) => {
        const stacking = source === 'task' && program.taskCount > 1 ? [program.taskCount] : [];
        for (const [key, { shape, dtype }] of Object.entries(program[source])) {
          const name = inputName(source, key);
          const values = checkedArray(name, arrays[key], { shape: [...stacking, ...shape], dtype });
          if (used.has(name)) feeds[name] = { shape: [...stacking, ...shape], dtype, values };
        }
      };
      feed('metaParams', metaParams);
      feed('task', tasks);
      const results = await session.run(feeds);
      const group = (prefix: string, specs: TensorSpecs) =>
        Object.fromEntries(Object.keys(specs).map((name) => [name, results[`${prefix}.${name}`]!]));
      return { sum: group('sum', outputs.sum), each: group('each', outputs.each) };
    },
    dispose: async () => {},
  };
}
