// The controller's configuration: flags, each also a METATRAIN_* variable, with their checks and
// defaults. The only reader of process.env in the controller. A bad value ends the process with one
// line that names it.
import { hostname } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { isDestination, parseAddress } from '../../shared/address.ts';
import type { ConnectionOptions } from '../../shared/connection.ts';
import { type LogFormat, type LogLevel, logFormats, logLevels } from '../../shared/log.ts';
import { isLoopback } from '../../shared/loopback.ts';
import { randomId } from '../../shared/rng.ts';
import { defaultCoordinatorAddress } from '../../shared/wire.ts';

export interface ControllerConfig {
  /** HOST:PORT. */
  readonly coordinator: string;
  readonly connection: ConnectionOptions;
  /** Undefined: of the pod, or of the kubeconfig's context. */
  readonly namespace: string | undefined;
  /** Undefined: what Kubernetes gives to each pod. */
  readonly kubeconfig: string | undefined;
  /** The API server's address, as Kubernetes tells it to each pod. */
  readonly inCluster: { readonly host: string | undefined; readonly port: string | undefined };
  /** Address for metrics and health. Absent: not served. */
  readonly http?: { readonly host: string; readonly port: number };
  /** Unique among controllers: what the Lease names. */
  readonly identity: string;
  readonly giveUpMs: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

interface Flags extends Omit<ConnectionOptions, 'token'> {
  readonly coordinator: string;
  readonly namespace?: string;
  readonly kubeconfig?: string;
  readonly http: { readonly host: string; readonly port: number } | 'off';
  readonly httpExposed?: boolean;
  readonly identity?: string;
  readonly giveUpSeconds: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/**
 * @param args the command line without `node` and the script. `--help` prints and exits 0. A bad
 *   flag or variable prints a message and exits 2, as in every command.
 */
export function readConfig(args: readonly string[]): ControllerConfig {
  const command = describeFlags().parse([...args], { from: 'user' });
  const flags = command.opts<Flags>();
  const { http, namespace, kubeconfig } = flags;
  if (http !== 'off' && !isLoopback(http.host) && !flags.httpExposed) {
    command.error(
      `error: --http: got ${http.host}, where other machines can connect, without TLS or a token; accepted: a loopback address, or --http-exposed`,
    );
  }
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  return {
    coordinator: flags.coordinator,
    connection: {
      tlsCa: flags.tlsCa,
      tlsCert: flags.tlsCert,
      tlsKey: flags.tlsKey,
      tokenFile: flags.tokenFile,
      token: process.env.METATRAIN_TOKEN || undefined,
      insecure: flags.insecure,
    },
    namespace,
    kubeconfig,
    inCluster: { host, port },
    ...(http !== 'off' && { http }),
    // A pod's host name is its name: a container that is restarted in it goes on as the same holder.
    identity: flags.identity ?? (host === undefined ? `${hostname()}-${randomId(4)}` : hostname()),
    giveUpMs: flags.giveUpSeconds * 1_000,
    logLevel: flags.logLevel,
    logFormat: flags.logFormat,
  };
}

function describeFlags(): Command {
  return new Command('metatrain-controller')
    .description('Runs the MetaTrainJobs of a Kubernetes namespace on a coordinator.')
    .addOption(
      new Option('--coordinator <host:port>', 'the coordinator to submit to')
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
    .addOption(new Option('--insecure', 'send the token unencrypted to another machine, where others can read it'))
    .addOption(
      new Option('--namespace <name>', "the namespace whose resources it runs (default: the pod's or the context's)")
        .env('METATRAIN_NAMESPACE')
        .argParser(parseNamespace),
    )
    .addOption(
      new Option('--kubeconfig <file>', 'how to reach the API server (default: as a pod of the cluster)').env(
        'METATRAIN_KUBECONFIG',
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
        'serve metrics and health beyond this machine: everybody who can connect reads them, unencrypted and without a token',
      ).env('METATRAIN_HTTP_EXPOSED'),
    )
    .addOption(
      new Option(
        '--identity <name>',
        'unique among controllers, for the Lease (default: the host name; outside of a pod with a random ending)',
      )
        .env('METATRAIN_IDENTITY')
        .argParser(parseIdentity),
    )
    .addOption(
      new Option(
        '--give-up-seconds <n>',
        'how long the deletion of a resource waits for a coordinator that is away; then its job may go on',
      )
        .env('METATRAIN_GIVE_UP_SECONDS')
        .default(600)
        .argParser(wholeNumber(1, 86_400)),
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
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

function parseCoordinator(value: string): string {
  if (isDestination(value)) return value;
  throw new InvalidArgumentError('Accepted: HOST:PORT, such as metatrain-coordinator:7420.');
}

function parseHttp(value: string): Flags['http'] {
  const http = value === 'off' ? value : parseAddress(value);
  if (http !== undefined) return http;
  throw new InvalidArgumentError('Accepted: HOST:PORT, such as 127.0.0.1:7423, the port from 0 to 65535, or off.');
}

function parseNamespace(value: string): string {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(value)) return value;
  throw new InvalidArgumentError('Accepted: the name of a namespace: lower-case letters, digits and "-", at most 63.');
}

function parseIdentity(value: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._/-]{0,126}$/.test(value)) return value;
  throw new InvalidArgumentError('Accepted: letters, digits, ".", "_", "/" and "-", at most 127.');
}

function wholeNumber(lowest: number, highest: number): (value: string) => number {
  return (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= lowest && number <= highest) return number;
    throw new InvalidArgumentError(`Accepted: a whole number from ${lowest} to ${highest}.`);
  };
}
