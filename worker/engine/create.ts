// Chooses an engine and opens it. An engine or device that this machine lacks is refused with the
// reason and a remedy. TensorFlow's native library is loaded only when the options name it.
import { MetatrainError } from '../../shared/errors.ts';
import { createCompiledEngine } from './compiled.ts';
import { type DeviceFacts, type DeviceKind, deviceFacts, type EngineName, engines } from './devices.ts';
import { createEagerEngine } from './eager.ts';
import type { CompileReport, Engine } from './engine.ts';
import type { SessionCache } from './session-cache.ts';
import { loadTensorflow, type TensorflowSource } from './tf/tensorflow.ts';

export interface EngineDependencies {
  /**
   * Shared with other engines of the thread. Default: a cache of this engine alone, without a
   * memory limit.
   */
  readonly sessions?: SessionCache;
  /**
   * Closes a program of another engine of the thread that can be opened again. Returns false when
   * there is no such program. Default: there is none.
   */
  readonly makeRoom?: () => Promise<boolean>;
  /** Called for every program that is compiled. */
  readonly onCompiled?: (report: CompileReport) => void;
}

export interface EngineOptions {
  /** `compiled` runs traced graphs on ONNX Runtime; `eager` runs TensorFlow.js operators one by one. */
  readonly engine: EngineName;
  readonly device: DeviceKind;
  /** Facts about the device. Default: looked up. */
  readonly facts?: DeviceFacts;
  /**
   * Where `eager` gets TensorFlow. Default on the cpu: `reference`, TensorFlow.js's own backend; on
   * cuda: `installed`.
   */
  readonly tensorflow?: TensorflowSource;
}

/**
 * @throws MetatrainError `DEVICE_MISSING` when this machine has no such engine on such a device,
 * with the reason and what to do.
 */
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
