// How many processors' worth of time this process may use. A property of where we run: how busy the
// machine is now is not asked.
import { availableParallelism } from 'node:os';
import { type CgroupLimits, cgroupLimits } from './cgroup.ts';

/**
 * Whole ones, at least 1: the machine's that the process may run on, or what the container's quota is
 * worth where that is less.
 */
export function usableProcessors(
  available: number = availableParallelism(),
  { processors = Number.POSITIVE_INFINITY }: Pick<CgroupLimits, 'processors'> = cgroupLimits(),
): number {
  // Beyond the quota every thread is stopped for a part of each period, the one that answers heartbeats
  // too.
  return Math.max(1, Math.floor(Math.min(available, processors)));
}
