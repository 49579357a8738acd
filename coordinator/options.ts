// The coordinator's options, their defaults and their limits, in one place; and its command line.
import { parseArgs } from 'node:util';
import { MetatrainError } from '../shared/errors.ts';
import { type LogLevel, logLevels } from '../shared/log.ts';
import { type CoreOptions, defaultCoreOptions } from './core/state.ts';

export interface CoordinatorOptions {
  /** Where records and checkpoints are kept; made where it is missing. */
  readonly stateDirectory: string;
  /** Default 127.0.0.1: nothing but this machine. */
  readonly host?: string;
  /** 0 takes any free one. Default 7150. */
  readonly port?: number;
  readonly limits?: Partial<CoordinatorLimits>;
  /** Heartbeats, leases and retries. */
  readonly core?: Partial<Omit<CoreOptions, 'startId'>>;
}

export interface CoordinatorLimits {
  /** Jobs that have not ended. */
  readonly unfinishedJobs: number;
  /** WatchJob streams. */
  readonly watchers: number;
  readonly workers: number;
  /** Bytes of one payload: 4 a parameter. */
  readonly payloadBytes: number;
  /** Time that open calls get when the coordinator closes. */
  readonly closeGraceMs: number;
}

export const defaultHost = '127.0.0.1';
export const defaultPort = 7150;
export const defaultStateDirectory = '.metatrain';

const defaultLimits: CoordinatorLimits = {
  unfinishedJobs: 1_000,
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
    host: host ?? defaultHost,
    port: port ?? defaultPort,
    limits: { ...defaultLimits, ...limits },
    core: { ...defaultCoreOptions, ...core },
  };
}

export interface CommandLine {
  readonly options: CoordinatorOptions;
  readonly logLevel: LogLevel;
  /** End when standard input does: the parent is gone. */
  readonly exitWithParent: boolean;
}

/**
 * `--listen HOST:PORT --state-dir D --log-level L --exit-with-parent`.
 *
 * @throws MetatrainError `REQUEST_INVALID` naming the flag, what it got and what it accepts.
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { listen, level, values } = read(args);
  return {
    options: { stateDirectory: values['state-dir'], host: listen.host, port: listen.port },
    logLevel: level,
    exitWithParent: values['exit-with-parent'],
  };
}

function read(args: readonly string[]) {
  let values: { listen: string; 'state-dir': string; 'log-level': string; 'exit-with-parent': boolean };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        listen: { type: 'string', default: `${defaultHost}:${defaultPort}` },
        'state-dir': { type: 'string', default: defaultStateDirectory },
        'log-level': { type: 'string', default: 'info' },
        'exit-with-parent': { type: 'boolean', default: false },
      },
    }));
  } catch (cause) {
    throw new MetatrainError('REQUEST_INVALID', cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(values.listen);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw refused('--listen', values.listen, 'HOST:PORT, the port from 0 to 65535');
  const level = logLevels.find((known) => known === values['log-level']);
  if (!level) throw refused('--log-level', values['log-level'], logLevels.join(' | '));
  return { values, level, listen: { host: match[1] ?? match[2] ?? defaultHost, port } };
}

function refused(flag: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `${flag}: got ${JSON.stringify(got)}; accepted: ${accepted}`);
}
