// The flags for NATS: its servers, the coordinator's identity, and the limits of the stream.
// Secrets come from variables and files and are never logged. They never come from the command
// line, which every user of the machine can read.
import { type Command, Option, InvalidArgumentError as Refusal } from 'commander';
import type { NatsOptions } from './open.ts';

/** The flags as commander parses them. */
export interface NatsFlags {
  readonly nats?: readonly string[];
  readonly natsCredentials?: string;
  readonly natsUser?: string;
  readonly natsPasswordFile?: string;
  readonly natsTokenFile?: string;
  readonly natsTlsCa?: string;
  readonly natsTlsCert?: string;
  readonly natsTlsKey?: string;
  readonly natsStream: string;
  readonly natsMaxAge: number;
  readonly natsMaxBytes: number;
  readonly natsMaxMessages: number;
}

const defaultPort = 4_222;
const dayMs = 86_400_000;

export function addNatsFlags(command: Command): Command {
  const options = [
    new Option(
      '--nats <url>',
      'publish events to this NATS server, nats://HOST:PORT or tls://HOST:PORT; several servers of one cluster, separated by commas',
    )
      .env('METATRAIN_NATS_URL')
      .argParser(parseServers),
    new Option('--nats-credentials <file>', "a NATS user's credentials (.creds)").env('METATRAIN_NATS_CREDENTIALS'),
    new Option('--nats-user <name>', 'NATS user; METATRAIN_NATS_PASSWORD holds the password').env(
      'METATRAIN_NATS_USER',
    ),
    new Option('--nats-password-file <file>', 'file with the password').env('METATRAIN_NATS_PASSWORD_FILE'),
    new Option('--nats-token-file <file>', 'file with a NATS token; METATRAIN_NATS_TOKEN holds the token itself').env(
      'METATRAIN_NATS_TOKEN_FILE',
    ),
    new Option('--nats-tls-ca <file>', 'trust a NATS server whose certificate this authority (PEM) signed').env(
      'METATRAIN_NATS_TLS_CA',
    ),
    new Option('--nats-tls-cert <file>', 'certificate (PEM) for a NATS server that asks for one').env(
      'METATRAIN_NATS_TLS_CERT',
    ),
    new Option('--nats-tls-key <file>', "the certificate's private key (PEM)").env('METATRAIN_NATS_TLS_KEY'),
    new Option('--nats-stream <name>', 'JetStream stream; made with the limits below if it is missing')
      .env('METATRAIN_NATS_STREAM')
      .default('METATRAIN')
      .argParser(parseStreamName),
    new Option('--nats-max-age <duration>', 'how long the stream keeps an event, such as 36h or 30d')
      .env('METATRAIN_NATS_MAX_AGE')
      .default(30 * dayMs, '30d')
      .argParser(parseDuration),
    new Option('--nats-max-bytes <size>', 'how much the stream keeps, such as 512MiB or 2GiB')
      .env('METATRAIN_NATS_MAX_BYTES')
      .default(2 ** 30, '1GiB')
      .argParser(parseSize),
    new Option('--nats-max-messages <count>', 'how many events the stream keeps')
      .env('METATRAIN_NATS_MAX_MESSAGES')
      .default(5_000_000)
      .argParser(parseCount),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

/** Undefined when no server is named. Wrong usage ends the process. */
export function natsOptionsOf(flags: NatsFlags, command: Command): NatsOptions | undefined {
  const { nats: servers, natsUser: user, natsTlsCert, natsTlsKey } = flags;
  if (!servers) return undefined;
  if (servers.some((server) => server.includes('@'))) {
    command.error('error: --nats takes an address without credentials; they have flags of their own');
  }
  if ((natsTlsCert === undefined) !== (natsTlsKey === undefined)) {
    command.error('error: --nats-tls-cert and --nats-tls-key go together');
  }
  const secrets = {
    password: process.env.METATRAIN_NATS_PASSWORD || undefined,
    passwordFile: flags.natsPasswordFile,
    token: process.env.METATRAIN_NATS_TOKEN || undefined,
    tokenFile: flags.natsTokenFile,
  };
  const hasPassword = (secrets.password ?? secrets.passwordFile) !== undefined;
  if ((user !== undefined) !== hasPassword) {
    command.error('error: --nats-user goes with --nats-password-file or METATRAIN_NATS_PASSWORD');
  }
  const ways = [flags.natsCredentials, user, secrets.tokenFile ?? secrets.token].filter((way) => way !== undefined);
  if (ways.length > 1) command.error('error: give NATS credentials, a user or a token, one of them');
  return {
    servers,
    credentialsFile: flags.natsCredentials,
    user,
    ...secrets,
    tls: { ca: flags.natsTlsCa, cert: natsTlsCert, key: natsTlsKey },
    stream: {
      name: flags.natsStream,
      maxAgeMs: flags.natsMaxAge,
      maxBytes: flags.natsMaxBytes,
      maxMessages: flags.natsMaxMessages,
    },
  };
}

const natsUrl = /^(?:(nats|tls):\/\/)?(\[[0-9A-Fa-f:.]+\]|[^:@\s/]+)(?::(\d{1,5}))?\/?$/;

/**
 * Each is `SCHEME://HOST:PORT`. An address with credentials passes here: a message of refusal would
 * repeat it in the log.
 */
function parseServers(value: string): string[] {
  return value.split(',').map((url) => {
    if (url.includes('@')) return url;
    const [, scheme = 'nats', host, port = defaultPort] = natsUrl.exec(url.trim()) ?? [];
    if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
      throw new Refusal('Accepted: nats://HOST:PORT or tls://HOST:PORT, several with commas between.');
    }
    return `${scheme}://${host}:${port}`;
  });
}

function parseStreamName(value: string): string {
  if (/^[A-Za-z0-9_-]{1,128}$/.test(value)) return value;
  throw new Refusal('Accepted: 1 to 128 letters, digits, - and _.');
}

const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: dayMs } as const;

function parseDuration(value: string): number {
  const [, number, unit] = /^(\d+)([smhd])$/.exec(value) ?? [];
  const ms = Number(number) * unitsMs[unit as keyof typeof unitsMs];
  if (ms >= unitsMs.m && ms <= 36_500 * dayMs) return ms;
  throw new Refusal('Accepted: a whole number of s, m, h or d, at least 1m, such as 36h or 30d.');
}

const units = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

function parseSize(value: string): number {
  const [, number, unit] = /^(\d+)([KMGT]iB)$/.exec(value) ?? [];
  const bytes = Number(number) * units[unit as keyof typeof units];
  if (bytes >= units.MiB && Number.isSafeInteger(bytes)) return bytes;
  throw new Refusal('Accepted: a whole number of KiB, MiB, GiB or TiB, at least 1MiB, such as 2GiB.');
}

function parseCount(value: string): number {
  const count = /^\d+$/.test(value) ? Number(value) : 0;
  if (count >= 1 && Number.isSafeInteger(count)) return count;
  throw new Refusal('Accepted: a whole number, at least 1.');
}
