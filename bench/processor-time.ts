// The processor time of a process, where the system tells it.
import { readFileSync } from 'node:fs';

/**
 * Milliseconds so far, user and system, from the clock of the kernel, which ticks a hundred times a
 * second. NaN where there is no /proc.
 */
export function processorMs(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN;
  // the name before may hold anything, brackets too
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}
