// V8's heap settings for a process with many payloads (docs/adr/0017).
import { setFlagsFromString } from 'node:v8';

/**
 * For every thread of the process:
 *
 * - The heap may grow to four times its live size. Payloads are short-lived but lie outside V8's
 *   heap. With V8's growth for a small heap, they cost a full collection every 80 meta-steps of a
 *   small model: half of the coordinator's processor time, a fifth of a worker's.
 * - No object is allocated in the old generation. If some objects outlive two young collections,
 *   for example results that a worker holds for a quarter of a second, V8 may allocate all later
 *   ones there, and they keep what they refer to. Then a worker promotes 1.3 MB a second instead of
 *   0.03, and collects its whole heap every six seconds. This happened in some processes only, so
 *   two equal clusters differed by 3 %.
 */
export function suitHeapToPayloads(): void {
  setFlagsFromString('--heap-growing-percent=300');
  setFlagsFromString('--no-allocation-site-pretenuring');
}
