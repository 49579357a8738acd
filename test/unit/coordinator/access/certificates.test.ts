// When certificates expire: of a file with several, the first; and a word in the log in time.
import assert from 'node:assert/strict';
import test from 'node:test';
import { certifyServer, makeAuthority } from '../../../../client/certificates.ts';
import { certificateExpiries, warnOfExpiry } from '../../../../coordinator/access/certificates.ts';
import type { Logger } from '../../../../shared/log.ts';

const validity = (notAfter: string) => ({ notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date(notAfter) });

async function pems() {
  const authority = await makeAuthority('authority', validity('2036-01-01T00:00:00Z'));
  const own = await certifyServer(authority, ['localhost'], validity('2027-01-01T00:00:00Z'));
  const chain = `${authority.certificate}\n${own.certificate}`;
  return { cert: Buffer.from(chain), key: Buffer.from(own.key), clientCa: Buffer.from(authority.certificate) };
}

test("a chain expires with its first certificate; the clients' authority is listed separately", async () => {
  assert.deepEqual(certificateExpiries(await pems()), [
    { certificate: 'server', at: Date.parse('2027-01-01T00:00:00Z') },
    { certificate: 'clientCa', at: Date.parse('2036-01-01T00:00:00Z') },
  ]);
  assert.deepEqual(certificateExpiries(undefined), []);
});

test('the log names a certificate that expires within 30 days, and no other', async () => {
  const expiries = certificateExpiries(await pems());
  const warnedAt = (now: string) => {
    const lines: unknown[] = [];
    const log = { warn: (fields: object) => lines.push(fields) } as unknown as Logger;
    warnOfExpiry(expiries, Date.parse(now), log);
    return lines;
  };
  assert.deepEqual(warnedAt('2026-12-01T00:00:00Z'), []);
  assert.deepEqual(warnedAt('2026-12-03T00:00:00Z'), [{ certificate: 'server', expires: '2027-01-01T00:00:00.000Z' }]);
});
