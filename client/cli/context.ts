// The parts of the process that a command may use: the terminal, the signal that Ctrl-C aborts, the
// environment and the exit code. Tests pass their own.
import { connectionTo } from '../../shared/connection.ts';
import { MetatrainClient } from '../metatrain-client.ts';
import type { PatienceOptions } from '../patience.ts';
import type { Environment } from './local-cluster.ts';
import type { CommonOptions } from './options.ts';
import type { Terminal } from './terminal.ts';

export interface CommandContext {
  readonly terminal: Terminal;
  readonly environment: Environment;
  /** Aborted with an `Interruption` by SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** 0 unless a command sets another code. */
  exitCode: number;
  /** What a person reads after an interruption: what goes on, and how to go on. Default: nothing. */
  afterInterruption?: string;
}

/** The reason of an aborted command, with the signal that was received. */
export class Interruption extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.name = 'Interruption';
    this.signal = signal;
  }
}

/**
 * The options for a command that waits. They report an outage once, however many streams notice it.
 */
export function patienceOf({ giveUpSeconds }: { readonly giveUpSeconds: number }, terminal: Terminal): PatienceOptions {
  let isAway = false;
  return {
    giveUpAfterMs: giveUpSeconds * 1_000,
    onAway({ message }) {
      if (!isAway) terminal.note(`${message}; trying again for up to ${giveUpSeconds} s (--give-up-seconds)`);
      isAway = true;
    },
    onBack() {
      if (isAway) terminal.note('the coordinator answers again');
      isAway = false;
    },
  };
}

/** Runs `use` with a client of `--coordinator`, and closes the client afterwards. */
export async function withClient<Result>(
  options: CommonOptions,
  use: (client: MetatrainClient) => Promise<Result>,
): Promise<Result> {
  const { coordinator: address } = options;
  const client = new MetatrainClient({ address, connection: connectionTo(address, options) });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}
