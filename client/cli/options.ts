// The flags that several commands share: help text, METATRAIN_ variable, default and accepted values. A flag means
// the same in every command. commander reads the variable as part of the option.
import { InvalidArgumentError, Option } from 'commander';
import { isDestination, parseAddress } from '../../shared/address.ts';
import type { ConnectionOptions } from '../../shared/connection.ts';
import { logFormats, logLevels } from '../../shared/log.ts';
import { usableProcessors } from '../../shared/machine-processors.ts';
import { pluginHelp } from '../../shared/plugin-file.ts';
import { defaultCoordinatorAddress } from '../../shared/wire.ts';
import { type JobState, jobStates } from '../records.ts';

/** The options of each command that calls a coordinator. `runCommandLine` adds the flags of the connection. */
export interface CommonOptions extends ConnectionOptions {
  /** With `--context`, the forwarded port. */
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
    '--context <name>',
    'find the coordinator in the Kubernetes cluster of this context of the kubeconfig, and connect through kubectl port-forward',
  ).env('METATRAIN_CONTEXT'),
  new Option(
    '--namespace <name>',
    "where --context looks (default: the context's own namespace, then every namespace)",
  ).env('METATRAIN_NAMESPACE'),
  new Option(
    '--tls-ca <file>',
    'encrypt, and trust certificates of this authority (PEM); `system`: those of the authorities that Node trusts',
  ).env('METATRAIN_TLS_CA'),
  new Option('--tls-cert <file>', 'client certificate (PEM), for mutual TLS').env('METATRAIN_TLS_CERT'),
  new Option('--tls-key <file>', 'private key (PEM) of --tls-cert').env('METATRAIN_TLS_KEY'),
  new Option('--token-file <file>', 'file with the token; METATRAIN_TOKEN holds the token itself').env(
    'METATRAIN_TOKEN_FILE',
  ),
  new Option('--insecure', 'allow sending the token unencrypted to another machine, where others can read it'),
];

/** Of an argument that is the id of a job. */
export const idHelp = 'id of the job, or its first characters';
export const idsHelp = 'ids of the jobs, or their first characters';

export const giveUpOption = () =>
  new Option('--give-up-seconds <n>', 'how long to retry while the coordinator does not answer')
    .env('METATRAIN_GIVE_UP_SECONDS')
    .default(600)
    .argParser(wholeNumber(0, 86_400));

export const jsonOption = (what = 'print one JSON object as the last line of stdout') => new Option('--json', what);

export const eventsJobOption = () =>
  new Option('--job <id>', 'only events of this job (its id, or the first characters), until it ends');

/** Where reading events starts: some time ago, at a time, or after an event. */
export type Since = { readonly lookBackMs: number } | { readonly since: Date } | { readonly afterSequence: number };

export const sinceOption = () =>
  new Option(
    '--since <when>',
    'where to start: 90s, 10m, 2h or 7d ago, at a time such as 2026-01-31T12:00:00Z, or after the event with this sequence number (default: 10m; all kept events with --job or --no-follow)',
  ).argParser(parseSince);

export const workersOption = () =>
  new Option('--workers <count>', 'worker processes')
    .env('METATRAIN_WORKERS')
    .default(1)
    .argParser(wholeNumber(1, 256));

/** A flag of the worker too, whose own default is another. */
export const slotsOption = () =>
  new Option(
    '--slots <count>',
    'compute threads of each worker; those of one worker share the meta-steps of small models (default: as many as there are cores for each worker)',
  ).argParser(wholeNumber(1, 256));

/** Compute threads of each of so many workers: one per core, from 2 to 16 in all. */
export const usualSlots = (workers: number): number =>
  Math.max(1, Math.floor(Math.min(Math.max(usableProcessors(), 2), 16) / workers));

export const setOption = () =>
  new Option('--set <path.to.field=value>', 'override a field of the job file; may be repeated')
    .default([], 'none')
    .argParser((text: string, earlier: readonly Override[]) => [...earlier, parseOverride(text)]);

export const stateDirectoryOption = () =>
  new Option(
    '--state-dir <dir>',
    'keep jobs and checkpoints here (default: a temporary directory, removed at the end)',
  ).env('METATRAIN_STATE_DIR');

/** The workers themselves read METATRAIN_DATA_DIR, a list like PATH: they inherit the variable. */
export const dataDirectoryOption = () =>
  new Option('--data-dir <dir>', 'look for data sets here before the cache; may be repeated (env: METATRAIN_DATA_DIR)')
    .default([], 'none')
    .argParser((text: string, earlier: readonly string[]) => [...earlier, text]);

/** `run` and `up` pass it on to the processes that they start; these inherit METATRAIN_PLUGIN, too. */
export const pluginOption = () =>
  new Option('--plugin <file>', pluginHelp)
    .default([], 'none')
    .argParser((text: string, earlier: readonly string[]) => [...earlier, text]);

export const listenOption = () =>
  new Option('--listen <host:port>', 'address of the coordinator; port 0 means any free port')
    .env('METATRAIN_LISTEN')
    .default(defaultCoordinatorAddress)
    .argParser(parseListen);

export const logLevelOption = (level: string) =>
  new Option('--log-level <level>', 'lowest level that the processes log to stderr')
    .env('METATRAIN_LOG_LEVEL')
    .choices([...logLevels])
    .default(level);

export const logFormatOption = () =>
  new Option('--log-format <format>', 'JSON lines or readable text; auto: readable text on a terminal')
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

export const tagFilterOption = () =>
  new Option('--tag <tag>', 'only jobs with this tag; may be repeated: with all of them')
    .default([], 'all')
    .argParser((text: string, earlier: readonly string[]) => [...earlier, text]);

export const limitOption = () =>
  new Option('--limit <count>', 'maximum number of jobs').default(50).argParser(wholeNumber(1, 100_000));

export const stepOption = () =>
  new Option('--step <meta-step>', 'the checkpoint of this meta-step (default: the latest)').argParser(
    wholeNumber(0, Number.MAX_SAFE_INTEGER),
  );

export const mirrorOption = () =>
  new Option(
    '--mirror <url>',
    'fetch the files from this address instead of the official source; the hashes must match',
  )
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

/** Accepts port 0 as well. */
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
    'it must be a duration such as 10m, a time such as 2026-01-31T12:00:00Z, or the sequence number of an event',
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
