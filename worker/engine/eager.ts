// The eager executor: the task function runs on a TensorFlow.js backend, task after task:
// TensorFlow's, on the cpu or CUDA, or tfjs's own `cpu` backend, which is slow and simple, and so
// the reference that everything else is compared with.
import { MetatrainError } from '../../shared/errors.ts';
import type { DeviceFacts } from './devices.ts';
import type { Engine, NamedArrays, TaskProgram, TaskProgramOptions, TensorSpec, TypedArray } from './engine.ts';
import { fingerprintOf } from './fingerprint.ts';
import { type Shape, sameShape } from './graph/operation.ts';
import { startStopwatch } from './stopwatch.ts';
import { arrayTypes, type OutputSpecs, outputSpecs, stackedOutputs, taskView } from './task-arrays.ts';
import type { TensorflowBackend } from './tf/tensorflow.ts';
import { tf } from './tf/tf.ts';
import { traceOutline } from './trace/trace.ts';

/** Bumped whenever a registered gradient changes the bits of any result. */
export const eagerBuild = 1;

export interface EagerEngineOptions extends TensorflowBackend {
  readonly facts: DeviceFacts;
}

export function createEagerEngine({ facts, backend, version }: EagerEngineOptions): Engine {
  const statistics = { programs: 0, sessionsCreated: 0, sessionsShared: 0, traceMs: 0, optimizeMs: 0, sessionMs: 0 };
  let isClosed = false;
  return {
    fingerprint: fingerprintOf({ device: facts, build: eagerBuild, version }),
    get statistics() {
      return { ...statistics };
    },
    compile: async (program) => {
      if (isClosed) throw new MetatrainError('SHUTTING_DOWN', 'the engine is closed');
      const elapsed = startStopwatch();
      const created = createProgram(program, backend);
      statistics.programs += 1;
      statistics.traceMs += elapsed();
      return created;
    },
    close: async () => {
      isClosed = true;
    },
  };
}

function createProgram(program: TaskProgramOptions, backend: string): TaskProgram {
  // tracing finds the outputs' shapes before the first run, and refuses what the contract forbids
  const outputs = outputSpecs(traceOutline(program, backend), program.taskCount);
  return {
    outputs,
    run: async (metaParams, tasks) => {
      const before = tf.getBackend();
      tf.setBackend(backend);
      try {
        const results: Record<string, TypedArray>[] = [];
        for (let task = 0; task < program.taskCount; task++)
          results.push(runTask(program, outputs, metaParams, tasks, task));
        return stackedOutputs(outputs, results);
      } finally {
        tf.setBackend(before);
      }
    },
    dispose: async () => {},
  };
}

function runTask(
  program: TaskProgramOptions,
  outputs: OutputSpecs,
  metaParams: NamedArrays,
  tasks: NamedArrays,
  task: number,
): Record<string, TypedArray> {
  const results: Record<string, TypedArray> = {};
  tf.tidy(() => {
    const params = Object.entries(program.metaParams).map(([name, spec]) => [
      name,
      tensorOf(`metaParams.${name}`, metaParams[name], spec, 0, 1),
    ]);
    const inputs = Object.entries(program.task).map(([name, spec]) => {
      return [name, tensorOf(`task.${name}`, tasks[name], spec, task, program.taskCount)];
    });
    const { sum, each } = program.taskFunction(Object.fromEntries(params), Object.fromEntries(inputs));
    for (const [group, tensors] of [
      ['sum', sum],
      ['each', each],
    ] as const) {
      for (const [name, tensor] of Object.entries(tensors)) {
        const shape = group === 'sum' ? outputs.sum[name]?.shape : outputs.each[name]?.shape.slice(1);
        if (shape === undefined || !sameShape(shape, tensor.shape))
          throw otherShape(program, `${group}.${name}`, shape, tensor.shape);
        const type = arrayTypes[tensor.dtype as keyof typeof arrayTypes];
        results[`${group}.${name}`] = new type(tensor.dataSync() as Float32Array);
      }
    }
  });
  return results;
}

function otherShape(
  { name }: TaskProgramOptions,
  output: string,
  known: Shape | undefined,
  got: Shape,
): MetatrainError {
  const wanted = known === undefined ? 'was not there' : `had shape [${known}]`;
  return new MetatrainError(
    'REQUEST_INVALID',
    `program "${name}": output ${output} ${wanted} when the program was compiled and has shape [${got}] now; shapes may not depend on values`,
    { details: { program: name, output } },
  );
}

function tensorOf(name: string, array: TypedArray | undefined, spec: TensorSpec, index: number, count: number) {
  // tfjs keeps the array it is given, and a view's owner may reuse the buffer: hence the copy
  return tf.tensor(taskView(name, array, spec, index, count).slice(), [...spec.shape], spec.dtype);
}
