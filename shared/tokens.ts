// Bearer tokens: the form of a secret, and the lines of a tokens file, which contain only its hash.
// A secret is 32 random bytes, so one plain SHA-256 of it cannot be reversed. Invariant: errors
// never repeat the text of the file, which may contain a misplaced secret.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { MetatrainError } from './errors.ts';
import { randomSecret } from './rng.ts';

/**
 * What a token may be used for. `predict`: adapting trained models and predicting with them.
 * `admin` may do whatever `submit`, `read` and `predict` may, to every job; it is no worker.
 */
export const roles = ['submit', 'read', 'predict', 'worker', 'admin'] as const;
export type Role = (typeof roles)[number];

export interface TokenEntry {
  /** Whose token it is: owns the jobs it submits. Several entries may share a name, as while a secret is being replaced. */
  readonly name: string;
  readonly roles: readonly Role[];
  /** Of the secret, lower-case hexadecimal. */
  readonly sha256: string;
  /** Milliseconds since the epoch; undefined means never. */
  readonly expiresAt: number | undefined;
}

/** Bytes of a tokens file, and entries in it, at most. */
const maxFileBytes = 1_048_576;
export const maxTokens = 1_000;

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const nameRule = 'letters, digits, ".", "_" and "-", at most 64';

/** Secrets begin alike, so that a scanner of files and logs can find one that leaked. */
const secretPattern = /^mt_[A-Za-z0-9_-]{43}$/;
const secretsWithin = /mt_[A-Za-z0-9_-]{43}|(?<=\bbearer[\s"':,[\]]{1,8})[A-Za-z0-9._~+/=-]+/gi;

export const newSecret = (): string => `mt_${randomSecret()}`;

export const isSecret = (text: string): boolean => secretPattern.test(text);

export const hashOfSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** The text with every secret in it made unreadable. */
export const withoutSecrets = (text: string): string => text.replaceAll(secretsWithin, '[secret]');

const entrySchema = z.strictObject({
  name: z.string().regex(namePattern),
  roles: z.array(z.enum(roles)).min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  expires: z.iso.datetime({ offset: true }).optional(),
});

const accepted: Readonly<Record<string, string>> = {
  name: nameRule,
  roles: `a list of ${roles.join(', ')}`,
  sha256: '64 lower-case hexadecimal digits, the SHA-256 of the secret',
  expires: 'a time such as 2027-01-31T00:00:00Z',
};

/**
 * The entries of a tokens file: one JSON object a line, `{"name":…,"roles":[…],"sha256":…,"expires":…}`; empty lines and lines that begin
 * with `#` are skipped.
 *
 * @param file its name, for messages.
 * @throws MetatrainError `REQUEST_INVALID` with the line, the field and what is accepted.
 */
export function parseTokens(text: string, file: string): TokenEntry[] {
  if (Buffer.byteLength(text) > maxFileBytes) {
    throw invalid(file, `got ${Buffer.byteLength(text)} bytes; accepted: at most ${maxFileBytes}`);
  }
  const entries: TokenEntry[] = [];
  // Editors on Windows may write a byte order mark first.
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const entry = parseLine(line, `${file}, line ${index + 1}`);
    if (entries.some(({ sha256 }) => sha256 === entry.sha256)) {
      throw invalid(`${file}, line ${index + 1}`, 'sha256: got that of an earlier line; accepted: each secret once');
    }
    entries.push(entry);
  }
  if (entries.length > maxTokens) throw invalid(file, `got ${entries.length} tokens; accepted: at most ${maxTokens}`);
  return entries;
}

function parseLine(line: string, where: string): TokenEntry {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // Without its cause, which quotes the line.
    throw invalid(where, 'got no JSON; accepted: the line that `metatrain token create` prints');
  }
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = String(issue?.path[0] ?? '');
    const rule = accepted[field];
    if (rule) throw invalid(where, `${field}: got something else; accepted: ${rule}`);
    throw invalid(where, `got other fields; accepted: an object of ${Object.keys(accepted).join(', ')} (optional)`);
  }
  const { name, roles, sha256, expires } = parsed.data;
  return { name, roles, sha256, expiresAt: expires === undefined ? undefined : Date.parse(expires) };
}

/** An entry as its line of a tokens file, without the line's end. */
export function tokenLine({ name, roles, sha256, expiresAt }: TokenEntry): string {
  const expires = expiresAt === undefined ? {} : { expires: new Date(expiresAt).toISOString() };
  return JSON.stringify({ name, roles, sha256, ...expires });
}

/** @throws MetatrainError `REQUEST_INVALID` */
export function checkTokenName(name: string): string {
  if (namePattern.test(name)) return name;
  throw invalid('--name', `got ${JSON.stringify(name.slice(0, 80))}; accepted: ${nameRule}`);
}

const invalid = (where: string, what: string) => new MetatrainError('REQUEST_INVALID', `${where}: ${what}`);
