// The coordinator's command line: flags, each also a METATRAIN_* variable, checked and with every default. The only reader of process.env in
// the coordinator. A bad value ends the process with one line that names it.
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseAddress } from '../shared/address.ts';
import { asMetatrainError } from '../shared/errors.ts';
import { type LogFormat, type LogLevel, logFormats, logLevels } from '../shared/log.ts';
import { acceptedMemorySize, parseMemorySize } from '../shared/memory-size.ts';
import { pluginFiles, pluginHelp } from '../shared/plugin-file.ts';
import { otlpEndpointHelp, readTracingOptions, type TracingOptions } from '../shared/tracing-options.ts';
import { defaultCoordinatorAddress } from '../shared/wire.ts';
import type { SecurityOptions } from './access/exposure.ts';
import { addNatsFlags, type NatsFlags, natsOptionsOf } from './event-bus/config.ts';
import { type CoordinatorOptions, defaultJobBytes, defaultTraceRate } from './options.ts';

export interface CoordinatorConfig {
  readonly options: CoordinatorOptions;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** End when standard input does: the parent is gone. */
  readonly exitWithParent: boolean;
}

interface Flags extends NatsFlags {
  readonly listen: { readonly host: string; readonly port: number };
  readonly http?: { readonly host: string; readonly port: number } | 'off';
  readonly publicOrigin?: string;
  readonly scaler?: { readonly host: string; readonly port: number } | 'off';
  readonly stateDir: string;
  readonly jobMemory: number;
  readonly otlpEndpoint?: string;
  readonly traceRate: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly exitWithParent?: boolean;
  readonly plugin?: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly tokens?: string;
  readonly insecure?: boolean;
}

/** @param args the command line without `node` and the script. `--help` prints and exits 0, a bad flag or variable prints and exits 2, as every command does. */
export function readConfig(args: readonly string[]): CoordinatorConfig {
  const command = describeFlags().parse([...args], { from: 'user' });
  const {
    listen,
    http = portAfter(listen),
    publicOrigin,
    scaler = 'off',
    stateDir,
    jobMemory: jobBytes,
    otlpEndpoint,
    traceRate: metaStepsPerSecond,
    logLevel,
    logFormat,
    exitWithParent,
    plugin = [],
    ...flags
  } = command.opts<Flags>();
  const tracing = tracingOf(otlpEndpoint, command);
  const nats = natsOptionsOf(flags, command);
  return {
    options: {
      stateDirectory: stateDir,
      limits: { jobBytes },
      plugins: pluginFiles(plugin, process.env),
      ...listen,
      ...(http !== 'off' && { http: { ...http, ...(publicOrigin !== undefined && { publicOrigin }) } }),
      ...(scaler !== 'off' && { scaler }),
      security: securityOf(flags, command),
      ...(tracing && { tracing: { ...tracing, metaStepsPerSecond } }),
      ...(nats && { nats }),
    },
    logLevel,
    logFormat,
    exitWithParent: exitWithParent ?? false,
  };
}

function describeFlags(): Command {
  const command = new Command('metatrain coordinator')
    .description('Owns jobs, leases their shards to workers and applies the meta-updates.')
    .addOption(
      new Option('--listen <host:port>', 'where clients and workers connect; port 0 takes a free one')
        .env('METATRAIN_LISTEN')
        .default(parseListen(defaultCoordinatorAddress), defaultCoordinatorAddress)
        .argParser(parseListen),
    )
    .addOption(
      new Option(
        '--http <host:port>',
        'where metrics, health and the console are served, or off; default: the port after that of --listen',
      )
        .env('METATRAIN_HTTP')
        .argParser((value) => (value === 'off' ? value : parseListen(value))),
    )
    .addOption(
      new Option(
        '--public-origin <url>',
        'where browsers find the console behind a proxy that has another name, such as https://metatrain.example',
      )
        .env('METATRAIN_PUBLIC_ORIGIN')
        .argParser(parseOrigin),
    )
    .addOption(
      new Option(
        '--scaler <host:port>',
        'where KEDA asks how many slots could compute at once (trigger external-push), or off; plain text, no tokens (default: off)',
      )
        .env('METATRAIN_SCALER')
        .argParser((value) => (value === 'off' ? value : parseListen(value))),
    )
    .addOption(
      new Option('--state-dir <dir>', 'where jobs and checkpoints are kept; made where it is missing')
        .env('METATRAIN_STATE_DIR')
        .default('.metatrain'),
    )
    .addOption(
      new Option('--job-memory <size>', 'what the jobs that have not ended may take together, such as 6GiB')
        .env('METATRAIN_JOB_MEMORY')
        .default(defaultJobBytes, "half of the machine's or the container's")
        .argParser(parseMemory),
    )
    .addOption(
      new Option(
        '--tls-cert <file>',
        'certificate (PEM) with which the coordinator proves its name; encrypts every connection',
      ).env('METATRAIN_TLS_CERT'),
    )
    .addOption(new Option('--tls-key <file>', "the certificate's private key (PEM)").env('METATRAIN_TLS_KEY'))
    .addOption(
      new Option(
        '--tls-client-ca <file>',
        'refuse connections without a certificate of this authority (PEM): mutual TLS',
      ).env('METATRAIN_TLS_CLIENT_CA'),
    )
    .addOption(
      new Option(
        '--tokens <file>',
        'refuse requests without a token of this file; it is read again when it changes, and on SIGHUP',
      ).env('METATRAIN_TOKENS'),
    )
    .addOption(
      new Option(
        '--insecure',
        'listen beyond this machine without TLS or without tokens: anybody who can connect then reads what is sent, or does what they like; send a NATS password unencrypted',
      ),
    )
    .addOption(
      new Option('--plugin <file>', pluginHelp).argParser((value: string, before: readonly string[] = []) => [
        ...before,
        value,
      ]),
    )
    .addOption(new Option('--otlp-endpoint <url>', otlpEndpointHelp))
    .addOption(
      new Option('--trace-rate <n>', 'meta-steps a second that are traced of each job, at most')
        .env('METATRAIN_TRACE_RATE')
        .default(defaultTraceRate)
        .argParser(parseTraceRate),
    )
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
    .addOption(new Option('--exit-with-parent', 'exit when standard input closes').env('METATRAIN_EXIT_WITH_PARENT'))
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  return addNatsFlags(command);
}

function tracingOf(endpoint: string | undefined, command: Command): TracingOptions | undefined {
  try {
    return readTracingOptions(endpoint, process.env);
  } catch (thrown) {
    return command.error(`error: ${asMetatrainError(thrown).message}`);
  }
}

function parseMemory(value: string): number {
  const bytes = parseMemorySize(value);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError(acceptedMemorySize);
}

function parseOrigin(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url.origin;
  throw new InvalidArgumentError(
    'Accepted: http or https, a host and perhaps a port, without a path: https://metatrain.example.',
  );
}

function parseTraceRate(value: string): number {
  const rate = Number(value);
  if (value.trim() !== '' && rate >= 0.001 && rate <= 1_000) return rate;
  throw new InvalidArgumentError('Accepted: a number from 0.001 to 1000.');
}

function securityOf(flags: Partial<Flags>, command: Command): SecurityOptions {
  const { tlsCert, tlsKey, tlsClientCa, tokens, insecure } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) command.error('error: --tls-cert and --tls-key go together');
  if (tlsClientCa !== undefined && tlsCert === undefined) {
    command.error('error: --tls-client-ca needs --tls-cert and --tls-key');
  }
  const clientCa = tlsClientCa === undefined ? {} : { clientCa: tlsClientCa };
  return {
    ...(tlsCert === undefined || tlsKey === undefined ? {} : { tls: { cert: tlsCert, key: tlsKey, ...clientCa } }),
    ...(tokens === undefined ? {} : { tokensFile: tokens }),
    isInsecure: insecure ?? false,
  };
}

/** A free port stays a free port. */
function portAfter({ host, port }: Flags['listen']): Flags['listen'] | 'off' {
  if (port === 65_535) return 'off';
  return { host, port: port === 0 ? 0 : port + 1 };
}

function parseListen(value: string): Flags['listen'] {
  const listen = parseAddress(value);
  if (listen) return listen;
  throw new InvalidArgumentError('Accepted: HOST:PORT, such as 127.0.0.1:7420, the port from 0 to 65535.');
}
