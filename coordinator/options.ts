// The coordinator's options, their defaults and their limits, in one place. `config.ts` reads them from the command line.
import { type CoreOptions, defaultCoreOptions } from './core/state.ts';

export interface CoordinatorOptions {
  /** Where records and checkpoints are kept; made where it is missing. */
  readonly stateDirectory: string;
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly limits?: Partial<CoordinatorLimits>;
  /** Heartbeats, leases and retries. */
  readonly core?: Partial<Omit<CoreOptions, 'startId'>>;
}

export interface CoordinatorLimits {
  /** Jobs that have not ended. */
  readonly unfinishedJobs: number;
  /** Failed and cancelled jobs that are remembered; jobs that succeeded are never forgotten. */
  readonly endedJobs: number;
  /** WatchJob streams. */
  readonly watchers: number;
  readonly workers: number;
  /** Bytes of one payload: 4 a parameter. */
  readonly payloadBytes: number;
  /** Time that open calls get when the coordinator closes. */
  readonly closeGraceMs: number;
}

const defaultLimits: CoordinatorLimits = {
  unfinishedJobs: 1_000,
  endedJobs: 10_000,
  watchers: 2_000,
  workers: 4_096,
  payloadBytes: 2 ** 30,
  closeGraceMs: 2_000,
};

export interface ResolvedOptions {
  readonly stateDirectory: string;
  readonly host: string;
  readonly port: number;
  readonly limits: CoordinatorLimits;
  readonly core: Omit<CoreOptions, 'startId'>;
}

/** Every default filled in. Unknown keys are the type checker's to refuse. */
export function resolveOptions({ stateDirectory, host, port, limits, core }: CoordinatorOptions): ResolvedOptions {
  return {
    stateDirectory,
    host,
    port,
    limits: { ...defaultLimits, ...limits },
    core: { ...defaultCoreOptions, ...core },
  };
}
