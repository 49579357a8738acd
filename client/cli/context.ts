// What a command may use of its process: the terminal, the signal that a person's Ctrl-C aborts, the environment, the exit code. Tests
// hand in their own.
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
  /** 0 until a command sets another. */
  exitCode: number;
}

/** The reason of an aborted command: which signal asked for it. */
export class Interruption extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.name = 'Interruption';
    this.signal = signal;
  }
}

/**
 * The patience of a command that waits. It tells the person of an outage once, however many streams
 * notice it.
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

/** Runs `use` with a client of `--coordinator`, closed afterwards. */
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
