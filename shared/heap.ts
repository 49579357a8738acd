// How V8 keeps the heap of a process that payloads pass through.
import { setFlagsFromString } from 'node:v8';

/**
 * For every thread of the process:
 *
 * - The heap may grow to four times what lives in it. Payloads die young but lie outside V8's heap, and by the growth that V8 allows a small heap
 *   they cost a full collection every 80 meta-steps of a small model: half of the coordinator's processor time, a fifth of a worker's.
 * - No object is allocated old. Where V8 has seen some outlive two young collections, as results do that a worker holds for a quarter of a second, it
 *   may allocate all that follow among the old, whence they keep what they refer to: then a worker promotes 1.3 MB a second in the place of
 *   0.03, and collects its whole heap every six seconds. Some processes came to that and others did not, which made two equal clusters differ by 3 %.
 */
export function suitHeapToPayloads(): void {
  setFlagsFromString('--heap-growing-percent=300');
  setFlagsFromString('--no-allocation-site-pretenuring');
}
