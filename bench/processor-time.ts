// The processor time of a process, if the system reports it.
import { readFileSync } from 'node:fs';

/**
 * User and system milliseconds so far, from the kernel's clock, which ticks a hundred times a
 * second. NaN without /proc.
 */
export function processorMs(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN;
  // the name before `) ` may contain any character
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}
