// The coordinator's options, their defaults and their limits, in one place. `config.ts` reads them from the command line.

import { machineMemoryBytes, shareForCompute } from '../shared/machine-memory.ts';
import type { TracingOptions } from '../shared/tracing-options.ts';
import { maxUnfinishedJobs } from '../shared/wire.ts';
import type { SecurityOptions } from './access/exposure.ts';
import { type CoreOptions, defaultCoreOptions } from './core/state.ts';
import type { NatsOptions } from './event-bus/open.ts';

export interface CoordinatorOptions {
  /** Where records and checkpoints are kept; made where it is missing. */
  readonly stateDirectory: string;
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /**
   * Where metrics, health and the console are served, and the origin that browsers know it by behind a
   * proxy. Default: nowhere.
   */
  readonly http?: { readonly host: string; readonly port: number; readonly publicOrigin?: string };
  /** Where KEDA's external scaler is served, in plain text and without tokens. Default: nowhere. */
  readonly scaler?: { readonly host: string; readonly port: number };
  /** TLS and tokens. Default: neither, which is refused beyond loopback. */
  readonly security?: SecurityOptions;
  /** Where traces go, and how many meta-steps a second and job are traced (default 5). Default: none are made. */
  readonly tracing?: TracingOptions & { readonly metaStepsPerSecond?: number };
  /** Modules of parts, absolute paths. Default: none. */
  readonly plugins?: readonly string[];
  /** Where events go, besides to those who watch them here. Default: nowhere. */
  readonly nats?: NatsOptions;
  readonly limits?: Partial<CoordinatorLimits>;
  /** Heartbeats, leases and retries. */
  readonly core?: Partial<Omit<CoreOptions, 'startId'>>;
}

export interface CoordinatorLimits {
  /** Jobs that have not ended. */
  readonly unfinishedJobs: number;
  /** Memory that the jobs that have not ended may take together, by `memoryOf`. */
  readonly jobBytes: number;
  /** Failed and cancelled jobs that are remembered; jobs that succeeded are never forgotten. */
  readonly endedJobs: number;
  /** Jobs of one client that have not ended, where clients have tokens. */
  readonly unfinishedJobsPerClient: number;
  /**
   * Connections to gRPC, and at most half of the files that the process may open; a quarter of them
   * from a client none of whose calls was let in.
   */
  readonly connections: number;
  /** Where clients have tokens: how long a connection may be open without a call that was let in. */
  readonly strangerMs: number;
  /** Calls, streams among them, that one client may have open, where clients have tokens. Workers' streams count as workers. */
  readonly callsPerClient: number;
  /** WatchJob streams; the same of WatchEvents and the console's. */
  readonly watchers: number;
  /** Event streams and downloads over HTTP; of one client at most `callsPerClient`. */
  readonly httpAnswers: number;
  /** How long the reader of one may read nothing before it is dropped. */
  readonly httpStallMs: number;
  readonly workers: number;
  /** Memory that adapted models may take, and how many of them a client may have. */
  readonly adaptedBytes: number;
  readonly adaptedPerClient: number;
  /** Summaries of meta-steps in the log of events: how long NATS may be away. */
  readonly loggedSummaries: number;
  /** The same of all other events. */
  readonly loggedEvents: number;
  /** How long an ended job's metrics stay, so that their last values are scraped. */
  readonly endedJobSeriesMs: number;
  /** Time that open calls get when the coordinator closes. */
  readonly closeGraceMs: number;
}

/** Meta-steps a second and job that are traced. */
export const defaultTraceRate = 5;

export const defaultJobBytes = Math.floor(machineMemoryBytes() * shareForCompute);

const defaultLimits: CoordinatorLimits = {
  unfinishedJobs: maxUnfinishedJobs,
  jobBytes: defaultJobBytes,
  endedJobs: 10_000,
  unfinishedJobsPerClient: 200,
  connections: 16_384,
  strangerMs: 10_000,
  callsPerClient: 512,
  watchers: 2_000,
  httpAnswers: 2_000,
  httpStallMs: 30_000,
  workers: 4_096,
  adaptedBytes: 512 * 2 ** 20,
  adaptedPerClient: 1_000,
  loggedSummaries: 50_000,
  loggedEvents: 50_000,
  endedJobSeriesMs: 60_000,
  closeGraceMs: 2_000,
};

export interface ResolvedOptions {
  readonly stateDirectory: string;
  readonly host: string;
  readonly port: number;
  readonly http: CoordinatorOptions['http'];
  readonly scaler: CoordinatorOptions['scaler'];
  readonly security: SecurityOptions;
  readonly tracing: (TracingOptions & { readonly metaStepsPerSecond: number }) | undefined;
  readonly nats: NatsOptions | undefined;
  readonly plugins: readonly string[];
  readonly limits: CoordinatorLimits;
  readonly core: Omit<CoreOptions, 'startId'>;
}

/** Every default filled in. Unknown keys are the type checker's to refuse. */
export function resolveOptions(options: CoordinatorOptions): ResolvedOptions {
  const {
    stateDirectory,
    host,
    port,
    http,
    scaler,
    security = {},
    nats,
    plugins = [],
    tracing,
    limits,
    core,
  } = options;
  return {
    stateDirectory,
    host,
    port,
    http,
    scaler,
    security,
    tracing: tracing && { metaStepsPerSecond: defaultTraceRate, ...tracing },
    nats,
    plugins,
    limits: { ...defaultLimits, ...limits },
    core: { ...defaultCoreOptions, ...core },
  };
}
