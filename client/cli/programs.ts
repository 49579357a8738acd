// The programs that `metatrain` starts as processes of their own. The small package metatrain-client is
// made without them: there a command that needs one says which package has it.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MetatrainError } from '../../shared/errors.ts';

export type ProgramName = 'coordinator' | 'worker' | 'replay';

/**
 * The file that Node runs.
 *
 * @throws MetatrainError `PROGRAM_MISSING` where this package was made without it.
 */
export function programFile(name: ProgramName): string {
  const file = fileURLToPath(new URL(`../../${name}/main.js`, import.meta.url));
  if (existsSync(file)) return file;
  throw new MetatrainError(
    'PROGRAM_MISSING',
    `this command needs the ${name}, which metatrain-client does not contain; install the package metatrain instead`,
    { details: { program: name, package: 'metatrain' } },
  );
}
