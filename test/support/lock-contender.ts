// A process for tests of the state directory's lock: on a line on standard input it tries to take
// the lock, prints whether it has it, and keeps it until it is killed.
import { createInterface } from 'node:readline';
import { StateDirectory } from '../../coordinator/store/state-directory.ts';
import { asMetatrainError } from '../../shared/errors.ts';

const say = (what: unknown) => process.stdout.write(`${JSON.stringify(what)}\n`);

createInterface({ input: process.stdin }).on('line', (directory) => {
  StateDirectory.open(directory).then(
    () => say({ isOwner: true }),
    (thrown: unknown) => say({ isOwner: false, code: asMetatrainError(thrown).code }),
  );
});
say({ isReady: true });
