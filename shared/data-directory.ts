// The rule for finding data sets: first the given directories, then the user's cache, where
// `metatrain datasets fetch` puts them. Reads no environment: the caller passes it.
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** `$XDG_CACHE_HOME/metatrain/data`, by default `~/.cache/metatrain/data` (XDG Base Directory Specification; relative paths count as unset). */
export function userDataDirectory(environment: Environment): string {
  const cache = environment.XDG_CACHE_HOME;
  return join(cache && isAbsolute(cache) ? cache : join(homedir(), '.cache'), 'metatrain', 'data');
}

/**
 * Where data sets are looked for, first match wins.
 *
 * @param named directories given by flags; when there are none, METATRAIN_DATA_DIR's (separated like PATH) take their place.
 */
export function dataDirectories(named: readonly string[], environment: Environment): string[] {
  const fromEnvironment = (environment.METATRAIN_DATA_DIR ?? '').split(delimiter).filter(Boolean);
  return [...(named.length > 0 ? named : fromEnvironment), userDataDirectory(environment)];
}
