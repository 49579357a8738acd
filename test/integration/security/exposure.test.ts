import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { pino } from 'pino';
import { startCoordinator } from '../../../coordinator/main.ts';
import { token, writeTokens } from './secured-cluster.ts';

test('beyond loopback the coordinator listens only with TLS and tokens, or with --insecure and a warning in the log', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-exposure-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const tokensFile = join(directory, 'tokens.jsonl');
  writeTokens(tokensFile, [token('reader', ['read'])]);
  const tls = { cert: join(directory, 'none'), key: join(directory, 'none') };
  const unread = /everything that is sent, tokens too, can be read and changed on the way/;
  const unasked = /anybody who can connect may submit and cancel jobs, read checkpoints and join as a worker/;
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'coordinator.example']) {
    for (const [security, missing] of [
      [{}, [unread, unasked, /--tls-cert FILE --tls-key FILE --tokens FILE/]],
      [{ tokensFile }, [unread, /Give --tls-cert FILE --tls-key FILE \(/]],
      [{ tls }, [unasked, /Give --tokens FILE \(/]],
    ] as const) {
      const starting = startCoordinator({ stateDirectory: join(directory, 'state'), host, port: 0, security });
      const error = await starting.then(
        (coordinator) => coordinator.close().then(() => assert.fail(`${host} listens`)),
        (thrown: unknown) => thrown as Error & { code: string },
      );
      assert.equal(error.code, 'REQUEST_INVALID');
      for (const part of [...missing, /--insecure$/]) assert.match(error.message, part);
    }
  }
  const logged: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => logged.push(line) });
  const security = { isInsecure: true };
  const stateDirectory = join(directory, 'state');
  const coordinator = await startCoordinator({ stateDirectory, host: '0.0.0.0', port: 0, security }, { log });
  await coordinator.close();
  assert.equal(logged.length, 1);
  for (const part of [/--insecure: /, unread, unasked]) assert.match(logged[0] ?? '', part);
  const quiet = await startCoordinator({ stateDirectory, host: '127.0.0.1', port: 0 }, { log });
  await quiet.close();
  assert.equal(logged.length, 1, 'loopback needs no word');
});
