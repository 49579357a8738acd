// `metatrain token create`: makes a new secret for a user or machine, and the line with its hash
// for the coordinator's tokens file. The secret is printed or written once and stored nowhere else.
import { open } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { realClock } from '../../shared/clock.ts';
import { asMetatrainError, MetatrainError } from '../../shared/errors.ts';
import {
  checkTokenName,
  hashOfSecret,
  newSecret,
  parseTokens,
  type Role,
  roles,
  type TokenEntry,
  tokenLine,
} from '../../shared/tokens.ts';
import type { CommandContext } from './context.ts';
import { addExamples } from './help.ts';
import { jsonOption } from './options.ts';

interface CreateOptions {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly expires?: number;
  readonly tokens?: string;
  readonly tokenFile?: string;
  readonly json?: true;
}

const dayMs = 86_400_000;
const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: dayMs };

export const tokenCommand = (context: CommandContext): Command =>
  new Command('token').description('make tokens for clients and workers').addCommand(createCommand(context));

function createCommand({ terminal }: CommandContext): Command {
  const command = new Command('create')
    .description("make a token: the secret for its user, and the line for the coordinator's tokens file")
    .requiredOption('--name <name>', 'name of the user or machine; it owns the jobs submitted with the token')
    .addOption(
      new Option('--roles <roles>', `roles of the token, separated by commas: ${roles.join(', ')}`)
        .argParser(parseRoles)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--expires <time>',
        'when the token expires: in 12h or 30d, or at a time such as 2027-01-31T00:00:00Z',
      ).argParser(parseExpiry),
    )
    .option(
      '--tokens <file>',
      'append the line to this tokens file, which is created if it is missing (default: print the line)',
    )
    .option(
      '--token-file <file>',
      'write the secret into this new file, which only its owner can read (default: print the secret)',
    )
    .addOption(jsonOption())
    .action(async (options: CreateOptions) => {
      const { json, tokens, tokenFile } = options;
      const secret = newSecret();
      const entry: TokenEntry = {
        name: checkTokenName(options.name),
        roles: options.roles,
        sha256: hashOfSecret(secret),
        expiresAt: options.expires,
      };
      const line = tokenLine(entry);
      // The secret first: an entry is useless if nobody knows its secret.
      if (tokenFile !== undefined) await write(tokenFile, 'wx', secret);
      if (tokens !== undefined) await append(tokens, line);
      if (json) {
        terminal.printJson({ entry: JSON.parse(line), ...(tokenFile === undefined ? { secret } : { tokenFile }) });
        return;
      }
      terminal.print(
        tokenFile === undefined ? `secret, shown only once:  ${secret}` : `secret written to ${tokenFile}`,
      );
      terminal.print(tokens === undefined ? `line for the tokens file:  ${line}` : `line appended to ${tokens}`);
    });
  return addExamples(command, [
    ['metatrain token create --name alice --roles submit,read --expires 30d', 'prints both'],
    ['metatrain token create --name pool --roles worker --tokens tokens.jsonl --token-file pool.token', 'writes both'],
  ]);
}

async function append(file: string, line: string): Promise<void> {
  const handle = await open(file, 'a+', 0o600).catch((cause: unknown) => {
    throw unwritable(file, cause);
  });
  try {
    const text = await handle.readFile('utf8');
    parseTokens(text, file);
    await handle.appendFile(`${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function write(file: string, flag: 'wx', secret: string): Promise<void> {
  const handle = await open(file, flag, 0o600).catch((cause: unknown) => {
    throw unwritable(file, cause);
  });
  try {
    await handle.writeFile(`${secret}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function parseRoles(text: string): readonly Role[] {
  const named = text.split(',').map((role) => roles.find((known) => known === role.trim()));
  if (!named.every((role) => role !== undefined)) {
    throw new InvalidArgumentError(`it must be some of ${roles.join(', ')}, separated by commas`);
  }
  return [...new Set(named)];
}

/** From now on, or at a time: milliseconds since the epoch. */
function parseExpiry(text: string): number {
  const [, count, unit = ''] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const at = count === undefined ? Date.parse(text) : realClock.now() + Number(count) * (unitMs[unit] ?? Number.NaN);
  if (!(at > realClock.now())) throw new InvalidArgumentError('it must be 90m, 12h, 30d or a time in the future');
  return at;
}

function unwritable(file: string, cause: unknown): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `cannot write ${file}: ${asMetatrainError(cause).message}`, { cause });
}
