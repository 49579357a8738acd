// Every flag of the command line, once: its text, its METATRAIN_ variable, its default and what it accepts. Commands pick from here,
// so that a flag means the same everywhere and a variable is read in one place (by commander, as part of its option).
import { InvalidArgumentError, Option } from 'commander';
import { isDestination, parseAddress } from '../../shared/address.ts';
import type { ConnectionOptions } from '../../shared/connection.ts';
import { logFormats, logLevels } from '../../shared/log.ts';
import { usableProcessors } from '../../shared/machine-processors.ts';
import { defaultCoordinatorAddress } from '../../shared/wire.ts';
import { type JobState, jobStates } from '../records.ts';

/** What a command that talks to a coordinator was told. The flags of the connection are added to each such command in one place. */
export interface CommonOptions extends ConnectionOptions {
  readonly coordinator: string;
  readonly json?: true;
}

export const coordinatorOption = () =>
  new Option('--coordinator <host:port>', 'the coordinator to talk to')
    .env('METATRAIN_COORDINATOR')
    .default(defaultCoordinatorAddress)
    .argParser(parseCoordinator);

export const connectionOptions = (): Option[] => [
  new Option(
    '--tls-ca <file>',
    'encrypt, and trust a coordinator whose certificate this authority (PEM) signed, or `system`',
  ).env('METATRAIN_TLS_CA'),
  new Option('--tls-cert <file>', 'certificate (PEM) for a coordinator that asks for one: mutual TLS').env(
    'METATRAIN_TLS_CERT',
  ),
  new Option('--tls-key <file>', "the certificate's private key (PEM)").env('METATRAIN_TLS_KEY'),
  new Option('--token-file <file>', 'file with the token; METATRAIN_TOKEN holds the token itself').env(
    'METATRAIN_TOKEN_FILE',
  ),
  new Option('--insecure', 'send the token unencrypted to another machine, where others can read it'),
];

export const giveUpOption = () =>
  new Option('--give-up-seconds <n>', 'how long to keep trying when the coordinator does not answer any more')
    .env('METATRAIN_GIVE_UP_SECONDS')
    .default(600)
    .argParser(wholeNumber(0, 86_400));

export const jsonOption = (what = 'print one JSON object as the last line of stdout') => new Option('--json', what);

export const eventsJobOption = () => new Option('--job <id>', "only this job's events, until it has ended");

/** From where events are read: a while ago, a moment, or after an event. */
export type Since = { readonly lookBackMs: number } | { readonly since: Date } | { readonly afterSequence: number };

export const sinceOption = () =>
  new Option(
    '--since <when>',
    'from when on: 90s, 10m, 2h or 7d ago, a moment such as 2026-01-31T12:00:00Z, or after the event of this sequence (default: 10m; with --job or --no-follow all that are kept)',
  ).argParser(parseSince);

export const workersOption = () =>
  new Option('--workers <count>', 'worker processes, each with one compute thread')
    .env('METATRAIN_WORKERS')
    .default(defaultWorkers(), `one a core, from 2 to 16: ${defaultWorkers()} here`)
    .argParser(wholeNumber(1, 256));

export const setOption = () =>
  new Option('--set <path.to.field=value>', 'override a field of the job file; may be repeated')
    .default([], 'none')
    .argParser((text: string, earlier: readonly Override[]) => [...earlier, parseOverride(text)]);

export const stateDirectoryOption = () =>
  new Option(
    '--state-dir <dir>',
    'keep jobs and checkpoints here (default: a temporary directory, removed at the end)',
  ).env('METATRAIN_STATE_DIR');

/** Its variable METATRAIN_DATA_DIR, a list like PATH, is read by the workers themselves, which inherit it. */
export const dataDirectoryOption = () =>
  new Option('--data-dir <dir>', 'look for data sets here before the cache; may be repeated (env: METATRAIN_DATA_DIR)')
    .default([], 'none')
    .argParser((text: string, earlier: readonly string[]) => [...earlier, text]);

export const listenOption = () =>
  new Option('--listen <host:port>', 'address of the coordinator; port 0 takes a free one')
    .env('METATRAIN_LISTEN')
    .default(defaultCoordinatorAddress)
    .argParser(parseListen);

export const logLevelOption = (level: string) =>
  new Option('--log-level <level>', 'what the processes log to stderr')
    .env('METATRAIN_LOG_LEVEL')
    .choices([...logLevels])
    .default(level);

export const logFormatOption = () =>
  new Option('--log-format <format>', 'JSON lines or readable ones; auto: readable on a terminal')
    .env('METATRAIN_LOG_FORMAT')
    .choices([...logFormats])
    .default('auto');

export const stateFilterOption = () =>
  new Option(
    '--state <state...>',
    `only jobs in these states: ${jobStates.map((state) => state.toLowerCase()).join(', ')}`,
  )
    .default([], 'all')
    .argParser((text: string, earlier: readonly JobState[]) => [...earlier, parseState(text)]);

export const limitOption = () =>
  new Option('--limit <count>', 'jobs to list at most').default(50).argParser(wholeNumber(1, 100_000));

export const stepOption = () =>
  new Option('--step <meta-step>', 'the checkpoint of this meta-step (default: the latest)').argParser(
    wholeNumber(0, Number.MAX_SAFE_INTEGER),
  );

export const mirrorOption = () =>
  new Option('--mirror <url>', 'fetch the files from this folder instead; their hashes must be the same')
    .env('METATRAIN_MIRROR')
    .argParser(parseUrl);

export const partOption = () =>
  new Option('--part <part>', 'fetch only this part of the data set, such as `small` (default: all parts)');

/** `path.to.field` and its YAML value. */
export type Override = readonly [path: string, value: string];

export function parseOverride(text: string): Override {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('it must be path.to.field=value, such as meta.iterations=500');
  return [text.slice(0, at), text.slice(at + 1)];
}

export const parseCoordinator = (text: string): string => accepted(text, isDestination(text));

/** Also port 0. */
export const parseListen = (text: string): string => accepted(text, parseAddress(text) !== undefined);

function accepted(address: string, isAccepted: boolean): string {
  if (isAccepted) return address;
  throw new InvalidArgumentError(`it must be HOST:PORT, such as ${defaultCoordinatorAddress}`);
}

export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= low && value <= high)) {
      throw new InvalidArgumentError(
        high === Number.MAX_SAFE_INTEGER
          ? `it must be a whole number, at least ${low}`
          : `it must be a whole number from ${low} to ${high}`,
      );
    }
    return value;
  };
}

const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export function parseSince(text: string): Since {
  const [, count, unit] = /^(\d+)([smhd]?)$/.exec(text) ?? [];
  if (unit === '') return { afterSequence: Number(count) };
  if (unit !== undefined) return { lookBackMs: Number(count) * unitsMs[unit as keyof typeof unitsMs] };
  const since = new Date(/^\d{4}-\d\d-\d\d/.test(text) ? text : Number.NaN);
  if (!Number.isNaN(since.getTime())) return { since };
  throw new InvalidArgumentError(
    'it must be a duration such as 10m, a moment such as 2026-01-31T12:00:00Z, or the sequence of an event',
  );
}

function parseState(text: string): JobState {
  const state = jobStates.find((known) => known === text.toUpperCase());
  if (!state)
    throw new InvalidArgumentError(`it must be one of ${jobStates.map((known) => known.toLowerCase()).join(', ')}`);
  return state;
}

function parseUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:/.test(text))
    throw new InvalidArgumentError('it must be an http or https address');
  return text.endsWith('/') ? text : `${text}/`;
}

function defaultWorkers(): number {
  return Math.min(Math.max(usableProcessors(), 2), 16);
}
