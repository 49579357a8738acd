// One harness a cluster: a second one is refused while the first lives.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { startOf } from './processes.ts';

/** A function that unlocks the folder; undefined when another living process holds it. */
export function lockFolder(folder: string): (() => void) | undefined {
  const file = `${folder}.lock`;
  if (existsSync(file)) {
    const [pid, startedAt] = readFileSync(file, 'utf8').split(' ');
    if (startOf(Number(pid)) === startedAt) return undefined;
  }
  writeFileSync(file, `${process.pid} ${startOf(process.pid)}`);
  return () => rmSync(file, { force: true });
}
