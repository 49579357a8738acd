// The coordinator that is soaked, in a process of its own: as `metatrain coordinator` starts it, but that it keeps less of what has ended, so that every
// bounded set is full before the measurement begins; and it tells what lives in its heap when it is asked. Forked, with the state directory as argument.
import { startCoordinator } from '../../coordinator/main.ts';
import { delay } from '../../shared/clock.ts';
import { suitHeapToPayloads } from '../../shared/heap.ts';
import { createLogger } from '../../shared/log.ts';
import { bounds } from './bounds.ts';

declare const gc: () => void;

suitHeapToPayloads();
const coordinator = await startCoordinator(
  {
    stateDirectory: process.argv[2]!,
    host: '127.0.0.1',
    port: 0,
    http: { host: '127.0.0.1', port: 0 },
    limits: bounds,
  },
  { log: createLogger('coordinator', { level: 'error', format: 'json' }) },
);
const { address, http } = coordinator;
process.on('message', async () => {
  gc();
  // The memory of dead buffers is given back by another thread.
  await delay(500);
  gc();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  process.send?.({ heapUsed, external, arrayBuffers });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ address, http });
