// The one door to ONNX Runtime: opens a session on a device and runs it. One intra-op thread,
// sequential: on the cpu a session's results depend on nothing but its model and its inputs.
import './telemetry.ts';
import * as ort from 'onnxruntime-node';
import { MetatrainError } from '../../../shared/errors.ts';
import type { DeviceKind } from '../devices.ts';
import type { TensorSpec, TypedArray } from '../engine.ts';

export interface Feed extends TensorSpec {
  readonly values: TypedArray;
}

export interface SessionOptions {
  /**
   * Refuse a model with an operator that the device lacks, instead of computing that operator on
   * the cpu. Default false.
   */
  readonly wholeOnDevice?: boolean;
  /** Predicted for a run. Default 0: small. */
  readonly peakBytes?: number;
}

export interface Session {
  /** @param feeds by the model's input names. @returns freshly owned arrays by output name. */
  run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, TypedArray>>;
  release(): Promise<void>;
}

/** A session whose results can be written where the caller wants them. */
export interface BindableSession extends Session {
  /** A run that reads `feeds` and writes `results` every time it is called. */
  bind(feeds: Readonly<Record<string, Feed>>, results: Readonly<Record<string, Feed>>): () => Promise<void>;
}

export const onnxRuntimeVersion = ort.env.versions.node ?? ort.env.versions.common;

/**
 * ONNX Runtime plans a run's memory as one block, from its second run on, and keeps what the first
 * run took beside it: 2.2 times the memory. That saves 3 % of the time of a graph of small nodes
 * (measured on the sinusoid MLP), and nothing where tensors are large.
 */
const largestPlannedBytes = 2 ** 25;

/** @throws MetatrainError `INTERNAL` with ONNX Runtime's reason when it does not accept the model. */
export async function createSession(
  model: Uint8Array,
  device: DeviceKind,
  { wholeOnDevice = false, peakBytes = 0 }: SessionOptions = {},
): Promise<BindableSession> {
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(model, {
      executionProviders: [device],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // not 'all': its blocked layout (NCHWc) suits constant filters, and for ours it reorders
      // every pool's input and output
      graphOptimizationLevel: 'extended',
      enableMemPattern: peakBytes < largestPlannedBytes,
      logSeverityLevel: wholeOnDevice ? 4 : 3,
      extra: {
        // it would put factors back into products that the passes have freed of them
        optimization: { disable_specified_optimizers: 'MatMulScaleFusion' },
        ...(wholeOnDevice && { session: { disable_cpu_ep_fallback: '1' } }),
      },
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MetatrainError('INTERNAL', `ONNX Runtime refused the model: ${reason}`, { cause: error });
  }
  return {
    run: async (feeds) => {
      const results = await session.run(tensorsOf(feeds));
      const arrays: Record<string, TypedArray> = {};
      for (const [name, tensor] of Object.entries(results)) arrays[name] = tensor.data as TypedArray;
      return arrays;
    },
    bind: (feeds, results) => {
      const [inputs, outputs] = [tensorsOf(feeds), tensorsOf(results)];
      return async () => {
        forget(await session.run(inputs, outputs), outputs);
      };
    },
    release: () => session.release(),
  };
}

/** A buffer that is transferred to this closed port is freed at once. */
const nowhere = closedPort();

function closedPort() {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.unref();
  return port1;
}

/**
 * ONNX Runtime's binding copies each result into a new buffer, even a result that it has written to
 * the caller's memory. Left to the collector, the 50 MB of a convolutional network's task make V8
 * mark its heap once a task and every product write to memory that no cache holds: a fifth of the
 * time.
 */
function forget(copies: Readonly<Record<string, ort.Tensor>>, results: Readonly<Record<string, ort.Tensor>>): void {
  const buffers = Object.entries(copies).map(([name, copy]) => ({
    copy: bufferOf(copy),
    own: bufferOf(results[name]!),
  }));
  nowhere.postMessage(
    undefined,
    buffers.flatMap(({ copy, own }) => (copy === own ? [] : [copy])),
  );
}

const bufferOf = (tensor: ort.Tensor): ArrayBuffer => (tensor.data as Float32Array<ArrayBuffer>).buffer;

function tensorsOf(feeds: Readonly<Record<string, Feed>>): Record<string, ort.Tensor> {
  const tensors: Record<string, ort.Tensor> = {};
  for (const [name, { shape, dtype, values }] of Object.entries(feeds)) {
    tensors[name] = new ort.Tensor(dtype, values as Float32Array, [...shape]);
  }
  return tensors;
}
