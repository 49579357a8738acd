// Runs one command line. Turns the outcome into output and an exit code: 0 done, 1 failed, 2 wrong
// usage, 128 + n interrupted by signal n. With `--json`, a failure is also one JSON object on the
// last line of stdout.
import { constants } from 'node:os';
import { type Command, CommanderError } from 'commander';
import { MetatrainError } from '../../shared/errors.ts';
import { type CommandContext, Interruption } from './context.ts';
import { connectionOptions } from './options.ts';
import { type Forward, forwardToCoordinator } from './port-forward.ts';
import { buildProgram, withDefaultCommands } from './program.ts';
import { errorRecord } from './run-job.ts';

export interface CommandLineOptions extends Pick<CommandContext, 'terminal' | 'environment' | 'signal'> {
  readonly version: string;
}

export async function runCommandLine(args: readonly string[], options: CommandLineOptions): Promise<number> {
  const { version, terminal, environment, signal } = options;
  const context: CommandContext = { terminal, environment, signal, exitCode: 0 };
  const program = buildProgram(context, version);
  forEachCommand(program, (command) =>
    command
      .exitOverride()
      .showSuggestionAfterError()
      .configureOutput({
        writeOut: (text) => terminal.print(text.trimEnd()),
        writeErr: (text) => terminal.note(text.trimEnd()),
        getOutHelpWidth: () => Math.min(terminal.width, 110),
      }),
  );
  forEachCommand(program, (command) => addConnectionOptions(command, environment.METATRAIN_TOKEN));
  const forwards: Forward[] = [];
  program.hook('preAction', async (_, command) => {
    const forward = await forwardFor(command, context);
    if (forward) forwards.push(forward);
  });
  try {
    await program.parseAsync(withDefaultCommands(args), { from: 'user' });
    return context.exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // Help and the version arrive here too, with exit code 0.
      if (thrown.exitCode === 0) return 0;
      const message = thrown.message.replace(/^error: /, '');
      if (args.includes('--json')) terminal.printJson({ error: { code: 'REQUEST_INVALID', message } });
      return 2;
    }
    // The terminal has written ^C where the cursor was.
    const lineEnd = thrown instanceof Interruption && terminal.isLive ? '\n' : '';
    terminal.note(lineEnd + explain(thrown, environment.METATRAIN_LOG_LEVEL === 'debug'));
    if (thrown instanceof Interruption && context.afterInterruption) terminal.note(context.afterInterruption);
    if (args.includes('--json')) terminal.printJson(errorRecord(thrown));
    return thrown instanceof Interruption ? 128 + constants.signals[thrown.signal] : 1;
  } finally {
    for (const forward of forwards) await forward.close();
  }
}

/** With `--context`: forwards a port, and has the command connect to it. A flag goes before a variable. */
async function forwardFor(
  command: Command,
  { environment, signal }: Pick<CommandContext, 'environment' | 'signal'>,
): Promise<Forward | undefined> {
  const { context, namespace } = command.opts<{ readonly context?: string; readonly namespace?: string }>();
  const isFlag = (name: string) => command.getOptionValueSource(name) === 'cli';
  if (context === undefined) {
    if (isFlag('namespace')) command.error('error: --namespace needs --context');
    return undefined;
  }
  if (isFlag('coordinator')) {
    if (isFlag('context')) command.error('error: --context and --coordinator exclude each other');
    return undefined;
  }
  const forward = await forwardToCoordinator({ context, namespace }, { environment, signal });
  command.setOptionValue('coordinator', forward.address);
  command.setOptionValue('serverNames', forward.serverNames);
  return forward;
}

function explain(thrown: unknown, wantsStack: boolean): string {
  if (thrown instanceof Interruption) return thrown.message;
  if (thrown instanceof MetatrainError) return `error: ${thrown.message}`;
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return wantsStack && stack
    ? `internal error: ${stack}`
    : `internal error: ${message}\nThis is a bug of metatrain; METATRAIN_LOG_LEVEL=debug shows where.`;
}

/**
 * Adds the flags of the connection to each command with `--coordinator`. The token has no flag:
 * everybody on the machine can read a command line.
 */
function addConnectionOptions(command: Command, token: string | undefined): void {
  if (!command.options.some(({ long, hidden }) => long === '--coordinator' && !hidden)) return;
  for (const option of connectionOptions()) command.addOption(option);
  if (token) command.setOptionValueWithSource('token', token, 'env');
}

function forEachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) forEachCommand(child, visit);
}
