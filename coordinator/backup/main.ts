// The program behind `metatrain backup`: copies a state directory while its coordinator goes on,
// and prints one line of what it copied. Exit code 0 when the copy is whole and checked, 1 with a
// reason otherwise, 2 on wrong usage.
import { MetatrainError } from '../../shared/errors.ts';
import { printableLines } from '../../shared/foreign-text.ts';
import { backUp } from '../store/backup.ts';
import { readBackupConfig } from './config.ts';

const { stateDir, output, json, exitWithParent } = readBackupConfig(process.argv.slice(2));
if (exitWithParent) process.stdin.once('end', () => process.exit(1)).resume();
try {
  const backup = await backUp(stateDir, output);
  const { jobs, checkpoints, bytes } = backup;
  const text = `${output}: ${jobs} jobs, ${checkpoints} checkpoints (${bytes} bytes), all checked`;
  process.stdout.write(`${json ? JSON.stringify({ output, ...backup }) : text}\n`, () => process.exit(0));
} catch (thrown) {
  if (!(thrown instanceof MetatrainError)) throw thrown;
  const { code, message } = thrown;
  process.stderr.write(`metatrain backup: ${printableLines(message)}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  process.exitCode = 1;
  process.stdin.destroy();
}
