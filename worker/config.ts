// The worker's configuration: flags, each also a METATRAIN_* variable, with their checks and
// defaults. The only reader of process.env in the worker. A bad value ends the process with one
// line that names it.
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { isDestination, parseAddress } from '../shared/address.ts';
import type { ConnectionOptions } from '../shared/connection.ts';
import { dataDirectories } from '../shared/data-directory.ts';
import { asMetatrainError } from '../shared/errors.ts';
import { type LogFormat, type LogLevel, logFormats, logLevels } from '../shared/log.ts';
import { isLoopback } from '../shared/loopback.ts';
import { machineMemoryBytes, shareForCompute } from '../shared/machine-memory.ts';
import { usableProcessors } from '../shared/machine-processors.ts';
import { acceptedMemorySize, parseMemorySize } from '../shared/memory-size.ts';
import { pluginFiles, pluginHelp } from '../shared/plugin-file.ts';
import { randomId } from '../shared/rng.ts';
import { otlpEndpointHelp, readTracingOptions, type TracingOptions } from '../shared/tracing-options.ts';
import { defaultCoordinatorAddress } from '../shared/wire.ts';
import { type DeviceKind, type DeviceVisibility, devices, type EngineName, engines } from './engine/devices.ts';
import type { TensorflowSource } from './engine/tf/tensorflow.ts';

export interface WorkerConfig {
  /** HOST:PORT. */
  readonly coordinator: string;
  readonly connection: ConnectionOptions;
  /** Absent: no traces. */
  readonly tracing: TracingOptions | undefined;
  /** Address for metrics and health. Absent: not served. */
  readonly http?: { readonly host: string; readonly port: number };
  readonly workerId: string;
  readonly slots: number;
  readonly engine: EngineName;
  readonly device: DeviceKind;
  readonly tensorflow: TensorflowSource;
  /** Which devices the environment hides. */
  readonly visibility: DeviceVisibility;
  /** Compare the engine with the reference and exit. */
  readonly check: boolean;
  /** Print the result of `check` or `explain` as one JSON object. */
  readonly json: boolean;
  /** The limit for all compute threads together, compared with predictions. */
  readonly memoryBytes: number;
  /** Searched in order. */
  readonly dataDirectories: readonly string[];
  /** Modules of parts, absolute paths. */
  readonly plugins: readonly string[];
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly drainGraceMs: number;
  readonly giveUpMs: number;
  readonly exitWithParent: boolean;
  /** Explain a job's programs and exit, instead of working. */
  readonly explain?: {
    readonly file: string;
    readonly overrides: readonly (readonly [path: string, value: string])[];
    readonly print: boolean;
  };
}

interface Flags extends Omit<ConnectionOptions, 'token'> {
  readonly coordinator: string;
  readonly http: { readonly host: string; readonly port: number } | 'off';
  readonly httpExposed?: boolean;
  readonly workerId?: string;
  readonly slots?: number;
  readonly engine: EngineName;
  readonly device: DeviceKind;
  readonly tensorflow?: TensorflowSource;
  readonly check?: boolean;
  readonly json?: boolean;
  readonly memory: number;
  readonly dataDir?: readonly string[];
  readonly plugin?: readonly string[];
  readonly otlpEndpoint?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly drainSeconds: number;
  readonly giveUpSeconds: number;
  readonly exitWithParent?: boolean;
  readonly explain?: string;
  readonly set: readonly (readonly [path: string, value: string])[];
  readonly print?: boolean;
}

const maxSlots = 256;

/**
 * @param args the command line without `node` and the script. `--help` prints and exits 0. A bad
 *   flag or variable prints a message and exits 2, as in every command.
 */
export function readConfig(args: readonly string[]): WorkerConfig {
  const command = describeFlags().parse([...args], { from: 'user' });
  const flags = command.opts<Flags>();
  const { engine, device } = flags;
  if (engine === 'eager' && device === 'webgpu') {
    command.error("error: --device: got webgpu; accepted with '--engine eager': cpu, cuda");
  }
  // ONNX Runtime has one WebGPU device a process, and it does not support several threads.
  if (device === 'webgpu' && (flags.slots ?? 1) > 1) {
    command.error(`error: --slots: got ${flags.slots}; accepted with '--device webgpu': 1 (start more workers)`);
  }
  const { http } = flags;
  if (http !== 'off' && !isLoopback(http.host) && !flags.httpExposed) {
    command.error(
      `error: --http: got ${http.host}, where other machines can connect, without TLS or a token; accepted: a loopback address, or --http-exposed`,
    );
  }
  return {
    coordinator: flags.coordinator,
    ...(http !== 'off' && { http }),
    connection: {
      tlsCa: flags.tlsCa,
      tlsCert: flags.tlsCert,
      tlsKey: flags.tlsKey,
      tokenFile: flags.tokenFile,
      token: process.env.METATRAIN_TOKEN || undefined,
      insecure: flags.insecure,
    },
    tracing: tracingOf(flags.otlpEndpoint, command),
    workerId:
      flags.workerId ??
      `${hostname()
        .replace(/[^A-Za-z0-9._-]/g, '-')
        .slice(0, 60)}-${randomId(4)}`,
    slots: flags.slots ?? (device === 'cpu' ? Math.min(usableProcessors(), maxSlots) : 1),
    engine,
    device,
    tensorflow: flags.tensorflow ?? { kind: 'installed' },
    visibility: {
      cudaDevices: process.env.CUDA_VISIBLE_DEVICES,
      vulkanDriver: process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES,
    },
    check: flags.check ?? false,
    json: flags.json ?? false,
    memoryBytes: flags.memory,
    dataDirectories: dataDirectories(flags.dataDir ?? [], process.env),
    plugins: pluginFiles(flags.plugin ?? [], process.env),
    logLevel: flags.logLevel,
    logFormat: flags.logFormat,
    drainGraceMs: flags.drainSeconds * 1000,
    giveUpMs: flags.giveUpSeconds * 1000,
    exitWithParent: flags.exitWithParent ?? false,
    ...(flags.explain !== undefined && {
      explain: {
        file: flags.explain,
        overrides: flags.set,
        print: flags.print ?? false,
      },
    }),
  };
}

function describeFlags(): Command {
  return new Command('metatrain worker')
    .description('Computes shards of meta-training jobs for a coordinator.')
    .addOption(
      new Option('--coordinator <host:port>', 'the coordinator to work for')
        .env('METATRAIN_COORDINATOR')
        .default(defaultCoordinatorAddress)
        .argParser(parseCoordinator),
    )
    .addOption(
      new Option(
        '--tls-ca <file>',
        'encrypt, and trust a coordinator whose certificate this authority (PEM) signed, or `system`',
      ).env('METATRAIN_TLS_CA'),
    )
    .addOption(
      new Option('--tls-cert <file>', 'certificate (PEM) for a coordinator that asks for one: mutual TLS').env(
        'METATRAIN_TLS_CERT',
      ),
    )
    .addOption(new Option('--tls-key <file>', "the certificate's private key (PEM)").env('METATRAIN_TLS_KEY'))
    .addOption(
      new Option('--token-file <file>', 'file with the token; METATRAIN_TOKEN holds the token itself').env(
        'METATRAIN_TOKEN_FILE',
      ),
    )
    .addOption(
      new Option('--http <host:port>', 'where metrics and health are served, or off; port 0 takes a free one')
        .env('METATRAIN_HTTP')
        .default('off')
        .argParser(parseHttp),
    )
    .addOption(
      new Option(
        '--http-exposed',
        'serve metrics and health beyond this machine: anybody who can connect reads them, unencrypted and without a token',
      ).env('METATRAIN_HTTP_EXPOSED'),
    )
    .addOption(new Option('--insecure', 'send the token unencrypted to another machine, where others can read it'))
    .addOption(
      new Option(
        '--slots <n>',
        'shards computed at once, one thread each (default: one per core that the machine or CPU quota gives; on a GPU one)',
      )
        .env('METATRAIN_SLOTS')
        .argParser(wholeNumber(1, maxSlots)),
    )
    .addOption(
      new Option('--engine <engine>', 'what it computes with, and so which jobs it takes (placement.engine)')
        .env('METATRAIN_ENGINE')
        .choices(engines)
        .default('compiled'),
    )
    .addOption(
      new Option('--device <device>', 'what it computes on, and so which jobs it takes (placement.device)')
        .env('METATRAIN_DEVICE')
        .choices(devices)
        .default('cpu'),
    )
    .addOption(
      new Option(
        '--tensorflow <directory>',
        "for the eager engine: what deploy/tensorflow/build.sh made, or `reference` for TensorFlow.js's own slow cpu backend (default: an installed @tensorflow/tfjs-node-gpu or tfjs-node)",
      )
        .env('METATRAIN_TFJS_NODE')
        .argParser(parseTensorflow),
    )
    .addOption(
      new Option(
        '--check',
        'compare gradients and speed of the engine with those of the compiled one on the cpu, and exit',
      ),
    )
    .addOption(new Option('--json', 'with --check or --explain: print the result as one JSON object'))
    .addOption(
      new Option('--memory <size>', 'what the compute threads may take together, such as 6GiB')
        .env('METATRAIN_MEMORY')
        .default(Math.floor(machineMemoryBytes() * shareForCompute), "half of the machine's or the container's")
        .argParser(parseMemory),
    )
    .addOption(
      new Option('--worker-id <id>', 'unique in the cluster; by default made of the host name')
        .env('METATRAIN_WORKER_ID')
        .argParser(parseWorkerId),
    )
    .addOption(
      new Option(
        '--data-dir <dir>',
        'where data sets are looked for, before the user cache; may be repeated (env: METATRAIN_DATA_DIR, separated like PATH)',
      ).argParser(appended),
    )
    .addOption(new Option('--plugin <file>', pluginHelp).argParser(appended))
    .addOption(new Option('--otlp-endpoint <url>', otlpEndpointHelp))
    .addOption(
      new Option('--log-level <level>', 'lowest level that is logged to stderr')
        .env('METATRAIN_LOG_LEVEL')
        .choices(logLevels)
        .default('info'),
    )
    .addOption(
      new Option('--log-format <format>', 'JSON lines or readable ones; auto: readable on a terminal')
        .env('METATRAIN_LOG_FORMAT')
        .choices(logFormats)
        .default('auto'),
    )
    .addOption(
      new Option('--drain-seconds <n>', 'on SIGTERM or SIGINT, how long the shards in hand may take')
        .env('METATRAIN_DRAIN_SECONDS')
        .default(20)
        .argParser(wholeNumber(0, 3600)),
    )
    .addOption(
      new Option('--give-up-seconds <n>', 'how long to look for a coordinator that is away')
        .env('METATRAIN_GIVE_UP_SECONDS')
        .default(600)
        .argParser(wholeNumber(1, 86_400)),
    )
    .addOption(new Option('--exit-with-parent', 'exit when standard input closes').env('METATRAIN_EXIT_WITH_PARENT'))
    .addOption(
      new Option(
        '--explain <job.yaml>',
        "show what the engine makes of a job's programs, and exit: passes, memory, arithmetic, seconds",
      ),
    )
    .addOption(
      new Option('--set <path.to.field=value>', 'with --explain: override a field of the job file; may be repeated')
        .default([], 'none')
        .argParser((text: string, before: readonly (readonly [string, string])[]) => [...before, parseOverride(text)]),
    )
    .addOption(new Option('--print', 'with --explain: the graphs as text, too'))
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

/**
 * Variables for native libraries, which have no other options for this. Set before the libraries
 * are loaded: one thread in each compute thread, as with ONNX Runtime; full float32; no GPU for a
 * worker that offers the CPU. Variables that the user has set stay.
 */
export function nativeVariables(
  { engine, device }: Pick<WorkerConfig, 'engine' | 'device'>,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const wanted: Record<string, string> = {
    ...(engine === 'eager' && {
      TF_CPP_MIN_LOG_LEVEL: '2',
      TF_NUM_INTRAOP_THREADS: '1',
      TF_NUM_INTEROP_THREADS: '1',
      TF_DETERMINISTIC_OPS: '1',
    }),
    ...(engine === 'eager' && device === 'cpu' && { CUDA_VISIBLE_DEVICES: '-1' }),
    // Otherwise TensorFlow takes the whole GPU, and multiplies with mantissas of ten bits.
    ...(device === 'cuda' && { TF_FORCE_GPU_ALLOW_GROWTH: 'true', NVIDIA_TF32_OVERRIDE: '0' }),
  };
  return Object.fromEntries(Object.entries(wanted).filter(([name]) => environment[name] === undefined));
}

/**
 * Call it before anything of the engine is loaded. Threads that start later inherit the variables.
 */
export function setNativeVariables(config: Pick<WorkerConfig, 'engine' | 'device'>): void {
  Object.assign(process.env, nativeVariables(config, process.env));
}

function tracingOf(endpoint: string | undefined, command: Command): TracingOptions | undefined {
  try {
    return readTracingOptions(endpoint, process.env);
  } catch (thrown) {
    return command.error(`error: ${asMetatrainError(thrown).message}`);
  }
}

function parseTensorflow(value: string): TensorflowSource {
  if (value === '') throw new InvalidArgumentError('Accepted: a directory, or `reference`.');
  return value === 'reference' ? { kind: 'reference' } : { kind: 'directory', directory: resolve(value) };
}

function parseCoordinator(value: string): string {
  if (isDestination(value)) return value;
  throw new InvalidArgumentError('Accepted: HOST:PORT, such as 127.0.0.1:7420.');
}

function parseHttp(value: string): Flags['http'] {
  const http = value === 'off' ? value : parseAddress(value);
  if (http !== undefined) return http;
  throw new InvalidArgumentError('Accepted: HOST:PORT, such as 127.0.0.1:7422, the port from 0 to 65535, or off.');
}

function parseMemory(value: string): number {
  const bytes = parseMemorySize(value);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError(acceptedMemorySize);
}

function parseWorkerId(value: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(value)) return value;
  throw new InvalidArgumentError('Accepted: letters, digits, ".", "_" and "-", at most 128.');
}

const appended = (value: string, before: readonly string[] = []): string[] => [...before, value];

function parseOverride(text: string): readonly [path: string, value: string] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Accepted: path.to.field=value, such as algorithm.innerSteps=10.');
  return [text.slice(0, at), text.slice(at + 1)];
}

function wholeNumber(lowest: number, highest: number): (value: string) => number {
  return (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= lowest && number <= highest) return number;
    throw new InvalidArgumentError(`Accepted: a whole number from ${lowest} to ${highest}.`);
  };
}
