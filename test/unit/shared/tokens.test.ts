import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { MetatrainError } from '../../../shared/errors.ts';
import {
  hashOfSecret,
  isSecret,
  maxTokens,
  newSecret,
  parseTokens,
  type TokenEntry,
  tokenLine,
  withoutSecrets,
} from '../../../shared/tokens.ts';

const sha256 = 'a'.repeat(64);
const line = (fields: object = {}) => JSON.stringify({ name: 'alice', roles: ['read'], sha256, ...fields });

function refusalOf(text: string): string {
  try {
    parseTokens(text, 'tokens.jsonl');
  } catch (error) {
    assert.ok(error instanceof MetatrainError && error.code === 'REQUEST_INVALID', String(error));
    assert.equal(error.cause, undefined, 'a cause could quote the line');
    return error.message;
  }
  assert.fail('nothing was refused');
}

test('a secret has 256 random bits, is kept as its plain SHA-256, and no two are alike', () => {
  const secrets = Array.from({ length: 1_000 }, newSecret);
  assert.equal(new Set(secrets).size, 1_000);
  for (const secret of secrets) {
    assert.ok(isSecret(secret));
    assert.equal(Buffer.from(secret.slice(3), 'base64url').byteLength, 32);
  }
  assert.equal(hashOfSecret('mt_x'), createHash('sha256').update('mt_x').digest('hex'));
});

test('what is written as a line is read back, between comments and empty lines', () => {
  const entries: TokenEntry[] = [
    { name: 'alice', roles: ['submit', 'read'], sha256, expiresAt: Date.UTC(2027, 0, 31) },
    { name: 'alice', roles: ['admin'], sha256: 'b'.repeat(64), expiresAt: undefined },
  ];
  const text = `# ours\n\n${entries.map(tokenLine).join('\n  \n')}\n`;
  assert.deepEqual(parseTokens(text, 'tokens.jsonl'), entries);
  assert.deepEqual(parseTokens('', 'tokens.jsonl'), []);
});

test('a bad line is refused with its number, the field and what is accepted, and is never quoted', () => {
  const secret = newSecret();
  for (const [bad, message] of [
    [secret, /line 2: got no JSON; accepted: the line that `metatrain token create` prints$/],
    ['[]', /line 2: got other fields; accepted: an object of name, roles, sha256, expires/],
    [line({ sha256: secret }), /line 2: sha256: got something else; accepted: 64 lower-case hexadecimal digits/],
    [line({ sha256: 'B'.repeat(64) }), /line 2: sha256: /],
    [line({ name: `../${secret}` }), /line 2: name: got something else; accepted: letters/],
    [
      line({ roles: [] }),
      /line 2: roles: got something else; accepted: a list of submit, read, predict, worker, admin/,
    ],
    [line({ roles: ['root'] }), /line 2: roles: /],
    [line({ expires: 'soon' }), /line 2: expires: got something else; accepted: a time such as/],
    [line({ secret }), /line 2: got other fields/],
    [`${line()}\n${line({ name: 'bob' })}`, /line 3: sha256: got that of an earlier line; accepted: each secret once/],
  ] as const) {
    const refusal = refusalOf(`# first\n${bad}\n`);
    assert.match(refusal, message);
    assert.ok(!refusal.includes(secret.slice(3, 20)), refusal);
  }
});

test('a tokens file has a limit of bytes and of tokens', () => {
  const many = Array.from({ length: maxTokens + 1 }, (_, i) => line({ sha256: hashOfSecret(String(i)) }));
  assert.match(refusalOf(many.join('\n')), /got 1001 tokens; accepted: at most 1000/);
  assert.equal(parseTokens(many.slice(1).join('\n'), 'tokens.jsonl').length, maxTokens);
  assert.match(refusalOf(`#${'x'.repeat(1_048_576)}`), /got 1048577 bytes; accepted: at most 1048576/);
});

test('secrets are made unreadable wherever they stand, and so is whatever follows Bearer', () => {
  const [one, two] = [newSecret(), newSecret()];
  const text = `"authorization":["Bearer ${one}"], authorization: bearer YWJj.def+/=, (${two}) mt_short`;
  assert.equal(
    withoutSecrets(text),
    '"authorization":["Bearer [secret]"], authorization: bearer [secret], ([secret]) mt_short',
  );
});

test('a byte order mark before the first line, as editors on Windows write it, is no error', () => {
  assert.deepEqual(parseTokens(`\ufeff${line()}\r\n`, 'tokens.jsonl'), parseTokens(line(), 'tokens.jsonl'));
  assert.match(refusalOf(`${line()}\n\ufeff${line({ sha256: 'b'.repeat(64) })}`), /line 2: got no JSON/);
});
