// Runs every test file of dist/test with Node's own runner (Node 20 takes no globs), unit before
// integration before e2e. Unit tests of a folder share a process, since loading their modules takes as
// long as they do. What was left out, and what failed, is named just before the runner's closing lines.
// `npm test -- unit/engine` runs the files whose path holds one of the words.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setUpPrograms } from './support/setup-programs.ts';
import { setUpPython } from './support/setup-python.ts';
import { setUpWebGpu } from './support/setup-webgpu.ts';

/** No process of tests takes longer; one that does hangs, and fails. */
const fileTimeoutMs = 600_000;
/** Unit tests that compile many programs have a process of their own. */
const dear = /^unit.(engine|learning.(conformance-|resnet12))/;

const root = dirname(fileURLToPath(import.meta.url));
const words = process.argv.slice(2);
const folders = ['unit', 'simulation', 'integration', 'e2e'];
const files = folders
  .flatMap((folder) => testFilesIn(join(root, folder)))
  .filter((file) => words.length === 0 || words.some((word) => relative(root, file).includes(word)));

if (files.length === 0) {
  console.error(`no test file matches ${words.join(' ')}`);
  process.exit(1);
}

const scratch = mkdtempSync(join(tmpdir(), 'metatrain-tests-'));
const leftOutFile = join(scratch, 'left-out.txt');
const runs = together(files);
const needsPython = files.some((file) => relative(root, file).startsWith(join('integration', 'foreign')));
const python = needsPython ? setUpPython() : undefined;
const webgpu = files.some((file) => file.endsWith('webgpu.test.js')) ? setUpWebGpu() : undefined;
const needsPrograms = files.some((file) => /^(integration|e2e)\b/.test(relative(root, file)));
const noPrograms = needsPrograms ? setUpPrograms() : undefined;
const run = spawn(
  process.execPath,
  [
    '--test',
    '--test-concurrency=2',
    `--test-timeout=${fileTimeoutMs}`,
    `--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`,
    ...runs,
  ],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      METATRAIN_TEST_LEFT_OUT: leftOutFile,
      ...(python &&
        ('python' in python ? { METATRAIN_TEST_PYTHON: python.python } : { METATRAIN_TEST_NO_PYTHON: python.reason })),
      ...(webgpu &&
        ('vulkanDriver' in webgpu
          ? { METATRAIN_TEST_VULKAN: webgpu.vulkanDriver }
          : { METATRAIN_TEST_NO_VULKAN: webgpu.reason })),
      ...(noPrograms && { METATRAIN_TEST_NO_PROGRAMS: noPrograms }),
    },
  },
);
const ended = once(run, 'close');
const closingLines: string[] = [];
const failedLines: string[] = [];
for await (const line of createInterface({ input: run.stdout })) {
  if (/^\s*(not ok|✖) /.test(line)) failedLines.push(line.trim());
  // "tests 123", after the mark of either reporter, begins the runner's summary.
  if (closingLines.length > 0 || /^(# |ℹ )tests \d+$/.test(line)) closingLines.push(line);
  else console.log(line);
}
const [status] = (await ended) as [number | null];
if (existsSync(leftOutFile)) {
  const lines = [...new Set(readFileSync(leftOutFile, 'utf8').trim().split('\n'))].sort();
  console.log(`\nLeft out on this machine:\n${lines.map((line) => `  - ${line}`).join('\n')}\n`);
}
if (failedLines.length > 0) console.log(`\nFailed:\n${failedLines.map((line) => `  ${line}`).join('\n')}\n`);
console.log(closingLines.join('\n'));
rmSync(scratch, { recursive: true });
process.exit(status ?? 1);

/** These files, with one that imports them instead of the unit tests of each folder. */
function together(files: readonly string[]): string[] {
  const groups = new Map<string, string[]>();
  for (const file of files) {
    const name = relative(root, file);
    const isUnit = name.startsWith('unit') && !dear.test(name);
    const key = isUnit ? name.split(sep).slice(0, 2).join('-') : name;
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return [...groups].map(([key, members]) => {
    if (members.length === 1) return members[0]!;
    const group = join(scratch, `${key}.mjs`);
    writeFileSync(group, members.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};\n`).join(''));
    return group;
  });
}

function testFilesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join(folder, name))
    .sort();
}
