// From a task function to a graph: runs it once on tensors that have shapes only. Inputs that the
// function never uses still appear among the program's inputs; outputs keep their names, `sum` and
// `each` apart.
import type * as tfjs from '@tensorflow/tfjs';
import { asMetatrainError, MetatrainError } from '../../../shared/errors.ts';
import type { TaskFunction, TaskProgramOptions, TensorSpecs } from '../engine.ts';
import { GraphBuilder } from '../graph/builder.ts';
import { type Graph, type GraphOutput, nodesOf } from '../graph/operation.ts';
import { withoutRandomness } from '../tf/randomness.ts';
import { tf } from '../tf/tf.ts';
import { registerTraceKernels } from './kernels.ts';
import { missingOperator, registerKernelsOf } from './outline.ts';
import { Recording, traceBackend, traceBackendName } from './recorder.ts';

/** The prefix of an output's name in the graph: how its tasks are joined. */
export type OutputGroup = 'sum' | 'each';

export type TraceRequest = Pick<TaskProgramOptions, 'name' | 'metaParams' | 'task'> & {
  readonly taskFunction: TaskFunction;
};

/** A graph, with the numbers of nodes that were made for it. */
export interface TracedGraph extends Graph {
  readonly recorded: {
    /** Nodes that the function's operators and their gradients requested. */
    readonly made: number;
    /** Those that had no equal node yet; the others were common subexpressions. */
    readonly distinct: number;
    /** Those that an output needs; the others were dead code. */
    readonly live: number;
  };
}

/**
 * The graph of one task. Its inputs are the meta-parameters and the task's tensors, its outputs
 * `sum.<name>` and `each.<name>`.
 * @throws MetatrainError `REQUEST_INVALID` naming the program and the operator that is missing, or
 * what else the function may not do.
 */
export function trace(request: TraceRequest, builder: GraphBuilder = new GraphBuilder()): TracedGraph {
  return record(request, new Recording(request.name, builder));
}

/**
 * A graph with the outputs of one task, of which only their names, shapes and types are to be used:
 * what an operator without a rule makes enters it as an input. For a program that runs on the
 * TensorFlow.js backend `runner`, operator by operator.
 * @throws MetatrainError as `trace` does, save that an operator is missing only where the runner
 * has none.
 */
export function traceOutline(request: TraceRequest, runner: string): Graph {
  registerTraceKernels();
  registerKernelsOf(runner);
  return record(request, new Recording(request.name, new GraphBuilder(), runner));
}

function record(request: TraceRequest, recording: Recording): TracedGraph {
  const backend = traceBackend();
  registerTraceKernels();
  const before = tf.getBackend();
  const { builder } = recording;
  backend.recording = recording;
  try {
    tf.setBackend(traceBackendName);
    const outputs: GraphOutput[] = [];
    const run = () => {
      const inputs = (source: 'metaParams' | 'task', specs: TensorSpecs) =>
        Object.fromEntries(
          Object.entries(specs).map(([name, { shape, dtype }]) => {
            const node = recording.builder.make({ kind: 'input', source, name, shape: [...shape], dtype });
            return [name, tf.engine().makeTensorFromTensorInfo(backend.tensorInfoOf(node))];
          }),
        );
      const result = request.taskFunction(inputs('metaParams', request.metaParams), inputs('task', request.task));
      for (const group of ['sum', 'each'] as const) {
        for (const [name, tensor] of Object.entries(result[group])) {
          if (!(tensor instanceof tf.Tensor)) throw recording.refuse(`output ${group}.${name} is not a tensor`);
          outputs.push({ name: `${group}.${name}`, node: backend.nodeOf(tensor as tfjs.TensorInfo) });
        }
      }
    };
    tf.tidy(() => withoutRandomness((operator) => drawsRandomly(recording, operator), run));
    if (outputs.length === 0) throw recording.refuse('the task function returns no output');
    return { outputs, recorded: { ...builder.counts, live: nodesOf({ outputs }).length } };
  } catch (error) {
    throw explain(error, recording);
  } finally {
    backend.recording = undefined;
    if (before !== undefined && before !== '') tf.setBackend(before);
  }
}

function drawsRandomly(recording: Recording, operator: string): MetatrainError {
  return recording.refuse(
    `it calls ${operator}, and a task function may not draw random numbers: they would be the same in every run. ` +
      "Draw them from the task's random stream and pass them in as a task tensor",
    { operator },
  );
}

/**
 * What TensorFlow.js says when a kernel or a gradient is missing, with the operator and the program
 * named.
 */
function explain(error: unknown, recording: Recording): MetatrainError {
  if (error instanceof MetatrainError) {
    return error.details.program === undefined ? withProgram(error, recording) : error;
  }
  const message = error instanceof Error ? error.message : String(error);
  const kernel = /Kernel '(\w+)' not registered/.exec(message)?.[1];
  if (kernel !== undefined) return missingOperator(recording, kernel);
  const gradient = /gradient function not found for (\w+)/.exec(message)?.[1];
  if (gradient !== undefined)
    return recording.refuse(`operator ${gradient} has no gradient of that order`, { operator: gradient });
  if (error instanceof Error)
    return withProgram(new MetatrainError('REQUEST_INVALID', message, { cause: error }), recording);
  return asMetatrainError(error);
}

function withProgram(error: MetatrainError, recording: Recording): MetatrainError {
  return new MetatrainError(error.code, `program "${recording.programName}": ${error.message}`, {
    cause: error.cause ?? error,
    details: { ...error.details, program: recording.programName },
  });
}
