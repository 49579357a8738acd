// The processors that this process may use. The present load of the machine does not count.
import { availableParallelism } from 'node:os';
import { type CgroupLimits, cgroupLimits } from './cgroup.ts';

/**
 * A whole number, at least 1: the processors that the process may run on, or the container's quota
 * if it is lower.
 */
export function usableProcessors(
  available: number = availableParallelism(),
  { processors = Number.POSITIVE_INFINITY }: Pick<CgroupLimits, 'processors'> = cgroupLimits(),
): number {
  // Above the quota, every thread is stopped for a part of each period, also the one that answers
  // heartbeats.
  return Math.max(1, Math.floor(Math.min(available, processors)));
}
