// `metatrain coordinator`, `worker` and `backup`: run one of these programs in the foreground.
// All flags are passed on, also `--help`. Output and exit code are those of the process.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { Command } from 'commander';
import type { CommandContext } from './context.ts';
import { programFile } from './programs.ts';

export const coordinatorCommand = (context: CommandContext): Command =>
  passThrough('coordinator', 'run a coordinator (its flags: metatrain coordinator --help)', context);

export const workerCommand = (context: CommandContext): Command =>
  passThrough('worker', 'run a worker (its flags: metatrain worker --help)', context);

export const backupCommand = (context: CommandContext): Command =>
  passThrough('backup', "copy a coordinator's state while it runs (its flags: metatrain backup --help)", context);

function passThrough(name: 'coordinator' | 'worker' | 'backup', description: string, context: CommandContext): Command {
  return new Command(name)
    .description(description)
    .argument('[flags...]')
    .usage('[flags]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (flags: readonly string[]) => {
      context.exitCode = await runInForeground(name, flags);
    });
}

/** @returns its exit code, or 128 + the number of the signal that ended it, as a shell would. */
function runInForeground(name: 'coordinator' | 'worker' | 'backup', flags: readonly string[]): Promise<number> {
  const program = programFile(name);
  // In its own process group, so that it receives Ctrl-C once, through this process; a second
  // signal would mean "at once". The pipe ends it when this process is killed.
  const child = spawn(process.execPath, [program, ...flags, '--exit-with-parent'], {
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
  });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  // For a service, SIGHUP means "read files again". From a terminal it means that the terminal is
  // gone, and then this process ends as well.
  const forwarded: readonly NodeJS.Signals[] = process.stdin.isTTY
    ? ['SIGINT', 'SIGTERM']
    : ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of forwarded) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      for (const signal of forwarded) process.off(signal, forward);
      resolve(signal ? 128 + constants.signals[signal] : (code ?? 1));
    });
  });
}
