// Reads a plugin's file: which files there are, the hash of the bytes, and what the module exports.
// Knows nothing of parts: `learning/plugin.ts` checks what is exported.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import module from 'node:module';
import { basename, delimiter, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MetatrainError } from './errors.ts';
import { initialize, type PluginImports, resolve as resolveImport } from './plugin-hooks.ts';
import { maxPluginName, maxPlugins, type PluginIdentity } from './plugin-identity.ts';

/** A plugin that was loaded. */
export interface PluginModule extends PluginIdentity {
  /** Absolute path. */
  readonly file: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

/** Of the flag `--plugin <file>`, the same for every command. */
export const pluginHelp =
  'a module of your own parts (metatrain/learning); may be repeated (env: METATRAIN_PLUGIN, separated like PATH)';

/**
 * The plugins that a process loads, as absolute paths, each once.
 *
 * @param named given by flags; when there are none, those of METATRAIN_PLUGIN, separated like PATH.
 */
export function pluginFiles(
  named: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  const fromEnvironment = (environment.METATRAIN_PLUGIN ?? '').split(delimiter).filter(Boolean);
  return [...new Set((named.length > 0 ? named : fromEnvironment).map((file) => resolve(file)))];
}

/**
 * Loads the module. It stays loaded: a file that changes later is the same module to this process.
 *
 * @param file absolute path.
 * @param learning URL of the module that `metatrain/learning` means to the plugin.
 * @throws MetatrainError `PLUGIN_INVALID` naming the file and the reason.
 */
export async function readPluginFile(file: string, learning: string): Promise<PluginModule> {
  const name = basename(file);
  if (name.length > maxPluginName)
    throw invalid(file, `its name has ${name.length} characters, at most ${maxPluginName}`);
  const bytes = await readFile(file).catch((cause) => {
    throw invalid(file, readingFault(cause), cause);
  });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const url = pathToFileURL(file).href;
  allowImports({ plugin: url, learning });
  try {
    return { file, name, sha256, exports: (await import(url)) as Record<string, unknown> };
  } catch (cause) {
    throw invalid(file, `it does not load: ${loadingFault(file, cause)}`, cause);
  }
}

/** @throws MetatrainError `PLUGIN_INVALID` */
export function refuseTooMany(files: readonly string[]): void {
  if (files.length <= maxPlugins) return;
  throw new MetatrainError('PLUGIN_INVALID', `--plugin: got ${files.length} files; accepted: at most ${maxPlugins}`);
}

/** What went wrong, and at which line of the plugin, where the error says that. */
export function faultIn(file: string, thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const name = basename(file);
  const pattern = new RegExp(`${name.replace(/[^\w]/g, '\\$&')}:(\\d+)`);
  const [, line] = pattern.exec(thrown.stack ?? '') ?? [];
  const place = line === undefined ? '' : ` (${name}, line ${line})`;
  return `${thrown.name === 'Error' ? '' : `${thrown.name}: `}${thrown.message}${place}`;
}

interface SyncHooks {
  registerHooks?(hooks: { readonly resolve: typeof resolveImport }): void;
}
let isHooked = false;

/** Of Node: `registerHooks` from 22.15 on, before that `register`, which runs the hooks in a thread of its own. */
function allowImports(imports: PluginImports): void {
  const { registerHooks } = module as SyncHooks;
  if (registerHooks) {
    initialize(imports);
    if (!isHooked) registerHooks({ resolve: resolveImport });
    isHooked = true;
  } else {
    module.register?.(new URL('./plugin-hooks.js', import.meta.url), { data: imports });
  }
}

function readingFault(cause: NodeJS.ErrnoException): string {
  if (cause.code === 'ENOENT') return 'there is no such file';
  if (cause.code === 'EISDIR') return 'it is a directory; accepted: the file of a module';
  if (cause.code === 'EACCES') return 'permission denied';
  return cause.message;
}

/** From this Node on, types are stripped without a flag. */
const strippingNode = '22.18';

function loadingFault(file: string, cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const extension = extname(file);
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /^\.[mc]?ts$/.test(extension)) {
    return `Node ${process.versions.node} does not strip types; accepted: a .js file, or Node ${strippingNode} or newer`;
  }
  const fault = faultIn(file, cause);
  if (cause instanceof SyntaxError && extension === '.js') {
    return `${fault}; a .js file is an ECMAScript module where its package.json says "type": "module", or when it is called .mjs`;
  }
  return fault;
}

function invalid(file: string, reason: string, cause?: unknown): MetatrainError {
  return new MetatrainError('PLUGIN_INVALID', `cannot use the plugin ${file}: ${reason}`, { details: { file }, cause });
}
