// The total memory of this machine or of its container. Free memory is not used, because it changes
// from minute to minute and equal jobs would then behave differently.
import { totalmem } from 'node:os';
import { cgroupLimits } from './cgroup.ts';

/** Bytes: the machine's, or the container's limit where that is lower. */
export function machineMemoryBytes(): number {
  return Math.min(totalmem(), cgroupLimits().memoryBytes ?? Number.POSITIVE_INFINITY);
}

/**
 * The share of memory for predictions. The rest is for the operating system, the JavaScript engine,
 * and ONNX Runtime's memory beyond the prediction: up to 0.8 times of it with a kept inner loop,
 * more with a recomputed one; measured in docs/engine.md.
 */
export const shareForCompute = 0.5;
