// The programs that `metatrain` starts as processes of their own. The small package metatrain-client is
// made without them: there a command that needs one says which package has it.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MetatrainError } from '../../shared/errors.ts';

const programs = {
  coordinator: { part: 'coordinator', file: 'coordinator/main.js' },
  backup: { part: 'coordinator', file: 'coordinator/backup/main.js' },
  worker: { part: 'worker', file: 'worker/main.js' },
  replay: { part: 'replay', file: 'replay/main.js' },
} as const;

export type ProgramName = keyof typeof programs;

/**
 * The file that Node runs.
 *
 * @throws MetatrainError `PROGRAM_MISSING` where this package was made without it.
 */
export function programFile(name: ProgramName): string {
  const program = programs[name];
  const file = fileURLToPath(new URL(`../../${program.file}`, import.meta.url));
  if (existsSync(file)) return file;
  throw new MetatrainError(
    'PROGRAM_MISSING',
    `this command needs the ${program.part}, which is not installed here: metatrain-client and the images of other parts leave it out; install the package metatrain`,
    { details: { program: program.part, package: 'metatrain' } },
  );
}
