// The worker's configuration: flags, each also a METATRAIN_* variable, checked and with every default. The only reader of process.env
// in the worker. A bad value ends the process with one line that names it.
import { availableParallelism, hostname } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { dataDirectories } from '../shared/data-directory.ts';
import { type LogLevel, logLevels } from '../shared/log.ts';
import { machineMemoryBytes, shareForCompute } from '../shared/machine-memory.ts';
import { randomId } from '../shared/rng.ts';
import { defaultCoordinatorAddress } from '../shared/wire.ts';

export interface WorkerConfig {
  /** HOST:PORT. */
  readonly coordinator: string;
  readonly workerId: string;
  readonly slots: number;
  /** What all compute threads may take together, by prediction. */
  readonly memoryBytes: number;
  /** Searched in order. */
  readonly dataDirectories: readonly string[];
  readonly logLevel: LogLevel;
  readonly drainGraceMs: number;
  readonly giveUpMs: number;
  readonly exitWithParent: boolean;
  /** Explain a job's programs and exit, instead of working. */
  readonly explain?: {
    readonly file: string;
    readonly overrides: readonly (readonly [path: string, value: string])[];
    readonly print: boolean;
    readonly json: boolean;
  };
}

interface Flags {
  readonly coordinator: string;
  readonly workerId?: string;
  readonly slots: number;
  readonly memory: number;
  readonly dataDir?: readonly string[];
  readonly logLevel: LogLevel;
  readonly drainSeconds: number;
  readonly giveUpSeconds: number;
  readonly exitWithParent?: boolean;
  readonly explain?: string;
  readonly set: readonly (readonly [path: string, value: string])[];
  readonly print?: boolean;
  readonly json?: boolean;
}

const maxSlots = 256;

/** @param args the command line without `node` and the script. `--help` prints and exits 0, a bad flag or variable prints and exits 2, as every command does. */
export function readConfig(args: readonly string[]): WorkerConfig {
  const flags = describeFlags()
    .parse([...args], { from: 'user' })
    .opts<Flags>();
  return {
    coordinator: flags.coordinator,
    workerId:
      flags.workerId ??
      `${hostname()
        .replace(/[^A-Za-z0-9._-]/g, '-')
        .slice(0, 60)}-${randomId(4)}`,
    slots: flags.slots,
    memoryBytes: flags.memory,
    dataDirectories: dataDirectories(flags.dataDir ?? [], process.env),
    logLevel: flags.logLevel,
    drainGraceMs: flags.drainSeconds * 1000,
    giveUpMs: flags.giveUpSeconds * 1000,
    exitWithParent: flags.exitWithParent ?? false,
    ...(flags.explain !== undefined && {
      explain: {
        file: flags.explain,
        overrides: flags.set,
        print: flags.print ?? false,
        json: flags.json ?? false,
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
        .argParser(parseAddress),
    )
    .addOption(
      new Option('--slots <n>', 'shards computed at once, one thread each')
        .env('METATRAIN_SLOTS')
        .default(Math.min(availableParallelism(), maxSlots), 'one per core')
        .argParser(wholeNumber(1, maxSlots)),
    )
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
      ).argParser((value: string, before: readonly string[] = []) => [...before, value]),
    )
    .addOption(
      new Option('--log-level <level>', 'what is logged, to stderr')
        .env('METATRAIN_LOG_LEVEL')
        .choices(logLevels)
        .default('info'),
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
    .addOption(new Option('--json', 'with --explain: one JSON object, graphs included'))
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

function parseAddress(value: string): string {
  const port = Number(/^(?:\[[0-9A-Fa-f:.]+\]|[^:\s/]+):(\d{1,5})$/.exec(value)?.[1]);
  if (!(port >= 1 && port <= 65_535)) throw new InvalidArgumentError('Accepted: HOST:PORT, such as 127.0.0.1:7420.');
  return value;
}

const memoryUnits = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

function parseMemory(value: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(MiB|GiB|TiB)$/.exec(value) ?? [];
  const bytes = Math.floor(Number(number) * memoryUnits[unit as keyof typeof memoryUnits]);
  if (bytes >= memoryUnits.MiB) return bytes;
  throw new InvalidArgumentError('Accepted: a size in MiB, GiB or TiB, at least 1MiB, such as 6GiB.');
}

function parseWorkerId(value: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(value)) return value;
  throw new InvalidArgumentError('Accepted: letters, digits, ".", "_" and "-", at most 128.');
}

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
