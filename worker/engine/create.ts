// Chooses and opens an engine. The only function that the rest of the worker calls here.
import { MetatrainError } from '../../shared/errors.ts';
import { createCompiledEngine } from './compiled.ts';
import { createEagerEngine } from './eager.ts';
import type { CompileReport, Engine } from './engine.ts';
import type { SessionCache } from './session-cache.ts';

export const engines = ['compiled', 'eager'] as const;
export const devices = ['cpu', 'webgpu', 'cuda'] as const;

export interface EngineDependencies {
  /** Shared with other engines of the thread; default one of the engine's own, without a limit of memory. */
  readonly sessions?: SessionCache;
  /** Told of every program that is compiled. */
  readonly onCompiled?: (report: CompileReport) => void;
}

export interface EngineOptions {
  /** `compiled` runs traced graphs on ONNX Runtime; `eager` runs TensorFlow.js operators one by one. */
  readonly engine: (typeof engines)[number];
  readonly device: (typeof devices)[number];
}

/** @throws MetatrainError `REQUEST_INVALID` when there is no such engine on such a device here, with what is accepted. */
export async function createEngine(
  { engine, device }: EngineOptions,
  dependencies: EngineDependencies = {},
): Promise<Engine> {
  if (device !== 'cpu') {
    throw new MetatrainError('REQUEST_INVALID', `engine ${engine} has no device "${device}" here; accepted: cpu`, {
      details: { engine, device, accepted: ['cpu'] },
    });
  }
  switch (engine) {
    case 'compiled':
      return createCompiledEngine({ device, ...dependencies });
    case 'eager':
      return createEagerEngine({ backend: 'cpu' });
    default:
      throw new MetatrainError('REQUEST_INVALID', `no engine "${engine}"; accepted: ${engines.join(', ')}`, {
        details: { engine, accepted: engines },
      });
  }
}
