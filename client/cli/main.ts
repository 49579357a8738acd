#!/usr/bin/env node
// The `metatrain` command: arguments → program → exit code. The only place that writes errors to
// stderr: a user's mistake gets a message, never a stack trace. The only reader of process.env in
// the client.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../shared/wire.ts';
import { runCommandLine } from './command-line.ts';
import { Interruption } from './context.ts';
import { Terminal } from './terminal.ts';

const { stdout, stderr, env } = process;
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // A second signal ends the command at once. Its children are killed as the process exits.
    if (interrupted.signal.aborted) process.exit(128 + constants.signals[signal]);
    interrupted.abort(new Interruption(signal));
  });
}
// The reader of the output has closed it, as in `metatrain jobs list | head -1`.
for (const stream of [stdout, stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
process.exitCode = await runCommandLine(process.argv.slice(2), {
  version,
  terminal: new Terminal({ stdout, stderr, environment: env }),
  environment: env,
  signal: interrupted.signal,
});
