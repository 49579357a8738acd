// How far V8 lets the heap of a process that moves payloads grow before it is collected whole.
import { setFlagsFromString } from 'node:v8';

/**
 * To four times what lives in it. Payloads die young but lie outside V8's heap, and by the growth that V8 allows a small heap they cost a full
 * collection every 80 meta-steps of a small model: half of the coordinator's processor time, a fifth of a worker's. For every thread of the process.
 */
export function letHeapGrow(): void {
  setFlagsFromString('--heap-growing-percent=300');
}
