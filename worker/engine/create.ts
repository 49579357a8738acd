// Chooses and opens an engine. The only function that the rest of the worker calls here. What is not there is refused with its reason and a remedy;
// TensorFlow is loaded only when it is asked for.
import { MetatrainError } from '../../shared/errors.ts';
import { createCompiledEngine } from './compiled.ts';
import { type DeviceFacts, type DeviceKind, deviceFacts, type EngineName, engines } from './devices.ts';
import { createEagerEngine } from './eager.ts';
import type { CompileReport, Engine } from './engine.ts';
import type { SessionCache } from './session-cache.ts';
import { loadTensorflow, type TensorflowSource } from './tf/tensorflow.ts';

export interface EngineDependencies {
  /** Shared with other engines of the thread; default one of the engine's own, without a limit of memory. */
  readonly sessions?: SessionCache;
  /**
   * Closes a program of another engine of the thread that can be opened again; false when there is
   * none. Default: there is none.
   */
  readonly makeRoom?: () => Promise<boolean>;
  /** Told of every program that is compiled. */
  readonly onCompiled?: (report: CompileReport) => void;
}

export interface EngineOptions {
  /** `compiled` runs traced graphs on ONNX Runtime; `eager` runs TensorFlow.js operators one by one. */
  readonly engine: EngineName;
  readonly device: DeviceKind;
  /** What is known of the device; looked up when absent. */
  readonly facts?: DeviceFacts;
  /** Where `eager` gets TensorFlow. Default on the cpu: `reference`, TensorFlow.js's own backend; on cuda: `installed`. */
  readonly tensorflow?: TensorflowSource;
}

/** @throws MetatrainError `DEVICE_MISSING` when there is no such engine on such a device here, with the reason and what to do. */
export async function createEngine(
  { engine, device, ...options }: EngineOptions,
  dependencies: EngineDependencies = {},
): Promise<Engine> {
  const facts = options.facts ?? deviceFacts(device);
  switch (engine) {
    case 'compiled':
      return createCompiledEngine({ facts, ...dependencies });
    case 'eager': {
      const source = options.tensorflow ?? (device === 'cpu' ? { kind: 'reference' } : { kind: 'installed' });
      return createEagerEngine({ facts, ...(await loadTensorflow(device, source)) });
    }
    default:
      throw new MetatrainError('REQUEST_INVALID', `no engine "${engine}"; accepted: ${engines.join(', ')}`, {
        details: { engine, accepted: engines },
      });
  }
}
