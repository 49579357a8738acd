// Writes shared/gen, the TypeScript types of proto/, with proto-loader's generator.
// `--check` writes nothing and exits 1 if the committed files differ from the generator's output.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const check = process.argv.includes('--check');
// Files without a service are reached through imports. Given such a file itself, the generator
// makes a module with unused names.
const protos = ['externalscaler', 'metatrain/v1']
  .flatMap((folder) => readdirSync(`proto/${folder}`).map((name) => `${folder}/${name}`))
  .filter((name) => /^service /m.test(readFileSync(`proto/${name}`, 'utf8')));
const out = mkdtempSync(join(tmpdir(), 'metatrain-gen-'));
execFileSync(
  'node_modules/.bin/proto-loader-gen-types',
  [
    '--longs=Number',
    '--enums=String',
    '--defaults',
    '--oneofs',
    '--grpcLib=@grpc/grpc-js',
    '--importFileExtension=.ts',
    '--includeDirs=proto',
    `--outDir=${out}`,
    ...protos,
  ],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);

const files = (dir) =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(dir.length + 1))
    .sort();

if (check) {
  const [made, committed] = [files(out), files('shared/gen')];
  const stale =
    made.length !== committed.length ||
    made.some(
      (name) =>
        !committed.includes(name) ||
        readFileSync(join(out, name), 'utf8') !== readFileSync(join('shared/gen', name), 'utf8'),
    );
  rmSync(out, { recursive: true });
  if (stale) {
    console.error('shared/gen is not what proto/ generates: run npm run generate and commit the result');
    process.exit(1);
  }
} else {
  rmSync('shared/gen', { recursive: true, force: true });
  cpSync(out, 'shared/gen', { recursive: true });
  rmSync(out, { recursive: true });
}
