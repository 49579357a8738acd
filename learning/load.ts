// The registry of a process that was started with plugins. Each process and each compute thread loads
// them for itself, before it reads a job file.
import { MetatrainError } from '../shared/errors.ts';
import { readPluginFile, refuseTooMany } from '../shared/plugin-file.ts';
import { describePlugin, type PluginIdentity } from '../shared/plugin-identity.ts';
import { pluginOf } from './plugin.ts';
import { builtIn, builtInParts, type Plugin, Registry } from './registry.ts';

/**
 * The built-in parts and those of the plugins.
 *
 * @param files absolute paths: see `pluginFiles`.
 * @throws MetatrainError `PLUGIN_INVALID` naming the file and what is wrong.
 */
export async function loadRegistry(files: readonly string[]): Promise<Registry> {
  if (files.length === 0) return builtIn;
  refuseTooMany(files);
  const learning = new URL('./index.js', import.meta.url).href;
  const plugins: Plugin[] = [];
  // One after another: of two with the same name, the later one is refused.
  for (const file of files) plugins.push(pluginOf(await readPluginFile(file, learning)));
  return new Registry(builtInParts, plugins);
}

/** A plugin that another part of this process has loaded. */
export interface LoadedPlugin extends PluginIdentity {
  /** Absolute path. */
  readonly file: string;
}

/** What a thread, or a process that is started, must know of them. */
export const identitiesOf = (plugins: readonly Plugin[]): LoadedPlugin[] =>
  plugins.map(({ file, name, sha256 }) => ({ file, name, sha256 }));

/**
 * As `loadRegistry`, for a thread of a process that has told others which plugins it holds.
 *
 * @throws MetatrainError `PLUGIN_DIFFERS` when a file has changed since.
 */
export async function loadSameRegistry(plugins: readonly LoadedPlugin[]): Promise<Registry> {
  const registry = await loadRegistry(plugins.map(({ file }) => file));
  for (const [index, before] of plugins.entries()) {
    const now = registry.plugins[index];
    if (now?.sha256 === before.sha256) continue;
    const message =
      `the plugin ${before.file} has changed since this process was started: it was ${describePlugin(before)}` +
      `${now ? `, and is ${describePlugin(now)}` : ''}; start the process again`;
    throw new MetatrainError('PLUGIN_DIFFERS', message, { details: { file: before.file } });
  }
  return registry;
}
