// Files of plugins for tests, in a folder that is removed at the end. No module of ours is near them.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { packageRoot } from '../../shared/wire.ts';

export interface PluginFolder {
  readonly directory: string;
  /** @returns the file's path. */
  write(name: string, text: string): string;
  /** A copy of examples/plugin/my-parts.js, with `added` after it. */
  example(name?: string, added?: string): string;
}

export const exampleFolder: string = join(packageRoot, 'examples', 'plugin');

export function pluginFolder(t: TestContext): PluginFolder {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-plugin-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  const write = (name: string, text: string) => {
    const file = join(directory, name);
    writeFileSync(file, text);
    return file;
  };
  return {
    directory,
    write,
    example(name = 'my-parts.js', added = '') {
      const file = join(directory, name);
      cpSync(join(exampleFolder, 'my-parts.js'), file);
      if (added !== '') writeFileSync(file, added, { flag: 'a' });
      return file;
    },
  };
}

/** A module with one model, whose fields a test changes: JavaScript, such as `name: 'x'`. */
export const modelModule = (changes = ''): string => `import { defineModel, z } from 'metatrain/learning';
export const model = defineModel({
  name: 'line',
  title: 'a line',
  summary: 'y = a·x + b',
  paper: '',
  schema: z.strictObject({ width: z.int().default(1) }),
  variants: { usual: {} },
  sizeField: 'width',
  describe: () => 'a line',
  parameters: () => [{ name: 'a', shape: [1, 1], initialize: () => 1 }, { name: 'b', shape: [1], initialize: () => 0 }],
  isTransductive: () => false,
  layers: () => 1,
  build: (_, { tf }) => ({ predict: (params, x) => tf.add(tf.matMul(x, params.a), params.b) }),
  ${changes}
});
`;
