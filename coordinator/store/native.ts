// Loads the packages with a binary for this machine: the database and file locks. They are loaded
// when a coordinator starts instead of with its modules, so that a missing binary is reported in
// one line with a remedy.
import { MetatrainError } from '../../shared/errors.ts';

/** @throws MetatrainError `NOT_READY` where the package has no binary for this machine. */
export async function load<Module>(name: string, importIt: () => Promise<Module>): Promise<Module> {
  try {
    return await importIt();
  } catch (cause) {
    const machine = `${process.platform}-${process.arch}`;
    const message =
      `the package ${name} has no binary for this machine (${machine}). npm installs it as an optional package: ` +
      'run npm install again without --omit=optional and without --no-optional';
    throw new MetatrainError('NOT_READY', message, { details: { package: name, machine }, cause });
  }
}

export const loadLmdb = () => load('lmdb', () => import('lmdb'));

export const loadFileLocks = () => load('fs-native-extensions', () => import('fs-native-extensions'));
