// The command line of `metatrain backup`.
import { Command, Option } from 'commander';

export interface BackupConfig {
  readonly stateDir: string;
  readonly output: string;
  readonly json?: boolean;
  /** End when standard input does: the parent is gone. */
  readonly exitWithParent?: boolean;
}

/** `--help` prints and exits 0; a bad flag prints and exits 2. */
export function readBackupConfig(args: readonly string[]): BackupConfig {
  return new Command('metatrain backup')
    .description(
      'Copies the state directory of a coordinator, which may go on running. The copy is a state directory itself.',
    )
    .addOption(
      new Option('--state-dir <dir>', "the coordinator's state directory")
        .env('METATRAIN_STATE_DIR')
        .default('.metatrain'),
    )
    .requiredOption('--output <dir>', 'where the copy is made: a folder that is empty, or is not there yet')
    .addOption(new Option('--json', 'print one JSON object'))
    .addOption(new Option('--exit-with-parent').hideHelp())
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
    .parse([...args], { from: 'user' })
    .opts<BackupConfig>();
}
