// `npm run test:package`: packs both packages as `npm pack` does, then installs and uses them in empty
// projects with Node 20, 22 and 24. Not part of `npm test`: it needs the npm registry and takes
// minutes. `npm run test:package -- 22` takes one Node.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../shared/wire.ts';

const packTimeoutMs = 600_000;

const directory = mkdtempSync(join(tmpdir(), 'metatrain-packed-'));
try {
  pack('npm', 'pack', '--silent', '--pack-destination', directory);
  pack(process.execPath, 'scripts/pack-client.mjs', directory);
  const files = readdirSync(directory).map((name) => join(directory, name));
  const client = files.find((file) => basename(file).startsWith('metatrain-client-'));
  const whole = files.find((file) => file !== client);
  const { status } = spawnSync(
    process.execPath,
    [
      '--test',
      `--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`,
      fileURLToPath(new URL('install.test.js', import.meta.url)),
    ],
    {
      stdio: 'inherit',
      env: {
        ...process.env,
        METATRAIN_TEST_PACKAGE: whole,
        METATRAIN_TEST_CLIENT_PACKAGE: client,
        METATRAIN_TEST_NODES: process.argv.slice(2).join(' ') || '20 22 24',
      },
    },
  );
  process.exitCode = status ?? 1;
} finally {
  rmSync(directory, { recursive: true });
}

function pack(program: string, ...args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, { cwd: packageRoot, stdio: 'inherit', timeout: packTimeoutMs });
  if (status !== 0) throw new Error(`${[program, ...args].join(' ')}: ${error?.message ?? `exit code ${status}`}`);
}
