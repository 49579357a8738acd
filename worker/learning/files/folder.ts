// Folders and files of a user's own in the data directories. A job file names them, so a name that
// leads out of a data directory is refused here once more, whatever the part has checked.
import { readdirSync, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { FolderEntry, FoundFolder } from '../../../learning/tasks.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import { excerpt } from '../../../shared/foreign-text.ts';

/** @throws MetatrainError `REQUEST_INVALID` for a name that leads out of the directories. */
export const findFolder = (name: string, directories: readonly string[]): FoundFolder =>
  find('folder', name, directories);

/** As `findFolder`, of a file. */
export const findFile = (name: string, directories: readonly string[]): FoundFolder => find('file', name, directories);

function find(kind: 'folder' | 'file', name: string, directories: readonly string[]): FoundFolder {
  if (
    isAbsolute(name) ||
    name.split(/[/\\]/).some((part) => part === '' || part.startsWith('.') || /[\0:]/.test(part))
  ) {
    const accepted = `the name of a ${kind} inside a data directory, without "..", ":" and hidden folders`;
    throw new MetatrainError('REQUEST_INVALID', `a data ${kind}: got "${excerpt(name, 80)}"; accepted: ${accepted}`, {
      details: { got: name, accepted },
    });
  }
  const searched = directories.map((directory) => join(directory, name));
  const isThere = (path: string) => {
    const found = statSync(path, { throwIfNoEntry: false });
    return kind === 'folder' ? found?.isDirectory() : found?.isFile();
  };
  return { path: searched.find(isThere), searched };
}

/** @throws Error when the folder cannot be read. */
export function listFolder(folder: string): FolderEntry[] {
  const entries = readdirSync(folder, { withFileTypes: true }).flatMap((entry): FolderEntry[] => {
    const { name } = entry;
    if (name.startsWith('.')) return [];
    // a link that leads nowhere counts as a file, so that reading it says so
    const kind = entry.isSymbolicLink() ? statSync(join(folder, name), { throwIfNoEntry: false }) : entry;
    if (kind?.isDirectory()) return [{ name, isFolder: true }];
    return kind === undefined || kind.isFile() ? [{ name, isFolder: false }] : [];
  });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** @throws Error that says what is wrong with the file; the caller adds where it comes from. */
export async function readWhole(path: string, maxBytes: number): Promise<Uint8Array> {
  const found = await stat(path);
  if (!found.isFile()) throw new Error('it is not a file');
  if (found.size > maxBytes) throw new Error(`it has ${found.size} bytes; accepted: at most ${maxBytes}`);
  return readFile(path);
}
