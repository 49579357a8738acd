// How much memory this machine, or the container that we are in, has in all. A property of where we run and not of the moment: what is free right now
// would make equal jobs behave differently from one minute to the next.
import { totalmem } from 'node:os';
import { cgroupLimits } from './cgroup.ts';

/** Bytes: the machine's, or the container's limit where that is lower. */
export function machineMemoryBytes(): number {
  return Math.min(totalmem(), cgroupLimits().memoryBytes ?? Number.POSITIVE_INFINITY);
}

/**
 * What predictions may count on. The other half is for the operating system, the JavaScript engine, and what ONNX Runtime takes beyond
 * the prediction: up to 0.8 times of it with a kept inner loop, more with one that is computed again, measured in docs/engine.md.
 */
export const shareForCompute = 0.5;
